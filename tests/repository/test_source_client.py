"""Requests to a source: who gets credentials, how far a redirect leads, how much and how long is taken."""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pywharf.api.simple_reading import OfferedFile
from pywharf.errors import SourceUnusable
from pywharf.model.names import ProjectName
from pywharf.repository import source_client
from pywharf.repository.import_sources import FolderSource, IndexSource
from pywharf.repository.source_client import AccessRefused, NotThere, SourceBusy, SourceClient
from pywharf.testing.distributions import make_sdist, make_wheel

Answer = Callable[[BaseHTTPRequestHandler], None]
BASIC = "Basic " + base64.b64encode("jane:s3cret-ä".encode()).decode()


class Host:
    """An HTTP server whose answers a test writes, by path."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []  # path and Authorization
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host.asked.append((self.path, self.headers.get("Authorization")))
                host.answers.get(self.path, answer(404))(self)

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(status: int = 200, body: bytes = b"", length: int | str | None = None, **headers: str) -> Answer:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        if length not in (None, len(body)):
            handler.close_connection = True

    return send


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, Host]]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with contextlib.closing(Host()) as first, contextlib.closing(Host()) as second:
        yield first, second


@pytest.fixture
def host(hosts: tuple[Host, Host]) -> Host:
    return hosts[0]


@contextlib.contextmanager
def client(host: Host) -> Iterator[SourceClient]:
    with contextlib.closing(SourceClient(f"{host.url}/simple/", "jane", "s3cret-ä", connections=2)) as made:
        yield made


def fetched(made: SourceClient, url: str, limit: int = 1000) -> bytes:
    body = bytearray()
    made.file(url, body.extend, limit)
    return bytes(body)


def test_credentials_go_to_the_index_and_no_further(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.answers["/a"] = answer(302, Location="/b")
    first.answers["/b"] = answer(307, Location=f"{second.url}/c")
    second.answers["/c"] = answer(body=b"bytes")

    with client(first) as made:
        assert fetched(made, f"{first.url}/a") == b"bytes"
        assert fetched(made, f"{second.url}/c") == b"bytes"

    assert first.asked == [("/a", BASIC), ("/b", BASIC)]
    assert second.asked == [("/c", None), ("/c", None)]


def test_a_redirect_that_comes_back_may_have_them_again(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.answers["/a"] = answer(301, Location=f"{second.url}/b")
    second.answers["/b"] = answer(308, Location=f"{first.url}/c")
    first.answers["/c"] = answer(body=b"bytes")

    with client(first) as made:
        assert fetched(made, f"{first.url}/a") == b"bytes"

    assert second.asked == [("/b", None)]


@pytest.mark.parametrize("target", ["", "ftp://127.0.0.1/x", "/a", "file:///etc/hostname", "http://u:p@127.0.0.1/x", "http://[x/"])
def test_a_redirect_to_nowhere_is_an_error(host: Host, target: str) -> None:
    host.answers["/a"] = answer(302, Location=target)

    with client(host) as made, pytest.raises(SourceUnusable):
        fetched(made, f"{host.url}/a")
    assert len(host.asked) <= source_client.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("send", "kind"),
    [
        (answer(401), AccessRefused),
        (answer(403), AccessRefused),
        (answer(404), NotThere),
        (answer(410), NotThere),
        (answer(503), SourceBusy),
        (answer(429), SourceBusy),
        (answer(418), SourceUnusable),
        (answer(200, b"x", Content_Encoding="gzip"), SourceUnusable),
        (answer(200, b"x" * 1001), SourceUnusable),
        (answer(200, b"short", length=900), SourceBusy),
        (answer(200, b"short", length="9" * 5000), SourceBusy),
    ],
)
def test_every_other_answer_is_an_error_of_its_kind(host: Host, send: Answer, kind: type[SourceUnusable]) -> None:
    host.answers["/a"] = send

    with client(host) as made, pytest.raises(SourceUnusable) as caught:
        fetched(made, f"{host.url}/a")

    assert type(caught.value) is kind
    assert "s3cret" not in str(caught.value)


def test_a_host_that_is_not_there_is_told_without_a_word_of_secrets() -> None:
    gone = SourceClient("http://127.0.0.1:9/", "jane", "s3cret", connections=1)
    with contextlib.closing(gone), pytest.raises(SourceBusy, match="cannot be reached") as caught:
        fetched(gone, "http://127.0.0.1:9/a?token=s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_page_is_asked_for_again_while_the_source_is_busy(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_client, "LONGEST_WAIT", 0.0)
    answers = iter([answer(503, Retry_After="1"), answer(200, b"cut", length=50), answer(200, b"whole", Content_Type="text/html")])
    host.answers["/simple/"] = lambda handler: next(answers)(handler)

    with client(host) as made:
        assert made.page(f"{host.url}/simple/", "*/*", 100) == ("text/html", b"whole", f"{host.url}/simple/")


@pytest.mark.parametrize("url", ["ftp://x/", "https://user:secret@index.example/", "http://[x/", "http:///x", "http://x:port/"])
def test_a_url_that_cannot_be_a_source_is_refused(url: str) -> None:
    with pytest.raises(SourceUnusable) as caught:
        IndexSource(url, "", "", [], needs_hashes=True, connections=1)
    assert "secret@" not in str(caught.value)


def test_an_index_is_read_by_its_pages(host: Host) -> None:
    host.answers["/simple/"] = answer(
        body=b'<a href="x/">Demo.Project</a><a>demo_project</a><a>-bad-</a><a>other</a>', Content_Type="text/html"
    )
    host.answers["/simple/demo-project/"] = answer(
        body=b'<a href="/files/f-1.0.tar.gz#sha256=%s">f</a>' % (b"ab" * 32), Content_Type="text/html"
    )
    host.answers["/files/f-1.0.tar.gz"] = answer(body=b"bytes", Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT")
    body = bytearray()

    with contextlib.closing(IndexSource(f"{host.url}/simple", "", "", [], needs_hashes=True, connections=1)) as source:
        assert list(source.names()) == ["demo-project", "other"]
        assert [name for name, _ in source.strays()] == ["project -bad-"]
        (file,) = source.read(ProjectName("demo-project")).page.files
        written = source.receive(file, body.extend, 100)
        assert source.read(ProjectName("other")).problem == "the source has no such project"

    assert (bytes(body), written and written.year) == (b"bytes", 2015)


@pytest.mark.parametrize("said", ["yesterday", "Fri, 31 Dec 9999 23:59:59 -2300", "Fri, 31 Dec 2024 23:59:59 -999999"])
def test_a_time_that_cannot_be_is_none(host: Host, said: str) -> None:
    host.answers["/f"] = answer(body=b"bytes", Last_Modified=said)

    with contextlib.closing(IndexSource(f"{host.url}/simple", "", "", [], needs_hashes=True, connections=1)) as source:
        assert source.receive(OfferedFile("f", f"{host.url}/f"), lambda piece: None, 100) is None


@pytest.mark.any_python
def test_a_source_that_sends_a_byte_now_and_then_is_given_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_client, "PATIENCE", 0.2)
    enough = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        answer(length=60_000)(handler)
        with contextlib.suppress(OSError):  # the other end hangs up
            while not enough.wait(0.05):
                handler.wfile.write(b"x")

    host.answers["/a"] = drip
    threading.Timer(20, enough.set).start()

    with client(host) as made, pytest.raises(SourceBusy, match="sends too slowly"):
        fetched(made, f"{host.url}/a")
    assert not enough.is_set(), "given up only when the source came to an end"
    enough.set()


def test_only_wanted_projects_are_asked_for(host: Host) -> None:
    host.answers["/simple/"] = answer(body=b"<a>acme-a</a><a>acme-b</a><a>other</a>", Content_Type="text/html")

    def names(*patterns: str) -> list[str]:
        with contextlib.closing(IndexSource(f"{host.url}/simple/", "", "", patterns, needs_hashes=True, connections=1)) as source:
            return list(source.names())

    assert names("acme-*") == ["acme-a", "acme-b"]
    asked = len(host.asked)
    assert names("acme-a", "new") == ["acme-a", "new"]
    assert len(host.asked) == asked, "no list is needed for names in full"


# --- folders -------------------------------------------------------------------------------------------------------


def test_a_folder_is_walked_and_what_is_no_distribution_is_told_or_passed_over(tmp_path: Path) -> None:
    wheel, sdist = make_wheel("Demo.x", "1.0"), make_sdist("other", "2.0")
    (tmp_path / "sub" / "deeper").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / wheel.filename).write_bytes(wheel.data)
    (tmp_path / "sub" / "deeper" / sdist.filename).write_bytes(sdist.data)
    (tmp_path / ".hidden" / sdist.filename).write_bytes(sdist.data)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / f"{wheel.filename}.asc").write_text("x")
    (tmp_path / "old-1.0.egg").write_text("x")
    (tmp_path / "broken.whl").write_text("x")
    (tmp_path / "linked-1.0.tar.gz").symlink_to(tmp_path / "sub" / "deeper" / sdist.filename)
    (tmp_path / "folder-1.0.tar.gz").mkdir()
    source = FolderSource(tmp_path, [])

    assert list(source.names()) == ["demo-x", "other"]
    assert sorted(name for name, _ in source.strays()) == ["broken.whl", "linked-1.0.tar.gz", "old-1.0.egg"]
    (file,) = source.read(ProjectName("demo-x")).page.files
    assert (file.filename, file.size, file.hashes) == (wheel.filename, len(wheel.data), {})
    body = bytearray()
    source.receive(file, body.extend, 10_000)
    assert body == wheel.data
    with pytest.raises(SourceUnusable, match="larger than the 10 bytes"):
        source.receive(file, body.extend, 10)
    with pytest.raises(OSError):
        source.receive(OfferedFile("x", str(tmp_path / "linked-1.0.tar.gz")), body.extend, 10)


def test_a_folder_with_names_and_times_that_nobody_expects_is_walked_to_its_end(tmp_path: Path) -> None:
    wheel = make_wheel("demo", "1.0")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as place:
        folder = Path(place)
        (folder / wheel.filename).write_bytes(wheel.data)
        os.utime(folder / wheel.filename, (1e12, 1e12))  # in the year 33658
        (folder / os.fsdecode(b"\xff-1.0.tar.gz")).write_bytes(b"x")
        source = FolderSource(folder, [])

        assert list(source.names()) == ["demo"]
        assert len(source.strays()) == 1


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable):
        list(FolderSource(tmp_path / "gone", []).names())
