"""What headers of a tar archive say about the member after them: extended (PAX) headers, and GNU's long names.

Refused is what readers understand in different ways: a member with two names, two link targets or two sizes, sparse files, a name
that holds a NUL.

Source: POSIX.1-2017, pax, "pax Header Block"; GNU tar, "Basic Tar Format" (long names).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pywharf.repository.archives.limits import refused

_RECORD = re.compile(rb"([1-9][0-9]{0,7}) ([^=\n]+)=")
_DAMAGED = "an extended header of the archive is damaged"


@dataclass
class Extended:
    """What was said so far; None: nothing."""

    path: str | None = None
    target: str | None = None  # of a link
    size: int | None = None  # bytes

    def set_path(self, raw: bytes) -> None:
        if self.path is not None:
            raise refused("a member of the archive has two names")
        self.path = decoded(raw)

    def set_target(self, raw: bytes) -> None:
        if self.target is not None:
            raise refused("a link in the archive has two targets")
        self.target = decoded(raw)

    def set_size(self, raw: bytes) -> None:
        if not re.fullmatch(rb"[0-9]{1,20}", raw):
            raise refused(_DAMAGED)
        if self.size not in (None, int(raw)):
            raise refused("a member of the archive has two sizes")
        self.size = int(raw)

    def read(self, data: bytes) -> None:
        """Take over the records of an extended header: length in bytes of the whole record, space, keyword, "=", value, line feed."""
        at = 0
        while at < len(data) and data[at]:
            match = _RECORD.match(data, at)
            end = at + int(match[1]) if match else 0
            if not match or end < match.end() + 1 or data[end - 1 : end] != b"\n":
                raise refused(_DAMAGED)
            keyword, value = match[2], data[match.end() : end - 1]
            if keyword == b"path":
                self.set_path(value)
            elif keyword == b"linkpath":
                self.set_target(value)
            elif keyword == b"size":
                self.set_size(value)
            elif keyword.startswith((b"GNU.sparse.", b"SCHILY.realsize")):
                raise refused("the archive holds a sparse file")
            at = end
        if data[at:].strip(b"\0"):  # some readers stop at the first NUL
            raise refused(_DAMAGED)


def long_name(data: bytes) -> bytes:
    """The name in the data of a GNU long name or long link, which ends with a NUL."""
    name = data.rstrip(b"\0")
    if b"\0" in name:
        raise refused("a long name in the archive holds a NUL")
    return name


def decoded(raw: bytes) -> str:
    """A name as text; bytes that are not UTF-8 are escaped as surrogates."""
    return raw.decode("utf-8", "surrogateescape")
