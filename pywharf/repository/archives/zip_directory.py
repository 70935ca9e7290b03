"""The directory of a ZIP archive and the records at its end, as they are written.

`zipfile` is not used: it looks for the directory where it may be found rather than where it is said to be, forgives what other
readers do not, and makes an object of each entry before it can be told that there are too many. This reader forgives as well, so that
the checks can say what is wrong: it takes the directory that most readers would take, and keeps each claim beside it.

Source: .ZIP File Format Specification (APPNOTE.TXT) 6.3.10, 4.3.12 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from pywharf.backend.settings import AdmissionRules
from pywharf.repository.archives.limits import MAX_DIRECTORY_BYTES, has_too_many_members, refused

ENTRY_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR_SIGNATURE = b"PK\x06\x07"

UNSAID_16, UNSAID_32 = 0xFFFF, 0xFFFFFFFF  # "look at the 64-bit record"
ZIP64_FIELD = 0x0001

_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LONGEST_COMMENT = 0xFFFF

UNREADABLE = "the file is not a readable ZIP archive"


@dataclass(frozen=True)
class EndRecord:
    """What one of the two end records says."""

    offset: int  # where it begins
    end: int  # where it ends, without a comment
    numbers: tuple[int, int, int, int]  # of this part, of the part with the directory, entries in this part, entries in all
    directory_bytes: int
    directory_offset: int


@dataclass(frozen=True)
class Locator:
    """Where the 64-bit end record is said to be."""

    offset: int  # where the locator itself begins
    points_at: int
    part: int
    parts: int


class Entry(NamedTuple):
    """One entry of the directory."""

    name: bytes
    text: str  # the name; bytes that are not UTF-8 are escaped as surrogates
    made_by: int
    needs: int  # version of the format, times ten
    flags: int
    method: int
    crc: int
    stated: tuple[int, int, int]  # size, compressed size and offset in 32 bits each
    size: int
    compressed_bytes: int
    offset: int  # of the local header
    extra: bytes
    comment_bytes: int
    part: int
    attributes: int

    @property
    def is_folder(self) -> bool:
        return self.name.endswith(b"/")


@dataclass(frozen=True)
class Directory:
    """The directory of an archive, and what stands around it."""

    file_bytes: int  # of the whole file
    start: int  # where the directory was found
    entries: tuple[Entry, ...]
    end: EndRecord
    end64: EndRecord | None
    locator: Locator | None
    comment_bytes: int
    tail: bytes  # from the end of the directory to the end of the file

    @property
    def stop(self) -> int:
        """Where its last entry ends."""
        return self.file_bytes - len(self.tail)

    @property
    def shift(self) -> int:
        """How far behind its stated place it was found."""
        return self.start - (self.end64 or self.end).directory_offset


def read_directory(file: IO[bytes], rules: AdmissionRules) -> Directory:
    """Read the directory of a ZIP archive. Raises UploadRejected where there is none that can be read, or it is too large."""
    file_bytes = file.seek(0, 2)
    end, comment_bytes = _end_record(file, file_bytes)
    locator = _locator(file, end)
    end64 = _end64_record(file, locator) if locator else None
    said = end64 or end
    if said.directory_bytes > MAX_DIRECTORY_BYTES:
        raise refused(f"the directory of the archive has more than {MAX_DIRECTORY_BYTES} bytes")
    start = _start(file, said, locator)
    file.seek(start)
    data = file.read(said.directory_bytes)
    entries = tuple(_entries(data, rules))
    if len(data) != said.directory_bytes or len(entries) != said.numbers[3]:
        raise refused(f"{UNREADABLE}: its directory does not have the entries that it says")
    tail = file.read(_LONGEST_COMMENT * 2 + 1) if start + len(data) + _LONGEST_COMMENT * 2 >= file_bytes else None
    if tail is None:
        raise refused(f"{UNREADABLE}: its directory is not at its end")
    return Directory(file_bytes, start, entries, end, end64, locator, comment_bytes, tail)


def extra_fields(extra: bytes) -> list[tuple[int, bytes]] | None:
    """The fields of an extra block, number and content; None where it is damaged."""
    fields, at = [], 0
    while at < len(extra):
        if at + 4 > len(extra):
            return None
        number, size = struct.unpack_from("<2H", extra, at)
        at += 4 + size
        if at > len(extra):
            return None
        fields.append((number, extra[at - size : at]))
    return fields


def zip64_numbers(stated: tuple[int, ...], extra: bytes) -> tuple[int, ...]:
    """The numbers a header means: those that do not fit into 32 bits stand in its 64-bit field, in the same order."""
    if UNSAID_32 not in stated:
        return stated
    content = next((content for number, content in extra_fields(extra) or () if number == ZIP64_FIELD), b"")
    wide = iter(value for (value,) in struct.iter_unpack("<Q", content[: len(content) // 8 * 8]))
    return tuple(next(wide, number) if number == UNSAID_32 else number for number in stated)


def _end_record(file: IO[bytes], file_bytes: int) -> tuple[EndRecord, int]:
    """The last end record, and how long it says that its comment is."""
    start = max(0, file_bytes - _LONGEST_COMMENT - _END.size)
    file.seek(start)
    tail = file.read(file_bytes - start)
    at = tail.rfind(END_SIGNATURE, 0, len(tail) - _END.size + len(END_SIGNATURE)) if len(tail) >= _END.size else -1
    if at < 0:
        raise refused(UNREADABLE)
    _, part, directory_part, here, entries, directory_bytes, offset, comment_bytes = _END.unpack_from(tail, at)
    numbers = (part, directory_part, here, entries)
    return EndRecord(start + at, start + at + _END.size, numbers, directory_bytes, offset), comment_bytes


def _locator(file: IO[bytes], end: EndRecord) -> Locator | None:
    at = end.offset - _LOCATOR.size
    if at < 0:
        return None
    file.seek(at)
    magic, part, points_at, parts = _LOCATOR.unpack(file.read(_LOCATOR.size))
    return Locator(at, points_at, part, parts) if magic == LOCATOR_SIGNATURE else None


def _end64_record(file: IO[bytes], locator: Locator) -> EndRecord:
    """The 64-bit end record where the locator says, or else right before it."""
    for at in (locator.points_at, locator.offset - _END64.size):
        if 0 <= at <= locator.offset - _END64.size:
            file.seek(at)
            magic, size, _, _, *numbers, directory_bytes, offset = _END64.unpack(file.read(_END64.size))
            if magic == END64_SIGNATURE:
                one, two, three, four = numbers
                return EndRecord(at, at + 12 + size, (one, two, three, four), directory_bytes, offset)
    raise refused(f"{UNREADABLE}: its 64-bit end record is missing")


def _start(file: IO[bytes], said: EndRecord, locator: Locator | None) -> int:
    """Where the directory begins: where it is said to, or so far before the end records as it is long."""
    places = [said.directory_offset, said.offset - said.directory_bytes]
    for at in places:
        if 0 <= at <= said.offset:
            file.seek(at)
            if file.read(len(ENTRY_SIGNATURE)) == ENTRY_SIGNATURE and said.directory_bytes:
                return at
    if said.directory_bytes == 0 and 0 <= said.directory_offset <= said.offset:
        return said.directory_offset
    raise refused(f"{UNREADABLE}: its directory is not where it says")


def _entries(data: bytes, rules: AdmissionRules) -> Iterator[Entry]:
    if data.count(ENTRY_SIGNATURE) > rules.max_members:  # asked before there is an object for each
        raise has_too_many_members(rules)
    at = 0
    while at < len(data):
        if at + _ENTRY.size > len(data) or data[at : at + 4] != ENTRY_SIGNATURE:
            raise refused(f"{UNREADABLE}: its directory is damaged")
        (
            _, made_by, needs, flags, method, _, _, crc, compressed_bytes, size,
            name_bytes, extra_bytes, comment_bytes, part, _, attributes, offset,
        ) = _ENTRY.unpack_from(data, at)  # fmt: skip
        name_at = at + _ENTRY.size
        extra_at = name_at + name_bytes
        at = extra_at + extra_bytes + comment_bytes
        if at > len(data):
            raise refused(f"{UNREADABLE}: its directory is damaged")
        name, extra = data[name_at:extra_at], data[extra_at : extra_at + extra_bytes]
        stated = (size, compressed_bytes, offset)
        size, compressed_bytes, offset = zip64_numbers(stated, extra)
        text = name.decode("utf-8", "surrogateescape")
        yield Entry(
            name, text, made_by, needs, flags, method, crc, stated, size, compressed_bytes, offset, extra, comment_bytes, part, attributes
        )
