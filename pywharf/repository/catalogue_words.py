"""How a catalogue keeps the words of projects, and finds projects by them.

Where this Python's SQLite was built without FTS5, words are kept as plain text and looked for by reading all of it: slower, and
what is found is in no order of merit.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import unicodedata

from pywharf.repository.search_words import match_expression, words_of

MOST_RANKED = 5_000  # projects among which a search finds the best
NO_FULL_TEXT = (
    "this Python's SQLite has no FTS5: searches read all words, and rank nothing. A Python with a usual SQLite makes them quick and ranked"
)

Row = tuple[str, str, str, str, float, str]

log = logging.getLogger(__name__)
_told: set[str] = set()  # what this process has logged, so that it is said once


def has_full_text() -> bool:
    """Whether this SQLite has FTS5."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        try:
            db.execute("CREATE VIRTUAL TABLE probe USING fts5(word)")
        except sqlite3.OperationalError:
            return False
    return True


class Words:
    """Words in an FTS5 table. Its rows have the numbers of the projects."""

    kind = 0  # tells tables with these words from others
    table = """CREATE VIRTUAL TABLE words USING fts5(name, imports, keywords, summary, prefix='1 2 3', tokenize="unicode61 remove_diacritics 2")"""

    def put(self, db: sqlite3.Connection, number: int, texts: tuple[str, str, str, str]) -> None:
        """texts: name, import names, keywords, summary."""
        db.execute("INSERT INTO words(rowid, name, imports, keywords, summary) VALUES(?, ?, ?, ?, ?)", (number, *texts))

    def find(self, db: sqlite3.Connection, typed: str, columns: str, project: str, limit: int, offset: int) -> tuple[int, list[Row]]:
        """How many projects match, and the columns of a part of them: first the one of this name, then the best."""
        expression = match_expression(typed)
        if not expression:
            return 0, []
        total: int = db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (expression,)).fetchone()[0]
        start = f"SELECT {columns} FROM words JOIN projects p ON p.id = words.rowid WHERE words MATCH ? "  # noqa: S608 - a constant
        if total <= MOST_RANKED:
            by_weight = "ORDER BY p.project = ? DESC, bm25(words, 10.0, 6.0, 3.0, 1.0), p.project LIMIT ? OFFSET ?"
            return total, db.execute(start + by_weight, (expression, project, limit, offset)).fetchall()
        exact = db.execute(f"{start} AND p.project = ?", (expression, project)).fetchall()
        shown = exact[offset : offset + limit]
        # What changes is written again, and so has the greatest number.
        others = f"{start} AND p.project != ? ORDER BY words.rowid DESC LIMIT ? OFFSET ?"
        rest = db.execute(others, (expression, project, limit - len(shown), max(0, offset - len(exact)))).fetchall()
        return total, shown + rest


class PlainWords(Words):
    """Words as text, which is read through for each search; for an SQLite without FTS5."""

    kind = 1
    table = "CREATE TABLE words(name TEXT NOT NULL, rest TEXT NOT NULL)"  # each word with a space before it, folded

    def __init__(self) -> None:
        if NO_FULL_TEXT not in _told:
            _told.add(NO_FULL_TEXT)
            log.warning(NO_FULL_TEXT)

    def put(self, db: sqlite3.Connection, number: int, texts: tuple[str, str, str, str]) -> None:
        db.execute("INSERT INTO words(rowid, name, rest) VALUES(?, ?, ?)", (number, _spaced(texts[0]), _spaced(" ".join(texts[1:]))))

    def find(self, db: sqlite3.Connection, typed: str, columns: str, project: str, limit: int, offset: int) -> tuple[int, list[Row]]:
        """The one of this name, then those with all words in their names, then the others, each by name."""
        wanted = [f" {_folded(word)}" for word in words_of(typed)]
        if not wanted:
            return 0, []
        matches = " AND ".join("instr(w.name || w.rest, ?) > 0" for _ in wanted)
        start = f"FROM words w JOIN projects p ON p.id = w.rowid WHERE {matches}"
        total: int = db.execute(f"SELECT count(*) {start}", wanted).fetchone()[0]
        in_name = " AND ".join("instr(w.name, ?) > 0" for _ in wanted)
        rows = db.execute(
            f"SELECT {columns} {start} ORDER BY p.project = ? DESC, {in_name} DESC, p.project LIMIT ? OFFSET ?",
            (*wanted, project, *wanted, limit, offset),
        ).fetchall()
        return total, rows


def _spaced(text: str) -> str:
    return "".join(f" {_folded(word)}" for word in words_of(text, all_of_them=True))


def _folded(word: str) -> str:
    """Without capitals and accents, as FTS5 compares."""
    return "".join(letter for letter in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(letter))
