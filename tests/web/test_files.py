from __future__ import annotations

import hashlib
import io
import tracemalloc
from typing import Any

import pytest

from pywharf.backend.interface import FileBody, FileRef
from pywharf.errors import FileMissing
from pywharf.web.app import App

from .client import Client, basic
from .fakes import READ, FakeRepository

DATA = bytes(range(256)) * 4
FILE = "/simple/ranges/ranges-1.0.tar.gz"
TAG = f'"sha256:{hashlib.sha256(DATA).hexdigest()}"'


@pytest.fixture
def repository(repository: FakeRepository) -> FakeRepository:
    repository.put("ranges-1.0.tar.gz", DATA, b"Metadata-Version: 2.1\n")
    repository.put("empty-1.0.tar.gz", b"")
    return repository


def test_a_file_is_sent_as_it_is(client: Client) -> None:
    answer = client.get(FILE, {"Accept-Encoding": "gzip"})

    assert (answer.status, answer.body) == (200, DATA)
    assert answer.headers == {
        "etag": TAG,
        "content-length": "1024",
        "content-type": "application/octet-stream",
        "content-disposition": "attachment",
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "vary": "Authorization, Cookie",
        "x-content-type-options": "nosniff",
    }


def test_core_metadata_is_a_file_beside_it(client: Client) -> None:
    answer = client.get(f"{FILE}.metadata")

    assert answer.body == b"Metadata-Version: 2.1\n"
    assert answer.headers["etag"] == f'"sha256:{hashlib.sha256(answer.body).hexdigest()}"'


def test_head_opens_nothing(client: Client, repository: FakeRepository) -> None:
    answer = client.send("HEAD", FILE)

    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "1024", b"")
    assert repository.opened == []


@pytest.mark.parametrize(
    ("asked", "first", "behind"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1023", 0, 1024),
        ("bytes=0-", 0, 1024),
        ("bytes=1000-", 1000, 1024),
        ("bytes=1000-99999", 1000, 1024),
        ("bytes=1023-1023", 1023, 1024),
        ("bytes=-1", 1023, 1024),
        ("bytes=-99999", 0, 1024),
        ("Bytes=5-9", 5, 10),
        ("bytes = 5 - 9", 5, 10),
    ],
)
def test_a_range_is_that_part(client: Client, repository: FakeRepository, asked: str, first: int, behind: int) -> None:
    answer = client.get(FILE, {"Range": asked})

    assert (answer.status, answer.body) == (206, DATA[first:behind])
    assert answer.headers["content-range"] == f"bytes {first}-{behind - 1}/1024"
    assert answer.headers["content-length"] == str(behind - first)
    assert answer.headers["etag"] == TAG
    assert repository.opened[0].read_bytes == behind - first


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=1024-1030", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_outside_is_416(client: Client, repository: FakeRepository, asked: str) -> None:
    answer = client.get(FILE, {"Range": asked})

    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */1024")
    assert repository.opened == []


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_has_no_ranges(client: Client, asked: str) -> None:
    assert client.get("/simple/empty/empty-1.0.tar.gz", {"Range": asked}).status == 416
    assert client.get("/simple/empty/empty-1.0.tar.gz").body == b""


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=0-0,-1",
        "lines=0-5",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=9-5",
        "bytes=a-b",
        "bytes=0x0-1",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_no_single_range_gets_the_whole(client: Client, asked: str) -> None:
    answer = client.get(FILE, {"Range": asked})

    assert (answer.status, answer.body) == (200, DATA)


def test_head_has_no_ranges(client: Client) -> None:
    answer = client.send("HEAD", FILE, {"Range": "bytes=0-5"})

    assert (answer.status, answer.headers["content-length"], answer.headers["accept-ranges"]) == (200, "1024", "bytes")


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (TAG, 206),
        (f"W/{TAG}", 200),
        (TAG.upper(), 200),
        (f'"sha256:{"0" * 64}"', 200),
        ("Sat, 21 Nov 2026 10:11:12 GMT", 200),
        ("*", 200),
        ("", 200),
    ],
)
def test_a_part_is_sent_only_of_the_file_that_was_begun(client: Client, condition: str, status: int) -> None:
    assert client.get(FILE, {"Range": "bytes=5-9", "If-Range": condition}).status == status


@pytest.mark.parametrize("condition", [TAG, f"W/{TAG}", "*", f'"x", {TAG}'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_the_file_gets_304(client: Client, repository: FakeRepository, condition: str, method: str) -> None:
    answer = client.send(method, FILE, {"If-None-Match": condition, "Range": "bytes=0-1"})

    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", TAG)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert repository.opened == []


def test_a_condition_is_looked_at_only_for_a_caller(app: App, stranger: Client) -> None:
    assert stranger.get(FILE, {"If-None-Match": TAG}).status == 401
    assert stranger.get(FILE, {"Range": "bytes=5000-"}).status == 401
    assert Client(app, basic("other", "other-read")).get(FILE, {"If-None-Match": TAG, "Range": "bytes=5000-"}).status == 404


def test_a_file_the_storage_lost_is_404(client: Client, repository: FakeRepository) -> None:
    def lost(file: FileRef) -> FileBody:
        raise FileMissing(file.name)

    repository.open_file = lost  # type: ignore[method-assign]

    assert client.get(FILE).status == 404


def test_a_file_of_another_size_than_its_record_is_not_sent(client: Client, repository: FakeRepository) -> None:
    repository.contents["ranges"]["ranges-1.0.tar.gz"] = DATA
    find = repository.find_file

    def shorter(project: Any, filename: str) -> FileRef | None:
        file = find(project, filename)
        return file and FileRef(file.project, file.name, file.sha256, file.size + 1)

    repository.find_file = shorter  # type: ignore[method-assign]
    repository.open_file = lambda file: FileBody(io.BytesIO(DATA), len(DATA))  # type: ignore[method-assign]

    answer = client.get(FILE)

    assert answer.status == 503


def test_a_large_file_passes_through_little_memory(app: App, repository: FakeRepository) -> None:
    repository.put("large-1.0.tar.gz", bytes(20_000_000))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/simple/large/large-1.0.tar.gz",
        "HTTP_AUTHORIZATION": basic("local", READ),
    }
    file = repository.find_file("large", "large-1.0.tar.gz")  # type: ignore[arg-type]
    assert file
    body = repository.open_file(file)
    repository.find_file = lambda *_: file  # type: ignore[method-assign]
    repository.open_file = lambda file: body  # type: ignore[method-assign]

    tracemalloc.start()
    response = app(environ, lambda *_: print)
    sizes = [len(piece) for piece in response]
    response.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (sum(sizes), max(sizes)) == (20_000_000, 256 * 1024)
    assert peak < 2_000_000
