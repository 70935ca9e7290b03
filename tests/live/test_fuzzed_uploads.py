"""Uploads that are nearly right, thousands of them, on a server process: each is taken or refused in words, and leaves nothing behind.

A few hundred with the other `live` tests; ten thousand with `tox -e slow -- tests/live/test_fuzzed_uploads.py`. PYWHARF_TEST_SEED repeats a
run, and one upload of it is `fuzzing.uploads.Upload(seed, number)`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fuzzing.uploads import Upload

from pywharf.model.record import now
from pywharf.repository.admission import admit_file
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")

CONFIG = '[local]\ntype = "file_system"\nread_secret = "read-it"\nwrite_secret = "write-it"\n'
WRITER, READER = basic_auth("local", "write-it"), basic_auth("local", "read-it")
SENDERS = 4
MIB = 1024**2
PRESCRIBED = (501, 505)  # for a transfer coding or version of HTTP that nobody speaks (RFC 9110, 15.6): the request is at fault
WAIT = 60  # seconds for an answer, on a busy machine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    (tmp_path / "temporary").mkdir()
    environ = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    with LiveServer(tmp_path / "root", options=["--config", CONFIG, "--config_or_admin_secret_can_be_text"], environ=environ) as running:
        yield running


def send(url: str, request: bytes) -> int:
    """The status of the answer; 0 where the connection was closed without one."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=WAIT) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # answered and closed before it was all sent
            pass
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    while answer.startswith(b"HTTP/1.1 1"):  # "100 Continue" and its like come before the answer
        answer = answer.partition(b"\r\n\r\n")[2]
    line = answer.split(b"\r\n", 1)[0].split(b" ")
    return int(line[1]) if len(line) > 1 and line[0].startswith(b"HTTP/") else 0


def fuzz(url: str, seed: int, numbers: range) -> tuple[Counter[tuple[str, int]], list[tuple[int, int]]]:
    """How often each level had each status; and the numbers of the uploads that the server failed at, with the status."""
    counted: Counter[tuple[str, int]] = Counter()
    failed = []
    for number in numbers:
        upload = Upload(seed, number)
        status = send(url, upload.request(WRITER))
        counted[upload.level, status] += 1
        if status >= 500 and status not in PRESCRIBED:
            failed.append((number, status))
    return counted, failed


def fuzz_all(url: str, seed: int, numbers: range) -> Counter[tuple[str, int]]:
    """The same by several senders at once. Fails where the server did."""
    counted: Counter[tuple[str, int]] = Counter()
    with ThreadPoolExecutor(SENDERS) as pool:
        for some, failed in pool.map(lambda at: fuzz(url, seed, numbers[at::SENDERS]), range(SENDERS)):
            assert not failed, f"seed {seed}: {failed[:10]}"
            counted += some
    return counted


def resident_bytes(pid: int) -> int:
    """What a process has in memory; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def get(url: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=WAIT)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": READER, "Accept": "application/vnd.pypi.simple.v1+json"})
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status == 200, (path, answer.status)
    return body


def check_everything_visible(url: str, folder: Path) -> int:
    """Download what is listed and admit it again; returns how many files that is."""
    count = 0
    for project in json.loads(get(url, "/simple/"))["projects"]:
        for file in json.loads(get(url, f"/simple/{project['name']}/"))["files"]:
            path = folder / "downloaded"
            path.write_bytes(get(url, f"/simple/{project['name']}/{file['filename']}"))
            admitted = admit_file(path, file["filename"], now())  # raises where it should not have been taken
            assert admitted.name.project == project["name"]
            assert file["hashes"]["sha256"] == admitted.record.sha256
            assert file["size"] == admitted.record.size
            if file["core-metadata"]:
                assert get(url, f"/simple/{project['name']}/{file['filename']}.metadata") == admitted.metadata_bytes
            count += 1
    return count


def run(server: LiveServer, folder: Path, uploads: int) -> str:
    """Fuzz a server; one paragraph about it."""
    seed = int(os.environ.get("PYWHARF_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"seed {seed}")  # shown where the test fails
    began = time.monotonic()
    warm = uploads // 10
    counted = fuzz_all(server.url, seed, range(warm))
    memory = [resident_bytes(server.worker_pids()[0])]
    for tenth in range(1, 10):
        counted += fuzz_all(server.url, seed, range(tenth * warm, (tenth + 1) * warm))
        memory.append(resident_bytes(server.worker_pids()[0]))
    took = time.monotonic() - began

    visible = check_everything_visible(server.url, folder)
    left = [path for place in folder.rglob("incoming") for path in place.rglob("*") if path.is_file() and path.name != "lock"]
    assert not left
    assert not list((folder / "temporary").iterdir())
    assert server.running
    assert not [request for request in server.requests() if request.status >= 500 and request.status not in PRESCRIBED]
    assert "Traceback" not in server.output
    assert memory[-1] - memory[0] < 50 * MIB, memory
    by_status = Counter[int]()
    for (_, status), count in counted.items():
        by_status[status] += count
    taken = {level: count for (level, status), count in sorted(counted.items()) if status == 200}
    assert visible <= by_status[200]
    assert visible > uploads / 20, "hardly any was right: that tests little"
    return (
        f"seed {seed}: {uploads} uploads in {took:.0f} s; answers {dict(sorted(by_status.items()))}; taken by level {taken}; "
        f"{visible} files visible, each admitted again; MiB of memory after each tenth: {[round(size / MIB, 1) for size in memory]}"
    )


@pytest.mark.live
def test_hundreds_of_fuzzed_uploads_are_taken_or_refused(server: LiveServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(server, tmp_path, 400)
    with capsys.disabled():
        print(f"\n{told}")


@pytest.mark.slow
def test_ten_thousand_fuzzed_uploads_are_taken_or_refused(server: LiveServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(server, tmp_path, 10_000)
    with capsys.disabled():
        print(f"\n{told}")
