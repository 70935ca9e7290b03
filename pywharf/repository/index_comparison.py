"""A local index compared with what the log says, row by row.

What the log says is read into an index of its own, made for this comparison, so that both sides are looked up and neither is held
in memory. The local index is looked at as it is: nothing here brings it in step or mends it. What changed in the log after the
index last read it is no difference.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator

from pywharf.backend.interface import Entry
from pywharf.repository.findings import Finding
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.index_rows import COLUMNS, to_entry

Where = tuple[str, str]  # project and key

_MOST_SAID = 1000  # complaints of SQLite's own check
REMEDY = "run this with --repair, which builds the local index anew from the storage"
_ONE = f"SELECT {COLUMNS} FROM entries WHERE project = ? AND key = ?"  # noqa: S608 - a constant


class IndexComparison:
    """One local index against one that was made from the log just now."""

    def __init__(self, ours: sqlite3.Connection, log: sqlite3.Connection, changed: Collection[Where]) -> None:
        """changed: what changed in the log since our index last read it."""
        for db in (ours, log):
            db.text_factory = _text
        self._ours = ours
        self._log = log
        self._changed = changed
        self._changed_projects = {project for project, _ in changed}
        self._only_here: list[Where] = []

    def findings(self) -> Iterator[Finding]:
        """Every difference. Raises sqlite3.Error where the file cannot be read on."""
        yield from self._rows()
        yield from self._missing_rows()
        yield from self._projects()
        for (said,) in self._ours.execute(f"PRAGMA integrity_check({_MOST_SAID})"):
            if said != "ok":
                yield _finding("its file", f"SQLite says: {said}")

    def entries_only_here(self, most: int) -> list[Entry]:
        """Those rows of our index that the log does not tell, or tells an older state of, once findings() is exhausted."""
        return [to_entry(self._ours.execute(_ONE, where).fetchone()) for where in self._only_here[:most]]

    def _rows(self) -> Iterator[Finding]:
        # Not by the table's index: a row that it no longer leads to has to be seen too.
        for row in self._ours.execute(f"SELECT {COLUMNS} FROM entries NOT INDEXED"):  # noqa: S608 - a constant
            try:
                entry = to_entry(row)
            except IndexDamaged:
                yield _finding(_name(row[0], row[1]), "the row is not what was written")
                continue
            told = self._told(entry)
            where = entry.project, entry.key
            if where in self._changed or (told is None and entry.document is None):  # somebody removed it: only an index remembers that
                continue
            if told is None or told.serial < entry.serial:
                self._only_here.append(where)
                yield _finding(
                    _name(*where), "the storage's log does not tell of it" if told is None else "the storage's log has an older state"
                )
            elif told != entry:
                yield _finding(_name(*where), "the storage's log says otherwise")

    def _told(self, entry: Entry) -> Entry | None:
        row = self._log.execute(_ONE, (entry.project, entry.key)).fetchone()
        return None if row is None else to_entry(row)

    def _missing_rows(self) -> Iterator[Finding]:
        for project, key in self._log.execute("SELECT project, key FROM entries"):
            found = self._ours.execute("SELECT project, key FROM entries WHERE project = ? AND key = ?", (project, key)).fetchone()
            if found is None and (project, key) not in self._changed:
                yield _finding(_name(project, key), "the row is not found, and the storage's log tells of it")

    def _projects(self) -> Iterator[Finding]:
        """What is kept of each project, against the rows of its files."""
        for project, serial, files, greatest, live in self._ours.execute(
            "SELECT p.project, p.serial, p.files, e.serial, e.files FROM projects AS p LEFT JOIN "
            "(SELECT project, max(serial) AS serial, sum(live) AS files FROM entries GROUP BY project) AS e USING(project)"
        ):
            if (serial, files) != (greatest, live):
                yield _finding(_name(project, ""), "what is kept of the project does not agree with its files")
        for (project,) in self._log.execute("SELECT project FROM projects"):
            known = self._ours.execute("SELECT 1 FROM projects WHERE project = ?", (project,)).fetchone()
            if not known and project not in self._changed_projects:
                yield _finding(_name(project, ""), "the project is not found, and the storage's log tells of it")


def _finding(where: str, what: str) -> Finding:
    return Finding("index", where, what, REMEDY)


def _name(project: object, key: object) -> str:
    return f"row of {key}" if key else f"row of project {project}"


def _text(raw: bytes) -> str:
    """Damaged text is a finding, not an error."""
    return raw.decode("utf-8", "surrogateescape")
