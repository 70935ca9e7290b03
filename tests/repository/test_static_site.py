from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest

from pywharf.backend.interface import FileBody, FileRef
from pywharf.errors import BackendUnavailable
from pywharf.files import try_lock
from pywharf.repository import static_site
from pywharf.repository.static_site import SiteUnusable, opened, write_site
from pywharf.testing.distributions import make_sdist, make_wheel
from pywharf.testing.memory import MemoryConfig, MemoryPlugin

from .stocked import Stocked, stocked

pytestmark = pytest.mark.any_python

WHEEL = make_wheel("Demo.Pkg", "1.0", requires_python=">=3.9")
LOCAL = make_wheel("demo-pkg", "2!2.0+acme.1")
SDIST = make_sdist("demo-pkg", "1.0", metadata_version="2.2")
OTHER = make_wheel("other", "0.1")


@pytest.fixture
def wheels(tmp_path: Path) -> Iterator[Stocked]:
    with stocked(tmp_path / "root", WHEEL, LOCAL, SDIST, OTHER) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def links(page: bytes) -> list[str]:
    return [unescape(link) for link in re.findall(r'<a href="([^"]+)"', page.decode())]


# --- what lies there ------------------------------------------------------------------------------------------------


def test_every_link_of_every_page_leads_to_a_file_with_the_digest_that_it_names(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)

    there = files_in(site)
    assert links(there["simple/index.html"]) == ["demo-pkg/", "other/"]
    found = []
    for project in ("demo-pkg", "other"):
        for link in links(there[f"simple/{project}/index.html"]):
            path, _, digest = urljoin(f"simple/{project}/", link).partition("#sha256=")
            found.append(unquote(path).rpartition("/")[2])
            assert hashlib.sha256(there[unquote(path)]).hexdigest() == digest
    assert sorted(found) == sorted(one.filename for one in (WHEEL, LOCAL, SDIST, OTHER))


def test_core_metadata_lie_beside_the_files_that_the_page_says_they_do(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)

    there = files_in(site)
    page = json.loads(there["simple/demo-pkg/index.json"])
    assert {file["filename"] for file in page["files"] if file["core-metadata"]} == {one.filename for one in (WHEEL, LOCAL, SDIST)}
    for one in (WHEEL, LOCAL, SDIST):
        assert there[f"simple/demo-pkg/{one.filename}.metadata"] == one.metadata


def test_the_json_form_says_what_the_html_form_says_and_links_relative_to_where_it_lies(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)

    there = files_in(site)
    assert [one["name"] for one in json.loads(there["simple/index.json"])["projects"]] == ["demo-pkg", "other"]
    page = json.loads(there["simple/demo-pkg/index.json"])
    assert [f"{file['url']}#sha256={file['hashes']['sha256']}" for file in page["files"]] == links(there["simple/demo-pkg/index.html"])
    assert page["versions"] == ["1.0", "2!2.0+acme.1"]


def test_nothing_else_is_written_than_what_is_documented(wheels: Stocked, site: Path) -> None:
    report = write_site(wheels.repository, site)

    there = files_in(site)
    assert {path for path in there if not path.startswith("simple/")} == {".pywharf-site"}
    assert len(there) - 1 == 2 + 2 * 2 + 4 + 4  # both lists, both pages of two projects, four files, their core metadata
    assert (report.projects, report.files, report.removed, report.missing) == (2, 4, 0, ())
    assert report.written == len(there) - 1
    assert report.size == sum(len(content) for path, content in there.items() if path != ".pywharf-site")


def test_others_may_read_it_whatever_the_umask(wheels: Stocked, site: Path) -> None:
    before = os.umask(0o077)
    try:
        write_site(wheels.repository, site)
    finally:
        os.umask(before)

    for path in (site / "simple").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)


def test_an_empty_repository_is_an_empty_list(tmp_path: Path, site: Path) -> None:
    with stocked(tmp_path / "root") as empty:
        report = write_site(empty.repository, site)

    assert report.projects == 0
    assert links((site / "simple" / "index.html").read_bytes()) == []


def test_a_quarantined_project_has_a_page_without_files(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)
    wheels.quarantine("demo-pkg")

    write_site(wheels.repository, site)

    assert sorted(path.name for path in (site / "simple" / "demo-pkg").iterdir()) == ["index.html", "index.json"]
    page = json.loads((site / "simple" / "demo-pkg" / "index.json").read_bytes())
    assert page["project-status"]["status"] == "quarantined"
    assert page["versions"] == ["1.0", "2!2.0+acme.1"]


def test_files_can_be_linked_to_elsewhere_instead_of_copied(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)

    write_site(wheels.repository, site, file_url=lambda project, filename: f"https://files.example/a&b/{project}/{filename}")

    there = files_in(site)
    assert {path.rpartition("/")[2] for path in there} == {".pywharf-site", "index.html", "index.json"}
    assert links(there["simple/other/index.html"]) == [f"https://files.example/a&b/other/{OTHER.filename}#sha256={OTHER.sha256}"]
    assert b'href="https://files.example/a&amp;b/' in there["simple/other/index.html"]
    assert json.loads(there["simple/other/index.json"])["files"][0]["url"] == f"https://files.example/a&b/other/{OTHER.filename}"


# --- the next run ---------------------------------------------------------------------------------------------------


def test_a_second_run_writes_nothing_and_asks_the_storage_for_no_body(wheels: Stocked, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_site(wheels.repository, site)
    before = state(site)
    opened_files: list[FileRef] = []
    monkeypatch.setattr(wheels.repository, "open_file", opened_files.append)

    second = write_site(wheels.repository, site)

    assert (second.written, second.removed) == (0, 0)
    assert (second.projects, second.files, second.size) == (first.projects, first.files, first.size)
    assert state(site) == before
    assert opened_files == []


def test_a_new_file_changes_its_own_project_and_the_list_and_nothing_else(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)
    before = state(site / "simple" / "demo-pkg")
    wheels.publish(make_wheel("other", "0.2"))

    report = write_site(wheels.repository, site)

    assert report.written == 2 + 2  # the file and its metadata, two pages; the lists name the same projects
    assert state(site / "simple" / "demo-pkg") == before


def test_what_was_deleted_disappears_and_a_project_without_files_with_it(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)
    wheels.delete(WHEEL)
    wheels.delete(OTHER)

    report = write_site(wheels.repository, site)

    there = files_in(site)
    assert not any(WHEEL.filename in path or "simple/other/" in path for path in there)
    assert WHEEL.filename not in there["simple/demo-pkg/index.html"].decode()
    assert links(there["simple/index.html"]) == ["demo-pkg/"]
    assert report.removed == 2 + 4  # the wheel with its metadata; two pages, a wheel and its metadata


def test_a_file_that_was_changed_by_hand_is_written_again(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)
    expected = files_in(site)
    (site / "simple" / "other" / OTHER.filename).write_bytes(b"x" * len(OTHER.data))  # the size alone says nothing
    (site / "simple" / "index.html").write_bytes(b"")

    report = write_site(wheels.repository, site)

    assert report.written == 2
    assert files_in(site) == expected


def test_leftovers_of_a_run_that_was_ended_are_removed(wheels: Stocked, site: Path) -> None:
    write_site(wheels.repository, site)
    leftover = site / "simple" / "other" / ".index.html.0123456789abcdef.tmp"
    leftover.write_bytes(b"half a pa")

    write_site(wheels.repository, site)

    assert not leftover.exists()


def test_what_lies_beside_the_site_is_left_alone(wheels: Stocked, site: Path) -> None:
    (site / ".git").mkdir(parents=True)
    (site / ".git" / "HEAD").write_text("ref: refs/heads/gh-pages\n")
    (site / "CNAME").write_text("packages.example\n")

    write_site(wheels.repository, site)
    write_site(wheels.repository, site)

    assert (site / ".git" / "HEAD").read_text() == "ref: refs/heads/gh-pages\n"
    assert (site / "CNAME").read_text() == "packages.example\n"


# --- trouble --------------------------------------------------------------------------------------------------------


def test_a_file_that_the_storage_lost_is_named_and_on_no_page(wheels: Stocked, site: Path) -> None:
    wheels.lose_bodies(WHEEL.filename)
    wheels.lose_bodies(f"{LOCAL.filename}.metadata", b"Name: something-else\n")

    report = write_site(wheels.repository, site)

    assert set(report.missing) == {WHEEL.filename, f"{LOCAL.filename}.metadata"}
    page = json.loads((site / "simple" / "demo-pkg" / "index.json").read_bytes())
    assert {file["filename"]: bool(file["core-metadata"]) for file in page["files"]} == {LOCAL.filename: False, SDIST.filename: True}
    assert not any(WHEEL.filename in path for path in files_in(site))


def test_a_body_with_other_bytes_than_the_index_knows_is_not_published(wheels: Stocked, site: Path) -> None:
    wheels.lose_bodies(OTHER.filename, b"x" * len(OTHER.data))

    report = write_site(wheels.repository, site)

    assert report.missing == (OTHER.filename,)
    assert sorted(path.name for path in (site / "simple" / "other").iterdir()) == ["index.html", "index.json"]


def test_a_storage_that_fails_midway_leaves_pages_that_name_only_what_is_there(
    wheels: Stocked, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(wheels.repository, site)
    wheels.publish(make_wheel("other", "0.2"), make_wheel("third", "1.0"))
    ask = wheels.repository.open_file

    def fails_for_the_third(file: FileRef) -> FileBody:
        if file.project == "third":
            raise BackendUnavailable("a test turned it off")
        return ask(file)

    monkeypatch.setattr(wheels.repository, "open_file", fails_for_the_third)

    with pytest.raises(BackendUnavailable):
        write_site(wheels.repository, site)

    there = files_in(site)
    assert links(there["simple/index.html"]) == ["demo-pkg/", "other/"]
    for project in ("demo-pkg", "other"):
        for link in links(there[f"simple/{project}/index.html"]):
            assert f"simple/{project}/{unquote(link.partition('#')[0])}" in there
    monkeypatch.undo()
    assert write_site(wheels.repository, site).missing == ()
    assert "third/" in links((site / "simple" / "index.html").read_bytes())


def test_a_folder_with_something_else_in_its_place_is_refused_and_left_as_it_is(wheels: Stocked, site: Path) -> None:
    (site / "simple").mkdir(parents=True)
    (site / "simple" / "thesis.txt").write_text("two years of work")

    with pytest.raises(SiteUnusable, match="not made by pywharf"):
        write_site(wheels.repository, site)

    assert files_in(site) == {"simple/thesis.txt": b"two years of work"}


def test_the_site_of_another_repository_is_refused(wheels: Stocked, site: Path, tmp_path: Path) -> None:
    write_site(wheels.repository, site)
    before = files_in(site)

    with stocked(tmp_path / "root 2", name="tools") as other, pytest.raises(SiteUnusable, match="another repository"):
        write_site(other.repository, site)

    assert files_in(site) == before


def test_two_runs_at_once_do_not_mix(wheels: Stocked, site: Path) -> None:
    site.mkdir()
    descriptor = os.open(site, os.O_RDONLY)
    try:
        assert try_lock(descriptor)
        with pytest.raises(SiteUnusable, match="another run"):
            write_site(wheels.repository, site)
    finally:
        os.close(descriptor)

    assert write_site(wheels.repository, site).written


@pytest.mark.parametrize("place", ["simple/other", f"simple/other/{OTHER.filename}", "simple/index.html", "simple/other/index.html"])
def test_nothing_is_written_or_removed_through_a_symbolic_link(wheels: Stocked, site: Path, tmp_path: Path, place: str) -> None:
    write_site(wheels.repository, site)
    expected = files_in(site)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    target = site / place
    if target.is_dir():
        for path in target.iterdir():
            path.unlink()
        target.rmdir()
    else:
        target.unlink()
    target.symlink_to(outside if place == "simple/other" else outside / "precious")

    write_site(wheels.repository, site)

    assert files_in(outside) == {"precious": b"mine"}
    assert files_in(site) == expected
    assert not target.is_symlink()


def test_the_folder_itself_may_be_a_symbolic_link(wheels: Stocked, site: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    site.symlink_to(tmp_path / "elsewhere")

    write_site(wheels.repository, site)

    assert site.is_symlink()
    assert (tmp_path / "elsewhere" / "simple" / "index.html").exists()


# --- how it works ---------------------------------------------------------------------------------------------------


def test_progress_is_told_in_finished_projects(wheels: Stocked, site: Path) -> None:
    told: list[tuple[int, int]] = []

    write_site(wheels.repository, site, on_progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 2), (2, 2)]


def test_several_projects_are_fetched_at_a_time(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)
    with stocked(tmp_path / "root", make_wheel("a", "1"), make_wheel("b", "1")) as made:
        ask = made.repository.open_file

        def wait_for_the_other(file: FileRef) -> FileBody:
            if file.name.endswith(".whl"):
                together.wait(timeout=20)
            return ask(file)

        monkeypatch.setattr(made.repository, "open_file", wait_for_the_other)

        assert write_site(made.repository, site).files == 2


def test_a_repository_is_opened_for_one_run_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_site.tempfile, "tempdir", str(tmp_path))

    with opened("wheels", MemoryPlugin(), MemoryConfig(), None) as repository:
        assert repository.projects().names == ()
        assert list(tmp_path.iterdir())

    assert list(tmp_path.iterdir()) == []
