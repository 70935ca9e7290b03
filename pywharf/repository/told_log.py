"""A storage's log read from its begin, into an index of its own: what every server would know that starts anew."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pywharf.backend.interface import Backend, Changes, Cursor, Entry
from pywharf.errors import BackendUnavailable, IndexNotReady
from pywharf.repository.index_spool import is_entry
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen

ATTEMPTS = 3  # of reading a log that a storage takes a moment to have ready again


class ToldLog:
    """What the log tells as of one moment."""

    def __init__(self, index: LocalIndex, at: Cursor) -> None:
        self.index = index
        self.at = at

    @classmethod
    @contextlib.contextmanager
    def read(cls, backend: Backend, repository: str, folder: Path, on_stray: Callable[[Entry], None]) -> Iterator[ToldLog]:
        """Read all of it. folder: an empty one, for as long as the `with` lasts. on_stray: called with what is no entry of pywharf's.

        Raises BackendUnavailable, IndexNotReady.
        """
        for attempt in range(ATTEMPTS):
            place = folder / str(attempt)
            place.mkdir(parents=True)
            with contextlib.closing(LocalIndex(place / "log.sqlite", repository, NamesSeen(place / "names"))) as index:
                index.create()
                strays: list[Entry] = []
                try:
                    changes = backend.read_changes(None)
                    index.apply(None, Changes(True, _plausible(changes.entries, strays), changes.cursor))
                except BackendUnavailable as error:
                    if attempt == ATTEMPTS - 1 or error.retry_after > 1:
                        raise
                    time.sleep(error.retry_after)
                    continue
                at = index.cursor()
                if at is None:
                    raise IndexNotReady(repository, "the storage's log cannot be read to its end")
                for entry in strays:
                    on_stray(entry)
                yield cls(index, at)
                return


def _plausible(entries: Iterator[Entry], strays: list[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if is_entry(entry):
            yield entry
        else:
            strays.append(entry)
