"""A gzip file read forward only, inflating no more than was agreed."""

from __future__ import annotations

import zlib
from typing import IO

from pywharf.repository.archives.limits import READ_BYTES, refused, scan_limit

_GZIP = 16 + zlib.MAX_WBITS


class GzipStream:
    """The inflated bytes of the first member of a gzip file; further members are no part of an sdist."""

    def __init__(self, file: IO[bytes], compressed_bytes: int) -> None:
        self._file = file
        self._limit = scan_limit(compressed_bytes)
        self._inflated = 0  # bytes so far
        self._inflater = zlib.decompressobj(_GZIP)
        self._piece = b""  # inflated last
        self._at = 0  # how much of it has been read

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer at the end of the stream. The caller bounds `size`. Raises UploadRejected."""
        pieces = []
        while size > 0 and (piece := self._some(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> bool:
        """Pass over `size` bytes; False where the stream ends before."""
        while size > 0 and (piece := self._some(size)):
            size -= len(piece)
        return size == 0

    def skip_to_end(self) -> None:
        """Pass over the rest, whose checksum and end have to be right. Raises UploadRejected."""
        while self._some(READ_BYTES):
            pass

    def _some(self, size: int) -> bytes:
        """1 to `size` bytes, b"" at the end of the stream."""
        if self._at == len(self._piece):
            self._piece, self._at = self._inflate(), 0
        start, self._at = self._at, min(self._at + size, len(self._piece))
        return self._piece[start : self._at]

    def _inflate(self) -> bytes:
        while not self._inflater.eof:
            compressed = self._inflater.unconsumed_tail or self._file.read(READ_BYTES)
            if not compressed:
                raise refused("the archive is cut off: its gzip data has no end")
            try:
                piece = self._inflater.decompress(compressed, READ_BYTES)
            except zlib.error as error:
                raise refused("the file is not a readable .tar.gz archive: its gzip data is damaged") from error
            self._inflated += len(piece)
            if self._inflated > self._limit:
                raise refused(f"the archive inflates to more than {self._limit} bytes")
            if piece:
                return piece
        return b""
