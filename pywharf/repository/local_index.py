"""The local index: this server's own copy of what the backend's log says, in SQLite.

Derived, and so never precious: `apply` with what the backend's `read_changes` gave is the only way in, and a copy that is
damaged is thrown away and read again. Only the names ever seen are kept apart (`names_seen.py`), since a rebuild
could not bring them back.

Shared by threads (each has its own connection) and by processes (WAL). Readers never wait for writers.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.errors import IndexNotReady
from pywharf.model.names import PROJECT_KEY, Key, ProjectName
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import DistributionRecord, Document, DocumentInvalid, ProjectStatus, from_json
from pywharf.repository.index_file import IndexDamaged, IndexFile
from pywharf.repository.index_spool import IndexSpool
from pywharf.repository.index_step import IndexStep
from pywharf.repository.names_seen import NamesSeen

BATCH = 5000
MOST_TOLD = 1000  # documents that cannot be read and are named in the log, each once

Value = TypeVar("Value")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """What a change is decided upon: one instant of the index."""

    cursor: Cursor
    status: ProjectStatus
    taken: bool  # whether the key has an entry at all
    document: Document | None  # None where there is no entry, or one that cannot be read or was removed by hand


class LocalIndex:
    """One repository's local index.

    Reading raises IndexNotReady while there is nothing complete to read from, and IndexDamaged where the file is broken.
    """

    def __init__(self, path: Path, repository: str, names: NamesSeen) -> None:
        self._repository = repository
        self._names = names
        self._file = IndexFile(path, repository)
        self._told: set[tuple[str, str]] = set()  # documents that the log has named

    def create(self) -> None:
        """Make an empty index where there is none, or none that can be read. Call it with the sync lock held."""
        self._file.create(self._names.read())

    def rebuild(self) -> None:
        """Begin anew: not ready until the next sync. Call it with the sync lock held."""
        self._file.rebuild(self._names.read())

    def build(self) -> str | None:
        """Which build of the index there is, complete or not: another after each rebuild, None where there is none."""
        return self._file.build()

    def is_ready(self) -> bool:
        """Whether it can answer: its first sync is complete."""
        try:
            return self.cursor() is not None
        except (IndexNotReady, IndexDamaged):
            return False

    def close(self) -> None:
        """Let go of it for good."""
        self._file.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def cursor(self) -> Cursor | None:
        """How far the index has come; None before its first sync."""
        with self._file.connection() as db:
            return _State.of(db).cursor

    def picture(self, project: ProjectName, key: Key) -> Picture:
        """What is known of one key and of its project's status: constant in cost, however wide the project."""
        with self._file.transaction() as db:
            cursor, _ = self._complete(db)
            rows = dict(db.execute("SELECT key, document FROM entries WHERE project = ? AND key IN ('', ?)", (project, key)).fetchall())
        status = self._read(project, PROJECT_KEY, rows.get(PROJECT_KEY))
        return Picture(
            cursor,
            status if isinstance(status, ProjectStatus) else ProjectStatus(),
            key in rows,
            self._read(project, key, rows.get(key)),
        )

    def project_revision(self, project: ProjectName) -> int | None:
        """The revision of a project's page; None where no such project is known."""
        with self._file.connection() as db:
            row = db.execute("SELECT revision FROM projects WHERE project = ?", (project,)).fetchone()
            if row is None:
                self._complete(db)
                return None
        return _expect(row[0], int)

    def project(self, project: ProjectName) -> ProjectDetail | None:
        with self._file.transaction() as db:
            row = db.execute("SELECT serial, revision FROM projects WHERE project = ?", (project,)).fetchone()
            if row is None:
                self._complete(db)
                return None
            rows = db.execute("SELECT key, document FROM entries WHERE project = ? AND (live OR key = '')", (project,)).fetchall()
        documents = [self._read(project, key, document) for key, document in rows]
        status = next((document for document in documents if isinstance(document, ProjectStatus)), ProjectStatus())
        files = tuple(document for document in documents if isinstance(document, DistributionRecord))
        return ProjectDetail(project, files, status, serial=_expect(row[0], int), revision=_expect(row[1], int))

    def projects_revision(self) -> int:
        with self._file.connection() as db:
            return self._complete(db)[1].list_revision

    def projects(self) -> ProjectList:
        """Every project that has a file."""
        with self._file.transaction() as db:
            _, state = self._complete(db)
            rows = db.execute("SELECT project FROM projects WHERE files > 0 ORDER BY project").fetchall()
        return ProjectList(tuple(ProjectName(_expect(row[0], str)) for row in rows), state.serial, state.list_revision)

    def ever_seen(self, project: ProjectName) -> bool:
        """Whether this name has or ever had an entry here, whatever has become of it."""
        with self._file.transaction() as db:
            if db.execute("SELECT 1 FROM names WHERE project = ?", (project,)).fetchone() is not None:
                return True
            taken = self._complete(db)[1].names_taken
        with self._names_told():
            # Beyond what the index took over: names of a step that did not come to its end.
            size = self._names.size()
            return size != taken and any(name == project for name, _ in self._names.read(taken if taken < size else 0))

    @contextlib.contextmanager
    def all_entries(self) -> Iterator[tuple[Cursor, Iterator[Entry]]]:
        """One instant of the whole index: its cursor, and every entry sorted by project and key, streamed within the `with`."""
        with self._file.long_transaction() as db:
            cursor, _ = self._complete(db)
            rows = db.execute("SELECT project, key, serial, document FROM entries ORDER BY project, key")
            yield (
                cursor,
                (
                    Entry(project, key, serial, None if document is None else _expect(document, bytes))
                    for project, key, serial, document in rows
                ),
            )

    def documents(self) -> Iterator[tuple[Entry, Document | None]]:
        """Every entry with its document as far as it can be read."""
        with self.all_entries() as (_, entries):
            for entry in entries:
                yield entry, self._read(entry.project, entry.key, entry.document)

    # --- writing --------------------------------------------------------------------------------------------------

    def apply(self, before: Cursor | None, changes: Changes) -> bool:
        """Take over what the backend gave after `before`, as one visible step.

        False where another thread or process was faster: read the changes again.
        """
        with IndexSpool(self._file.path.parent, self._repository) as spool:
            spool.fill(changes.entries)
            if not changes.reset and not spool.count and changes.cursor == before:
                return True
            return self._apply(before, changes.cursor, spool.entries(), reset=changes.reset)

    def keep_names(self) -> None:
        """Bring the names that the index holds and those in the file together, where a crash or somebody parted them."""
        with self._file.connection() as db:
            with self._names_told():
                if self._names.size() == _State.of(db).names_taken:
                    return
            with _writing(db):
                with self._names_told():
                    self._names.add(())  # ends a line that a crash tore
                self._take_names(db)

    def _apply(self, before: Cursor | None, cursor: Cursor, entries: Iterable[Entry], *, reset: bool) -> bool:
        with self._file.connection() as db:
            with _writing(db):
                state = _State.of(db)
                if state.cursor != before:
                    return False
                step = IndexStep(db, state.revision + 1, reset=reset)
                pending = iter(entries)
                while batch := list(islice(pending, BATCH)):
                    step.put(batch)
                step.finish(cursor)
                self._remember(db, step.new_names())
            if reset:
                self._file.empty_log(db)
        return True

    def _remember(self, db: sqlite3.Connection, new: Iterator[str]) -> None:
        """Write new names down, to last before the transaction ends that first lists them."""
        added = False
        while names := list(islice(new, 10 * BATCH)):
            added = True
            with self._names_told():
                self._names.add(names)
        if added:
            self._take_names(db)

    def _take_names(self, db: sqlite3.Connection) -> None:
        """Take over what the file has beyond what the index knows; first put back what somebody took out of it."""
        taken = _State.of(db).names_taken
        with self._names_told():
            if self._names.size() < taken:
                self._names.add([row[0] for row in db.execute("SELECT project FROM names")])
                taken = 0
            for name, end in self._names.read(taken):
                db.execute("INSERT OR IGNORE INTO names VALUES(?)", (name,))
                taken = end
        db.execute("UPDATE state SET names_taken = ?", (taken,))

    @contextlib.contextmanager
    def _names_told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise IndexNotReady(self._repository, "the names it has seen cannot be read or written down", retry_after=30) from error

    def _complete(self, db: sqlite3.Connection) -> tuple[Cursor, _State]:
        state = _State.of(db)
        if state.cursor is None:
            raise IndexNotReady(self._repository, "its first sync is not complete")
        return state.cursor, state

    def _read(self, project: str, key: str, raw: object) -> Document | None:
        if raw is None:
            return None
        try:
            return from_json(_expect(raw, bytes))
        except DocumentInvalid as error:
            if (project, key) not in self._told and len(self._told) < MOST_TOLD:
                self._told.add((project, key))
                log.warning("document left out: repository=%s project=%s key=%s reason=%s", self._repository, project, key, error)
            return None


@dataclass(frozen=True)
class _State:
    """What the index knows of itself."""

    cursor: Cursor | None
    serial: int
    revision: int
    list_revision: int
    names_taken: int  # bytes of the file of names that are in the table of names

    @classmethod
    def of(cls, db: sqlite3.Connection) -> _State:
        row = db.execute("SELECT cursor, serial, revision, list_revision, names_taken FROM state").fetchone()
        if row is None:
            raise IndexDamaged("its state is gone")
        cursor, *numbers = row
        return cls(None if cursor is None else Cursor(_expect(cursor, str)), *(_expect(number, int) for number in numbers))


@contextlib.contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """One step that is visible whole when the `with` ends, or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _expect(value: object, kind: type[Value]) -> Value:
    """A value of the kind that the schema says; another is damage that SQLite did not notice."""
    if not isinstance(value, kind):
        raise IndexDamaged(f"it holds {type(value).__name__} where {kind.__name__} belongs")
    return value
