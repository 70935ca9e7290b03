"""The tables of a catalogue, and how a project's rows get into them."""

from __future__ import annotations

import sqlite3

from pywharf.repository.catalogue_rows import ProjectRows

_VERSION = 2  # of these tables; a catalogue of another one is made anew
_SCHEMA = f"""
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one = 1), build TEXT NOT NULL, revision INTEGER NOT NULL, project TEXT NOT NULL,
    swept INTEGER NOT NULL);
INSERT INTO state VALUES(1, '', -1, '', 1);
CREATE TABLE projects(id INTEGER PRIMARY KEY, project TEXT NOT NULL UNIQUE, name TEXT NOT NULL, version TEXT NOT NULL, summary TEXT NOT NULL,
    updated REAL NOT NULL, status TEXT NOT NULL, releases INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE releases(project TEXT NOT NULL, version TEXT NOT NULL, uploaded REAL NOT NULL, PRIMARY KEY(project, version)) WITHOUT ROWID;
CREATE INDEX releases_by_time ON releases(uploaded);
CREATE TABLE requires(required TEXT NOT NULL, project TEXT NOT NULL, PRIMARY KEY(required, project)) WITHOUT ROWID;
CREATE INDEX requires_by_project ON requires(project);
CREATE VIRTUAL TABLE words USING fts5(name, imports, keywords, summary, prefix='1 2 3', tokenize="unicode61 remove_diacritics 2");
PRAGMA user_version = {_VERSION};
"""


def prepare(db: sqlite3.Connection) -> None:
    """Have the tables in it. Another process may do the same at once."""
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")  # derived: what a power cut damages is made anew
    if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError(f"made by another version (schema {version})")
    if version == 0:
        for statement in _SCHEMA.strip().split(";\n"):
            db.execute(statement)
    db.execute("COMMIT")


def clear(db: sqlite3.Connection) -> None:
    """Forget all projects."""
    for table in ("projects", "releases", "requires", "words"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - constants


def put(db: sqlite3.Connection, project: str, rows: ProjectRows | None) -> None:
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
    db.execute("INSERT INTO words(rowid, name, imports, keywords, summary) VALUES(?, ?, ?, ?, ?)", (made.lastrowid, *rows.words))
    db.executemany("INSERT INTO releases VALUES(?, ?, ?)", [(project, version, at) for version, at in rows.releases])
    db.executemany("INSERT OR IGNORE INTO requires VALUES(?, ?)", [(required, project) for required in rows.requires])
