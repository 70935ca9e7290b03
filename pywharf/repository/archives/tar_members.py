"""The members of a tar archive one after the other, within limits.

`tarfile` reads extended headers and sparse maps whole, whatever their size; so only the decoding of one 512-byte header block
is left to it, and what lies between the blocks is read here. What readers disagree about (sparse files, two sizes for one member,
a folder with data) is refused.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar, "Basic Tar Format" (long names).
"""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass

from pywharf.repository.archives.gzip_stream import GzipStream
from pywharf.repository.archives.limits import MAX_EXTENDED_HEADER_BYTES, MAX_MEMBERS, MAX_NAME_BYTES, refused

_BLOCK = 512
_MAX_HEADERS = 5  # of one member: a global and an extended one, a long name, a long link, and its own
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_WITHOUT_DATA = (tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)
_RECORD = re.compile(rb"([1-9][0-9]{0,7}) ([^=\n]+)=")


@dataclass(frozen=True)
class TarMember:
    """One member."""

    name: str  # as the archive spells it; bytes that are not UTF-8 are escaped as surrogates
    size: int  # bytes of data
    regular: bool  # a plain file


@dataclass
class _Extended:
    """What extended headers say about the member after them."""

    path: str | None = None
    size: int | None = None

    def name(self, raw: bytes) -> None:
        if self.path is not None:
            raise refused("a member of the archive has two names")
        self.path = raw.decode("utf-8", "surrogateescape")


class TarMembers:
    """A walk through a tar archive, from its first member to where the caller stops."""

    def __init__(self, stream: GzipStream) -> None:
        self._stream = stream
        self._size = 0  # bytes of the last member's data
        self._unread = 0  # bytes left of that and its padding
        self._members = 0  # seen so far

    def next(self) -> TarMember | None:
        """The next member; None at the archive's end mark. Raises UploadRejected where the archive is damaged or cut off."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise refused(f"the archive has more than {MAX_MEMBERS} members")
        extended = _Extended()
        for _ in range(_MAX_HEADERS):
            header = self._header()
            if header is None:
                return None
            if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                _read_records(self.data(MAX_EXTENDED_HEADER_BYTES), extended)
            elif header.type == tarfile.XGLTYPE:
                everywhere = _Extended()
                _read_records(self.data(MAX_EXTENDED_HEADER_BYTES), everywhere)
                if everywhere != _Extended():
                    raise refused("a global header of the archive gives all its members one path or size")
            elif header.type == tarfile.GNUTYPE_LONGNAME:
                extended.name(self.data(MAX_NAME_BYTES).split(b"\0", 1)[0])
            elif header.type == tarfile.GNUTYPE_LONGLINK:
                self.data(MAX_NAME_BYTES)
            else:
                return _member(header, extended)
        raise refused("a member of the archive has too many extended headers")

    def data(self, limit: int) -> bytes:
        """The data of the member that `next` gave. Raises UploadRejected where it has more than `limit` bytes."""
        size = self._size
        if size > limit:
            raise refused(f"a member or header of the archive has more than the {limit} bytes that are read")
        data = self._stream.read(size)
        if len(data) < size:
            raise refused("the archive is cut off in the middle of a member")
        self._unread -= size
        return data

    def _header(self) -> tarfile.TarInfo | None:
        if not self._stream.skip(self._unread):
            raise refused("the archive is cut off in the middle of a member")
        block = self._stream.read(_BLOCK)
        if not block.strip(b"\0") and len(block) in (0, _BLOCK):
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise refused("the file is not a readable .tar.gz archive: the header of a member is damaged") from error
        if header.size < 0 or header.type == tarfile.GNUTYPE_SPARSE:
            raise refused("the archive holds a sparse file, or one of negative size")
        if header.size and header.type in _WITHOUT_DATA:
            raise refused("a folder, link or device in the archive has data")
        self._size = header.size
        self._unread = header.size + -header.size % _BLOCK
        return header


def _member(header: tarfile.TarInfo, extended: _Extended) -> TarMember:
    if extended.size not in (None, header.size):
        raise refused("a member of the archive has two sizes")
    name = header.name if extended.path is None else extended.path
    return TarMember(name=name, size=header.size, regular=header.type in _REGULAR and not name.endswith("/"))


def _read_records(data: bytes, extended: _Extended) -> None:
    """Read the records of an extended header: length in bytes of the whole record, space, keyword, "=", value, line feed."""
    at = 0
    while at < len(data) and data[at]:
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if not match or end < match.end() + 1 or data[end - 1 : end] != b"\n":
            raise refused("an extended header of the archive is damaged")
        keyword, value = match[2], data[match.end() : end - 1]
        if keyword == b"path":
            extended.name(value)
        elif keyword == b"size":
            if not re.fullmatch(rb"[0-9]{1,20}", value):
                raise refused("an extended header of the archive is damaged")
            extended.size = int(value)
        elif keyword.startswith(b"GNU.sparse."):
            raise refused("the archive holds a sparse file")
        at = end
