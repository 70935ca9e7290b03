"""A gzip file read forward only, inflating no more than was agreed."""

from __future__ import annotations

import zlib
from typing import IO

from pywharf.backend.settings import AdmissionRules
from pywharf.repository.archives.limits import DEFAULT_RULES, READ_BYTES, inflates_too_far, refused, scan_limit

_GZIP = 16 + zlib.MAX_WBITS


class GzipStream:
    """The inflated bytes of the first member of a gzip file. Readers disagree about further members: see `nothing_follows`."""

    def __init__(self, file: IO[bytes], compressed_bytes: int, rules: AdmissionRules = DEFAULT_RULES) -> None:
        self._file = file
        self._limit = scan_limit(compressed_bytes, rules)
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

    def announce(self, size: int) -> None:
        """Refuse before inflating them `size` bytes that the archive says will come, where they are more than will be inflated."""
        if self._inflated - len(self._piece) + self._at + size > self._limit:
            raise inflates_too_far(self._limit)

    def skip(self, size: int) -> bool:
        """Pass over `size` bytes; False where the stream ends before."""
        while size > 0 and (piece := self._some(size)):
            size -= len(piece)
        return size == 0

    def rest_is_zero(self) -> bool:
        """Pass over the rest, whose checksum and end have to be right; False as soon as it has a byte other than NUL."""
        while piece := self._some(READ_BYTES):
            if piece.count(0) != len(piece):
                return False
        return True

    def nothing_follows(self) -> bool:
        """Whether nothing but NULs, with which tapes are filled up, follows the member in the file. Ask it at the end of the stream."""
        piece = self._inflater.unused_data
        while piece.count(0) == len(piece):
            piece = self._file.read(READ_BYTES)
            if not piece:
                return True
        return False

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
                raise inflates_too_far(self._limit)
            if piece:
                return piece
        return b""
