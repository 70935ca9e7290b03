"""What `pywharf verify` finds and mends in any storage: here one in memory, damaged in every way that a test can."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Change, FileRef
from pywharf.errors import AccessDenied, BackendUnavailable
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, ProjectStatus, to_json
from pywharf.repository import verification
from pywharf.repository.findings import Finding
from pywharf.repository.verification import Summary, verify
from pywharf.testing.distributions import make_sdist, make_wheel

from .making import download
from .stocked import Stocked, stocked

WHEEL = make_wheel("demo", "1.0")
SDIST = make_sdist("demo", "1.0", metadata_version="2.2")
OTHER = make_wheel("other", "2.0")


@dataclass
class Stock:
    """A repository with three files, and what the last verification said."""

    stocked: Stocked
    layout: Layout
    found: list[Finding] = field(default_factory=list)

    def verify(self, *, repair: bool = False) -> Summary:
        self.found = []
        return verify(self.stocked.repository, self.layout, repair=repair, on_finding=self.found.append)

    def said(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.where) for finding in self.found]


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    monkeypatch.setattr(verification, "SECOND_LOOK", 0.0)
    with stocked(tmp_path / "root", WHEEL, SDIST, OTHER) as made:
        yield Stock(made, Layout(tmp_path / "root"))


def test_a_sound_repository_has_no_difference_and_nothing_is_left_of_the_run(stock: Stock) -> None:
    before = sorted(os.listdir(stock.layout.index))

    summary = stock.verify()

    assert (summary.files, summary.found, summary.left) == (3, 0, 0)
    assert summary.size >= len(WHEEL.data) + len(SDIST.data) + len(OTHER.data)
    assert sorted(os.listdir(stock.layout.index)) == before


def test_what_a_killed_run_left_is_removed_by_the_next(stock: Stock) -> None:
    left = stock.layout.index / "verify-killed"
    left.mkdir()
    (left / "bodies.sqlite").write_bytes(b"x")
    os.utime(left, (1, 1))

    stock.verify()

    assert not left.exists()


@pytest.mark.parametrize("replacement", [None, b"other bytes"])
def test_a_body_that_is_lost_or_another_is_found_and_its_upload_once_more_puts_it_back(stock: Stock, replacement: bytes | None) -> None:
    stock.stocked.lose_bodies(WHEEL.filename, replacement)

    assert stock.verify().left == 1
    assert stock.said() == [("file", WHEEL.filename)]
    assert "upload the same file once more" in stock.found[0].remedy
    assert stock.verify(repair=True).left == 1, "nobody has its bytes any more"

    stock.stocked.publish(WHEEL)

    assert stock.verify().found == 0
    assert download(stock.stocked.repository, WHEEL.filename) == WHEEL.data


def test_core_metadata_that_are_lost_are_taken_from_the_file_again(stock: Stock) -> None:
    stock.stocked.lose_bodies(f"{WHEEL.filename}.metadata")
    stock.stocked.lose_bodies(f"{SDIST.filename}.metadata", b"Metadata-Version: 2.1\n")

    assert stock.verify().left == 2
    assert all("--repair" in finding.remedy for finding in stock.found)
    assert stock.verify(repair=True).left == 0
    assert stock.verify().found == 0
    assert download(stock.stocked.repository, f"{SDIST.filename}.metadata") == SDIST.metadata


def test_a_lost_body_is_put_back_from_what_lies_under_its_name(stock: Stock) -> None:
    stock.stocked.lose_bodies(WHEEL.filename)
    stock.stocked.storage.by_hand["demo", WHEEL.filename] = WHEEL.data

    assert stock.verify(repair=True).left == 0
    assert stock.verify().found == 0


def test_another_file_under_a_lost_ones_name_does_not_take_its_place(stock: Stock) -> None:
    stock.stocked.lose_bodies(WHEEL.filename)
    stock.stocked.storage.by_hand["demo", WHEEL.filename] = WHEEL.data[:-1] + b"?"

    assert stock.verify(repair=True).left == 1


def test_a_restored_record_is_as_it_was(stock: Stock) -> None:
    repository = stock.stocked.repository
    repository.releases.yank(None, "demo", version="1.0", reason="bad")
    before = repository.project(parse_filename(WHEEL.filename).project)
    stock.stocked.lose_bodies(WHEEL.filename)

    stock.stocked.publish(WHEEL)

    after = repository.project(parse_filename(WHEEL.filename).project)
    assert before is not None
    assert after is not None
    assert after.files == before.files


def test_a_body_that_nobody_knows_of_is_told(stock: Stock) -> None:
    stock.stocked.storage.by_hand["demo", "demo-9.0.tar.gz"] = b"who put this here?"
    ref = FileRef("other", "other-3.0-py3-none-any.whl", "ab" * 32, 5)
    stock.stocked.storage.bodies[ref] = type(next(iter(stock.stocked.storage.bodies.values())))(b"12345", 0.0)

    stock.verify()

    assert ("leftover", "demo/demo-9.0.tar.gz") in stock.said()
    assert ("leftover", "other/other-3.0-py3-none-any.whl") in stock.said()
    assert ("file", "other-3.0-py3-none-any.whl") in stock.said(), "its name promises other bytes"
    assert all("update_index" in finding.remedy for finding in stock.found if finding.kind == "leftover")


def test_an_upload_between_its_body_and_its_commit_is_no_difference(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    late = make_wheel("late", "1.0")
    storage = stock.stocked.storage
    body = type(next(iter(storage.bodies.values())))(late.data, storage.now())
    storage.bodies[FileRef("late", late.filename, late.sha256, len(late.data))] = body
    looks: list[float] = []

    class Clock:
        @staticmethod
        def sleep(seconds: float) -> None:
            looks.append(seconds)
            stock.stocked.publish(late)

    monkeypatch.setattr(verification, "time", Clock)

    assert stock.verify().found == 0
    assert len(looks) == 1


def test_a_record_that_says_otherwise_than_its_file_is_told(stock: Stock) -> None:
    record = _record(stock, WHEEL.filename)
    for changed in ("requires_python", "md5", "version"):
        other: dict[str, object] = {"digests": {"md5": "0" * 32}} if changed == "md5" else {changed: ">=9"}
        _commit(stock, WHEEL.filename, to_json(replace(record, **other)))  # type: ignore[arg-type]

        assert stock.verify().left == 1
        assert stock.said() == [("record", WHEEL.filename)]
        assert f"another {changed} than the file" in stock.found[0].what


def test_a_document_that_cannot_be_read_is_told(stock: Stock) -> None:
    _commit(stock, WHEEL.filename, b'{"kind":"fil')

    stock.verify()

    assert ("record", parse_filename(WHEEL.filename).key) in stock.said()


def test_a_record_under_another_files_key_is_told(stock: Stock) -> None:
    _commit(stock, "demo-7.0-py3-none-any.whl", to_json(_record(stock, WHEEL.filename)))

    stock.verify()

    assert stock.said() == [("record", WHEEL.filename)]


def test_a_repository_that_lags_behind_its_log_has_no_difference(stock: Stock) -> None:
    repository = stock.stocked.repository
    cursor = repository.index.cursor()
    assert cursor is not None
    repository.backend.commit(Change("demo", {"": to_json(ProjectStatus("archived"))}), cursor)  # and the index is not told

    assert stock.verify().found == 0


def test_a_row_that_the_log_does_not_tell_is_found_and_gone_after_repair(stock: Stock) -> None:
    with stock.stocked.repository.index.examined() as db:
        path = db.execute("PRAGMA database_list").fetchone()[2]
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM entries WHERE project = 'other'")

    stock.verify()

    assert [where for _, where in stock.said() if "other" in where]
    assert {kind for kind, _ in stock.said()} == {"index"}
    assert stock.verify(repair=True).left == 0
    assert stock.verify().found == 0


def test_names_that_the_file_of_names_lost_are_found_and_added_again(stock: Stock) -> None:
    names = stock.layout.names / "wheels"
    names.write_bytes(names.read_bytes().replace(b"other\n", b"o\x14her\n"))

    stock.verify()

    assert ("names", "project other") in stock.said()
    assert any(where.startswith("line ") for kind, where in stock.said() if kind == "names")
    stock.verify(repair=True)
    assert b"\nother\n" in b"\n" + names.read_bytes()


def test_a_storage_that_cannot_be_asked_ends_the_run_instead_of_condemning_every_file(stock: Stock) -> None:
    stock.stocked.storage.unavailable = True

    with pytest.raises(BackendUnavailable):
        stock.verify()
    assert stock.found == []


def test_repair_needs_the_right_to_write(stock: Stock) -> None:
    backend = stock.stocked.repository.backend
    backend.rights = Access.READ  # type: ignore[attr-defined]

    assert stock.verify().found == 0
    with pytest.raises(AccessDenied):
        stock.verify(repair=True)


def _record(stock: Stock, filename: str) -> DistributionRecord:
    name = parse_filename(filename)
    document = stock.stocked.repository.index.picture(name.project, name.key).document
    assert isinstance(document, DistributionRecord)
    return document


def _commit(stock: Stock, filename: str, document: bytes) -> None:
    name = parse_filename(filename)
    cursor = stock.stocked.repository.index.cursor()
    assert cursor is not None
    stock.stocked.repository.backend.commit(Change(name.project, {name.key: document}), cursor)
    stock.stocked.repository.sync()
