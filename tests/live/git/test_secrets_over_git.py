"""A token goes through everything a server does with a git host, also when that goes wrong, and is found nowhere afterwards.

Looked for in any spelling: in ROOT, in the log at its most talkative, in what the server and the commands print, in every answer,
in the processes' arguments and environments while they run, in the repository and in the mirror, compressed objects included.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from live.git.served import NAME, Client, Served, expect
from needles.search import Search
from needles.watching import ask, watched

from pywharf.backend.interface import Access
from pywharf.testing.distributions import make_wheel
from pywharf.testing.git_faults import Respond
from pywharf.testing.uploads import basic_auth, upload_form

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]


def test_a_token_is_nowhere_but_in_the_file_it_was_given_in(served: Served, tmp_path: Path) -> None:
    # Characters that are written in another way in each place.
    served.writer, served.reader = (f"needle/{secrets.token_hex(12)}+{secrets.token_hex(4)}=" for _ in range(2))
    for token, access in ((served.writer, Access.WRITE), (served.reader, Access.READ)):
        served.host.grant(served.hosted.repository, access, token=token)
    served.settings["timeout"] = 10.0
    search = Search(served.writer, served.reader, users=("x-access-token", NAME))
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
        assert not search.hits, search.shown
    search.look("output of the server", server.output)
    search.look_below(server.root)
    search.look_below(served.hosted.path)
    search.look_into_git(served.hosted.path)
    [mirror] = server.root.glob("cache/*/*/mirror.git")
    search.look_into_git(mirror)

    # It finds what is there; and that only its owner reads.
    assert search.hits == ["root/admin_secret.toml"], search.shown
    assert stat.S_IMODE((server.root / "admin_secret.toml").stat().st_mode) == 0o600
    assert search.seen > 10_000_000
    assert " DEBUG " in server.output


def config_words(served: Served) -> list[tuple[str, object]]:
    table = dict(line.split(" = ", 1) for line in served.config().splitlines()[1:])
    return [(key, json.loads(value)) for key, value in table.items() if key in ("owner", "repo", "git_url")]
