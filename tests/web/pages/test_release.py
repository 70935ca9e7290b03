from __future__ import annotations

import itertools
import re

import pytest

from pywharf.backend.interface import FileBody, FileRef
from pywharf.errors import BackendUnavailable, FileMissing
from pywharf.repository.audit import Requester
from pywharf.testing.distributions import make_sdist, make_wheel

from .site import EXTRA, Site

pytestmark = pytest.mark.any_python

HEADERS = [
    ("Summary", "A client"),
    ("Keywords", "http, client"),
    ("Author-email", "Ada <ada@example.org>"),
    ("License-Expression", "MIT"),
    ("Classifier", "Topic :: Internet"),
    ("Project-URL", "Source, https://git.example/acme"),
    ("Project-URL", "Evil, javascript:alert(1)"),
    ("Description-Content-Type", "text/markdown"),
]


def publish_demo(site: Site) -> None:
    site.publish(
        make_wheel(
            "Demo",
            "1.0",
            tag="cp311-abi3-manylinux_2_17_x86_64",
            metadata_version="2.4",
            requires_python=">=3.9",
            requires_dist=["core>=1", "elsewhere; python_version < '3'", "core[fast]; extra == 'fast'"],
            extra_headers=HEADERS,
            description="# Demo\n\nIt does *this*.\n\n### Deep\n",
        ),
        make_sdist("Demo", "0.9"),
        make_wheel("Demo", "2.0rc1"),
        make_wheel("core", "1.0"),
    )


@pytest.fixture(scope="module")
def demo(shared: Site) -> Site:
    """For tests that only look."""
    publish_demo(shared)
    return shared


def test_a_project_is_shown_by_the_release_that_installers_would_choose(demo: Site) -> None:
    page = demo.visit("/projects/demo/")

    assert page.status == 200
    assert "Demo 1.0" in page.text
    assert "A client" in page.text
    assert [heading.text.strip() for heading in page.all("h1")] == ["Demo 1.0"]
    for told in ("Ada <ada@example.org>", "MIT", "Topic :: Internet", ">=3.9", "http", "client"):
        assert told in page.text


def test_a_readme_is_rendered_and_its_headings_go_below_those_of_the_page(demo: Site) -> None:
    page = demo.visit("/projects/demo/")

    assert "<em>this</em>" in page.answer.text
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels
    assert levels.count(1) == 1


def test_links_lead_to_web_sites_only_and_tell_them_nothing(demo: Site) -> None:
    page = demo.visit("/projects/demo/")
    away = [element for element in page.all("a") if "://" in element.attributes.get("href", "")]

    assert [element.attributes["href"] for element in away] == ["https://git.example/acme"]
    assert {element.attributes["rel"] for element in away} == {"nofollow noopener noreferrer"}
    assert "javascript:" not in page.answer.text


def test_a_dependency_that_lives_here_is_a_link_and_knows_who_requires_it(demo: Site) -> None:
    page, core = demo.visit("/projects/demo/"), demo.visit("/projects/core/")

    assert page.links()["core"] == "../../projects/core/"
    assert "elsewhere" not in page.links()
    assert "; python_version < '3'" in page.text
    assert core.links()["demo"] == "../../projects/demo/"
    assert "Required here by" in core.text


def test_files_are_told_with_size_digest_time_and_what_they_are_for(demo: Site) -> None:
    record = demo.files("demo")["demo-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"]

    page = demo.visit("/projects/demo/1.0/")

    assert page.links()[record.filename] == f"../../../simple/demo/{record.filename}"
    assert record.sha256 in page.text
    assert "CPython 3.11 or newer" in page.text
    assert "Linux x86-64 (glibc 2.17 or newer)" in page.text
    assert record.upload_time.strftime("%Y, %H:%M UTC") in page.text
    assert demo.reader.get(f"/simple/demo/{record.filename}.metadata").status == 200


def test_the_history_is_newest_first_with_its_tags_and_says_which_is_shown(site: Site) -> None:
    publish_demo(site)
    site.repository.releases.yank(None, "demo", version="0.9", reason="too <old>", requester=Requester())

    page = site.visit("/projects/demo/1.0/")
    history = page.text[page.text.index("Release history") :]

    assert re.findall(r"\b(2\.0rc1|1\.0|0\.9)\b", history) == ["2.0rc1", "1.0", "0.9"]
    assert "2.0rc1 pre-release" in history
    assert "0.9 yanked" in history
    assert "Yanked: too <old>" in history
    assert [element.text for element in page.all("a") if element.attributes.get("aria-current") == "page"] == ["1.0"]


def test_lines_install_exactly_this_from_here(demo: Site) -> None:
    newest = [element.text for element in demo.visit("/projects/demo/").all("code") if element.attributes.get("class") == "copy"]
    pinned = [element.text for element in demo.visit("/projects/demo/2.0rc1/").all("code") if element.attributes.get("class") == "copy"]

    assert newest == [
        'PIP_INDEX_URL="http://acme:$PYWHARF_SECRET@localhost:8888/simple/" pip install demo',
        'UV_DEFAULT_INDEX="http://acme:$PYWHARF_SECRET@localhost:8888/simple/" uv pip install demo',
        "poetry add --source acme demo",
    ]
    assert all(line.endswith("demo==2.0rc1") for line in pinned)


@pytest.mark.parametrize("version", ["1.0.0", "v1.0", "1", "01.0"])
def test_any_spelling_of_a_version_leads_to_its_page(demo: Site, version: str) -> None:
    answer = demo.reader.get(f"/projects/demo/{version}/")

    assert (answer.status, demo.reader.follow(f"/projects/demo/{version}/", answer.headers["location"])) == (301, "/projects/demo/1.0/")


@pytest.mark.parametrize(("target", "leads_to"), [("/projects/Demo/", "/projects/demo/"), ("/projects/demo", "/projects/demo/")])
def test_any_spelling_of_a_project_leads_to_its_page(demo: Site, target: str, leads_to: str) -> None:
    answer = demo.reader.get(target)

    assert (answer.status, demo.reader.follow(target, answer.headers["location"])) == (301, leads_to)


@pytest.mark.parametrize(
    ("status", "told"), [("archived", "This project is archived"), ("deprecated", "This project is deprecated"), ("active", "")]
)
def test_a_status_is_told_with_its_reason(site: Site, status: str, told: str) -> None:
    publish_demo(site)
    site.repository.releases.set_status(None, "demo", status, "because & why")

    page = site.visit("/projects/demo/")

    assert told in page.text
    assert ("because & why" in page.text) == bool(told)
    assert "pip install demo" in page.text


def test_of_a_quarantined_project_no_file_no_line_and_no_readme_is_shown(site: Site) -> None:
    publish_demo(site)
    site.repository.releases.set_status(None, "demo", "quarantined", "being looked into")

    for target in ("/projects/demo/", "/projects/demo/1.0/"):
        page = site.visit(target)

        assert "This project is quarantined." in page.text
        assert "being looked into" in page.text
        for hidden in (".whl", "pip install", "It does", "A client", "Ada", "git.example"):
            assert hidden not in page.answer.text


def test_a_yanked_release_says_so_and_points_to_a_newer_one(site: Site) -> None:
    publish_demo(site)
    site.repository.releases.yank(None, "demo", version="0.9", reason="broken")

    page = site.visit("/projects/demo/0.9/")

    assert "This release is yanked." in page.text
    assert "The reason: broken" in page.text
    assert page.links()["Demo 1.0"] == "../../../projects/demo/1.0/"
    assert "There is a newer release" not in site.visit("/projects/demo/1.0/").text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nope", f"Installers that ask for it here are sent on to {EXTRA}nope/."),
        ("secret-thing", "get the same answer: the name is this repository's own"),
    ],
)
def test_an_unknown_project_says_where_installers_are_sent(site: Site, name: str, told: str) -> None:
    page = site.visit(f"/projects/{name}/")

    assert page.status == 404
    assert told in page.text
    assert (site.reader.get(f"/simple/{name}/").status == 302) == ("sent on" in told)


def test_an_unknown_release_is_404_and_says_where_to_look(demo: Site) -> None:
    page = demo.visit("/projects/demo/7.0/")

    assert page.status == 404
    assert page.links()["Project demo"] == "../../../projects/demo/"


def test_a_project_whose_files_were_deleted_is_still_told_of(site: Site) -> None:
    site.publish(make_wheel("gone", "1.0"))
    site.repository.releases.delete(None, "gone", version="1.0")

    page = site.visit("/projects/gone/")

    assert page.status == 200
    assert "All files of this project were deleted." in page.text


def test_a_release_without_core_metadata_has_a_page_all_the_same(site: Site) -> None:
    site.publish(make_sdist("plain", "1.0", metadata_version="2.1"))

    assert "no core metadata here" in site.visit("/projects/plain/").text


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (FileMissing("demo-1.0.whl.metadata"), "missing from the storage"),
        (BackendUnavailable("it hangs"), "cannot be asked for the description now"),
    ],
)
def test_a_storage_that_has_no_description_now_hides_nothing_else(
    site: Site, monkeypatch: pytest.MonkeyPatch, trouble: Exception, told: str
) -> None:
    publish_demo(site)

    def fail(file: FileRef) -> FileBody:
        raise trouble

    monkeypatch.setattr(site.repository, "open_file", fail)
    page = site.visit("/projects/demo/")

    assert page.status == 200
    assert told in page.text
    assert "demo-1.0-cp311-abi3-manylinux_2_17_x86_64.whl" in page.text


def test_only_a_session_that_may_write_is_shown_the_way_to_manage(demo: Site) -> None:
    assert "Manage" in demo.browser("write").get("/projects/demo/").links()
    assert "Manage" not in demo.browser("read").get("/projects/demo/").links()
    assert "Manage" not in demo.visit("/projects/demo/", "write").links()


def test_a_release_with_very_many_files_is_cut_and_can_be_seen_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pywharf.web.pages.release.MOST_ROWS", 2)
    site.publish(*(make_wheel("demo", "1.0", tag=f"cp3{minor}-none-any") for minor in range(9, 13)))

    cut, whole = site.visit("/projects/demo/"), site.visit("/projects/demo/?all=1")

    assert cut.answer.text.count(".whl</a>") == 2
    assert cut.links()["Show all 4 files"] == "?all=1#files"
    assert whole.answer.text.count(".whl</a>") == 4
