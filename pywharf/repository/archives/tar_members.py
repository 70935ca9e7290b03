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
from typing import Literal

from pywharf.backend.settings import AdmissionRules
from pywharf.repository.archives.gzip_stream import GzipStream
from pywharf.repository.archives.limits import (
    DEFAULT_RULES,
    MAX_EXTENDED_HEADER_BYTES,
    MAX_NAME_BYTES,
    MIB,
    has_too_many_members,
    refused,
)
from pywharf.repository.archives.tar_extended import Extended, long_name

MAX_ALL_NAMES_BYTES = 16 * MIB  # of the names and link targets of all members together, which are held: 100,000 of 160 characters

Kind = Literal["file", "folder", "symlink", "hard link", "other"]

_BLOCK = 512
_MAX_HEADERS = 5  # of one member: a global and an extended one, a long name, a long link, and its own
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hard link",
}
_WITHOUT_DATA = (tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)

_SIZE, _MAGIC, _PREFIX = slice(124, 136), slice(257, 263), slice(345, 500)  # fields of a header block
_OCTAL = re.compile(rb" *[0-7]*[ \0]*")  # `tarfile` also takes signs and underscores


@dataclass(frozen=True, slots=True)
class TarMember:
    """One member."""

    name: str  # as the archive spells it; bytes that are not UTF-8 are escaped as surrogates
    kind: Kind
    size: int  # bytes of data
    target: str = ""  # of a link, spelled as the name is


class TarMembers:
    """A walk through a tar archive, from its first member to where the caller stops."""

    def __init__(self, stream: GzipStream, rules: AdmissionRules = DEFAULT_RULES) -> None:
        self._stream = stream
        self._rules = rules
        self._size = 0  # bytes of the last member's data
        self._unread = 0  # bytes left of that and its padding
        self._members = 0  # seen so far
        self._name_bytes = 0  # of their names and targets

    def next(self) -> TarMember | None:
        """The next member; None at the archive's end mark. Raises UploadRejected where the archive is damaged or cut off."""
        extended = Extended()
        for _ in range(_MAX_HEADERS):
            header = self._header()
            if header is None:
                if extended != Extended():
                    raise refused("the archive ends with a header that no member follows")
                return None
            if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                extended.read(self.data(MAX_EXTENDED_HEADER_BYTES))
            elif header.type == tarfile.XGLTYPE:
                everywhere = Extended()
                everywhere.read(self.data(MAX_EXTENDED_HEADER_BYTES))
                if everywhere != Extended() or extended != Extended():
                    raise refused("a global header of the archive gives all its members one path or size, or parts a member from its own")
            elif header.type == tarfile.GNUTYPE_LONGNAME:
                extended.set_path(long_name(self.data(MAX_NAME_BYTES)))
            elif header.type == tarfile.GNUTYPE_LONGLINK:
                extended.set_target(long_name(self.data(MAX_NAME_BYTES)))
            else:
                return self._counted(_member(header, extended))
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
        self._size = self._unread = 0
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
        if not _OCTAL.fullmatch(block[_SIZE]) and block[_SIZE][0] < 0x80:
            raise refused("the size of a member of the archive is no octal number")
        if block[_MAGIC] != b"ustar\0" and block[_PREFIX].strip(b"\0"):  # of the name for some readers, something else for others
            raise refused("a member of the archive has two names")
        self._stream.announce(header.size)
        self._size = header.size
        self._unread = header.size + -header.size % _BLOCK
        return header

    def _counted(self, member: TarMember) -> TarMember:
        self._members += 1
        if self._members > self._rules.max_members:
            raise has_too_many_members(self._rules)
        self._name_bytes += len(member.name) + len(member.target)
        if self._name_bytes > MAX_ALL_NAMES_BYTES:
            raise refused(f"the names of the archive's members have more than {MAX_ALL_NAMES_BYTES} characters together")
        return member


def _member(header: tarfile.TarInfo, extended: Extended) -> TarMember:
    kind = _KINDS.get(header.type, "other")
    is_link = kind in ("symlink", "hard link")
    if extended.size not in (None, header.size):
        raise refused("a member of the archive has two sizes")
    if extended.target is not None and not is_link:
        raise refused("a member of the archive has a link's target and is none")
    name = header.name if extended.path is None else extended.path
    if name.endswith("/") and kind != "folder":  # a folder for some readers
        raise refused("a member of the archive is named like a folder and is none")
    target = header.linkname if extended.target is None else extended.target
    return TarMember(name, kind, header.size, target if is_link else "")
