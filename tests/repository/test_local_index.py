"""The local index: one visible step at a time, for threads and processes alike, and never wrong where it is damaged."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.errors import IndexNotReady
from pywharf.model.names import ProjectName
from pywharf.model.record import DistributionRecord, ProjectStatus, Tombstone, to_json
from pywharf.repository import index_file, index_spool
from pywharf.repository import local_index as local_index_module
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.index_rows import Row
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen

from .making import DEMO, cursor, entry, local_index, record, step, tombstone, wheel

ACME = ProjectName("acme")

# Another process that applies entries one by one, against whoever else does so.
WRITER = """
import sys
from pathlib import Path
from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen
folder, who, many = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
index = LocalIndex(folder / "local.sqlite", "local", NamesSeen(folder / "names" / "local"))
for number in range(many):
    while True:
        before = index.cursor()
        entry = Entry(f"{who}-{number}", "k", int(before) + 1, b'{"kind":"file"}')
        if index.apply(before, Changes(False, iter([entry]), Cursor(str(int(before) + 1)))):
            break
"""


def files(index: LocalIndex, project: str = "demo") -> set[str]:
    detail = index.project(ProjectName(project))
    assert detail is not None
    return {file.filename for file in detail.files}


# --- steps ------------------------------------------------------------------------------------------------------------


def test_before_the_first_sync_nothing_is_answered(index: LocalIndex) -> None:
    assert not index.is_ready()
    assert index.cursor() is None
    for question in (
        lambda: index.project(DEMO),
        lambda: index.project_revision(DEMO),
        lambda: index.projects(),
        lambda: index.projects_revision(),
        lambda: index.picture(DEMO, entry(wheel("demo")).key),
        lambda: list(index.documents()),
        lambda: index.ever_seen(DEMO),
    ):
        with pytest.raises(IndexNotReady, match="first sync"):
            question()


def test_an_empty_storage_makes_it_ready_too(index: LocalIndex) -> None:
    assert step(index, [])

    assert index.is_ready()
    assert index.projects().names == ()
    assert index.project(DEMO) is None


def test_a_picture_holds_one_key_and_the_projects_status(index: LocalIndex) -> None:
    name = wheel("demo")
    step(index, [entry(name), entry(wheel("demo", "2.0")), Entry("demo", "", 3, to_json(ProjectStatus("archived")))])

    picture = index.picture(DEMO, entry(name).key)

    assert picture.cursor == index.cursor()
    assert picture.status.status == "archived"
    assert picture.taken
    assert picture.document == record(name)
    free = index.picture(DEMO, entry(wheel("demo", "3.0")).key)
    assert (free.taken, free.document) == (False, None)


@pytest.mark.parametrize(
    ("document", "expected"), [(None, None), (b"{", None), (to_json(tombstone(wheel("demo"))), Tombstone), (b'{"kind":"later"}', None)]
)
def test_a_key_stays_taken_whatever_became_of_its_document(index: LocalIndex, document: bytes | None, expected: type | None) -> None:
    step(index, [entry(wheel("demo"), 1, document)])

    picture = index.picture(DEMO, entry(wheel("demo")).key)

    assert picture.taken
    assert (type(picture.document) if picture.document else None) is expected


def test_a_step_from_another_position_is_not_taken(index: LocalIndex) -> None:
    step(index, [entry(wheel("demo"))])
    before = index.cursor()

    assert not index.apply(Cursor("elsewhere"), Changes(False, iter([entry(wheel("acme"))]), cursor()))
    assert not index.apply(None, Changes(True, iter([entry(wheel("acme"))]), cursor()))

    assert index.cursor() == before
    assert index.projects().names == ("demo",)
    assert not index.ever_seen(ACME)


def test_the_cursor_is_read_when_the_entries_are_at_their_end(index: LocalIndex) -> None:
    """As the contract says: it is good once `entries` is exhausted."""
    step(index, [])
    before = index.cursor()
    changes = Changes(False, iter(()), Cursor("too early"))

    def entries() -> Iterator[Entry]:
        yield entry(wheel("demo"))
        changes.cursor = Cursor("right")

    changes.entries = entries()
    if before is not None:
        changes.cursor = before  # "nothing changed", as long as one does not look
    assert index.apply(before, changes)

    assert index.cursor() == "right"
    assert index.projects().names == ("demo",)


def test_nothing_new_costs_no_transaction(index: LocalIndex) -> None:
    step(index, [entry(wheel("demo"))])
    here = index.cursor()
    log = Path(f"{(Path(index._file.path)).resolve()}-wal").stat().st_mtime_ns

    assert here is not None
    assert index.apply(here, Changes(False, iter(()), here))

    assert Path(f"{(Path(index._file.path)).resolve()}-wal").stat().st_mtime_ns == log


def test_readers_keep_the_old_picture_until_a_reset_is_done(index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_index_module, "BATCH", 2)
    step(index, [entry(wheel("demo"))])
    reader = local_index(tmp_path)
    seen = []
    put = local_index_module.IndexStep.put

    def watched(self: local_index_module.IndexStep, rows: list[Row]) -> None:
        put(self, rows)
        seen.append(reader.projects().names)

    monkeypatch.setattr(local_index_module.IndexStep, "put", watched)
    step(index, [entry(wheel(f"acme-{number}")) for number in range(6)], reset=True)

    assert seen == [("demo",)] * 3
    assert reader.projects().names == tuple(f"acme-{number}" for number in range(6))
    assert reader.project(DEMO) is None


def test_an_old_picture_outlives_a_reset_for_who_holds_it(index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "CHECKPOINT_WAIT", 20)
    step(index, [entry(wheel("demo"), 1), entry(wheel("acme"), 2)])
    with index.all_entries() as (before, entries):
        first = next(entries)
        step(index, [entry(wheel("later"), 9)], reset=True)
        assert (before, [first.project, *(one.project for one in entries)]) == (before, ["acme", "demo"])
        assert before != index.cursor()


def test_the_end_of_a_long_reset_gives_the_room_of_the_log_back(index: LocalIndex) -> None:
    step(index, [entry(wheel("demo", f"1.{number}"), number) for number in range(300)], reset=True)

    assert Path(f"{index._file.path.resolve()}-wal").stat().st_size == 0


@pytest.mark.parametrize("reset", [False, True])
def test_a_storage_that_fails_in_the_middle_leaves_everything_as_it_was(
    index: LocalIndex, reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_spool, "IN_MEMORY", 0)
    step(index, [entry(wheel("demo"))])
    before = index.cursor()

    def failing() -> Iterator[Entry]:
        yield entry(wheel("acme"))
        raise KeyError("a fault of the storage")

    with pytest.raises(KeyError):
        index.apply(before, Changes(reset, failing(), cursor()))

    assert index.cursor() == before
    assert index.projects().names == ("demo",)
    assert not index.ever_seen(ACME)
    step(index, [entry(wheel("later"))])  # no transaction was left open


def test_no_transaction_is_open_while_the_storage_is_read(index: LocalIndex, tmp_path: Path) -> None:
    step(index, [])
    other = local_index(tmp_path)

    def slow() -> Iterator[Entry]:
        yield entry(wheel("demo"))
        assert step(other, [entry(wheel("acme"))])  # would wait for ever

    assert not index.apply(index.cursor(), Changes(True, slow(), cursor()))
    assert index.projects().names == ("acme",)


# --- names ever seen --------------------------------------------------------------------------------------------------


def test_a_name_outlives_its_entries_a_reset_a_rebuild_and_the_file(index: LocalIndex, tmp_path: Path) -> None:
    step(index, [entry(wheel("demo"), 1)])
    step(index, [entry(wheel("demo"), 2, None)])
    step(index, [], reset=True)
    assert index.project(DEMO) is None
    assert index.ever_seen(DEMO)

    index.rebuild()
    assert index.ever_seen(DEMO)

    index.close()
    for left in tmp_path.glob("local*"):
        left.unlink()
    again = local_index(tmp_path)
    again.create()
    assert again.ever_seen(DEMO)
    step(again, [])
    assert not again.ever_seen(ACME)


def test_names_last_before_the_step_that_first_lists_them_is_seen(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in between leaves the name reserved, and not listed."""
    step(index, [])
    before = index.cursor()
    reader = local_index(tmp_path)
    add = NamesSeen.add

    def dying(self: NamesSeen, names: list[str]) -> None:
        add(self, names)
        assert reader.project(DEMO) is None
        raise MemoryError

    monkeypatch.setattr(NamesSeen, "add", dying)
    with pytest.raises(MemoryError):
        index.apply(before, Changes(False, iter([entry(wheel("demo"))]), cursor()))
    monkeypatch.undo()

    assert index.cursor() == before
    assert index.projects().names == ()
    assert reader.project(DEMO) is None
    assert reader.ever_seen(DEMO)
    assert not reader.ever_seen(ACME)
    reader.keep_names()
    assert reader.ever_seen(DEMO)
    step(index, [entry(wheel("demo"))])
    assert reader.projects().names == ("demo",)


def test_names_that_cannot_be_written_down_are_not_listed(index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    step(index, [])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IndexNotReady, match="names"):
        step(index, [entry(wheel("demo"))])
    monkeypatch.undo()

    assert index.projects().names == ()
    step(index, [entry(wheel("demo"))])
    assert index.projects().names == ("demo",)


def test_a_torn_file_of_names_heals(index: LocalIndex, tmp_path: Path) -> None:
    path = tmp_path / "names" / "local"
    step(index, [entry(wheel("demo"))])
    with path.open("ab") as file:
        file.write(b"acm")

    assert not index.ever_seen(ACME)
    index.keep_names()
    step(index, [entry(wheel("acme"))])

    assert path.read_text().splitlines() == ["demo", "acm", "acme"]
    assert index.ever_seen(ACME)
    before = path.stat().st_mtime_ns
    index.keep_names()
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("left", [b"", b"demo\n", None])
def test_names_that_somebody_took_out_of_the_file_come_back(index: LocalIndex, tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "names" / "local"
    step(index, [entry(wheel("demo")), entry(wheel("acme"))])
    path.unlink()
    if left is not None:
        path.write_bytes(left)

    assert index.ever_seen(ACME)
    index.keep_names()
    index.rebuild()

    assert index.ever_seen(ACME)
    assert index.ever_seen(DEMO)


def test_names_restored_from_a_backup_are_taken_over(index: LocalIndex, tmp_path: Path) -> None:
    step(index, [entry(wheel("demo"))])
    NamesSeen(tmp_path / "names" / "local").add(["acme"])

    assert index.ever_seen(ACME)
    index.keep_names()
    assert index.ever_seen(ACME)


def test_a_file_of_names_that_cannot_be_read_is_no_answer(index: LocalIndex, tmp_path: Path) -> None:
    step(index, [entry(wheel("demo"))])
    path = tmp_path / "names" / "local"
    path.unlink()
    path.mkdir()

    with pytest.raises(IndexNotReady, match="names"):
        index.ever_seen(ACME)


def test_a_reset_writes_all_names_down_with_one_fsync(index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_index_module, "BATCH", 10)
    calls = []
    add = NamesSeen.add
    monkeypatch.setattr(NamesSeen, "add", lambda self, names: (calls.append(1), add(self, names))[1])

    step(index, [entry(wheel(f"demo-{number}")) for number in range(100)], reset=True)

    assert len(calls) == 1
    assert len((tmp_path / "names" / "local").read_text().split()) == 100


# --- documents that cannot be read ------------------------------------------------------------------------------------

BAD = {
    "not JSON": b"{",
    "not UTF-8": b"\xff\xfe\x00",
    "nothing": b"",
    "a list": b"[]",
    "of another kind": b'{"kind":"later"}',
    "without fields": b'{"kind":"file"}',
    "a status": to_json(ProjectStatus("archived")),
    "nested deep": b"[" * 100_000,
    "a file nested deep": b'{"kind":"file","later":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "leading out of the folder": to_json(record(wheel("demo"))).replace(wheel("demo").encode(), b"../../etc/passwd"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_document_leaves_the_rest_served_and_is_told_once(index: LocalIndex, bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    step(index, [entry(wheel("demo")), Entry("demo", "bad", 2, bad), entry(wheel("acme"), 3)])

    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            assert files(index) == {wheel("demo")}
            assert list(index.documents())
            assert index.picture(DEMO, local_index_module.Key("bad")).taken

    assert index.projects().names == ("acme", "demo")
    assert len(caplog.records) <= 1
    assert all("project=demo key=bad" in line.getMessage() for line in caplog.records)


@pytest.mark.parametrize("depth", [*range(150, 1200, 25), 3000, 10_000])
def test_a_document_nested_about_as_deep_as_can_be_read_does_no_harm(index: LocalIndex, depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    step(index, [entry(wheel("demo")), Entry("demo", "bad", 2, b'{"kind":"file","later":"\\u00e9","deep":' + deep + b"}")])

    assert files(index) == {wheel("demo")}


def test_a_storage_full_of_bad_documents_does_not_flood_the_log(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_index_module, "MOST_TOLD", 5)
    step(index, [Entry("demo", f"bad-{number}", number, b'{"kind":"file"}') for number in range(50)])

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert files(index) == set()

    assert len(caplog.records) == 5


# --- several at once --------------------------------------------------------------------------------------------------


@pytest.mark.any_python
def test_two_processes_and_several_threads_lose_nothing_and_readers_never_wait(index: LocalIndex, tmp_path: Path) -> None:
    many, errors, slowest = 40, [], [0.0]
    assert index.apply(None, Changes(True, iter(()), Cursor("0")))
    stop = threading.Event()

    def write(who: str) -> None:
        mine = local_index(tmp_path)
        try:
            for number in range(many):
                while True:
                    before = mine.cursor()
                    assert before is not None
                    one = Entry(f"{who}-{number}", "k", int(before) + 1, b'{"kind":"file"}')
                    if mine.apply(before, Changes(False, iter([one]), Cursor(str(int(before) + 1)))):
                        break
        except Exception as error:
            errors.append(error)

    def read() -> None:
        known: set[str] = set()
        serial = -1
        try:
            while not stop.is_set():
                began = time.monotonic()
                found = index.projects()
                slowest[0] = max(slowest[0], time.monotonic() - began)
                assert known <= set(found.names)
                assert serial <= found.serial
                known, serial = set(found.names), found.serial
        except Exception as error:
            errors.append(error)

    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), f"process-{number}", str(many)]) for number in range(2)]
    writers = [threading.Thread(target=write, args=(f"thread-{number}",)) for number in range(3)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    stop.set()
    for thread in readers:
        thread.join()

    assert errors == []
    assert slowest[0] < 10  # far below the 30 seconds that a writer would wait
    everything = {
        f"{kind}-{who}-{number}" for kind, count in (("thread", 3), ("process", 2)) for who in range(count) for number in range(many)
    }
    assert set(index.projects().names) == everything
    assert set((tmp_path / "names" / "local").read_text().split()) == everything
    assert index.cursor() == str(len(everything))


# --- damage -----------------------------------------------------------------------------------------------------------


def ask_everything(index: LocalIndex) -> dict[str, object]:
    """What an index says; "not ready" and "damaged" where it says so."""
    questions = {
        "cursor": index.cursor,
        "revision": lambda: index.project_revision(DEMO) is not None,
        "project": lambda: sorted(index.project(DEMO).files, key=str),  # type: ignore[union-attr]
        "picture": lambda: index.picture(DEMO, entry(wheel("demo", "1.7")).key).taken,
        "projects": lambda: "demo" in index.projects().names,
        "projects revision": lambda: index.projects_revision() is not None,
        "ever seen": lambda: index.ever_seen(DEMO),
        "everything": lambda: len(list(index.documents())),
    }
    answers: dict[str, object] = {}
    for name, question in questions.items():
        try:
            answers[name] = question()
        except IndexNotReady:
            answers[name] = "not ready"
        except IndexDamaged:
            answers[name] = "damaged"
    return answers


def in_one_file(index: LocalIndex) -> Path:
    """Close the index with all of it in its one file, and say which that is."""
    with index._file.connection() as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    index.close()
    return index._file.path.resolve()


@pytest.mark.any_python
def test_no_flipped_byte_makes_a_known_name_free_to_leave(index: LocalIndex, tmp_path: Path) -> None:
    """Wherever damage hits: right, not ready or damaged; never another exception, another page, or "unknown, and never seen"."""
    step(index, [entry(wheel("demo", f"1.{number}"), number + 1) for number in range(40)])
    page = ask_everything(index)["project"]
    path = in_one_file(index)
    good = path.read_bytes()
    for at in range(0, len(good), 499):
        for flip in (0x01, 0x80, 0xFF):
            path.write_bytes(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :])
            for suffix in ("-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            damaged = local_index(tmp_path)
            answers = ask_everything(damaged)
            assert answers["revision"] is not False or answers["ever seen"] is not False, (at, flip)
            assert answers["project"] in (page, "damaged", "not ready"), (at, flip)
            assert answers["picture"] in (True, "damaged", "not ready"), (at, flip)
            assert answers["everything"] in (40, "damaged", "not ready"), (at, flip)
            damaged.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE state SET cursor = 17",
        "UPDATE state SET cursor = x'00ff'",
        "UPDATE state SET serial = 'many', revision = 'some', list_revision = x'00', names_taken = 'x'",
        "UPDATE projects SET revision = x'', serial = 'x'",
        "UPDATE projects SET project = x'64656d6f'",
        "UPDATE entries SET document = 7",
        "UPDATE entries SET document = 99999999999999",
        "UPDATE entries SET document = 'text'",
        "UPDATE entries SET key = x'00', serial = 'x'",
        "DELETE FROM state",
        "DROP TABLE entries",
        "DROP TABLE names",
        "ALTER TABLE state DROP COLUMN cursor",
    ],
)
def test_rows_that_nobody_wrote_are_damage_and_no_other_error(index: LocalIndex, tmp_path: Path, sql: str) -> None:
    step(index, [entry(wheel("demo", "1.7"))])
    path = in_one_file(index)
    with contextlib.closing(sqlite3.connect(path)) as db:
        try:
            db.execute(sql)
        except sqlite3.OperationalError:
            pytest.skip("this SQLite cannot")
        db.commit()

    answers = ask_everything(local_index(tmp_path))

    assert answers["revision"] is not False or answers["ever seen"] is not False
    assert set(map(str, answers.values())) & {"damaged", "0", "1", "17"}


def test_a_log_that_somebody_deleted_takes_the_index_back_a_little_and_no_further(index: LocalIndex, tmp_path: Path) -> None:
    step(index, [entry(wheel("demo"), 1)], reset=True)
    kept = index.cursor()
    with index._file.connection() as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    step(index, [entry(wheel("acme"), 2)])
    path = index._file.path.resolve()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").rename(f"{path}{suffix}.taken")
    # A new process, in a copy: closing the connections of this one would write the log into the file.
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / path.name).write_bytes(path.read_bytes())
    (copy / "local.sqlite").symlink_to(path.name)
    (copy / "names").symlink_to(tmp_path / "names")

    found = local_index(copy)

    assert found.cursor() == kept
    assert found.projects().names == ("demo",)
    assert found.ever_seen(ACME)


def test_a_deleted_index_is_not_ready_and_says_nothing_of_projects(index: LocalIndex) -> None:
    step(index, [entry(wheel("demo"))])
    index._file.path.unlink()

    assert set(ask_everything(index).values()) == {"not ready"}
    assert index.build() is None
    index.create()
    assert index.ever_seen(DEMO)
    assert not index.is_ready()


def test_a_rebuilt_index_never_gives_a_revision_again(index: LocalIndex) -> None:
    """Pages are kept by revision: one of the index before must not look current."""
    step(index, [entry(wheel("demo"))])
    revisions = {index.project_revision(DEMO), index.projects_revision()}
    for _ in range(5):
        index.rebuild()
        step(index, [entry(wheel("demo"))])
        found = {index.project_revision(DEMO), index.projects_revision()}
        assert not found & revisions
        revisions |= found


def test_documents_come_sorted_with_what_can_be_read_of_them(index: LocalIndex) -> None:
    step(index, [entry(wheel("demo")), Entry("demo", "bad", 2, b"{"), entry(wheel("acme"), 3, None)])

    found = [(one.project, one.key, type(document)) for one, document in index.documents()]

    assert found == [
        ("acme", entry(wheel("acme")).key, type(None)),
        ("demo", "bad", type(None)),
        ("demo", entry(wheel("demo")).key, DistributionRecord),
    ]
