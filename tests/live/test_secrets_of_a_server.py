"""A server's secrets go through everything that people and their mistakes do with it, and are found nowhere afterwards.

Looked for in any spelling: in ROOT and its databases, in the log at its most talkative, in what is printed, in every answer, in the arguments and
environments of all processes while they run; also while requests fail, a worker dies, the workers are replaced, and after a crash.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from history.stage import children, wait_for_workers
from needles.search import Search
from needles.watching import ask, exchange, watched

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

FORM = "application/x-www-form-urlencoded"
NAVIGATES = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
GIVEN_IN = {"config.toml", "initialize_token"}


class Story:
    """One server, its secrets, and who uses it. All that is answered is searched."""

    def __init__(self, folder: Path) -> None:
        # Characters that are written in another way in each place.
        self.read, self.write, self.wrong, self.next = (f"needle/{secrets.token_hex(12)}+{secrets.token_hex(4)}=" for _ in range(4))
        self.search = Search(self.read, self.write, self.wrong, self.next, users=("local",))
        self.sessions: set[str] = set()
        given = folder / "given"
        given.mkdir()
        config = given / "config.toml"
        config.touch(mode=0o600)
        config.write_text(self.config())
        self.server = LiveServer(folder / "root", options=["--config", str(config), "--debug", "--workers", "2"])
        self.writer, self.reader = basic_auth("local", self.write), basic_auth("local", self.read)

    def config(self, read: str = "") -> str:
        return f'[local]\ntype = "file_system"\nread_secret = "{read or self.read}"\nwrite_secret = "{self.write}"\n'

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        return ask(self.search, self.server, method, path, body, **headers)

    def publish(self, file: Distribution, authorization: str = "", **fields: str) -> int:
        body, content_type = upload_form(file, fields)
        return self.ask("POST", "/simple/", body, **{"Authorization": authorization or self.writer, "Content-Type": content_type})

    def log_in(self, secret: str) -> tuple[int, str]:
        """The status, and the cookie of the session."""
        _, headers, page = exchange(self.search, self.server, "GET", "/login/", **NAVIGATES)
        cookie = (headers["Set-Cookie"] or "").partition(";")[0]
        (token,) = re.findall('name="form_token" value="([^"]*)"', page)
        fields = {"pkg_repo_name": "local", "pkg_repo_secret_raw": secret, "form_token": token, "next": "/"}
        more = {"Content-Type": FORM, "Origin": self.server.url.rstrip("/"), "Cookie": cookie}
        status, headers, _ = exchange(self.search, self.server, "POST", "/login/", urlencode(fields).encode(), **NAVIGATES, **more)
        session = (headers["Set-Cookie"] or "").partition(";")[0]
        self.sessions |= {one.partition("=")[2] for one in (cookie, session) if one}
        return status, session

    def initialize(self, config: str) -> int:
        token = (self.server.root / "initialize_token").read_text().strip()
        form = urlencode({"config": config, "admin_secret": ""}).encode()
        return self.ask("POST", "/initialize/", form, **{"Authorization": f"Bearer {token}", "Content-Type": FORM})

    def command(self, *words: str, secret: str) -> int:
        """A command that gets the secret from its environment, which is the one place where it is."""
        command = [sys.executable, "-m", "pywharf", *words, "--secret_env", "NEEDLE", "--debug"]
        environ: Mapping[str, str] = {**os.environ, "NEEDLE": secret}
        done = subprocess.run(command, env=environ, cwd=self.server.root.parent, capture_output=True, timeout=60, check=False)
        self.search.look(f"output of {words[0]}", done.stdout + done.stderr)
        return done.returncode


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_a_servers_secrets_are_nowhere_but_where_they_were_given(story: Story) -> None:
    with story.server as server:
        with watched(story.search, server):
            uploads_and_reads(story)
            mistakes(story)
            people(story)
            changes(story)
            configures_anew(story)
            os.kill(children(server.pid)[0], signal.SIGKILL)
            wait_for_workers(server, 2)
            os.kill(server.pid, signal.SIGHUP)
            trouble(story)
        assert not story.search.hits, story.search.shown
        server.kill()
        server.start()
        assert story.publish(make_wheel("demo", "9.0")) == 200

    search = story.search
    search.look("output of the server", server.output)
    assert not search.hits, search.shown
    token = (server.root / "initialize_token").read_text().strip()
    kept = Search(story.read, story.write, story.wrong, story.next, token, *story.sessions, users=("local",))
    kept.look_below(server.root)
    kept.look_below(server.root.parent / "given")
    kept.look("output of the server", server.output)

    # It finds what is there; and that only its owner reads.
    assert sorted(kept.hits) == ["given/config.toml", "root/config.toml", "root/initialize_token"], kept.shown
    assert {stat.S_IMODE((server.root / name).stat().st_mode) for name in GIVEN_IN} == {0o600}
    assert len(story.sessions) > 3
    assert " DEBUG " in server.output
    assert search.seen > 200_000


def uploads_and_reads(story: Story) -> None:
    assert story.publish(make_wheel("demo", "1.0", description="A text")) == 200
    assert story.publish(make_wheel("demo", "1.0", description="A text")) == 200
    assert story.publish(make_wheel("demo", "1.0", description="Another text")) == 409
    assert story.publish(make_sdist("demo", "1.1", files={"large.bin": os.urandom(300_000)})) == 200
    name = "demo-1.0-py3-none-any.whl"
    for path in ("/simple/", "/simple/demo/", f"/simple/demo/{name}", f"/simple/demo/{name}.metadata", "/pypi/demo/json", "/index_mtime/"):
        assert story.ask("GET", path, Authorization=story.reader) == 200
    for path in ("/metrics", "/metrics/", "/health/", "/feeds/latest.atom", f"/integrity/demo/1.0/{name}/provenance", "/simple/nobody/"):
        for authorization in (story.reader, story.writer):
            story.ask("GET", path, Authorization=authorization)


def mistakes(story: Story) -> None:
    wheel = make_wheel("demo", "2.0")
    assert story.publish(wheel, story.reader) == 403
    assert story.publish(wheel, basic_auth("local", story.wrong)) == 401
    assert story.publish(wheel, basic_auth(story.write, "local")) == 401
    assert story.publish(wheel, f"Bearer {story.write}") == 401
    assert story.publish(wheel, f"Basic !{story.write}") == 401
    assert story.publish(wheel, sha256_digest="0" * 64) == 400
    assert story.publish(wheel, metadata_version="") == 400
    for secret in (story.read, story.write):
        for path in (f"/simple/?secret={quote(secret)}", f"/nothing?{urlencode({'x': secret})}"):
            story.ask("GET", path, Authorization=story.reader, Referer=f"http://local:{secret}@host/")
            story.ask("GET", path, **{"User-Agent": f"pip {secret}", "X-Token": secret, "Cookie": f"pywharf={secret}"})
    for scheme in ("Basic", "Bearer", "Token"):  # few, since an address that shows too many wrong ones is held up
        story.ask("GET", "/simple/", Authorization=f"{scheme} {story.write}")
        story.ask("POST", "/initialize/", b"config=x", **{"Authorization": f"{scheme} {story.read}", "Content-Type": FORM})


def people(story: Story) -> None:
    assert story.log_in(story.wrong)[0] == 401
    for secret in (story.read, story.write):
        status, cookie = story.log_in(secret)
        assert status == 303
        for path in ("/", "/projects/", "/projects/demo/", "/projects/demo/1.0/", "/projects/demo/manage/", "/nothing", "/simple/?x=y"):
            story.ask("GET", path, Cookie=cookie, **NAVIGATES)
        assert story.ask("GET", "/logout/", Cookie=cookie, **NAVIGATES) in (200, 303)


def changes(story: Story) -> None:
    url = story.server.url
    assert story.command("yank", "local", "demo", "1.0", "--reason", "broken", "--url", url, secret=story.write) == 0
    assert story.command("status", "local", "demo", "deprecated", "--url", url, secret=story.write) == 0
    for secret in (story.read, story.wrong):
        assert story.command("unyank", "local", "demo", "1.0", "--url", url, secret=secret)
    assert story.command("update_index", "file_system", "local", "--root", str(story.server.root), secret=story.write) == 0


def configures_anew(story: Story) -> None:
    wrong = [
        story.config() + f"token = {story.write}\n",
        story.config() + f'token = "{story.write}"\n',
        story.config() + f'path = "{story.write}"\n',
        story.config() + f'sync_index_interval = "{story.write}"\n',
        story.config() + f'[other]\ntype = "file_system"\nread_secret = {{raw = "{story.write}", label = "!"}}\n',
    ]
    for config in wrong:
        assert story.initialize(config) == 400, config
    for read in (story.next, story.read):
        assert story.initialize(story.config(read)) == 200
        end = time.monotonic() + 30  # the other worker follows
        while {story.ask("GET", "/simple/", Authorization=basic_auth("local", read)) for _ in range(4)} != {200}:
            assert time.monotonic() < end
            time.sleep(0.5)


def trouble(story: Story) -> None:
    """The storage is not there, and the index is damaged; then all is well again."""
    journal = story.server.root / "cache" / "local" / "storage" / "journal.jsonl"
    journal.rename(journal.with_name("aside"))
    assert {story.publish(make_wheel("demo", f"3.{at}")) for at in range(3)} == {503}
    journal.with_name("aside").rename(journal)
    for index in story.server.root.glob("index/local.sqlite*"):
        index.write_bytes(b"damaged " * 1000)
    for authorization in (story.reader, story.writer):
        for path in ("/simple/", "/simple/demo/", "/health/"):
            story.ask("GET", path, Authorization=authorization)
