"""Entries on their way into the local index: read from the storage to the end before a transaction begins, so that a
slow storage is never waited for inside one, and kept on disk where there are many.

What is no entry at all (a name that no project can have, a serial that is no number) is left out here, whoever wrote it
into the storage: one such entry may not stop the others.
"""

from __future__ import annotations

import logging
import marshal
import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from pywharf.backend.interface import Entry
from pywharf.model.names import MAX_NAME_BYTES
from pywharf.repository.index_rows import Row, to_row

IN_MEMORY = 1 << 20  # bytes of documents; more goes to the disk
TOLD = 10  # entries left out that are named in the log, of one step

_NORMALISED = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

Item = TypeVar("Item")

log = logging.getLogger(__name__)


class IndexSpool:
    """The rows of one step's entries. Written once, then read once."""

    def __init__(self, folder: Path, repository: str) -> None:
        """folder: where a file without a name may lie meanwhile."""
        self._folder = folder
        self._repository = repository
        self._file: BinaryIO | None = None
        self._sizes: list[int] = []  # of the pieces in the file, in bytes
        self._piece: list[Row] = []  # not on the disk yet
        self.count = 0
        self.left_out = 0

    def __enter__(self) -> IndexSpool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def fill(self, entries: Iterator[Entry]) -> None:
        """Take them all. Raises OSError, and what the storage raises."""
        size = 0
        for entry in entries:
            if not is_entry(entry):
                self._leave_out(entry)
                continue
            self._piece.append(to_row(entry))
            self.count += 1
            size += len(entry.document or b"")
            if size > IN_MEMORY:
                self._write_piece()
                size = 0

    def rows(self) -> Iterator[Row]:
        if self._file is not None:
            self._file.seek(0)
            for size in self._sizes:
                yield from marshal.loads(self._file.read(size))  # noqa: S302 - written below, and nobody else can open the file
        yield from self._piece

    def _write_piece(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by __exit__
        self._sizes.append(self._file.write(marshal.dumps(self._piece)))
        self._piece = []

    def _leave_out(self, entry: Entry) -> None:
        self.left_out += 1
        if self.left_out <= TOLD:
            log.warning("entry left out, it is none of pywharf's: repository=%s entry=%.200r", self._repository, entry)


def in_pieces(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """All of them, so many at a time."""
    left = iter(items)
    while piece := list(islice(left, most)):
        yield piece


def is_entry(entry: Entry) -> bool:
    """Whether it can be one of pywharf's."""
    project, key, serial, document = entry
    return (
        isinstance(project, str)
        and isinstance(key, str)
        and isinstance(serial, int)
        and (document is None or isinstance(document, bytes))
        and _is_normalised(project)
        and len(key) <= 2 * MAX_NAME_BYTES
        and key.isascii()
        and key.isprintable()
        and 0 <= serial < 2**63
    )


@lru_cache(maxsize=16)  # those of one project mostly come together
def _is_normalised(project: str) -> bool:
    return len(project) <= MAX_NAME_BYTES and _NORMALISED.fullmatch(project) is not None
