"""Entries on their way into the local index: read from the storage to the end before a transaction begins, so that a
slow storage is never waited for inside one, and kept on disk where there are many.

What is no entry at all (a name that no project can have, a serial that is no number) is left out here, whoever wrote it
into the storage: one such entry may not stop the others.
"""

from __future__ import annotations

import errno
import logging
import marshal
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from io import FileIO
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pywharf.backend.interface import Entry
from pywharf.model.names import MAX_NAME_BYTES
from pywharf.repository.index_rows import Row, to_row

IN_MEMORY = 1 << 20  # bytes of documents; more goes to the disk
TOLD = 10  # entries left out that are named in the log, of one step
MARSHAL = 2  # the version that looks for nothing it has written before: there is nothing

_NORMALISED = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

Fields = tuple[str, str, int, "bytes | None"]  # of an Entry
Item = TypeVar("Item")

log = logging.getLogger(__name__)


class IndexSpool:
    """The entries of one step. Written once, then read once; by another process also while they are being written."""

    def __init__(self, folder: Path, repository: str) -> None:
        """folder: where a file without a name may lie meanwhile."""
        self._folder = folder
        self._repository = repository
        self._file: FileIO | None = None
        self._sizes: list[int] = []  # of the pieces in the file, in bytes
        self._piece: list[Fields] = []  # not on the disk yet
        self.count = 0
        self.left_out = 0

    def __enter__(self) -> IndexSpool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def fill(self, entries: Iterator[Entry], on_piece: Callable[[], None] = lambda: None) -> None:
        """Take them all. on_piece: called whenever one more piece is on the disk. Raises OSError, and what these two raise."""
        size = 0
        for entry in entries:
            if not is_entry(entry):
                self._leave_out(entry)
                continue
            project, key, serial, document = entry
            self._piece.append((project, key, serial, document))
            self.count += 1
            size += len(document or b"")
            if size > IN_MEMORY:
                self.write_piece()
                size = 0
                on_piece()

    def rows(self) -> Iterator[Row]:
        if self._file is not None:
            for rows in rows_of(self._file.fileno(), self._sizes):
                yield from rows
        yield from map(to_row, self._piece)

    def write_piece(self) -> None:
        """Let what is in memory go to the disk too. Raises OSError."""
        if not self._piece:
            return
        if self._file is None:
            # Unbuffered: whoever reads it has another descriptor.
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed by __exit__
        data = marshal.dumps(self._piece, MARSHAL)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        self._sizes.append(len(data))
        self._piece = []

    @property
    def descriptor(self) -> int:
        """Of the file on the disk; -1 where there is none."""
        return -1 if self._file is None else self._file.fileno()

    @property
    def sizes(self) -> Sequence[int]:
        """Of the pieces on the disk, in bytes, in their order."""
        return self._sizes

    def _leave_out(self, entry: Entry) -> None:
        self.left_out += 1
        if self.left_out <= TOLD:
            log.warning("entry left out, it is none of pywharf's: repository=%s entry=%.200r", self._repository, entry)


def rows_of(descriptor: int, sizes: Iterable[int]) -> Iterator[list[Row]]:
    """The rows of each piece in a spool's file. sizes: as the spool tells them, maybe while it is still being written. Raises OSError."""
    at = 0
    for size in sizes:
        piece = os.pread(descriptor, size, at)
        if len(piece) != size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield list(map(to_row, marshal.loads(piece)))  # noqa: S302 - written by a spool, and nobody else can open the file
        at += size


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
