from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from pywharf.backend.interface import FileBody, FileRef
from pywharf.config import ServerSettings
from pywharf.web.app import make_app
from pywharf.web.sendfile import sendfile

from .client import Answer, Client, basic
from .fakes import READ, FakeRepository, FakeWharf

DATA = bytes(range(256)) * 4
FILE = "/simple/ranges/ranges-1.0.tar.gz"
TAG = f'"sha256:{hashlib.sha256(DATA).hexdigest()}"'
PROXY = "10.0.0.1"
ROOT = Path("/srv/pywharf")


def told(mode: str, file: str, root: Path = ROOT) -> tuple[str, str] | None:
    found = sendfile(mode, root)
    assert found is not None
    return found.header(Path(file))


def test_no_mode_tells_nothing() -> None:
    assert sendfile("", ROOT) is None


@pytest.mark.parametrize(
    ("mode", "file", "value"),
    [
        ("x-accel-redirect=/inside/", "/srv/pywharf/cache/local/x", "/inside/cache/local/x"),
        ("x-accel-redirect=/a/b/", "/srv/pywharf/x?y #%", "/a/b/x%3Fy%20%23%25"),
        ("x-accel-redirect=/inside/", "/srv/pywharf/gr\u00f6\u00dfe", "/inside/gr%C3%B6%C3%9Fe"),
        ("x-accel-redirect=/inside/", "/srv/pywharf/not-utf8-\udcff", "/inside/not-utf8-%FF"),
        ("x-accel-redirect=/inside/", "/srv/pywharf2/x", None),
        ("x-accel-redirect=/inside/", "/srv/pywharf/../x", None),
        ("x-accel-redirect=/inside/,/more/=/srv/packages", "/srv/packages/x", "/more/x"),
        ("x-accel-redirect=/inside/,/more/=/srv/packages/", "/srv/pywharf/x", "/inside/x"),
        ("x-accel-redirect=/inside/,/inner/=/srv/pywharf/cache", "/srv/pywharf/cache/x", "/inner/x"),
        ("x-accel-redirect=/more/=/srv/packages", "/srv/pywharf/x", None),
        ("x-sendfile", "/srv/pywharf/a b", "/srv/pywharf/a%20b"),
        ("x-sendfile", "/srv/packages/x", None),
        ("x-sendfile=/srv/packages", "/srv/packages/x", "/srv/packages/x"),
        ("x-sendfile=/srv/packages", "/srv/pywharf/x", "/srv/pywharf/x"),
    ],
)
def test_a_file_is_named_by_its_place_in_a_folder_that_is_configured(mode: str, file: str, value: str | None) -> None:
    field = "X-Sendfile" if mode.startswith("x-sendfile") else "X-Accel-Redirect"

    assert told(mode, file) == (value and (field, value))


def test_a_root_that_was_given_from_here_is_the_same_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert told("x-accel-redirect=/inside/", "root/x", Path("root")) == ("X-Accel-Redirect", "/inside/x")
    assert told("x-accel-redirect=/inside/", str(tmp_path / "root" / "x"), Path("root")) == ("X-Accel-Redirect", "/inside/x")


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("sendfile", "begins with x-accel-redirect or x-sendfile"),
        ("X-Accel-Redirect=/a/", "begins with x-accel-redirect or x-sendfile"),
        ("x-accel-redirect", "'' is no address"),
        ("x-accel-redirect=/", "'/' is no address"),
        ("x-accel-redirect=/a", "'/a' is no address"),
        ("x-accel-redirect=a/", "'a/' is no address"),
        ("x-accel-redirect=//a/", "'//a/' is no address"),
        ("x-accel-redirect=/a/../b/", "'/a/../b/' is no address"),
        ("x-accel-redirect=/a b/", "'/a b/' is no address"),
        ("x-accel-redirect=/a/,", "'' is no address"),
        ("x-accel-redirect=/a/=srv", "'srv' is no folder"),
        ("x-accel-redirect=/a/=", "'' is no folder"),
        ("x-accel-redirect=/a/=/", "'/' is no folder"),
        ("x-accel-redirect=/a/=/srv/../etc", "'/srv/../etc' is no folder"),
        ("x-accel-redirect=/a/,/b/", "a folder twice"),
        ("x-accel-redirect=/a/,/a/=/srv/packages", "two folders for one address"),
        ("x-sendfile=packages", "'packages' is no folder"),
        ("x-sendfile=/srv/pywharf", "a folder twice"),
    ],
)
def test_what_is_wrong_with_a_mode_is_said(mode: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        sendfile(mode, ROOT)


# --- in the answer for a file ----------------------------------------------------------------------------------------


@pytest.fixture
def repository(repository: FakeRepository) -> FakeRepository:
    repository.put("ranges-1.0.tar.gz", DATA)
    return repository


class Placed:
    """A repository whose bodies lie in files: an application that tells a proxy of them, and what was opened."""

    def __init__(self, wharf: FakeWharf, repository: FakeRepository, folder: Path, mode: str) -> None:
        self.opened: list[io.BytesIO] = []
        self.app = make_app(wharf.wharf, ServerSettings(trusted_proxies="10.0.0.0/8", sendfile=mode))
        folder.mkdir(parents=True, exist_ok=True)

        def in_a_file(file: FileRef) -> FileBody:
            self.opened.append(io.BytesIO(DATA))
            return FileBody(self.opened[-1], len(DATA), folder / "a body%")

        repository.open_file = in_a_file  # type: ignore[method-assign]

    def get(self, headers: dict[str, str] | None = None, *, peer: str = PROXY, method: str = "GET", auth: str | None = None) -> Answer:
        return Client(self.app, auth or basic("local", READ), peer).send(method, FILE, headers)


@pytest.fixture
def placed(wharf: FakeWharf, repository: FakeRepository) -> Placed:
    return Placed(wharf, repository, wharf.root / "cache" / "local", "x-accel-redirect=/inside/")


def test_a_trusted_proxy_is_told_where_the_file_lies_and_gets_no_body(placed: Placed) -> None:
    answer = placed.get()

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == {
        "x-accel-redirect": "/inside/cache/local/a%20body%25",
        "etag": TAG,
        "content-length": "0",
        "content-type": "application/octet-stream",
        "content-disposition": "attachment",
        "cache-control": "private, max-age=31536000, immutable",
        "vary": "Authorization, Cookie",
        "x-content-type-options": "nosniff",
    }
    assert [body.closed for body in placed.opened] == [True]


def test_nobody_else_is_told_where_a_file_lies(placed: Placed) -> None:
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Accel-Redirect": "/x", "X-Sendfile-Type": "X-Accel-Redirect"}

    answer = placed.get(headers, peer="192.0.2.1")

    assert (answer.status, answer.body) == (200, DATA)
    assert "x-accel-redirect" not in answer.headers


def test_who_may_not_read_is_told_nothing_by_way_of_a_proxy_either(placed: Placed) -> None:
    answer = placed.get(auth=basic("local", "wrong"))

    assert answer.status == 401
    assert "x-accel-redirect" not in answer.headers
    assert placed.opened == []


def test_conditions_are_ours_and_ranges_the_proxys(placed: Placed) -> None:
    assert placed.get({"If-None-Match": TAG}).status == 304
    assert placed.get({"Range": "bytes=5000-"}).status == 416
    assert (placed.get(method="HEAD").headers["content-length"], placed.opened) == ("1024", [])
    part = placed.get({"Range": "bytes=5-9"})

    assert (part.status, part.headers["content-length"]) == (200, "0")
    assert "content-range" not in part.headers


def test_a_file_outside_the_folders_is_sent_the_ordinary_way(wharf: FakeWharf, repository: FakeRepository, tmp_path: Path) -> None:
    for folder in (tmp_path / "elsewhere", wharf.root.with_name(f"{wharf.root.name}-too"), wharf.root / ".." / "up"):
        placed = Placed(wharf, repository, tmp_path, "x-accel-redirect=/inside/")
        body = FileBody(io.BytesIO(DATA), len(DATA), folder / "body")
        repository.open_file = lambda file, body=body: body  # type: ignore[method-assign, misc]

        answer = placed.get()

        assert answer.body == DATA
        assert "x-accel-redirect" not in answer.headers


def test_a_body_that_is_no_file_is_sent_the_ordinary_way(placed: Placed, repository: FakeRepository) -> None:
    repository.open_file = lambda file: FileBody(io.BytesIO(DATA), len(DATA))  # type: ignore[method-assign]

    assert placed.get({"Range": "bytes=5-9"}).body == DATA[5:10]


def test_a_damaged_file_is_told_to_nobody(placed: Placed, repository: FakeRepository) -> None:
    repository.open_file = lambda file: FileBody(io.BytesIO(b"x"), 1, Path("/x"))  # type: ignore[method-assign]

    assert placed.get().status == 503


def test_apache_is_told_a_path(wharf: FakeWharf, repository: FakeRepository, tmp_path: Path) -> None:
    storage = tmp_path / "gr\u00f6\u00dfe"
    answer = Placed(wharf, repository, storage, f"x-sendfile={storage}").get()

    assert answer.headers["x-sendfile"] == f"{quote(str(storage))}/a%20body%25"
    assert "x-accel-redirect" not in answer.headers
