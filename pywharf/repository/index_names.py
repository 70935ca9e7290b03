"""The names ever seen as the local index holds them: its table of names, kept together with the file that outlives it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from pywharf.errors import IndexNotReady
from pywharf.repository.index_rows import State
from pywharf.repository.index_spool import in_pieces
from pywharf.repository.names_seen import NamesSeen

BATCH = 50_000


class IndexNames:
    """Both sides of one repository's names. What writes is called within a transaction of the index."""

    def __init__(self, names: NamesSeen, repository: str) -> None:
        self._names = names
        self._repository = repository

    @property
    def path(self) -> Path:
        return self._names.path

    def read(self) -> Iterator[tuple[str, int]]:
        return self._names.read()

    def are_taken(self, taken: int) -> bool:
        """Whether an index that took over `taken` bytes of the file has all of it. Raises IndexNotReady."""
        with self._told():
            return self._names.size() == taken

    def hold(self, project: str, taken: int) -> bool:
        """Whether a name is in the file beyond what the index took over: of a step that did not come to its end. Raises IndexNotReady."""
        with self._told():
            size = self._names.size()
            return size != taken and any(name == project for name, _ in self._names.read(taken if taken < size else 0))

    def bring_together(self, db: sqlite3.Connection) -> None:
        """Take over what a crash or somebody parted. Raises IndexNotReady."""
        with self._told():
            self._names.add(())  # ends a line that a crash tore
        self._take(db)

    def remember(self, db: sqlite3.Connection, new: Iterator[str]) -> None:
        """Write new names down, to last before the transaction ends that first lists them. Raises IndexNotReady."""
        added = False
        for names in in_pieces(new, BATCH):
            added = True
            with self._told():
                self._names.add(names)
        if added:
            self._take(db)

    def _take(self, db: sqlite3.Connection) -> None:
        """Take over what the file has beyond what the index knows; first put back what somebody took out of it."""
        taken = State.of(db).names_taken
        with self._told():
            if self._names.size() < taken:
                self._names.add([row[0] for row in db.execute("SELECT project FROM names")])
                taken = 0
            for read in in_pieces(self._names.read(taken), BATCH):
                db.executemany("INSERT OR IGNORE INTO names VALUES(?)", ((name,) for name, _ in read))
                taken = read[-1][1]
        db.execute("UPDATE state SET names_taken = ?", (taken,))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise IndexNotReady(self._repository, "the names it has seen cannot be read or written down", retry_after=30) from error
