"""The SQLite file behind the local index: made, opened by every thread for itself, checked, thrown away.

Knows the schema and what SQLite's errors mean; nothing of what the rows say.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from pywharf.errors import IndexNotReady
from pywharf.repository.checks.names_confusable import LOOK_IN_SQL
from pywharf.repository.index_builds import IndexBuilds

SCHEMA_VERSION = 2
ENTRIES_BY_KEY = "CREATE UNIQUE INDEX entries_by_key ON entries(project, key)"
SCHEMA = f"""
BEGIN EXCLUSIVE;
CREATE TABLE entries(project TEXT NOT NULL, key TEXT NOT NULL, serial INTEGER NOT NULL, live INTEGER NOT NULL,
    checksum INTEGER NOT NULL, document BLOB); -- not WITHOUT ROWID: three times slower for rows of this size in the order of a log
{ENTRIES_BY_KEY};
CREATE TABLE projects(project TEXT PRIMARY KEY, serial INTEGER NOT NULL, revision INTEGER NOT NULL, files INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE names(project TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX names_by_look ON names({LOOK_IN_SQL}); -- where an older index has none, looking takes longer
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one = 1), cursor TEXT, serial INTEGER NOT NULL, revision INTEGER NOT NULL,
    list_revision INTEGER NOT NULL, names_taken INTEGER NOT NULL);
"""
BUSY = 30.0  # seconds a writer waits for another
CHECKPOINT_WAIT = 1000  # milliseconds the end of a reset waits for readers of the old picture; SQLite tidies up later otherwise

ROOMY = 64 * 1024  # KiB

log = logging.getLogger(__name__)

_inherited: list[sqlite3.Connection] = []


class IndexDamaged(Exception):
    """The local index cannot be read and has to be built anew. Never leaves `repository/`."""


_SAID = (sqlite3.Error, UnicodeDecodeError, IndexDamaged)  # of a build that is asked; SQLite's messages quote what is damaged


class IndexFile:
    """One local index on disk. Everything that is asked of it goes through `connection` or `transaction`."""

    def __init__(self, path: Path, repository: str) -> None:
        self.path = path
        self.builds = IndexBuilds(path)
        self._address = str(path)
        self.repository = repository
        self._local = threading.local()
        self._closed = False

    # --- made and thrown away ---------------------------------------------------------------------------------------

    def create(self, names: Iterable[tuple[str, int]]) -> None:
        """Make an empty index that remembers `names`, where there is none or none of this version.

        names: as `NamesSeen.read` gives them. Call it with the sync lock held. Raises IndexNotReady.
        """
        if self.build() is not None:
            try:
                with self.connection() as db:
                    if db.execute("SELECT 1 FROM state").fetchone():
                        return
            except IndexDamaged:
                pass
            log.warning("local index unreadable or of another version, building it anew: repository=%s", self.repository)
        self.rebuild(names)

    def rebuild(self, names: Iterable[tuple[str, int]]) -> None:
        """Put an empty index that remembers `names` in place of what is there. With the sync lock held. Raises IndexNotReady."""
        try:
            new = self.builds.make()
            with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
                fill(db, names)
                db.execute("PRAGMA journal_mode = WAL")
            self.builds.show(new)
        except (OSError, sqlite3.Error) as error:
            raise IndexNotReady(self.repository, "it cannot be made on this disk", retry_after=30) from error

    def build(self) -> str | None:
        """What tells this build from any other; None where there is no index."""
        return self.builds.shown()

    def close(self) -> None:
        """Let go of every thread's connection; those in use at this moment are closed when they are done."""
        self._closed = True
        self._local = threading.local()

    # --- asked ------------------------------------------------------------------------------------------------------

    def connection(self) -> _Asking:
        """The calling thread's connection; what SQLite says is told as IndexNotReady or IndexDamaged."""
        return _Asking(self)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One instant of the index, for several questions in a row."""
        with self.connection() as db, _one_instant(db):
            yield db

    @contextlib.contextmanager
    def long_transaction(self) -> Iterator[sqlite3.Connection]:
        """One instant of the index on a connection of its own, for a walk in between which other questions are asked."""
        build = self._build()
        with self._told(build), contextlib.closing(self._open(build)) as own, _one_instant(own.db):
            yield own.db

    @contextlib.contextmanager
    def roomy(self, db: sqlite3.Connection) -> Iterator[None]:
        """Let SQLite hold more of the database in memory than the 2 MiB that are enough otherwise: all of it is written anew."""
        db.execute(f"PRAGMA cache_size = -{ROOMY}")
        try:
            yield
        finally:
            db.execute("PRAGMA cache_size = -2000")

    def empty_log(self, db: sqlite3.Connection) -> None:
        """Give back the room of a long write-ahead log, if its readers are done within a moment."""
        db.execute(f"PRAGMA busy_timeout = {CHECKPOINT_WAIT}")
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            db.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")

    @contextlib.contextmanager
    def _told(self, build: str) -> Iterator[None]:
        try:
            yield
        except _SAID as error:
            raise self.meaning(error, build) from error

    def is_shown(self, db: sqlite3.Connection) -> bool:
        """Whether the calling thread's connection is to the build of this moment still. Asked by who writes, once nobody else can."""
        mine: _Connection | None = getattr(self._local, "connection", None)
        return mine is not None and mine.db is db and mine.inode is not None and mine.inode == self._inode()

    def meaning(self, error: Exception, build: str) -> IndexNotReady | IndexDamaged:
        """What something says that SQLite said, or that was found damaged, while this build was asked."""
        if self._build() != build:  # whatever SQLite made of files that went away under it
            return IndexNotReady(self.repository, "it is being built anew")
        said = str(error)
        if "locked" in said or "busy" in said:
            return IndexNotReady(self.repository, "it is busy")
        if "disk is full" in said:
            return IndexNotReady(self.repository, "there is no room for it on the disk", retry_after=30)
        if "unable to open" in said:  # no right, or no descriptor left: building it anew would mend neither
            return IndexNotReady(self.repository, "its file cannot be opened")
        return IndexDamaged(said)

    def mine(self) -> _Connection:
        """The calling thread's connection to the build of this moment. Raises IndexNotReady, IndexDamaged."""
        if self._closed:
            raise IndexNotReady(self.repository, "it is closed")
        mine: _Connection | None = getattr(self._local, "connection", None)
        # Another file than the one opened: it was built anew by some process. Never across fork() either.
        if mine is not None and mine.inode is not None and mine.owner == os.getpid() and mine.inode == self._inode():
            return mine
        self._local.connection = None
        build = self._build()
        with self._told(build):
            mine = self._local.connection = self._open(build)
        return mine

    def _inode(self) -> tuple[int, int] | None:
        """Device and number of the file that the index is now: of no other file than the one that is open, as long as it is."""
        try:
            found = os.stat(self._address)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self, build: str) -> _Connection:
        found = _Connection(self.path, build, self._inode())
        if self._build() != build:
            # Opened while it was being replaced: what it shows may be older than what was seen before.
            found.close()
            raise IndexNotReady(self.repository, "it is being built anew")
        return found

    def _build(self) -> str:
        build = self.build()
        if build is None:
            raise IndexNotReady(self.repository, "its first sync is not complete")
        return build


class _Asking:
    """The calling thread's connection in a `with`: a class, since every request asks, and a generator's context takes three times as long."""

    __slots__ = ("_file", "_mine")

    def __init__(self, file: IndexFile) -> None:
        self._file = file

    def __enter__(self) -> sqlite3.Connection:
        self._mine = self._file.mine()  # held until the end, so that close() elsewhere does not end it under us
        return self._mine.db

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, _SAID):
            raise self._file.meaning(error, self._mine.build) from error


class _Connection:
    """One thread's connection to one build of the file. Raises IndexDamaged where the file is of another version."""

    def __init__(self, path: Path, build: str, inode: tuple[int, int] | None) -> None:
        self.build = build
        self.inode = inode
        self.owner = os.getpid()
        # mode=rw: a file that is missing is never made here. close() may come from another thread.
        self.db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            self.db.execute("PRAGMA synchronous = NORMAL")  # derived: power loss costs a few entries of reading again
            version = self.db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error:
            self.db.close()
            raise
        if version != SCHEMA_VERSION:
            self.db.close()
            raise IndexDamaged(f"made by another version of pywharf (schema {version})")

    def close(self) -> None:
        if self.owner == os.getpid():
            self.db.close()
        else:
            _inherited.append(self.db)  # the parent's: SQLite wants it neither used nor closed in a child

    def __del__(self) -> None:
        if hasattr(self, "db"):
            self.close()


@contextlib.contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One step that is visible whole when the `with` ends, or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _one_instant(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):  # the error that matters is the one on its way
            db.execute("ROLLBACK")


def fill(db: sqlite3.Connection, names: Iterable[tuple[str, int]]) -> None:
    """Make an empty index with the names, as `NamesSeen.read` gives them, of a new file."""
    db.executescript(SCHEMA)
    taken = 0
    for name, end in names:
        db.execute("INSERT OR IGNORE INTO names VALUES(?)", (name,))
        taken = end
    # Revisions begin anywhere: pages that were rendered from the index before must not look current.
    revision = secrets.randbits(40)
    db.execute("INSERT INTO state VALUES(1, NULL, 0, ?, ?, ?)", (revision, revision, taken))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
