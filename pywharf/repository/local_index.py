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
from functools import partial
from pathlib import Path

from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.errors import IndexNotReady
from pywharf.files import locked
from pywharf.model.names import PROJECT_KEY, Key, ProjectName
from pywharf.model.project import ProjectDetail, ProjectList
from pywharf.model.record import DistributionRecord, Document, DocumentInvalid, ProjectStatus, from_json
from pywharf.repository.index_building import IndexBuilding, sweep, sync_lock
from pywharf.repository.index_file import IndexDamaged, IndexFile, writing
from pywharf.repository.index_names import IndexNames
from pywharf.repository.index_rows import COLUMNS, Row, State, expect, is_live, to_entry
from pywharf.repository.index_spool import IndexSpool, in_pieces
from pywharf.repository.index_step import IndexStep, names_not_taken
from pywharf.repository.names_seen import NamesSeen
from pywharf.repository.pictures import Picture, ProjectPicture

BATCH = 5000
MOST_TOLD = 1000  # documents that cannot be read and are named in the log, each once

_ENTRIES = f"SELECT {COLUMNS} FROM entries WHERE project = ?"  # noqa: S608 - a constant

log = logging.getLogger(__name__)


class _Overtaken(Exception):
    """Another thread or process brought the index elsewhere. Never leaves this module."""


class LocalIndex:
    """One repository's local index.

    Reading raises IndexNotReady while there is nothing complete to read from, and IndexDamaged where the file is broken.
    """

    def __init__(self, path: Path, repository: str, names: NamesSeen) -> None:
        self._repository = repository
        self._names = IndexNames(names, repository)
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
            return State.of(db).cursor

    def picture(self, project: ProjectName, key: Key) -> Picture:
        """What is known of one key and of its project's status: constant in cost, however wide the project."""
        with self._file.transaction() as db:
            cursor, _ = self._complete(db)
            found = {entry.key: entry for entry in map(to_entry, db.execute(f"{_ENTRIES} AND key IN ('', ?)", (project, key)))}
            for missed in {PROJECT_KEY, key} - found.keys():
                _surely_free(db, project, missed)
        status = self._read(found.get(PROJECT_KEY))
        status = status if isinstance(status, ProjectStatus) else ProjectStatus()
        return Picture(cursor, status, key in found, self._read(found.get(key)))

    def project_revision(self, project: ProjectName) -> int | None:
        """The revision of a project's page; None where no such project is known."""
        with self._file.connection() as db:
            row = db.execute("SELECT revision FROM projects WHERE project = ?", (project,)).fetchone()
            if row is None:
                self._surely_unknown(db, project)
                return None
            return expect(row[0], int)

    def project_picture(self, project: ProjectName) -> ProjectPicture | None:
        """What is known of a whole project, files that were deleted included; None where no such project is known."""
        with self._file.transaction() as db:
            cursor, _ = self._complete(db)
            found = self._rows_of(db, project)
        if found is None:
            return None
        documents = {Key(entry.key): self._read(entry) for entry in found[2]}
        status = documents.pop(PROJECT_KEY, None)
        return ProjectPicture(cursor, status if isinstance(status, ProjectStatus) else ProjectStatus(), documents)

    def project(self, project: ProjectName) -> ProjectDetail | None:
        with self._file.transaction() as db:
            found = self._rows_of(db, project)
        if found is None:
            return None
        serial, revision, entries = found
        documents = [self._read(entry) for entry in entries if entry.key == PROJECT_KEY or is_live(entry)]
        status = next((document for document in documents if isinstance(document, ProjectStatus)), ProjectStatus())
        files = tuple(document for document in documents if isinstance(document, DistributionRecord))
        return ProjectDetail(project, files, status, serial=serial, revision=revision)

    def _rows_of(self, db: sqlite3.Connection, project: ProjectName) -> tuple[int, int, list[Entry]] | None:
        """A project's serial, revision and entries."""
        row = db.execute("SELECT serial, revision, files FROM projects WHERE project = ?", (project,)).fetchone()
        if row is None:
            self._surely_unknown(db, project)
            return None
        serial, revision, count = (expect(value, int) for value in row)
        entries = list(map(to_entry, db.execute(_ENTRIES, (project,))))
        if sum(map(is_live, entries)) != count:
            raise IndexDamaged("a project's files are not as many as were written")
        return serial, revision, entries

    def projects_revision(self) -> int:
        with self._file.connection() as db:
            return self._complete(db)[1].list_revision

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, State]]:
        """The rows themselves and what the index knows of itself, for who derives something from all of it."""
        with self._file.connection() as db:
            yield db, self._complete(db)[1]

    def projects(self) -> ProjectList:
        """Every project that has a file."""
        with self._file.transaction() as db:
            _, state = self._complete(db)
            rows = db.execute("SELECT project FROM projects WHERE files > 0 ORDER BY project")
            names = tuple(ProjectName(expect(row[0], str)) for row in rows)
        return ProjectList(names, state.serial, state.list_revision)

    def ever_seen(self, project: ProjectName) -> bool:
        """Whether this name has or ever had an entry here, whatever has become of it."""
        with self._file.connection() as db:
            state = State.of(db)  # asked first: what is taken over meanwhile is found in the table
            if db.execute("SELECT 1 FROM names WHERE project = ?", (project,)).fetchone() is not None:
                return True
            if state.cursor is None:
                self._complete(db)
        return self._names.hold(project, state.names_taken)

    @contextlib.contextmanager
    def all_entries(self) -> Iterator[tuple[Cursor, Iterator[Entry]]]:
        """One instant of the whole index: its cursor, and every entry sorted by project and key, streamed within the `with`."""
        with self._file.long_transaction() as db:
            cursor, _ = self._complete(db)
            yield cursor, map(to_entry, db.execute(f"SELECT {COLUMNS} FROM entries ORDER BY project, key"))  # noqa: S608 - a constant

    def documents(self) -> Iterator[tuple[Entry, Document | None]]:
        """Every entry with its document as far as it can be read."""
        with self.all_entries() as (_, entries):
            for entry in entries:
                yield entry, self._read(entry)

    @contextlib.contextmanager
    def examined(self) -> Iterator[sqlite3.Connection]:
        """One instant of the file as it is, for verification: a connection of its own, which the caller may set up as it likes."""
        with self._file.long_transaction() as db:
            yield db

    # --- writing --------------------------------------------------------------------------------------------------

    def apply(self, before: Cursor | None, changes: Changes) -> bool:
        """Take over what the backend gave after `before`, as one visible step.

        False where another thread or process was faster: read the changes again.
        """
        check = partial(self._check_wanted, before)
        with (
            IndexSpool(self._file.path.parent, self._repository) as spool,
            IndexBuilding(self._file, self._names.path, spool, check) as building,
        ):
            try:
                spool.fill(changes.entries, *([building.go_on] if changes.reset else []))
                if not changes.reset and not spool.count and changes.cursor == before:
                    return True
                if building.finish(changes.cursor):
                    return self._show(before, building)
            except _Overtaken:
                return False
            return self._apply(before, changes.cursor, spool.rows(), reset=changes.reset)

    def keep_names(self) -> Cursor | None:
        """Bring the names that the index holds and those in the file together, where a crash or somebody parted them. Returns the cursor."""
        with self._file.connection() as db:
            state = State.of(db)
            if self._names.are_taken(state.names_taken):
                return state.cursor
            with writing(db):
                self._names.bring_together(db)
                return State.of(db).cursor

    def sweep(self) -> None:
        """Remove what a process left behind that was killed while it built the index. Raises OSError."""
        sweep(self._file)

    def _apply(self, before: Cursor | None, cursor: Cursor, rows: Iterable[Row], *, reset: bool) -> bool:
        with self._file.connection() as db:
            with self._file.roomy(db) if reset else contextlib.nullcontext(), writing(db):
                state = State.of(db)
                if state.cursor != before or not self._file.is_shown(db):
                    return False
                step = IndexStep(db, state.revision + 1, reset=reset)
                for batch in in_pieces(rows, BATCH):
                    step.put(batch)
                step.finish(cursor)
                self._names.remember(db, step.new_names())
            if reset:
                self._file.empty_log(db)
        return True

    def _show(self, before: Cursor | None, building: IndexBuilding) -> bool:
        """Let everybody see what was built, unless somebody was faster. Whoever writes to the build before meanwhile waits, and finds it gone."""
        with locked(sync_lock(self._file.path)), self._file.connection() as db, writing(db):
            if State.of(db).cursor != before or not self._file.is_shown(db):
                return False
            return building.show(lambda built: self._names.remember(built, names_not_taken(built)))

    def _check_wanted(self, before: Cursor | None) -> None:
        if self.cursor() != before:
            raise _Overtaken

    def _complete(self, db: sqlite3.Connection) -> tuple[Cursor, State]:
        state = State.of(db)
        if state.cursor is None:
            raise IndexNotReady(self._repository, "its first sync is not complete")
        return state.cursor, state

    def _surely_unknown(self, db: sqlite3.Connection, project: ProjectName) -> None:
        """Raises IndexNotReady before the first sync, and IndexDamaged where there are entries of a project that is not there."""
        self._complete(db)
        if db.execute("SELECT 1 FROM entries WHERE project = ? LIMIT 1", (project,)).fetchone() is not None:
            raise IndexDamaged("a project is gone that has entries")

    def _read(self, entry: Entry | None) -> Document | None:
        if entry is None or entry.document is None:
            return None
        try:
            return from_json(entry.document)
        except DocumentInvalid as error:
            where = (entry.project, entry.key)
            if where not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(where)
                log.warning("document left out: repository=%s project=%s key=%s reason=%s", self._repository, *where, error)
            return None


def _surely_free(db: sqlite3.Connection, project: ProjectName, key: Key) -> None:
    """Raises IndexDamaged where a key may have been missed that is there: a name that looks free would be given away again.

    Damage that leads a search astray lies where the search ended, so the rows before and after are looked at.
    """
    for beside in ("< (?, ?) ORDER BY project DESC, key DESC", "> (?, ?) ORDER BY project, key"):
        for row in db.execute(f"SELECT {COLUMNS} FROM entries WHERE (project, key) {beside} LIMIT 1", (project, key)):  # noqa: S608 - constants
            to_entry(row)
