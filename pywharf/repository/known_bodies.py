"""Every body that records speak of, on disk instead of in memory: for work on all of a repository."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from pywharf.backend.interface import FileRef


class KnownBodies:
    """One run's collection, in a file of its own. For one thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN")
        self._db.execute("CREATE TABLE bodies(project, name, sha256, size, PRIMARY KEY(project, name, sha256)) WITHOUT ROWID")
        self._db.execute("CREATE INDEX by_content ON bodies(sha256)")
        self._db.execute("CREATE INDEX by_name ON bodies(name)")

    def add(self, files: Iterable[FileRef]) -> None:
        rows = ((file.project, file.name, file.sha256, file.size) for file in files)
        self._db.executemany("INSERT OR IGNORE INTO bodies VALUES(?, ?, ?, ?)", rows)

    def knows(self, file: FileRef) -> bool:
        """Whether a body met in a storage is one of them: by its content, or by name and size where only a look inside would tell that."""
        if file.sha256:
            found = self._db.execute("SELECT 1 FROM bodies WHERE sha256 = ?", (file.sha256,))
        else:
            # Of no project: it lies beside the projects' folders, where what is adopted stays.
            where = (file.name, file.size, file.project, file.project)
            found = self._db.execute("SELECT 1 FROM bodies WHERE name = ? AND size = ? AND (project = ? OR ? = '')", where)
        return found.fetchone() is not None

    def all(self) -> Iterator[FileRef]:
        for project, name, sha256, size in self._db.execute("SELECT project, name, sha256, size FROM bodies ORDER BY project, name"):
            yield FileRef(project, name, sha256, size)

    def close(self) -> None:
        self._db.close()
