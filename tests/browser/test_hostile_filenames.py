"""File names that try to be something else on a page: refused, by upload and by adoption; the oddest that are taken are plain text and links."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

from .elsewhere import Elsewhere, elsewhere
from .hostile import RUN
from .stock import upload_all
from .test_hostile_projects import look
from .visitor import Visitor, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WHEEL = make_wheel("cargo", "1.0")
HOSTILE = (
    'cargo-1.0-py3-none-any"><script>RUN</script>.whl',
    "cargo-1.0-py3-none-any'onmouseover='RUN.whl",
    "cargo-1.0-<img src=EVIL onerror=RUN>-none-any.whl",
    "javascript:RUN-1.0-py3-none-any.whl",
    "cargo-1.0-py3-none-{{!caller.secret}}.whl",
    "cargo-1.0-py3-none-%any\n% import os\n.whl",
    "cargo-1.0-py3-none-any.whl\u202elhw.gnp",
    "cargo\u200b-1.0-py3-none-any.whl",
    "\uff43argo-1.0-py3-none-any.whl",
    "cargo-1.0-py3-none-any.whl?x=.whl",
    "cargo-1.0-py3-none-any.whl#.whl",
    "cargo-1.0-py3-none-%2e%2e%2fany.whl",
    "..\\cargo-1.0-py3-none-any.whl",
    "../cargo-1.0-py3-none-any.whl",
    "-cargo-1.0-py3-none-any.whl",
    ".cargo-1.0-py3-none-any.whl",
    "cargo-1.0&lt;b&gt;.tar.gz",
    "cargo-1.0.tar.gz\x00.whl",
    f"cargo-1.0-{'x' * 200}-none-any.whl",
)
ODD = (
    make_wheel("Odd.Cargo_hold", "1!2.0.post3.dev4+acme.1_2", build="7_linux", tag="py2.py3-none-any"),
    make_wheel("odd-cargo-hold", "1.0", filename="Odd.Cargo.Hold-1.0-PY3-none-any.whl"),
    make_wheel("odd-cargo-hold", "1.1", tag=f"py3-none-{'.'.join(f'manylinux_2_{minor}_x86_64' for minor in range(17, 23))}"),
    make_sdist("odd-cargo-hold", "1.2"),
)


def form_with(filename: str, evil: str) -> tuple[bytes, str]:
    """An upload of a good wheel under another name."""
    body, content_type = upload_form(WHEEL)
    name = filename.replace("RUN", RUN).replace("EVIL", evil).encode()
    return body.replace(WHEEL.filename.encode(), name.replace(b'"', b"%22").replace(b"\n", b"%0A"), 1), content_type


@pytest.fixture(scope="module")
def evil() -> Iterator[Elsewhere]:
    with elsewhere() as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, evil: Elsewhere) -> Iterator[LiveServer]:
    """All of them uploaded, and all that a folder can hold laid into the storage by hand."""
    with LiveServer(tmp_path_factory.mktemp("filenames") / "root") as server:
        upload_all(server, [WHEEL, *ODD])
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        headers = {"Authorization": basic_auth(server.generated.name, server.generated.write_secret)}
        for filename in HOSTILE:
            body, content_type = form_with(filename, evil.url)
            connection.request("POST", "/simple/", body, {**headers, "Content-Type": content_type})
            answer = connection.getresponse()
            told = answer.read().decode()
            assert answer.status in (400, 409), (filename, told)  # 409: a part of the name was taken for a folder, and dropped
        connection.close()
        (packages,) = server.root.glob("cache/*/storage/packages")
        for filename in HOSTILE:
            if len(filename) < 200 and "/" not in filename and "\0" not in filename:
                (packages / "cargo" / filename).write_bytes(WHEEL.data)
        adopt = [sys.executable, "-m", "pywharf", "update_index", "file_system", server.generated.name, "--root", str(server.root)]
        done = subprocess.run(adopt, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stderr
        yield server


@pytest.fixture(scope="module")
def visitor(browser: Browser, server: LiveServer) -> Iterator[Visitor]:
    with visiting(browser, server.url) as visitor:
        visitor.log_in(server.generated.name, server.generated.write_secret)
        visitor.watch_every_request()
        yield visitor


def test_no_hostile_name_gets_onto_a_page(visitor: Visitor, evil: Elsewhere) -> None:
    for path in ("", "projects/", "projects/cargo/", "projects/cargo/1.0/", "projects/cargo/1.0/why/", "projects/cargo/manage/"):
        look(visitor, evil, path)
    visitor.open("projects/cargo/")
    assert visitor.page.locator("a.filename").all_inner_texts() == [WHEEL.filename]
    visitor.open("projects/")
    assert visitor.page.locator("a.name").count() == 2


@pytest.mark.parametrize("file", ODD, ids=lambda file: file.filename[:40])
def test_an_odd_name_is_told_as_it_is_and_its_link_leads_to_the_file(visitor: Visitor, evil: Elsewhere, file: Distribution) -> None:
    version = file.filename.removesuffix(".tar.gz").split("-")[1]
    for page in ("", "why/"):
        look(visitor, evil, f"projects/odd-cargo-hold/{version}/{page}")
        assert file.filename in visitor.text
    visitor.open(f"projects/odd-cargo-hold/{version}/")

    answer = visitor.page.request.get(visitor.page.locator("a.filename").evaluate("a => a.href"))

    assert hashlib.sha256(answer.body()).hexdigest() == hashlib.sha256(file.data).hexdigest()
    # The same name is offered to be managed, and comes back whole.
    visitor.open("projects/odd-cargo-hold/manage/")
    visitor.page.get_by_label("What").select_option(f"file {file.filename}")
    visitor.page.get_by_role("button", name="Yank…", exact=True).click()
    visitor.page.get_by_role("heading", name=f"Yank file {file.filename}?").wait_for()
    assert visitor.page.locator("li.filename").all_inner_texts() == [file.filename]
