"""A token goes through everything a server does with a git host, also when that goes wrong, and is found nowhere afterwards.

Looked for in any spelling: in ROOT, in the log at its most talkative, in what the server and the commands print, in every answer,
in the processes' arguments and environments while they run, in the repository and in the mirror, compressed objects included.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pytest
from live.git.served import NAME, Client, Served, expect

from pywharf.backend.interface import Access
from pywharf.testing.distributions import make_wheel
from pywharf.testing.git_faults import Respond
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]


def spellings(token: str) -> dict[str, bytes]:
    """How a token could be written, by what that is called."""
    found = {"as it is": token, "percent-encoded": quote(token, safe=""), "as in a form": quote_plus(token), "hex": token.encode().hex()}
    for user in ("x-access-token", NAME, ""):
        pair = f"{user}:{token}" if user else token
        encoded = base64.b64encode(pair.encode()).decode().rstrip("=")
        found[f"base64 of {user}"] = encoded
        found[f"base64 for URLs of {user}"] = encoded.replace("+", "-").replace("/", "_")
    for before in range(3):  # inside of something longer, wherever it begins there
        encoded = base64.b64encode(b"\0" * before + token.encode()).decode()
        found[f"base64 within, {before}"] = encoded[4 if before else 0 : -4]
    return {name: text.encode() for name, text in found.items()}


class Search:
    """Looks for tokens in whatever it is shown."""

    def __init__(self, *tokens: str) -> None:
        alternatives = {form for token in tokens for form in spellings(token).values()}
        self._wanted = re.compile(b"|".join(re.escape(form) for form in alternatives), re.IGNORECASE)
        self.hits: list[str] = []
        self.seen = 0  # bytes

    def look(self, where: str, data: bytes | str) -> None:
        raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        self.seen += len(raw)
        if found := self._wanted.search(raw):
            self.hits.append(where)
            print(where, raw[max(0, found.start() - 300) : found.end() + 100])  # shown where the test fails

    def look_below(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            self.look(f"the name of {path}", path.name)
            if path.is_file():
                self.look(str(path.relative_to(folder.parent)), path.read_bytes())

    def look_into_git(self, folder: Path) -> None:
        """Every object, uncompressed."""
        command = ["git", "--git-dir", str(folder), "cat-file", "--batch-all-objects", "--batch"]
        objects = subprocess.run(command, capture_output=True, check=True).stdout
        assert objects
        self.look(f"objects of {folder.name}", objects)


@contextmanager
def watched(search: Search, server: LiveServer) -> Iterator[None]:
    """Look at the process and all that come from it, again and again."""
    stop, rounds = threading.Event(), [0]

    def look() -> None:
        while not stop.is_set():
            for pid in family(server.pid):
                for name in ("cmdline", "environ"):
                    try:
                        search.look(f"{name} of a process", Path(f"/proc/{pid}/{name}").read_bytes())
                    except OSError:
                        continue  # it has ended
            rounds[0] += 1
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert rounds[0] > 3


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def ask(search: Search, server: LiveServer, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
    """A request of any kind; the whole answer is looked at."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    search.look(f"answer to {method} {path.split('?')[0]}", f"{answer.status} {answer.reason}\n{answer.headers}".encode() + answer.read())
    connection.close()
    return answer.status


def test_a_token_is_nowhere_but_in_the_file_it_was_given_in(served: Served, tmp_path: Path) -> None:
    # Characters that are written in another way in each place.
    served.writer, served.reader = (f"needle/{secrets.token_hex(12)}+{secrets.token_hex(4)}=" for _ in range(2))
    for token, access in ((served.writer, Access.WRITE), (served.reader, Access.READ)):
        served.host.grant(served.hosted.repository, access, token=token)
    served.settings["timeout"] = 2.0
    search = Search(served.writer, served.reader)
    theirs = f"{served.writer} {basic_auth('x-access-token', served.writer)}"
    echo = f"{theirs} {served.reader} {basic_auth('x-access-token', served.reader)}"

    with served.server(options=["--debug"]) as server:
        with watched(search, server):
            writer, reader = basic_auth(NAME, served.writer), basic_auth(NAME, served.reader)

            def publish(version: str, authorization: str = writer, **files: bytes) -> int:
                body, content_type = upload_form(make_wheel("demo", version, files=files or None))
                return ask(search, server, "POST", "/simple/", body, **{"Authorization": authorization, "Content-Type": content_type})

            assert publish("1.0") == 200
            assert publish("1.1", large=secrets.token_bytes(5_000_000)) == 200
            assert publish("1.1") == 409
            assert publish("1.2", reader) == 403
            assert publish("1.2", "Basic !" + served.writer) == 401
            assert publish("1.2", f"Bearer {served.writer}") == 401
            assert publish("1.2", basic_auth(served.writer, NAME)) == 401
            for path in ("/simple/", "/simple/demo/", "/simple/demo/demo-1.0-py3-none-any.whl", "/simple/nobody/", f"/simple/{'x' * 300}/"):
                ask(search, server, "GET", path, Authorization=reader)

            # Hosts that repeat what they were sent, wherever they can.
            for status in (500, 429, 403, 401, 404, 408, 200, 302):
                location = f"{served.host.url('acme/other')}/{quote(served.writer)}"
                headers = {"Location": location, "Retry-After": served.writer, "WWW-Authenticate": f"Basic realm={echo}", "X-Echo": echo}
                served.host.fail(Respond(status, headers=headers, text=echo), times=None)
                assert publish("1.3") in (403, 503)
                ask(search, server, "GET", "/simple/nobody/", Authorization=reader)
                served.host.mend()
            served.host.hook(served.hosted.repository, "pre-receive", f"#!/bin/sh\necho 'error: {theirs}' >&2\nexit 1\n")
            assert publish("1.3") == 403
            served.host.hook(served.hosted.repository, "pre-receive", "")
            served.host.stop()
            assert publish("1.3") == 503
            served.host.start()

            # Configured anew: refused for what is wrong with it, and taken.
            may = f"Bearer {(server.root / 'initialize_token').read_text().strip()}"
            wrong = [
                (served.config(), f'[{NAME}]\ntype = "github"\nraw = {served.writer}\n'),
                (served.config(), f'[{NAME}]\ntype = "github"\nraws = "{served.writer}"\n'),
                (served.config().replace("http://", f"http://x:{quote(served.writer)}@"), served.admin_secret()),
                (served.config() + f'token = "{served.writer}"\n', served.admin_secret()),
            ]
            for config, admin_secret in wrong:
                form = urlencode({"config": config, "admin_secret": admin_secret}).encode()
                told = {"Authorization": may, "Content-Type": "application/x-www-form-urlencoded"}
                assert ask(search, server, "POST", "/initialize/", form, **told) == 400
            form = urlencode({"config": served.config(), "admin_secret": served.admin_secret()}).encode()
            assert ask(search, server, "POST", "/initialize/", form, **told) == 200
            assert publish("1.3") == 200
            assert expect(200, Client(server.url, served.reader).get("demo/")).body

            # A command that gets it from its environment, which is the one place where it is. Its arguments are looked at, too.
            words = [f"--{key}={value}" for key, value in config_words(served)]
            command = [sys.executable, "-m", "pywharf", "update_index", "github", NAME, "--secret_env", "NEEDLE", *words]
            for token in (served.writer, served.reader, served.writer + "x"):
                done = subprocess.run(
                    command, env={**os.environ, "NEEDLE": token}, cwd=tmp_path, capture_output=True, timeout=60, check=False
                )
                assert done.returncode == (0 if token == served.writer else done.returncode or 1), done.stderr
                search.look("output of update_index", done.stdout + done.stderr)
        assert not search.hits
    search.look("output of the server", server.output)
    search.look_below(server.root)
    search.look_below(served.hosted.path)
    search.look_into_git(served.hosted.path)
    [mirror] = server.root.glob("cache/*/*/mirror.git")
    search.look_into_git(mirror)

    # It finds what is there; and that only its owner reads.
    assert search.hits == ["root/admin_secret.toml"]
    assert stat.S_IMODE((server.root / "admin_secret.toml").stat().st_mode) == 0o600
    assert search.seen > 10_000_000
    assert " DEBUG " in server.output


def config_words(served: Served) -> list[tuple[str, object]]:
    table = dict(line.split(" = ", 1) for line in served.config().splitlines()[1:])
    return [(key, json.loads(value)) for key, value in table.items() if key in ("owner", "repo", "git_url")]
