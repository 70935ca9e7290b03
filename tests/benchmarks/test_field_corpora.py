"""What the servers are compared with is valid, and the same at each run."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.field import filling
from benchmarks.field.corpora import MIDDLE, SIZES, WIDE, Corpus, make_corpus, plan
from benchmarks.field.tools import READER
from pywharf.cli.main import cli
from pywharf.config import ServerSettings, parse
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.repository.repository import Repository

pytestmark = pytest.mark.any_python


@pytest.fixture
def small(tmp_path: Path) -> Corpus:
    return make_corpus("S", tmp_path / "corpus")


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_a_plan_has_the_files_and_the_projects_it_says(size: str) -> None:
    projects = plan(size)

    assert sum(project.files for project in projects) == SIZES[size].files
    assert len({project.name for project in projects}) == SIZES[size].projects


def test_a_plan_is_the_same_each_time() -> None:
    text = json.dumps([(project.name, project.files) for project in plan("M")])

    # Another Python deals the same: or figures of two machines would be of two corpora.
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ff896034d2928013"


def test_the_medium_size_has_a_wide_project_and_a_middle_one() -> None:
    files = {project.name: project.files for project in plan("M")}

    assert (files[WIDE], files[MIDDLE]) == (2_000, 350)


def test_two_corpora_of_a_size_are_equal_to_the_byte(small: Corpus, tmp_path: Path) -> None:
    again = make_corpus("S", tmp_path / "again")

    assert list(again.files()) == list(small.files())
    assert all(again.path(file).read_bytes() == small.path(file).read_bytes() for file in small.files())


def test_the_manifest_is_right_about_every_file(small: Corpus) -> None:
    files = list(small.files())

    assert len(files) == 100
    for file in files:
        name = parse_filename(file.filename)
        assert (name.project, str(name.version)) == (file.project, file.version)
        assert hashlib.sha256(small.path(file).read_bytes()).hexdigest() == file.sha256
        assert hashlib.sha256(small.metadata_path(file).read_bytes()).hexdigest() == file.metadata_sha256


def test_a_corpus_that_is_there_is_not_made_again(small: Corpus) -> None:
    before = (small.folder / "manifest.jsonl").stat()

    make_corpus("S", small.folder)

    assert (small.folder / "manifest.jsonl").stat().st_mtime_ns == before.st_mtime_ns


def test_a_corpus_that_was_not_finished_is_made_again(small: Corpus) -> None:
    (small.folder / "manifest.jsonl").rename(small.folder / "manifest.unfinished")
    (small.folder / "files" / "rest-of-another").mkdir()

    make_corpus("S", small.folder)

    assert len(list(small.files())) == 100
    assert not (small.folder / "files" / "rest-of-another").exists()


def test_pywharf_serves_all_of_it_as_if_it_had_been_uploaded(small: Corpus, tmp_path: Path, check_holds: Callable[..., None]) -> None:
    filling.fill_pywharf(small, tmp_path / "root")

    repository = Repository(parse(filling.CONFIG, "")["local"], Layout(tmp_path / "root"), ServerSettings())
    try:
        repository.sync()
        assert repository.access(READER).name == "READ"
        check_holds(repository, small, small.files())
    finally:
        repository.close()


def test_a_filled_root_can_be_searched_for_all_of_it(small: Corpus, tmp_path: Path) -> None:
    filling.fill_pywharf(small, tmp_path / "root")

    filling.bring_up_catalogue(tmp_path / "root")

    with closing(sqlite3.connect(tmp_path / "root" / "index" / "local.catalogue.sqlite")) as catalogue:
        found = {project for (project,) in catalogue.execute("SELECT project FROM projects")}
    assert found == {file.project for file in small.files()}


def test_a_wheel_of_the_corpus_passes_the_checks_of_an_upload(small: Corpus) -> None:
    wheels = [str(small.path(file)) for file in small.files()][::25]

    checked = CliRunner().invoke(cli, ["check", *wheels])

    assert checked.exit_code == 0, checked.output


def test_a_copy_to_work_on_leaves_the_original_as_it_is(small: Corpus, tmp_path: Path) -> None:
    filling.fill_pywharf(small, tmp_path / "root")
    journal = next((tmp_path / "root").rglob("journal.jsonl"))
    before = journal.read_bytes()

    copy = filling.work_copy(tmp_path / "root", tmp_path / "copy")
    with next(copy.rglob("journal.jsonl")).open("ab") as written:
        written.write(b"more\n")

    assert journal.read_bytes() == before


def test_peers_get_the_same_files(small: Corpus, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "folders").mkdir()

    filling.fill_flat(small, tmp_path / "flat")
    filling.fill_folders(small, tmp_path / "folders")

    wanted = sorted(file.filename for file in small.files())
    assert sorted(path.name for path in (tmp_path / "flat").iterdir()) == wanted
    assert sorted(path.name for path in (tmp_path / "folders").glob("*/*")) == wanted


def test_filling_that_failed_leaves_nothing_that_looks_filled(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        filling.filled("peer", tmp_path, fill)

    assert not (tmp_path / "peer").exists()
    assert list(filling.filled("peer", tmp_path, lambda folder: (folder / "whole").touch()).iterdir()) == [tmp_path / "peer" / "whole"]
