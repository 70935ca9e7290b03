"""A real server in front of a git host that takes connections and keeps silent, later of one that answers again.

docs/decisions/0027-a-circuit-breaker-per-storage.md. The figures are printed with `pytest -s`.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from faults.upload_once import upload
from live.git.one_step import open_repository
from live.git.served import NAME, Answer, Client, Served, eventually, expect

from pywharf.repository.breaker import LONGEST
from pywharf.testing.distributions import make_wheel
from pywharf.testing.git_faults import Stall
from pywharf.testing.git_server import GitServer
from pywharf.testing.live_server import LiveServer

pytestmark = pytest.mark.live

TIMEOUT = 2.0  # seconds that the host may keep silent, by the configuration
CROWD = 8
FAR = [make_wheel("far", f"1.{number}") for number in range(CROWD)]  # listed, and never fetched by this server
NEAR = make_wheel("near", "1.0")


class Scene:
    def __init__(self, served: Served, server: LiveServer) -> None:
        self.served, self.server = served, server
        self.client = served.client(server, keep=False)

    def health(self) -> dict[str, object]:
        secret = base64.b64encode(f"{NAME}:{self.served.writer}".encode()).decode()
        with urlopen(Request(f"{self.server.url}health/", headers={"Authorization": f"Basic {secret}"})) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    def fetch(self, number: int) -> tuple[Answer, float]:
        """One of the files that only the host has; and how many seconds its answer took."""
        began = time.monotonic()
        answer = self.served.client(self.server, keep=False).get(f"far/{FAR[number % CROWD].filename}")
        return answer, time.monotonic() - began

    def crowd(self, times: int = 1) -> list[tuple[Answer, float]]:
        found: list[tuple[Answer, float]] = []

        def come(number: int) -> None:
            for _ in range(times):
                found.append(self.fetch(number))

        threads = [threading.Thread(target=come, args=(number,)) for number in range(CROWD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


@pytest.fixture
def scene(host: GitServer, tmp_path: Path) -> Iterator[Scene]:
    served = Served(host, tmp_path, {"timeout": TIMEOUT})
    others = open_repository(served.folder / "others", served.config(), served.admin_secret())
    others.sync()
    for wheel in FAR:
        path = served.folder / wheel.filename
        path.write_bytes(wheel.data)
        assert upload(others, path, served.writer) == "ACK"
    others.close()
    with served.server() as server:
        scene = Scene(served, server)
        expect(200, scene.client.upload(NEAR))
        scene.client.check_file(NEAR)
        yield scene
        host.mend()


def test_a_host_that_keeps_silent_is_left_alone_until_it_answers_again(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    host = scene.served.host
    assert scene.health()["status"] == "ok"
    silence = Stall(seconds=60)
    host.fail(silence, times=None)
    first = scene.crowd()
    assert {answer.status for answer, _ in first} == {503}

    # From here on it is known. Whoever comes is refused at once, with a time to come again, and at most one asks the host.
    host.forget_requests()
    later = scene.crowd(times=10)
    asked = len(host.requests)
    refused = sorted(took for _, took in later)
    assert {answer.status for answer, _ in later} == {503}
    assert all(answer.retry_after is not None and 1 <= answer.retry_after <= LONGEST for answer, _ in later)
    assert asked <= 2  # a probe, and the sync of that moment
    assert refused[len(refused) // 2] < TIMEOUT
    with capsys.disabled():
        print(
            f"\nsilent host, timeout {TIMEOUT:g} s: {len(first)} waited for {max(took for _, took in first):.1f} s at most; "
            f"then {len(later)} refused, the median after {1000 * refused[len(refused) // 2]:.0f} ms, the host was asked {asked} times"
        )

    # What is here goes on, an upload is refused before it is sent, and health says since when.
    scene.client.check_file(NEAR)
    expect(200, scene.client.get("far/"))
    told = scene.health()
    assert told["status"] == "degraded"
    repository = told["repository"]
    assert isinstance(repository, dict)
    assert (repository["name"], repository["ready"]) == (NAME, True)
    assert "kept silent" in repository["problem"]
    assert time.time() - 300 < repository["problem_since"] <= time.time()

    # The host answers again: seen by whoever comes when he was told to.
    silence.released.set()
    host.mend()
    statuses: Counter[int] = Counter()

    def is_over() -> bool:
        answer, _ = scene.fetch(0)
        statuses[answer.status] += 1
        if answer.status == 503:
            time.sleep(min(answer.retry_after or 1, 2))
        return answer.status == 200

    eventually(is_over, within=3 * LONGEST)
    assert {answer.status for answer, _ in scene.crowd()} == {200}
    expect(200, scene.client.upload(make_wheel("near", "2.0")))
    eventually(lambda: scene.health()["status"] == "ok")
    scene.served.check_history()
    assert scene.server.output.count("the storage keeps failing and is left alone for a while") == 1
    assert scene.server.output.count("the storage answers again") == 1


def test_one_storage_in_trouble_takes_nothing_from_another(host: GitServer, tmp_path: Path) -> None:
    served = Served(host, tmp_path, {"timeout": TIMEOUT})
    local = '\n[local]\ntype = "file_system"\nread_secret = "r"\nwrite_secret = "w"\n'
    config = tmp_path / "two.toml"
    config.touch(mode=0o600)
    config.write_text(served.config() + local)
    admin = tmp_path / "two_secret.toml"
    admin.touch(mode=0o600)
    admin.write_text(served.admin_secret())
    with LiveServer(tmp_path / "root", options=["--config", str(config), "--admin_secret", str(admin)]) as server:
        silence = Stall(seconds=60)
        host.fail(silence, times=None)
        tokens = served.grant_writers(CROWD)
        threads = [threading.Thread(target=Client(server.url, token, keep=False).get, args=("",)) for token in tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        mine = Client(server.url, "w", keep=False, repository="local")
        for number in range(5):
            wheel = make_wheel("demo", f"1.{number}")
            expect(200, mine.upload(wheel))
            mine.check_file(wheel)
        assert expect(503, served.client(server).get("")).retry_after is not None
        silence.released.set()
        host.mend()
