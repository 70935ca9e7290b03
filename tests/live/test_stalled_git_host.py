"""A git host that takes connections and keeps silent, and a crowd that uploads all the same: everything that is here goes on being served.

A real server with its default number of threads. The figures are printed with `pytest -s`.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pywharf.backend.interface import Access
from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.git_faults import Stall
from pywharf.testing.git_server import GitServer
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: there is no git host")]

UPLOADS = 60
TIMEOUT = 10  # seconds that the host may keep silent, by the configuration
PATIENT = 60  # seconds of our clients
KNOWN = make_wheel("known", "1.0")


class Team:
    """A server on a git host, with tokens that it knows."""

    def __init__(self, host: GitServer, server: LiveServer, writer: str, reader: str) -> None:
        self.host = host
        self.server = server
        self.writer = basic_auth("wheels", writer)
        self.reader = basic_auth("wheels", reader)

    def connected(self) -> contextlib.closing[http.client.HTTPConnection]:
        return contextlib.closing(http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=PATIENT))

    def upload(self, wheel: Distribution, authorization: str) -> int:
        with self.connected() as connection:
            return send_upload(connection, authorization, wheel)[0]

    def get(self, path: str) -> bytes:
        with self.connected() as connection:
            connection.request("GET", path, headers={"Authorization": self.reader})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, (path, answer.status, body)
            return body


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with GitServer(tmp_path / "host") as host:
        host.create("acme/wheels")
        writer, reader = (host.grant("acme/wheels", access) for access in (Access.WRITE, Access.READ))
        (tmp_path / "config.toml").write_text(
            f'[wheels]\ntype = "github"\nowner = "acme"\nrepo = "wheels"\ngit_url = "{host.url_template}"\n'
            f"min_push_interval = 0\ntimeout = {TIMEOUT}\n"
        )
        (tmp_path / "secret.toml").write_text(f'[wheels]\ntype = "github"\nraw = "{reader}"\n')
        options = ["--config", str(tmp_path / "config.toml"), "--admin_secret", str(tmp_path / "secret.toml")]
        with LiveServer(tmp_path / "root", options=options) as server:
            team = Team(host, server, writer, reader)
            assert team.upload(KNOWN, team.writer) == 200
            team.get("/simple/known/")
            yield team
            host.mend()


@pytest.mark.parametrize("writers", ["known", "unknown"])
def test_pages_and_known_files_are_served_while_the_git_host_keeps_silent_and_many_upload(team: Team, writers: str) -> None:
    tokens = [team.host.grant("acme/wheels", Access.WRITE) for _ in range(UPLOADS)]
    authorizations = [team.writer] * UPLOADS if writers == "known" else [basic_auth("wheels", token) for token in tokens]
    silence = Stall(seconds=TIMEOUT * 3)
    team.host.fail(silence, times=None)
    statuses: Counter[int] = Counter()
    guard = threading.Lock()

    def upload(number: int) -> None:
        status = team.upload(make_wheel(f"project{number}", "1.0"), authorizations[number])
        with guard:
            statuses[status] += 1

    uploads = [threading.Thread(target=upload, args=(number,)) for number in range(UPLOADS)]
    for thread in uploads:
        thread.start()
    took = []
    while any(thread.is_alive() for thread in uploads):
        began = time.monotonic()
        assert b"known-1.0" in team.get("/simple/known/")
        assert team.get(f"/simple/known/{KNOWN.filename}") == KNOWN.data
        took.append(time.monotonic() - began)
        time.sleep(0.1)

    print(f"{writers} writers: {dict(statuses)}; {len(took)} pages and files meanwhile, the slowest after {max(took):.1f} s")
    assert statuses == {503: UPLOADS}
    assert max(took) < TIMEOUT  # the crowd held nobody up until the host's silence was over
    assert len(took) > 10

    silence.released.set()
    team.host.mend()
    end = time.monotonic() + 60
    while team.upload(make_wheel("again", "1.0"), team.writer) != 200:
        assert time.monotonic() < end
        time.sleep(0.5)
    assert b"again-1.0" in team.get("/simple/again/")
