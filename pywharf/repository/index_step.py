"""One visible step of the local index: the rows that a batch of entries becomes.

Runs inside a transaction that the caller opened; knows SQL, not where entries come from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from pywharf.backend.interface import Cursor
from pywharf.repository.index_file import ENTRIES_BY_KEY
from pywharf.repository.index_rows import COLUMNS, PLACES, Row

_ADD = f"INSERT INTO entries({COLUMNS}) VALUES({PLACES})"
_PUT = f"INSERT OR REPLACE INTO entries({COLUMNS}) VALUES({PLACES})"


class IndexStep:
    """The rows of one step: entries put, and what that means for projects and for the list of them."""

    def __init__(self, db: sqlite3.Connection, revision: int, *, reset: bool) -> None:
        """revision: what the step gives to everything it touches. reset: forget all there is first."""
        self._db = db
        self._revision = revision
        self._reset = reset
        self._serial = 0
        self._listed: dict[str, tuple[bool, bool]] = {}  # of each project touched: whether it had a file before, and has one now
        if reset:  # the table's index is made at the end, in one go
            db.execute("DROP INDEX entries_by_key")
            db.execute("DELETE FROM entries")
            db.execute("DELETE FROM projects")

    def put(self, rows: list[Row]) -> None:
        self._serial = max(self._serial, *(row[2] for row in rows))
        if self._reset:  # what projects hold is counted once, at the end
            self._db.executemany(_ADD, rows)
            return
        for row in rows:
            self._put_one(row)

    def _put_one(self, row: Row) -> None:
        project, key, serial, live, *_ = row
        found = self._db.execute("SELECT live FROM entries WHERE project = ? AND key = ?", (project, key)).fetchone()
        was_live = bool(found and found[0])
        self._db.execute(_PUT, row)
        before = self._db.execute("SELECT files FROM projects WHERE project = ?", (project,)).fetchone()
        files = (before[0] if before else 0) + live - was_live
        self._db.execute(
            "INSERT INTO projects VALUES(?, ?, ?, ?) ON CONFLICT(project) "
            "DO UPDATE SET serial = max(serial, excluded.serial), revision = excluded.revision, files = excluded.files",
            (project, serial, self._revision, files),
        )
        had = self._listed[project][0] if project in self._listed else bool(before and before[0])
        self._listed[project] = (had, files > 0)

    def finish(self, cursor: Cursor) -> None:
        if self._reset:
            self._index_entries()
            self._db.execute(
                "INSERT INTO projects SELECT project, max(serial), ?, sum(live) FROM entries NOT INDEXED GROUP BY project",
                (self._revision,),
            )
            self._db.execute("UPDATE state SET serial = ?, list_revision = ?", (self._serial, self._revision))
        elif any(had != has for had, has in self._listed.values()):
            # The list's own: it stays as long as the list does, so that every process on this ROOT shows the same page.
            self._db.execute("UPDATE state SET serial = max(serial, ?), list_revision = ?", (self._serial, self._revision))
        self._db.execute("UPDATE state SET cursor = ?, revision = ?", (cursor, self._revision))

    def _index_entries(self) -> None:
        try:
            self._db.execute(ENTRIES_BY_KEY)
        except sqlite3.IntegrityError:  # several of one key: the last given counts
            self._db.execute("CREATE INDEX entries_again ON entries(project, key)")
            self._db.execute(
                "DELETE FROM entries WHERE rowid IN (SELECT one.rowid FROM (SELECT project, key, max(rowid) AS last FROM entries "
                "GROUP BY project, key HAVING count(*) > 1) AS several CROSS JOIN entries AS one "
                "WHERE one.project = several.project AND one.key = several.key AND one.rowid < several.last)"
            )
            self._db.execute("DROP INDEX entries_again")
            self._db.execute(ENTRIES_BY_KEY)

    def new_names(self) -> Iterator[str]:
        """Projects of this step that the table of names does not have, once it is finished."""
        if self._reset:
            yield from names_not_taken(self._db)
            return
        for project in self._listed:
            if self._db.execute("SELECT 1 FROM names WHERE project = ?", (project,)).fetchone() is None:
                yield project


def names_not_taken(db: sqlite3.Connection) -> Iterator[str]:
    """Every project that the table of names does not have."""
    for row in db.execute("SELECT project FROM projects WHERE project NOT IN (SELECT project FROM names)"):
        yield row[0]
