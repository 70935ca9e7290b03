"""What the journal of a storage survives: crashes in the middle of a line, disks that fail, hands that meddle."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pywharf_file_system import plugin
from pywharf_file_system.journal import Journal

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, Entry
from pywharf.errors import BackendUnavailable, Moved
from pywharf.testing.backend_suite import DOCUMENT, Reader, StorageUnderTest, commit, content, current


class Folder(StorageUnderTest):
    def open(self, access: Access = Access.WRITE) -> Backend:
        return plugin.open(plugin.config_model.model_validate({"write_secret": "w"}), None, self.folder)

    @property
    def journal(self) -> Path:
        return self.folder / "storage" / "journal.jsonl"


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    for number in range(3):
        folder.publish("demo", f"demo-{number}", b"%d" % number)
    return folder


def keys(backend: Backend) -> set[str]:
    return {key for _, key in Reader(backend).documents()}


FIRST = {"demo-0", "demo-1", "demo-2"}


# --- tails ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [b"{", b'{"serial":4,"project":"demo","documents":{"torn":"{}"}} 0123456789abcde', b"\0" * 300, b"\0" * 100_000, b"\xff" * 9000],
    ids=["one-byte", "all-but-the-newline", "zeros", "many-zeros", "rubbish"],
)
def test_what_a_dead_writer_left_at_the_end_is_never_shown_and_cut_off_by_the_next_commit(storage: Folder, tail: bytes) -> None:
    follower = Reader(storage.open())
    follower.sync()
    whole = storage.journal.read_bytes()
    storage.journal.write_bytes(whole + tail)

    assert keys(storage.open()) == FIRST
    unchanged = follower.sync()
    assert (unchanged.reset, follower.cursor) == (False, unchanged.cursor)
    storage.publish("demo", "demo-late")

    assert set(follower.documents()) == {("demo", key) for key in FIRST | {"demo-late"}}
    assert keys(storage.open()) == FIRST | {"demo-late"}
    after = storage.journal.read_bytes()
    assert after.startswith(whole)
    assert after.count(b"\n") == whole.count(b"\n") + 1


def test_every_beginning_of_a_line_is_a_torn_tail(storage: Folder) -> None:
    before = storage.journal.read_bytes()
    storage.publish("demo", "torn")
    line = storage.journal.read_bytes()[len(before) :]
    for length in range(len(line)):
        storage.journal.write_bytes(before + line[:length])

        assert keys(storage.open()) == FIRST


def test_the_serial_goes_on_after_a_torn_tail(storage: Folder) -> None:
    with storage.journal.open("ab") as file:
        file.write(b"{torn")
    storage.publish("demo", "demo-late")

    reader = Reader(storage.open())
    reader.sync()
    assert sorted(entry.serial for entry in reader.newest.values()) == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [*range(8192 - 130, 8192 - 60), 2 * 8192, 32 * 1024 - 100])
def test_the_serial_goes_on_after_a_line_of_any_length(storage: Folder, size: int) -> None:
    """The end of a journal is read in blocks of 8192 bytes."""
    document = b'"%b"' % (b"x" * size)
    commit(storage.open(), Change("demo", {"demo-long": document}))
    storage.publish("demo", "demo-late")

    reader = Reader(storage.open())
    reader.sync()
    assert sorted(entry.serial for entry in reader.newest.values()) == [1, 2, 3, 4, 5]
    assert reader.documents()["demo", "demo-long"] == document


# --- damage in the middle -----------------------------------------------------------------------------------------------


def damage(path: Path, marker: bytes) -> int:
    """Change one byte of the line that holds `marker`; where that line begins."""
    data = bytearray(path.read_bytes())
    at = data.index(marker)
    data[at] ^= 1
    path.write_bytes(data)
    return data.rfind(b"\n", 0, at) + 1


def test_a_damaged_line_is_skipped_and_told_once_with_its_position(storage: Folder, caplog: pytest.LogCaptureFixture) -> None:
    at = damage(storage.journal, b"demo-1")
    backend = storage.open()

    for _ in range(3):
        assert keys(backend) == {"demo-0", "demo-2"}

    assert caplog.text.count("damaged line") == 1
    assert f"byte={at}" in caplog.text
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_work_goes_on_around_a_damaged_line_which_stays_where_it_is(storage: Folder, number: int) -> None:
    follower = Reader(storage.open())
    follower.sync()
    damage(storage.journal, b"demo-%d" % number)
    damaged = storage.journal.read_bytes()

    storage.publish("demo", "demo-late")

    assert set(follower.documents()) == {("demo", key) for key in FIRST | {"demo-late"}}
    assert keys(storage.open()) == FIRST - {f"demo-{number}"} | {"demo-late"}
    assert storage.journal.read_bytes().startswith(damaged)
    reader = Reader(storage.open())
    reader.sync()
    assert reader.newest["demo", "demo-late"].serial == 4


def test_a_change_is_decided_again_where_nobody_can_say_what_a_damaged_line_changed(storage: Folder) -> None:
    backend = storage.open()
    seen = current(backend)
    storage.publish("other", "other-1")
    damage(storage.journal, b"other-1")

    with pytest.raises(Moved):
        backend.commit(Change("demo", {"demo-late": DOCUMENT}), seen)
    backend.commit(Change("demo", {"demo-late": DOCUMENT}), current(backend))

    assert keys(backend) == FIRST | {"demo-late"}


def test_a_damaged_first_line_costs_nothing_but_itself(storage: Folder) -> None:
    damage(storage.journal, b"format")

    assert keys(storage.open()) == FIRST
    storage.publish("demo", "demo-late")
    assert keys(storage.open()) == FIRST | {"demo-late"}


def test_a_journal_of_a_later_format_is_refused(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pywharf_file_system.journal.FORMAT", 0)

    with pytest.raises(BackendUnavailable, match="another version of pywharf"):
        list(storage.open().read_changes(None).entries)


# --- hands that meddle --------------------------------------------------------------------------------------------------


def test_a_shortened_journal_is_a_reset(storage: Folder) -> None:
    follower = Reader(storage.open())
    follower.sync()
    lines = storage.journal.read_bytes().splitlines(keepends=True)
    storage.journal.write_bytes(b"".join(lines[:-1]))

    changes = follower.sync()

    assert changes.reset
    assert "the journal was replaced by another one, or cut short" in changes.notice
    assert set(follower.newest) == {("demo", "demo-0"), ("demo", "demo-1")}


def test_a_journal_put_back_from_a_backup_and_grown_again_is_a_reset(storage: Folder) -> None:
    backup = storage.journal.read_bytes()
    storage.publish("demo", "demo-x")
    follower = Reader(storage.open())
    follower.sync()
    storage.journal.write_bytes(backup)
    for name in ("demo-y", "demo-z"):  # as long as demo-x, so that a line ends where the follower stands
        storage.publish("demo", name)

    assert follower.sync().reset
    assert {key for _, key in follower.newest} == FIRST | {"demo-y", "demo-z"}


def test_the_same_line_after_another_past_is_a_reset(storage: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The mark in a cursor stands for everything before it, not only for the last line."""
    backup = storage.journal.read_bytes()
    commit(storage.open(), Change("demo", {"one": b"1"}))
    commit(storage.open(), Change("demo", {"": b"archived"}))
    follower = Reader(storage.open())
    follower.sync()
    storage.journal.write_bytes(backup)
    commit(storage.open(), Change("demo", {"two": b"2"}))
    commit(storage.open(), Change("demo", {"": b"archived"}))

    assert follower.sync().reset
    assert {key for _, key in follower.newest} == FIRST | {"two", ""}


@pytest.mark.parametrize(
    "lose",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\0" * 4096),
        lambda path: path.write_bytes(b"somebody wrote\nsomething else\n"),
    ],
    ids=["removed", "emptied", "zeroed", "overwritten"],
)
@pytest.mark.parametrize("remembered", [True, False], ids=["by-its-server", "by-a-new-server"])
def test_a_lost_journal_is_unavailable_and_stays_as_it_is(
    storage: Folder, lose: Callable[[Path], object], remembered: bool, tmp_path: Path
) -> None:
    seen = current(storage.open())
    lose(storage.journal)
    found = storage.journal.read_bytes() if storage.journal.exists() else None
    if not remembered:
        (tmp_path / "filled").unlink()

    for cursor in (None, seen, Cursor("0:")):
        with pytest.raises(BackendUnavailable, match="restore it from a backup"):
            storage.open().read_changes(cursor)
    for cursor in (seen, Cursor("0:")):
        with pytest.raises((BackendUnavailable, Moved)):
            storage.open().commit(Change("demo", {"demo-late": DOCUMENT}), cursor)
    assert (storage.journal.read_bytes() if storage.journal.exists() else None) == found


def test_a_folder_that_is_not_mounted_is_not_an_empty_storage(storage: Folder) -> None:
    """Not to a server that lost its index too, and not to one that has only its cursor."""
    seen = current(storage.open())
    (storage.folder / "storage").rename(storage.folder / "unmounted")
    (storage.folder / "storage" / "incoming").mkdir(parents=True)  # a server makes it at its start

    for forget in (False, True):
        if forget:
            (storage.folder / "filled").unlink()
        with pytest.raises(BackendUnavailable):
            storage.open().read_changes(seen)
        with pytest.raises(BackendUnavailable):
            storage.open().commit(Change("demo", {"demo-late": DOCUMENT}), seen)
        if not forget:
            with pytest.raises(BackendUnavailable):
                storage.open().read_changes(None)
    assert not (storage.folder / "storage" / "journal.jsonl").exists()

    shutil.rmtree(storage.folder / "storage")
    (storage.folder / "unmounted").rename(storage.folder / "storage")
    assert keys(storage.open()) == FIRST


def test_lost_bodies_are_unavailable_and_not_missing_files(storage: Folder) -> None:
    (file, *_) = [file for file in storage.open().iter_files() if file.name == "demo-0"]
    shutil.rmtree(storage.folder / "storage" / "objects")

    for attempt in (lambda one: one.open_file(file), lambda one: list(one.iter_files())):
        with pytest.raises(BackendUnavailable, match="packages is gone"):
            attempt(storage.open())
    with pytest.raises(BackendUnavailable, match="packages is gone"):
        storage.publish("demo", "demo-late")


def test_a_symbolic_link_is_not_followed_to_a_journal(storage: Folder, tmp_path: Path) -> None:
    storage.journal.rename(tmp_path / "elsewhere")
    storage.journal.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BackendUnavailable):
        storage.open().read_changes(None)


def test_a_cursor_from_elsewhere_begins_no_storage(tmp_path: Path) -> None:
    with pytest.raises(Moved):
        Folder(tmp_path).open().commit(Change("demo", {"demo-1": DOCUMENT}), Cursor("of another kind of storage"))

    assert list(tmp_path.iterdir()) == []
    changes = Folder(tmp_path).open().read_changes(Cursor("of another kind of storage"))
    assert (changes.reset, list(changes.entries)) == (True, [])


def test_a_storage_that_is_begun_while_somebody_asks_whether_it_is_lost_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Folder(tmp_path)
    read = Journal.read

    def read_then_begin(self: Journal, after: Cursor | None) -> Changes | None:
        found = read(self, after)
        monkeypatch.setattr(Journal, "read", read)
        storage.publish("demo", "demo-0")
        return found

    monkeypatch.setattr(Journal, "read", read_then_begin)

    assert keys(storage.open()) == {"demo-0"}


def test_a_storage_whose_first_commit_died_can_still_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal was made, the rest not: that is not a storage that lost its bodies."""
    storage = Folder(tmp_path)

    def fail(self: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as dying:
        dying.setattr("pywharf_file_system.bodies.Bodies.prepare", fail)
        with pytest.raises(BackendUnavailable):
            storage.publish("demo", "demo-0")
    assert storage.journal.exists()
    assert not (tmp_path / "storage" / "objects").exists()

    assert keys(storage.open()) == set()
    assert list(storage.open().iter_files()) == []
    storage.publish("demo", "demo-0")
    assert keys(storage.open()) == {"demo-0"}


# --- a disk that fails --------------------------------------------------------------------------------------------------


@pytest.fixture
def failing_fsync(monkeypatch: pytest.MonkeyPatch, storage: Folder) -> list[int]:
    """Append numbers: the fsyncs of the journal to fail, the next one being 1."""
    failing: list[int] = []
    count = 0
    fsync = os.fsync

    def maybe(descriptor: int) -> None:
        nonlocal count
        if os.path.samestat(os.fstat(descriptor), storage.journal.stat()):
            count += 1
            if count in failing:
                raise OSError(errno.EIO, os.strerror(errno.EIO), "/a/path")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", maybe)
    return failing


def test_a_commit_whose_fsync_failed_is_refused_and_never_shown(storage: Folder, failing_fsync: list[int]) -> None:
    seen = current(storage.open())
    before = storage.journal.read_bytes()
    staged = storage.stage("demo", "refused", b"refused")
    failing_fsync.append(2)  # after that of the read above

    with pytest.raises(BackendUnavailable, match="Input/output error") as refused:
        storage.open().commit(Change("demo", {"refused": DOCUMENT}, [staged]), seen)

    assert "/" not in str(refused.value).replace("Input/output", "")
    assert storage.journal.read_bytes() == before
    assert keys(storage.open()) == FIRST
    storage.publish("demo", "demo-late")
    assert keys(storage.open()) == FIRST | {"demo-late"}


def test_a_line_that_cannot_be_taken_back_is_told_in_the_log(
    storage: Folder, failing_fsync: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen = current(storage.open())
    failing_fsync.append(2)

    def refuse(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "ftruncate", refuse)

    with pytest.raises(BackendUnavailable):
        storage.open().commit(Change("demo", {"refused": DOCUMENT}), seen)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "byte=" in caplog.records[0].getMessage()
    assert "no change is taken until" in caplog.records[1].getMessage()


def test_nothing_is_shown_that_could_not_be_made_to_last(storage: Folder, failing_fsync: list[int]) -> None:
    """A writer may have died between its line and its fsync: the reader does the fsync, or does not read."""
    failing_fsync.append(1)

    with pytest.raises(BackendUnavailable):
        storage.open().read_changes(None)
    assert keys(storage.open()) == FIRST


def test_a_reader_waits_until_a_line_is_sure_to_stay(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a writer's line and its fsync a reader comes by; then the fsync fails."""
    seen = current(storage.open())
    found: list[set[str]] = []
    reader = threading.Thread(target=lambda: found.append(keys(storage.open())))
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        assert b"refused" in storage.journal.read_bytes()
        reader.start()
        reader.join(0.2)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BackendUnavailable):
        storage.open().commit(Change("demo", {"refused": DOCUMENT}), seen)
    reader.join()

    assert found == [FIRST]


def test_short_writes_are_continued(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))

    storage.publish("demo", "demo-late")

    monkeypatch.undo()
    assert keys(storage.open()) == FIRST | {"demo-late"}


def test_a_full_disk_refuses_and_leaves_nothing_behind(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = storage.journal.read_bytes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, bytes(data)[: len(data) - 50])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(BackendUnavailable, match="No space left on device"):
        storage.publish("demo", "refused")
    monkeypatch.undo()

    assert storage.journal.read_bytes() == before


# --- cost ---------------------------------------------------------------------------------------------------------------


def reads_of(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> tuple[int, int]:
    """How many reads the action made, and how many bytes they gave. Counts system calls where the code uses os.pread only."""
    reads: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        reads.append(len(data))
        return data

    with monkeypatch.context() as counting:
        counting.setattr(os, "pread", counted)
        action()
    return len(reads), sum(reads)


def test_asking_when_nothing_is_new_costs_one_small_read_and_no_lock(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = storage.open()
    seen = current(backend)

    def refuse(*arguments: object) -> None:
        raise AssertionError("not for a question that finds nothing new")

    with monkeypatch.context() as strict:
        strict.setattr("fcntl.flock", refuse)
        strict.setattr(os, "fsync", refuse)
        count, size = reads_of(monkeypatch, lambda: backend.read_changes(seen))

    assert count == 1
    assert size < 100


@pytest.mark.any_python
def test_a_commit_reads_no_more_of_a_long_journal_than_of_a_short_one(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = storage.open()
    reader = Reader(backend)
    reader.sync()

    def publish() -> None:
        assert reader.cursor is not None
        backend.commit(Change("demo", {"demo-late": DOCUMENT}), reader.cursor)
        reader.sync()

    short = reads_of(monkeypatch, publish)
    for number in range(500):
        assert reader.cursor is not None
        backend.commit(Change("demo", {f"more-{number}": DOCUMENT}), reader.cursor)
        reader.sync()
    long = reads_of(monkeypatch, publish)

    assert long[0] == short[0]
    assert long[1] < 40_000


# --- any damage at all --------------------------------------------------------------------------------------------------


def _sample() -> tuple[bytes, list[Entry], list[Cursor]]:
    """A journal with everything it says, and every cursor it ever gave."""
    with tempfile.TemporaryDirectory() as folder:
        storage = Folder(Path(folder))
        reader = Reader(storage.open())
        cursors = [Cursor("0:")]
        entries: list[Entry] = []
        for number in range(5):
            documents = {"": b"status"} if number == 3 else {f"demo-{number}": b'{"n":%d}' % number, f"more-{number}": "ö\n".encode()}
            commit(reader.backend, Change(f"project-{number % 2}", documents))
            changes = reader.backend.read_changes(cursors[-1])
            entries += changes.entries
            cursors.append(changes.cursor)
        return storage.journal.read_bytes(), entries, cursors


JOURNAL, ENTRIES, CURSORS = _sample()
POSITIONS = st.integers(0, len(JOURNAL) - 1)
DAMAGES = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), POSITIONS, st.integers(1, 255)),
        st.tuples(st.just("zero"), POSITIONS, st.integers(1, 400)),
        st.tuples(st.just("cut"), POSITIONS, st.just(0)),
        st.tuples(st.just("remove"), POSITIONS, st.integers(1, 400)),
        st.tuples(st.just("insert"), POSITIONS, st.sampled_from([b"\n", b"\n\n", b"\0", b" ", b"{}\n", b"\xff" * 20])),
        st.tuples(st.just("append"), st.just(0), st.one_of(st.binary(max_size=50), st.just(b"\0" * 5000))),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, damages: list[tuple[str, int, object]]) -> bytes:
    for kind, at, how in damages:
        if kind == "flip" and isinstance(how, int) and at < len(data):
            data = data[:at] + bytes([data[at] ^ how]) + data[at + 1 :]
        elif kind == "zero" and isinstance(how, int):
            data = data[:at] + b"\0" * len(data[at : at + how]) + data[at + how :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "remove" and isinstance(how, int):
            data = data[:at] + data[at + how :]
        elif kind == "insert" and isinstance(how, bytes):
            data = data[:at] + how + data[at:]
        elif kind == "append" and isinstance(how, bytes):
            data += how
    return data


@settings(max_examples=60, deadline=None)
@given(damages=DAMAGES, which=st.integers(0, len(CURSORS) - 1))
@pytest.mark.any_python
def test_whatever_happens_to_a_journal_nothing_is_shown_that_was_not_committed(damages: list[tuple[str, int, object]], which: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = Folder(Path(folder))
        (storage.folder / "storage" / "objects").mkdir(parents=True)
        storage.journal.write_bytes(damaged(JOURNAL, damages))
        backend = storage.open()
        seen = CURSORS[which]

        try:
            everything = backend.read_changes(None)
            shown = list(everything.entries)
            changes = backend.read_changes(seen)
            newer = list(changes.entries)
        except BackendUnavailable:
            return  # and says so; what it may not do is show something else

        assert all(entry in ENTRIES for entry in shown)
        assert all(entry in ENTRIES for entry in newer)
        if not changes.reset:
            assert [entry for entry in newer if entry in ENTRIES[: sum(entry.serial <= which for entry in ENTRIES)]] == []
        assert changes.cursor == everything.cursor
        backend.commit(Change("late", {"late": DOCUMENT}), everything.cursor)
        after = backend.read_changes(everything.cursor)
        (late,) = after.entries
        assert not after.reset
        assert late.serial > max((entry.serial for entry in shown), default=0)
        assert list(storage.open().read_changes(None).entries) == [*shown, late]
        staged = storage.stage("late", "late", b"late")
        commit(backend, Change("late", {"later": DOCUMENT}, [staged]))
        assert content(backend, staged.ref) == b"late"
