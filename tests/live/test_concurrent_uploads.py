"""Many uploaders at once, on one server and on two, and through a crash: what was acknowledged is there, whole, once.

Real server processes, real HTTP, real files. The figures are printed with `pytest -s`.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

pytestmark = pytest.mark.live

CONFIG = '[local]\ntype = "file_system"\nread_secret = "read-it"\nwrite_secret = "write-it"\n'
WRITER, READER = basic_auth("local", "write-it"), basic_auth("local", "read-it")
UPLOADERS = 16
FILES = 1000
PROJECTS = 10  # so that uploaders meet in one project all the time
DISPUTED = 50  # names that every server is sent twice, with different bytes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def configured(root: Path) -> LiveServer:
    return LiveServer(root, options=["--config", CONFIG, "--config_or_admin_secret_can_be_text"])


@dataclass
class Outcome:
    """What the clients were told."""

    stored: dict[str, str] = field(default_factory=dict)  # acknowledged: sha256 by file name
    refused: list[tuple[str, str]] = field(default_factory=list)  # name and sha256 of what was answered 409
    unknown: list[tuple[str, str]] = field(default_factory=list)  # no answer, or 5xx
    guard: threading.Lock = field(default_factory=threading.Lock)

    def note(self, wheel: Distribution, status: int | None) -> None:
        with self.guard:
            if status == 200:
                assert self.stored.setdefault(wheel.filename, wheel.sha256) == wheel.sha256, f"{wheel.filename}: two contents acknowledged"
            elif status == 409:
                self.refused.append((wheel.filename, wheel.sha256))
            else:
                assert status is None or status == 503, f"{wheel.filename}: {status}"
                self.unknown.append((wheel.filename, wheel.sha256))


def workload() -> list[Distribution]:
    """FILES wheels; DISPUTED of their names come a second time with other bytes, far apart."""
    wheels = [make_wheel(f"project{at % PROJECTS}", f"1.{at}", files={"x.py": f"at = {at}"}) for at in range(FILES)]
    return wheels + [make_wheel(f"project{at % PROJECTS}", f"1.{at}", files={"x.py": "other = 1"}) for at in range(DISPUTED)]


def upload_all(urls: Sequence[str], wheels: Sequence[Distribution], outcome: Outcome, stop: threading.Event | None = None) -> None:
    """UPLOADERS clients share the work; each keeps its connection, and takes the servers in turn."""
    shares = [wheels[at::UPLOADERS] for at in range(UPLOADERS)]

    def one(number: int) -> None:
        address = urlsplit(urls[number % len(urls)]).netloc
        connection = http.client.HTTPConnection(address, timeout=60)
        for wheel in shares[number]:
            if stop is not None and stop.is_set():
                return
            try:
                status, _ = send_upload(connection, WRITER, wheel)
            except (OSError, http.client.HTTPException):
                outcome.note(wheel, None)
                connection.close()
            else:
                outcome.note(wheel, status)

    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(one, range(UPLOADERS)))


def get(url: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", path, headers={"Authorization": READER, "Accept": "application/vnd.pypi.simple.v1+json"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (path, answer.status, body)
    return body


def listing(url: str) -> dict[str, str]:
    """sha256 by file name of everything listed; fails where a name comes twice."""
    found: dict[str, str] = {}
    for project in json.loads(get(url, "/simple/"))["projects"]:
        files = json.loads(get(url, f"/simple/{project['name']}/"))["files"]
        twice = [name for name, count in Counter(file["filename"] for file in files).items() if count > 1]
        assert not twice
        found.update({file["filename"]: file["hashes"]["sha256"] for file in files})
    return found


def check(url: str, wheels: Sequence[Distribution], outcome: Outcome) -> None:
    listed = listing(url)
    contents = {(wheel.filename, wheel.sha256): wheel.data for wheel in wheels}
    lost = {name for name, sha256 in outcome.stored.items() if listed.get(name) != sha256}
    assert not lost, f"{len(lost)} acknowledged and not listed: {sorted(lost)[:5]}"
    resurrected = [(name, sha256) for name, sha256 in outcome.refused if listed.get(name) == sha256 != outcome.stored.get(name)]
    assert not [one for one in resurrected if one not in outcome.unknown], f"refused, and listed: {resurrected[:5]}"
    for name, sha256 in listed.items():
        project = name.split("-")[0]
        assert get(url, f"/simple/{project}/{name}") == contents[name, sha256], f"{name}: other bytes than were uploaded"
        assert get(url, f"/simple/{project}/{name}.metadata").startswith(b"Metadata-Version")


# One alone is in the ordinary run by the test of crashes; its undisturbed figure is `tox -e slow -- -s tests/live/test_concurrent_uploads.py`.
@pytest.mark.parametrize("servers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_of_a_thousand_files_by_sixteen_uploaders_each_is_listed_once_and_none_is_lost(
    servers: int, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels, outcome = workload(), Outcome()
    with ExitStack() as stack:
        urls = [stack.enter_context(configured(root)).url for _ in range(servers)]
        began = time.perf_counter()
        upload_all(urls, wheels, outcome)
        took = time.perf_counter() - began

        assert not outcome.unknown, outcome.unknown[:5]
        assert len(outcome.stored) == FILES
        assert len(outcome.refused) == DISPUTED
        for url in urls:
            check(url, wheels, outcome)
    with capsys.disabled():
        print(
            f"\n{servers} server(s), {UPLOADERS} uploaders: {FILES} files, {DISPUTED} conflicts in {took:.1f} s, {len(wheels) / took:.0f}/s"
        )


def test_an_acknowledged_upload_is_in_the_next_page_of_every_process(root: Path) -> None:
    with configured(root) as one, configured(root) as other:
        connection = http.client.HTTPConnection(urlsplit(one.url).netloc, timeout=60)
        for at in range(30):
            wheel = make_wheel("demo", f"1.{at}")
            assert send_upload(connection, WRITER, wheel)[0] == 200
            assert f'"{wheel.filename}"'.encode() in get(other.url, "/simple/demo/"), at


def test_a_crash_in_the_middle_loses_nothing_acknowledged_and_shows_nothing_half(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheels, outcome, kills = workload(), Outcome(), 0
    server = configured(root)
    server.start()
    rest = wheels
    while rest and kills < 5:
        stop = threading.Event()
        uploading = threading.Thread(target=upload_all, args=([server.url], rest, outcome, stop))
        uploading.start()
        time.sleep(0.4)
        server.kill()
        kills += 1
        stop.set()
        uploading.join()
        server.start()
        told = {*outcome.stored.items(), *outcome.refused}
        rest = [wheel for wheel in wheels if (wheel.filename, wheel.sha256) not in told]
        check(server.url, wheels, outcome)

    # What got no answer is sent again: each is taken now, or its name was won by the other content.
    before = len(outcome.unknown)
    upload_all([server.url], rest, outcome)
    assert len(outcome.unknown) == before
    assert len(outcome.stored) == FILES
    check(server.url, wheels, outcome)
    left = [path for folder in root.rglob("incoming") for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    assert not left
    assert server.stop() == 0
    with capsys.disabled():
        print(f"\n{kills} kill -9: {len(outcome.stored)} acknowledged, {before} without an answer, none lost")


@pytest.fixture(autouse=True)
def _no_server_left_behind(root: Path) -> Iterator[None]:
    yield
    assert not list(root.glob("*.tmp"))
