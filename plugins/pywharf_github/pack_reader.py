"""Objects out of a pack while it arrives: one after the other, in pieces, nothing held that the caller does not hold.

dulwich's own readers keep each object whole, and inflate it before its size can be looked at (git's pack-format).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from pywharf_github.refusals import HostUnavailable

BLOB, OFFSET_DELTA, REF_DELTA = 3, 6, 7
PIECE = 64 * 1024  # bytes at most that are inflated at a time

_BROKEN = "the git host sent a damaged pack"
_TRAILER = 20
_SPARE = 128  # bytes that deflate adds to what it cannot make smaller


class Trailer:
    """The checksum at the end of a pack, checked while the pack goes by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._tail = b""  # the newest bytes, of which the last 20 are no part of what is hashed

    def add(self, chunk: bytes) -> None:
        self._tail += chunk
        self._hash.update(self._tail[:-_TRAILER])
        self._tail = self._tail[-_TRAILER:]

    def finish(self) -> None:
        """Raises HostUnavailable where the pack is not whole, or not as it was sent."""
        expected = self._hash.digest()
        if self._tail != expected:
            raise HostUnavailable(_BROKEN)


@dataclass
class Packed:
    """One object of a pack. Its pieces have to be taken before the next object is."""

    type: int
    size: int  # bytes, inflated; of the delta, where it is one
    base: bytes  # 20 bytes: the object that a REF_DELTA changes; else b""
    pieces: Iterator[bytes]


class PackReader:
    """A pack from its first byte to its last. Raises HostUnavailable where it is damaged."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""  # the newest chunk
        self._at = 0  # how much of it is read
        self._checked = Trailer()
        header = self._take(12)
        if header[:4] != b"PACK" or header[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
            raise HostUnavailable(_BROKEN)
        self.count = int.from_bytes(header[8:], "big")

    def __iter__(self) -> Iterator[Packed]:
        for _ in range(self.count):
            type_, size = self._object_header()
            if type_ == OFFSET_DELTA:
                raise HostUnavailable("the git host sent a pack of a kind that was not asked for")
            packed = Packed(type_, size, self._take(20) if type_ == REF_DELTA else b"", self._inflated(size))
            yield packed
            for _ in packed.pieces:  # what the caller left
                pass
        self._finish()

    def _object_header(self) -> tuple[int, int]:
        byte = self._some(1)[0]
        type_, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            if shift > 60:
                raise HostUnavailable(_BROKEN)
            byte = self._some(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
        return type_, size

    def _inflated(self, size: int) -> Iterator[bytes]:
        inflate = zlib.decompressobj()
        left = size
        while not inflate.eof:
            # Not much more than it can need: zlib copies what it gives back, and most objects are small.
            compressed = inflate.unconsumed_tail or self._some(min(left, PIECE) + _SPARE)
            try:
                piece = inflate.decompress(compressed, PIECE)
            except zlib.error as error:
                raise HostUnavailable(_BROKEN) from error
            left -= len(piece)
            if left < 0:
                raise HostUnavailable(_BROKEN)
            if piece:
                yield piece
        self._at -= len(inflate.unused_data)
        if left:
            raise HostUnavailable(_BROKEN)

    def _finish(self) -> None:
        self._take(_TRAILER)
        for _ in self._chunks:
            raise HostUnavailable(_BROKEN)
        self._checked.finish()
        if self._at < len(self._buffer):
            raise HostUnavailable(_BROKEN)

    def _take(self, size: int) -> bytes:
        taken = b""
        while len(taken) < size:
            taken += self._some(size - len(taken))
        return taken

    def _some(self, most: int) -> bytes:
        """The next bytes, at least one. What is taken too many goes back by `_at`: it is out of one buffer."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._receive(), 0
        some = self._buffer[self._at : self._at + most]
        self._at += len(some)
        return some

    def _receive(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                self._checked.add(chunk)
                return chunk
        raise HostUnavailable(_BROKEN)


def delta_result_size(delta: bytes) -> int:
    """The size of what a delta makes of its base: the second number in it. Raises HostUnavailable where there is none."""
    numbers, at = [], 0
    for _ in range(2):
        number = shift = 0
        while True:
            if at >= len(delta) or shift > 60:
                raise HostUnavailable(_BROKEN)
            number |= (delta[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not delta[at - 1] & 0x80:
                break
        numbers.append(number)
    return numbers[1]
