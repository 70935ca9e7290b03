"""What stands before and behind the data of each member of a ZIP archive: its local header, and sizes written after the data.

Readers that take an archive as it comes, from its beginning, see these and not the directory.

Source: .ZIP File Format Specification (APPNOTE.TXT) 6.3.10, 4.3.7 and 4.3.9.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from pywharf.repository.archives.zip_directory import UNSAID_32, ZIP64_FIELD, Entry, extra_fields, zip64_numbers

LOCAL_SIGNATURE = b"PK\x03\x04"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"

SIZES_FOLLOW = 0x8  # the flag that says: checksum and sizes stand behind the data

_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<4s3L")
_DESCRIPTOR64 = struct.Struct("<4sL2Q")


class LocalHeader(NamedTuple):
    """A local header as it is written."""

    name: bytes
    flags: int
    method: int
    crc: int
    stated: tuple[int, int]  # size and compressed size in 32 bits each
    size: int
    compressed_bytes: int
    extra: bytes
    data_offset: int


class Member(NamedTuple):
    """A member of the archive: its entry in the directory, and what was found where that points."""

    entry: Entry
    header: LocalHeader | None  # None: there is none in that place
    descriptor: tuple[int, int, int] | None  # checksum, compressed size and size behind the data, where they are announced

    @property
    def data_end(self) -> int:
        """Where its data ends."""
        return (self.header.data_offset if self.header else self.entry.offset) + self.entry.compressed_bytes

    @property
    def end(self) -> int:
        """Where the next member has to begin."""
        if self.header is None or not self.entry.flags & SIZES_FOLLOW:
            return self.data_end
        return self.data_end + _descriptor_of(self.header).size


def read_members(file: IO[bytes], entries: Iterable[Entry]) -> Iterator[Member]:
    """The members in the order of their places in the file, whatever the directory's."""
    for entry in sorted(entries, key=lambda one: one.offset):
        yield read_member(file, entry)


def read_member(file: IO[bytes], entry: Entry) -> Member:
    """Look at what the entry points to."""
    header = _local_header(file, entry.offset, entry.name)
    descriptor = None
    if header is not None and entry.flags & SIZES_FOLLOW:
        descriptor = _read_descriptor(file, header, header.data_offset + entry.compressed_bytes)
    return Member(entry, header, descriptor)


def _local_header(file: IO[bytes], offset: int, name: bytes) -> LocalHeader | None:
    """name: as the directory has it; it is kept in place of another copy of the same."""
    if offset >= 1 << 62:  # beyond what a file can be asked for
        return None
    try:
        file.seek(offset)
    except OSError:  # beyond what a file has on this file system; no trouble of the disk, which is not asked
        return None
    fixed = file.read(_LOCAL.size)
    if len(fixed) < _LOCAL.size or not fixed.startswith(LOCAL_SIGNATURE):
        return None
    _, _, flags, method, _, _, crc, compressed_bytes, size, name_bytes, extra_bytes = _LOCAL.unpack(fixed)
    rest = file.read(name_bytes + extra_bytes)
    if len(rest) < name_bytes + extra_bytes:
        return None
    extra = rest[name_bytes:]
    if rest[:name_bytes] != name:
        name = rest[:name_bytes]
    stated = (size, compressed_bytes)
    size, compressed_bytes = zip64_numbers(stated, extra)
    return LocalHeader(name, flags, method, crc, stated, size, compressed_bytes, extra, offset + _LOCAL.size + len(rest))


def _descriptor_of(header: LocalHeader) -> struct.Struct:
    """Sizes have 64 bits there where the local header has a 64-bit field."""
    is_zip64 = any(number == ZIP64_FIELD for number, _ in extra_fields(header.extra) or ())
    return _DESCRIPTOR64 if is_zip64 else _DESCRIPTOR


def _read_descriptor(file: IO[bytes], header: LocalHeader, offset: int) -> tuple[int, int, int] | None:
    if offset >= 1 << 62:
        return None
    form = _descriptor_of(header)
    try:
        file.seek(offset)
    except OSError:  # as in _local_header
        return None
    data = file.read(form.size)
    if len(data) < form.size or not data.startswith(DESCRIPTOR_SIGNATURE):
        return None
    _, crc, compressed_bytes, size = form.unpack(data)
    return crc, compressed_bytes, size


def leaves_sizes_open(header: LocalHeader) -> bool:
    """Whether checksum and sizes of a local header are zero, or left to a 64-bit field that says zero."""
    sizes = (header.size, header.compressed_bytes)
    return header.crc == 0 and (sizes == (0, 0) or (header.stated == (UNSAID_32, UNSAID_32) and sizes == (UNSAID_32, UNSAID_32)))
