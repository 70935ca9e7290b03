"""One server with two workers: clients of either see the same, at once."""

from __future__ import annotations

import http.client
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

pytestmark = pytest.mark.live

JSON = "application/vnd.pypi.simple.v1+json"
READ, WRITE = "the-secret-that-reads", "the-secret-that-writes"
CONFIG = f'[local]\ntype = "file_system"\nread_secret = "{READ}"\nwrite_secret = "{WRITE}"\n'


class Client:
    """A connection that stays open, and so with one worker."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)

    def upload(self, wheel: Distribution, secret: str = WRITE) -> int:
        return send_upload(self._connection, basic_auth("local", secret), wheel)[0]

    def get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers={"Authorization": basic_auth("local", READ), "Accept": JSON})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def files(self, project: str) -> dict[str, str]:
        status, body = self.get(f"/simple/{project}/")
        return {file["filename"]: file["hashes"]["sha256"] for file in json.loads(body)["files"]} if status == 200 else {}

    def worker(self, name: str) -> int:
        """Who it speaks to, by the log. name: of a project that nobody else asks for."""
        self.get(f"/simple/{name}/")
        end = time.monotonic() + 30
        while not (found := re.search(rf"\[(\d+)\] pywharf\.access: GET /simple/{name}/ ", self._server.output)):
            assert time.monotonic() < end
            time.sleep(0.01)
        return int(found[1])

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    (tmp_path / "config.toml").write_text(CONFIG)
    with LiveServer(tmp_path / "root", options=["--config", str(tmp_path / "config.toml"), "--workers", "2"]) as server:
        end = time.monotonic() + 60
        while len(server.worker_pids()) < 2:
            assert time.monotonic() < end, server.output
            time.sleep(0.02)
        yield server


def clients_of_both(server: LiveServer, stack: ExitStack) -> list[Client]:
    found: dict[int, Client] = {}
    for number in range(500):
        client = Client(server)
        stack.callback(client.close)
        found.setdefault(client.worker(f"probe-{number}"), client)
        if len(found) == 2:
            assert sorted(found) == sorted(server.worker_pids())
            return list(found.values())
    raise AssertionError("one worker answers everything")


def test_what_is_uploaded_through_one_worker_is_on_the_next_page_of_the_other(server: LiveServer) -> None:
    with ExitStack() as stack:
        one, other = clients_of_both(server, stack)
        expected: dict[str, str] = {}
        for number in range(20):
            wheel = make_wheel("demo", f"1.{number}")
            assert one.upload(wheel) == 200
            expected[wheel.filename] = wheel.sha256
            assert other.files("demo") == expected
            assert other.get(f"/simple/demo/{wheel.filename}") == (200, wheel.data)
            assert other.upload(make_wheel("demo", f"1.{number}", files={"other.py": "1"})) == 409
            one, other = other, one


def test_a_new_configuration_reaches_the_other_worker_within_moments(server: LiveServer, tmp_path: Path) -> None:
    token = (server.root / "initialize_token").read_text().strip()
    with ExitStack() as stack:
        one, other = clients_of_both(server, stack)
        assert one.upload(make_wheel("demo", "1.0")) == 200
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        stack.callback(connection.close)
        body = "config=" + CONFIG.replace(WRITE, "another-secret") + "&admin_secret="
        connection.request(
            "POST", "/initialize/", body, {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
        )
        assert connection.getresponse().status == 200

        end = time.monotonic() + 30
        for client in (one, other):
            while client.upload(make_wheel("demo", "2.0"), "another-secret") != 200:
                assert time.monotonic() < end
                time.sleep(0.1)
            assert client.upload(make_wheel("demo", "3.0")) == 401


def test_all_processes_are_gone_after_a_crash_of_all_and_the_next_start_has_everything(server: LiveServer) -> None:
    with ExitStack() as stack:
        (client, _) = clients_of_both(server, stack)
        wheel = make_wheel("demo", "1.0")
        assert client.upload(wheel) == 200

        assert server.kill() == -signal.SIGKILL
        with pytest.raises(OSError):  # no worker is left that would answer
            Client(server).get("/health/")
        server.start()

        again = Client(server)
        stack.callback(again.close)
        assert again.files("demo") == {wheel.filename: wheel.sha256}
