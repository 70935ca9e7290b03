"""The tables of a catalogue, and how a project's rows get into them."""

from __future__ import annotations

import sqlite3

from pywharf.repository.catalogue_rows import ProjectRows
from pywharf.repository.catalogue_words import PlainWords, Words, has_full_text

_VERSION = 3  # of these tables; a catalogue of another one, or with words of another kind, is made anew
_SCHEMA = """
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one = 1), build TEXT NOT NULL, revision INTEGER NOT NULL, project TEXT NOT NULL,
    swept INTEGER NOT NULL);
INSERT INTO state VALUES(1, '', -1, '', 1);
CREATE TABLE projects(id INTEGER PRIMARY KEY, project TEXT NOT NULL UNIQUE, name TEXT NOT NULL, version TEXT NOT NULL, summary TEXT NOT NULL,
    updated REAL NOT NULL, status TEXT NOT NULL, releases INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE releases(project TEXT NOT NULL, version TEXT NOT NULL, uploaded REAL NOT NULL, yanked INTEGER NOT NULL,
    PRIMARY KEY(project, version)) WITHOUT ROWID;
CREATE INDEX releases_by_time ON releases(uploaded);
CREATE TABLE requires(required TEXT NOT NULL, project TEXT NOT NULL, PRIMARY KEY(required, project)) WITHOUT ROWID;
CREATE INDEX requires_by_project ON requires(project);
"""


def prepare(db: sqlite3.Connection) -> Words:
    """Have the tables in it. Another process may do the same at once. Returns how words are kept and found there."""
    words = Words() if has_full_text() else PlainWords()
    _make_tables(db, words)
    return words


def _make_tables(db: sqlite3.Connection, words: Words) -> None:
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")  # derived: what a power cut damages is made anew
    ours = _VERSION * 10 + words.kind
    if db.execute("PRAGMA user_version").fetchone()[0] == ours:
        return
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, ours):
        raise sqlite3.DatabaseError(f"made by another version (schema {version})")
    if version == 0:
        for statement in [*_SCHEMA.strip().removesuffix(";").split(";\n"), words.table, f"PRAGMA user_version = {ours}"]:
            db.execute(statement)
    db.execute("COMMIT")


def clear(db: sqlite3.Connection, words: Words) -> None:
    """Forget all projects."""
    for table in ("projects", "releases", "requires"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
    # FTS5 notes of each row that it is gone, and each search goes through all of these notes; of a table that is gone it notes nothing.
    db.execute("DROP TABLE words")
    db.execute(words.table)


def put(db: sqlite3.Connection, words: Words, project: str, rows: ProjectRows | None) -> None:
    """Replace what is known of a project; None: it has no file any more."""
    found = db.execute("SELECT id FROM projects WHERE project = ?", (project,)).fetchone()
    if found:
        db.execute("DELETE FROM projects WHERE id = ?", found)
        db.execute("DELETE FROM words WHERE rowid = ?", found)
    db.execute("DELETE FROM releases WHERE project = ?", (project,))
    db.execute("DELETE FROM requires WHERE project = ?", (project,))
    if rows is None:
        return
    made = db.execute(
        "INSERT INTO projects(project, name, version, summary, updated, status, releases, files, bytes) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (project, *rows.short),
    )
    words.put(db, made.lastrowid or 0, rows.words)
    db.executemany("INSERT INTO releases VALUES(?, ?, ?, ?)", [(project, *release) for release in rows.releases])
    db.executemany("INSERT OR IGNORE INTO requires VALUES(?, ?)", [(required, project) for required in rows.requires])
