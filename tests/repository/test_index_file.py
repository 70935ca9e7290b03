"""The SQLite file: made whole, opened by each thread and process for itself, thrown away without hurting who still has it open."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.errors import IndexNotReady
from pywharf.repository import index_file
from pywharf.repository.index_file import IndexDamaged, IndexFile

NAMES = [("acme", 5), ("demo", 10)]

# Another process with the index open: it does what each line of its input says, and answers with one line.
OTHER = """
import sys
from pathlib import Path
from pywharf.repository.index_file import IndexFile
file = IndexFile(Path(sys.argv[1]), "local")
for line in sys.stdin:
    try:
        with file.connection() as db:
            print(db.execute(line).fetchall(), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""

FORKING = """
import os, sys
from pathlib import Path
from pywharf.repository.index_file import IndexFile
file = IndexFile(Path(sys.argv[1]), "local")
with file.connection() as db:
    before = db
    db.execute("UPDATE state SET cursor = 'parent'")
child = os.fork()
if not child:
    with file.connection() as db:
        assert db is not before, "the parent's connection is used in the child"
        assert db.execute("SELECT cursor FROM state").fetchone() == ("parent",)
    file.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
with file.connection() as db:
    assert db is before
    db.execute("UPDATE state SET cursor = 'after'")
print(os.path.getsize(os.path.realpath(sys.argv[1]) + "-wal") > 0)
sys.stdout.flush()
os._exit(0)  # as a crash would: nothing is closed
"""


class Other:
    """A further process that has the index open."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, sql: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(sql + "\n")
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=30) == 0


@pytest.fixture
def file(tmp_path: Path) -> IndexFile:
    file = IndexFile(tmp_path / "local.sqlite", "local")
    file.create(NAMES)
    return file


@pytest.fixture
def other(file: IndexFile) -> Iterator[Other]:
    other = Other(file.path)
    yield other
    other.end()


def write(file: IndexFile, cursor: str) -> None:
    with file.connection() as db:
        db.execute("UPDATE state SET cursor = ?", (cursor,))


def read(file: IndexFile) -> str:
    with file.connection() as db:
        return str(db.execute("SELECT cursor FROM state").fetchone()[0])


def look_through(file: IndexFile) -> None:
    """Every page of it is in order."""
    with file.connection() as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def log_of(file: IndexFile) -> Path:
    """SQLite's write-ahead log, beside the build that the index is a link to."""
    return Path(f"{file.path.resolve()}-wal")


def open_files(folder: Path) -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{descriptor}")
            if target.startswith(str(folder)):
                found.append(target)
    return found


# --- made -------------------------------------------------------------------------------------------------------------


def test_a_new_index_has_the_names_and_is_private(file: IndexFile) -> None:
    with file.connection() as db:
        assert db.execute("SELECT project FROM names ORDER BY project").fetchall() == [("acme",), ("demo",)]
        assert db.execute("SELECT cursor, names_taken FROM state").fetchone() == (None, 10)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_an_index_that_is_there_is_left_alone(file: IndexFile) -> None:
    write(file, "here")
    inode = file.path.stat().st_ino

    IndexFile(file.path, "local").create([])

    assert file.path.stat().st_ino == inode
    assert read(file) == "here"


def test_two_builds_never_share_a_revision(file: IndexFile) -> None:
    with file.connection() as db:
        first = db.execute("SELECT revision, list_revision FROM state").fetchone()
    file.rebuild(NAMES)
    with file.connection() as db:
        assert db.execute("SELECT revision, list_revision FROM state").fetchone() != first


def test_an_index_is_never_seen_without_its_names(tmp_path: Path) -> None:
    file = IndexFile(tmp_path / "local.sqlite", "local")

    def dying() -> Iterator[tuple[str, int]]:
        yield "acme", 5
        assert not file.path.exists()
        raise OSError(5, "Input/output error")

    with pytest.raises(IndexNotReady):
        file.create(dying())
    assert not file.path.exists()

    file.create(NAMES)  # what the failure left behind is no hindrance
    with file.connection() as db:
        assert db.execute("SELECT count(*) FROM names").fetchone() == (2,)


def test_nothing_is_left_of_older_builds_nor_taken_of_a_repository_with_a_longer_name(file: IndexFile) -> None:
    longer = IndexFile(file.path.with_name("local.x.sqlite"), "local.x")
    longer.create(NAMES)
    write(longer, "theirs")
    write(file, "old")
    file.path.unlink()
    file.create(NAMES)
    file.rebuild(NAMES)
    file.close()
    longer.close()

    builds = sorted(path.name.partition("@")[0] for path in file.path.parent.iterdir())
    assert builds == ["local", "local.sqlite", "local.x", "local.x.sqlite"]
    assert read(IndexFile(longer.path, "local.x")) == "theirs"


def test_an_index_can_be_moved_with_its_folder(file: IndexFile, tmp_path: Path) -> None:
    write(file, "here")
    file.close()
    moved = tmp_path.rename(tmp_path.with_name("moved"))

    assert read(IndexFile(moved / "local.sqlite", "local")) == "here"


def test_a_disk_that_takes_no_index_is_told(tmp_path: Path) -> None:
    file = IndexFile(tmp_path / "missing" / "local.sqlite", "local")

    with pytest.raises(IndexNotReady, match="cannot be made"):
        file.create([])


# --- asked ------------------------------------------------------------------------------------------------------------


def test_a_missing_index_is_not_ready_and_is_not_made_by_asking(tmp_path: Path) -> None:
    file = IndexFile(tmp_path / "local.sqlite", "local")

    with pytest.raises(IndexNotReady), file.connection():
        pass
    assert list(tmp_path.iterdir()) == []


def test_threads_have_connections_of_their_own_and_give_them_back(file: IndexFile) -> None:
    connections = []
    ready, go = threading.Barrier(5), threading.Event()

    def use() -> None:
        with file.connection() as db:
            connections.append(db)
        ready.wait()
        go.wait()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    assert len(set(map(id, connections))) == 4
    connections.clear()
    go.set()
    for thread in threads:
        thread.join()
    read(file)
    file.close()

    assert open_files(file.path.parent) == []


def test_closing_takes_the_connections_of_threads_that_live_on(file: IndexFile) -> None:
    done, end = threading.Barrier(2), threading.Event()

    def use() -> None:
        read(file)
        done.wait()
        end.wait()

    thread = threading.Thread(target=use)
    thread.start()
    done.wait()
    assert open_files(file.path.parent)
    file.close()
    assert open_files(file.path.parent) == []
    end.set()
    thread.join()


def test_a_reader_in_the_middle_is_not_harmed_by_closing(file: IndexFile) -> None:
    with file.transaction() as db:
        file.close()
        assert db.execute("SELECT count(*) FROM names").fetchone() == (2,)
    assert open_files(file.path.parent) == []
    with pytest.raises(IndexNotReady, match="closed"), file.connection():
        pass


def test_a_transaction_is_one_instant_while_others_write(file: IndexFile, other: Other) -> None:
    write(file, "one")
    with file.transaction() as db:
        assert db.execute("SELECT cursor FROM state").fetchone() == ("one",)
        assert other.ask("UPDATE state SET cursor = 'two'") == "[]"
        assert db.execute("SELECT cursor FROM state").fetchone() == ("one",)
    assert read(file) == "two"


def test_a_long_transaction_leaves_the_threads_own_connection_free(file: IndexFile) -> None:
    write(file, "one")
    with file.long_transaction() as db:
        assert db.execute("SELECT cursor FROM state").fetchone() == ("one",)
        write(file, "two")
        assert read(file) == "two"
        assert db.execute("SELECT cursor FROM state").fetchone() == ("one",)


def test_readers_never_wait_for_a_writer(file: IndexFile, other: Other) -> None:
    write(file, "one")
    with file.connection() as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE state SET cursor = 'two'")
        began = time.monotonic()
        assert other.ask("SELECT cursor FROM state") == "[('one',)]"
        assert time.monotonic() - began < 10  # and not the 30 seconds that one writer has for another
        db.execute("COMMIT")
    assert other.ask("SELECT cursor FROM state") == "[('two',)]"


def test_a_writer_that_waits_too_long_is_told_that_it_is_busy(file: IndexFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "BUSY", 0.01)
    impatient = IndexFile(file.path, "local")
    with file.connection() as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(IndexNotReady, match="busy"):
            write(impatient, "two")
        db.execute("ROLLBACK")


def test_the_end_of_a_reset_does_not_wait_long_for_readers(file: IndexFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "CHECKPOINT_WAIT", 20)
    write(file, "one")
    with file.long_transaction():
        write(file, "two")
        with file.connection() as db:
            began = time.monotonic()
            file.empty_log(db)
            assert time.monotonic() - began < 15  # and not 30
            assert db.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_a_full_disk_is_no_damage(file: IndexFile) -> None:
    with file.connection() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(IndexNotReady, match="no room"), file.connection() as db:
        db.execute("INSERT INTO names VALUES(?)", ("x" * 100_000,))


def test_running_out_of_descriptors_is_no_damage(file: IndexFile) -> None:
    write(file, "here")
    fresh = IndexFile(file.path, "local")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        with pytest.raises(IndexNotReady, match="cannot be opened"):
            read(fresh)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert read(fresh) == "here"


# --- fork -------------------------------------------------------------------------------------------------------------


def test_a_connection_made_before_fork_is_neither_used_nor_closed_after_it(file: IndexFile) -> None:
    ran = subprocess.run([sys.executable, "-c", FORKING, str(file.path)], capture_output=True, text=True, timeout=60, check=False)

    assert (ran.stdout, ran.stderr) == ("True\n", "")
    assert read(file) == "after"


# --- damage -----------------------------------------------------------------------------------------------------------


def damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2 + 7])
    elif how == "header zeroed":
        path.write_bytes(bytes(100) + content[100:])
    elif how == "no database":
        path.write_bytes(b"<html>404</html>" * 100)
    elif how == "first page zeroed":
        path.write_bytes(content[:100] + bytes(4096 - 100) + content[4096:])
    else:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(how)
            db.commit()


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "truncated",
        "header zeroed",
        "no database",
        "first page zeroed",
        "PRAGMA user_version = 99",
        "DROP TABLE state",
        "DELETE FROM state",
    ],
)
def test_a_damaged_or_foreign_index_is_told_and_made_anew(file: IndexFile, how: str) -> None:
    write(file, "here")
    file.close()
    damaged(file.path, how)
    found = IndexFile(file.path, "local")

    with pytest.raises((IndexDamaged, TypeError)):
        read(found)
    found.create(NAMES)

    assert read(found) == "None"
    look_through(found)


# --- replaced under others --------------------------------------------------------------------------------------------


def test_another_process_follows_to_the_new_file_and_hurts_neither_its_log(file: IndexFile, other: Other) -> None:
    write(file, "old")
    assert other.ask("SELECT cursor FROM state") == "[('old',)]"
    file.rebuild(NAMES)
    write(file, "new")
    log = log_of(file)
    assert log.stat().st_size > 0
    before = log.stat().st_ino

    # It closes its connection to the unlinked file now, which was the last one: SQLite may not remove the log by its name.
    assert other.ask("SELECT cursor FROM state") == "[('new',)]"

    assert log.stat().st_ino == before
    assert other.ask("UPDATE state SET cursor = 'theirs'") == "[]"
    assert read(file) == "theirs"
    look_through(file)


def test_a_process_that_ends_with_the_old_file_open_leaves_the_new_log_alone(file: IndexFile) -> None:
    other = Other(file.path)
    assert other.ask("UPDATE state SET cursor = 'old'") == "[]"
    file.rebuild(NAMES)
    write(file, "new")
    before = log_of(file).stat().st_ino

    other.end()

    assert log_of(file).stat().st_ino == before
    assert read(file) == "new"
    assert read(IndexFile(file.path, "local")) == "new"


@pytest.mark.any_python
def test_rebuilding_again_and_again_under_readers_never_mixes_two_files(file: IndexFile) -> None:
    """Readers meet a complete build or are told to come again; never damage, and never what a build did not hold."""
    stop = threading.Event()
    wrong: list[str] = []

    def look() -> None:
        while not stop.is_set():
            mine = IndexFile(file.path, "local")  # opened and closed all the time
            try:
                with mine.transaction() as db:
                    cursor = db.execute("SELECT cursor FROM state").fetchone()[0]
                    if cursor is not None and db.execute("SELECT max(project) FROM names").fetchone()[0] != f"z{cursor}":
                        wrong.append(f"cursor {cursor} with names of another build")
            except IndexNotReady:
                pass
            except IndexDamaged as error:
                wrong.append(str(error))
            mine.close()

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    end, build = time.monotonic() + 2, 0
    while time.monotonic() < end:
        build += 1
        file.rebuild([(f"name-{number}", 0) for number in range(200)])
        with file.connection() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO names VALUES(?)", (f"z{build}",))
            db.execute("UPDATE state SET cursor = ?", (str(build),))
            db.execute("COMMIT")
        assert read(file) == str(build)
    stop.set()
    for reader in readers:
        reader.join()

    assert wrong == []
    assert build > 3
    look_through(file)
