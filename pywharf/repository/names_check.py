"""The file of names ever seen, compared with the names that the log and the local index have."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pywharf.repository.findings import Finding
from pywharf.repository.index_rows import State
from pywharf.repository.names_seen import NamesSeen

_NORMALISED = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class NamesCompared:
    """What a comparison of names gave."""

    missing: tuple[str, ...]  # from the file
    damaged: tuple[tuple[int, str], ...]  # lines of it that hold no name: their numbers, from 1, and what they hold
    missing_in_index: tuple[str, ...]  # that the local index once took over from the file

    def findings(self, *, mended: bool) -> Iterator[Finding]:
        """mended: the missing names were added."""
        for name in self.missing:
            what = "the file of names ever seen lacks it, so that it could be sent to the extra index one day"
            yield Finding("names", f"project {name}", what, "run this with --repair, which adds it", mended)
        for number, text in self.damaged:
            remedy = "nobody knows which name it was: correct or remove the line by hand, with the server stopped"
            yield Finding("names", f"line {number} of the names ever seen", f"it is no project's name: {text[:100]!r}", remedy)


def compare_names(names: NamesSeen, log: sqlite3.Connection, ours: sqlite3.Connection | None, scratch: Path) -> NamesCompared:
    """log: an index made from the log. ours: the local index as it is; None: it cannot be read. scratch: a file for a while."""
    taken = State.of(ours).names_taken if ours is not None else 0
    damaged: list[tuple[int, str]] = []
    with closing(sqlite3.connect(scratch, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("BEGIN")
        db.execute("CREATE TABLE names(name PRIMARY KEY, taken) WITHOUT ROWID")
        for number, (name, end) in enumerate(names.read(), start=1):
            if _NORMALISED.fullmatch(name):
                db.execute("INSERT OR IGNORE INTO names VALUES(?, ?)", (name, end <= taken))
            elif name:
                damaged.append((number, name))

        def in_file(name: str) -> bool:
            return db.execute("SELECT 1 FROM names WHERE name = ?", (name,)).fetchone() is not None

        missing: set[str] = set()
        unknown: list[str] = []
        if ours is not None:
            # What the local index has not read yet is written into the file when it does.
            known = "SELECT 1 FROM projects WHERE project = ?"
            names_of_log = _column(log, "SELECT project FROM projects")
            missing = {name for name in names_of_log if not in_file(name) and ours.execute(known, (name,)).fetchone() is not None}
            for (name,) in db.execute("SELECT name FROM names WHERE taken"):
                if ours.execute("SELECT 1 FROM names WHERE project = ?", (name,)).fetchone() is None:
                    unknown.append(name)
            # A name that only the local index has: either the file lost it, or the index's row was another one's. The log may tell.
            told = any(log.execute("SELECT 1 FROM projects WHERE project = ?", (name,)).fetchone() for name in unknown)
            if not told:
                missing |= {
                    name for name in _column(ours, "SELECT project FROM names") if _NORMALISED.fullmatch(name) and not in_file(name)
                }
    return NamesCompared(tuple(sorted(missing)), tuple(damaged), tuple(unknown))


def _column(db: sqlite3.Connection, query: str) -> Iterator[str]:
    return (str(row[0]) for row in db.execute(query))
