"""One member out of a ZIP archive, within limits.

The directory is read by `zipfile`, through a file object that looks first at what it hands out: `zipfile` makes an object of
each entry, and how many there are is for the archive's maker to choose. The member's bytes are inflated here: `zipfile` takes the
declared size for the end of the data, and other readers take the data for it.
"""

from __future__ import annotations

import errno
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pywharf.repository.archives.limits import MAX_DIRECTORY_BYTES, MAX_MEMBERS, MAX_METADATA_BYTES, refused

_ENTRY_SIGNATURE = b"PK\x01\x02"
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # traditional, strong, central directory masked

# What `zipfile` raises for bytes that are not what they should be.
_GARBAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    IndexError,
)


class ZipMembers:
    """The directory of an open ZIP archive."""

    def __init__(self, file: IO[bytes], entries: list[zipfile.ZipInfo]) -> None:
        self._file = file
        self._entries = entries

    @property
    def names(self) -> list[str]:
        """Of all members, in the directory's order, as often as they are there."""
        return [entry.filename for entry in self._entries]

    def read(self, name: str) -> bytes:
        """The content of the only member of that name, at most MAX_METADATA_BYTES. Raises UploadRejected."""
        entries = [entry for entry in self._entries if entry.filename == name]
        if len(entries) != 1:
            raise refused(f"the archive holds {name} {len(entries)} times instead of once")
        with _telling_garbage():
            return _content(self._file, entries[0])


@contextmanager
def open_zip(path: Path) -> Iterator[ZipMembers]:
    """Read the directory of the ZIP archive at `path`. Raises UploadRejected where there is none that can be read, or it is too large."""
    with path.open("rb") as file:
        with _telling_garbage(), zipfile.ZipFile(_DirectoryReader(file)) as archive:
            entries = archive.infolist()
        yield ZipMembers(file, entries)


@contextmanager
def _telling_garbage() -> Iterator[None]:
    try:
        yield
    except _GARBAGE as error:
        raise refused("the file is not a readable ZIP archive") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a place before the file's beginning
            raise
        raise refused("the file is not a readable ZIP archive") from error


class _DirectoryReader:
    """The file as `zipfile` sees it while it reads the directory, which it does in one piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = file.seek(0, io.SEEK_END)

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._end - self._file.tell())
        size = left if size is None or size < 0 else min(size, left)
        if size > MAX_DIRECTORY_BYTES:
            raise refused(f"the directory of the archive has more than {MAX_DIRECTORY_BYTES} bytes")
        piece = self._file.read(size)
        if piece.count(_ENTRY_SIGNATURE) > MAX_MEMBERS:
            raise refused(f"the archive has more than {MAX_MEMBERS} members")
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _content(file: IO[bytes], entry: zipfile.ZipInfo) -> bytes:
    name = entry.filename
    if entry.orig_filename != name:  # cut at a NUL, or renamed by an extra field
        raise refused(f"{name} has two names")
    if entry.flag_bits & _ENCRYPTED:
        raise refused(f"{name} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(f"{name} is compressed by a method other than deflate")
    if entry.file_size > MAX_METADATA_BYTES or entry.compress_size > MAX_METADATA_BYTES:
        raise refused(f"{name} has more than {MAX_METADATA_BYTES} bytes")
    file.seek(entry.header_offset)
    signature, _, flags, method, *_, name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if (signature, flags & _ENCRYPTED, method) != (b"PK\x03\x04", 0, entry.compress_type) or file.read(name_size) != name.encode():
        raise refused(f"the directory of the archive and the header of {name} disagree")
    file.seek(extra_size, io.SEEK_CUR)
    stored = file.read(entry.compress_size)
    content = stored if method == zipfile.ZIP_STORED else _inflate(name, stored)
    if len(stored) != entry.compress_size or len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise refused(f"{name} has another size or checksum than the directory of the archive says")
    return content


def _inflate(name: str, deflated: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(deflated, MAX_METADATA_BYTES + 1)
    if len(content) > MAX_METADATA_BYTES:
        raise refused(f"{name} has more than {MAX_METADATA_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise refused(f"the compressed data of {name} ends too early or too late")
    return content
