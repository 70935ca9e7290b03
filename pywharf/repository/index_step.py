"""One visible step of the local index: the rows that a batch of entries becomes.

Runs inside a transaction that the caller opened; knows SQL, not where entries come from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from operator import attrgetter

from pywharf.backend.interface import Cursor, Entry
from pywharf.repository.index_rows import COLUMNS, PLACES, to_row

_PUT = f"INSERT OR REPLACE INTO entries({COLUMNS}) VALUES({PLACES})"

_where = attrgetter("project", "key")


class IndexStep:
    """The rows of one step: entries put, and what that means for projects and for the list of them."""

    def __init__(self, db: sqlite3.Connection, revision: int, *, reset: bool) -> None:
        """revision: what the step gives to everything it touches. reset: forget all there is first."""
        self._db = db
        self._revision = revision
        self._reset = reset
        self._serial = 0
        self._listed: dict[str, tuple[bool, bool]] = {}  # of each project touched: whether it had a file before, and has one now
        if reset:
            db.execute("DELETE FROM entries")
            db.execute("DELETE FROM projects")

    def put(self, entries: list[Entry]) -> None:
        self._serial = max(self._serial, *(entry.serial for entry in entries))
        if self._reset:  # what projects hold is counted once, at the end
            entries.sort(key=_where)  # neighbours in the table's index together; of one key the last given stays the last
            self._db.executemany(_PUT, map(to_row, entries))
            return
        for entry in entries:
            self._put_one(entry)

    def _put_one(self, entry: Entry) -> None:
        found = self._db.execute("SELECT live FROM entries WHERE project = ? AND key = ?", (entry.project, entry.key)).fetchone()
        row, was_live = to_row(entry), bool(found and found[0])
        self._db.execute(_PUT, row)
        before = self._db.execute("SELECT files FROM projects WHERE project = ?", (entry.project,)).fetchone()
        files = (before[0] if before else 0) + row[3] - was_live
        self._db.execute(
            "INSERT INTO projects VALUES(?, ?, ?, ?) ON CONFLICT(project) "
            "DO UPDATE SET serial = max(serial, excluded.serial), revision = excluded.revision, files = excluded.files",
            (entry.project, entry.serial, self._revision, files),
        )
        had = self._listed[entry.project][0] if entry.project in self._listed else bool(before and before[0])
        self._listed[entry.project] = (had, files > 0)

    def finish(self, cursor: Cursor) -> None:
        if self._reset:
            self._db.execute(
                "INSERT INTO projects SELECT project, max(serial), ?, sum(live) FROM entries NOT INDEXED GROUP BY project",
                (self._revision,),
            )
            self._db.execute("UPDATE state SET serial = ?, list_revision = ?", (self._serial, self._revision))
        elif any(had != has for had, has in self._listed.values()):
            # The list's own: it stays as long as the list does, so that every process on this ROOT shows the same page.
            self._db.execute("UPDATE state SET serial = max(serial, ?), list_revision = ?", (self._serial, self._revision))
        self._db.execute("UPDATE state SET cursor = ?, revision = ?", (cursor, self._revision))

    def new_names(self) -> Iterator[str]:
        """Projects of this step that the table of names does not have, once it is finished."""
        if self._reset:
            rows = self._db.execute("SELECT project FROM projects WHERE project NOT IN (SELECT project FROM names)")
            yield from (row[0] for row in rows)
            return
        for project in self._listed:
            if self._db.execute("SELECT 1 FROM names WHERE project = ?", (project,)).fetchone() is None:
                yield project
