"""The members of a ZIP archive: one of them whole, or a digest of each, within limits.

Data is inflated as it is read and never beyond what the directory says of its size, which has been added up and compared with the
limits before: how much work an archive makes is known before any of it is done.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO

from pywharf.api.file_digests import SHA256
from pywharf.backend.settings import AdmissionRules
from pywharf.errors import UploadRejected
from pywharf.repository.archives.limits import DEFAULT_RULES, READ_BYTES, inflates_too_far, refused, scan_limit
from pywharf.repository.archives.zip_directory import Directory, Entry, read_directory
from pywharf.repository.archives.zip_local import SIZES_FOLLOW, Member, leaves_sizes_open, read_member, read_members
from pywharf.repository.digesting import BATCH, Digesting

SMALL = 256 * 1024  # bytes of an archive that is held in memory
STORED, DEFLATED = 0, 8
MOST_NEEDED = 63  # ten times the version of the format that readers know; later ones are refused by some
ENCRYPTED = 0x1 | 0x40 | 0x2000  # traditional, strong, directory masked


class ZipArchive:
    """A ZIP archive, opened when something is read of it first. Used in `with`, or closed at the end; by one thread."""

    def __init__(self, path: Path, rules: AdmissionRules = DEFAULT_RULES) -> None:
        self._path = path
        self._rules = rules

    @cached_property
    def _file(self) -> IO[bytes]:
        """The file; one that is small is read at once, since the checks go through it again and again."""
        file = self._path.open("rb", buffering=0)
        size = os.fstat(file.fileno()).st_size
        if size <= SMALL:
            if len(data := file.read(size)) == size:
                file.close()
                return io.BytesIO(data)
            file.seek(0)  # some file systems give less at a time
        return io.BufferedReader(file, READ_BYTES)

    def close(self) -> None:
        if "_file" in self.__dict__:
            self._file.close()

    def __enter__(self) -> ZipArchive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @cached_property
    def directory(self) -> Directory:
        """Raises UploadRejected where there is none that can be read, or it is too large."""
        return read_directory(self._file, self._rules)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.directory.entries

    @cached_property
    def names(self) -> list[str]:
        """Of all members, in the directory's order, as often as they are there."""
        return [entry.text for entry in self.entries]

    @cached_property
    def members(self) -> list[Member]:
        """All members, in the order of their places in the file."""
        return list(read_members(self._file, self.entries))

    @cached_property
    def digests(self) -> dict[str, bytes]:
        """The sha256 of each file by its name, in the order of their places; found by inflating all of them.

        Raises UploadRejected where the data is not what the directory says, or too much.
        """
        self.refuse_bomb()
        digests = {}
        for member in self.members:
            pieces = _inflated(self._file, member)
            digest = _sha256_of_much(pieces) if member.entry.size > BATCH else _sha256(pieces)
            if not member.entry.is_folder:
                digests[member.entry.text] = digest
        return digests

    def refuse_bomb(self) -> None:
        """Raises UploadRejected where all members together say that they inflate to more than is taken."""
        limit = scan_limit(self.directory.file_bytes, self._rules)
        if sum(entry.size for entry in self.entries) > limit:
            raise inflates_too_far(limit)

    def digest(self, name: str, algorithm: str) -> bytes:
        """Another digest of the only member of that name. Raises UploadRejected."""
        digest = hashlib.new(algorithm)
        for piece in _inflated(self._file, read_member(self._file, self._only(name))):
            digest.update(piece)
        return digest.digest()

    def begin(self, size: int) -> bytes:
        """The first so many bytes of the file."""
        self._file.seek(0)
        return self._file.read(size)

    def read(self, name: str) -> bytes:
        """The content of the only member of that name, at most `max_metadata_bytes`. Raises UploadRejected."""
        entry = self._only(name)
        limit = self._rules.max_metadata_bytes
        if max(entry.size, entry.compressed_bytes) > limit:
            raise refused(f"{name} has more than {limit} bytes (max_metadata_bytes)")
        member = read_member(self._file, entry)
        _refuse_what_cannot_be_read(member)
        return b"".join(_inflated(self._file, member))

    def _only(self, name: str) -> Entry:
        entries = [entry for entry in self.entries if entry.text == name]
        if len(entries) != 1:
            raise refused(f"the archive holds {name} {len(entries)} times instead of once")
        return entries[0]


def _sha256(pieces: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _sha256_of_much(pieces: Iterator[bytes]) -> bytes:
    """The same, while the next pieces are inflated."""
    with Digesting((SHA256,)) as digesting:
        for piece in pieces:
            digesting.update(piece)
        return bytes.fromhex(digesting.hexdigest(SHA256))


def disagreement(member: Member) -> str:
    """In what the entry in the directory and the local header differ; "" where they agree."""
    entry, header = member.entry, member.header
    if header is None:
        return "place"
    pairs = [("name", entry.name, header.name), ("flags", entry.flags, header.flags), ("method", entry.method, header.method)]
    if not (entry.flags & SIZES_FOLLOW and leaves_sizes_open(header)):
        pairs += [
            ("checksum", entry.crc, header.crc),
            ("size", entry.size, header.size),
            ("compressed size", entry.compressed_bytes, header.compressed_bytes),
        ]
    return next((what for what, one, other in pairs if one != other), "")


def _refuse_what_cannot_be_read(member: Member) -> None:
    """What the checks look at in all members, for one that is read before they do."""
    entry = member.entry
    if entry.flags & ENCRYPTED:
        raise refused(f"{entry.text} is encrypted")
    if entry.method not in (STORED, DEFLATED) or entry.needs & 0xFF > MOST_NEEDED:
        raise refused(f"{entry.text} is compressed by a method other than deflate")
    if what := disagreement(member):
        raise refused(f"the directory of the archive and the header of {entry.text} disagree about its {what}")


def _inflated(file: IO[bytes], member: Member) -> Iterator[bytes]:
    """The member's content in pieces. Raises UploadRejected where it is not what its entry says; the last piece comes before that."""
    entry, header = member.entry, member.header
    if header is None:
        raise _is_wrong(entry)
    file.seek(header.data_offset)
    crc, size = 0, 0
    for piece in _stored(file, entry) if entry.method == STORED else _deflated(file, entry):
        size += len(piece)
        if size > entry.size:
            raise _is_wrong(entry)
        crc = zlib.crc32(piece, crc)
        yield piece
    if (crc, size) != (entry.crc, entry.size):
        raise _is_wrong(entry)


def _is_wrong(entry: Entry) -> UploadRejected:
    return refused(f"{entry.text!r} has another size or checksum than the directory of the archive says")


def _stored(file: IO[bytes], entry: Entry) -> Iterator[bytes]:
    left = entry.compressed_bytes
    while left and (piece := file.read(min(READ_BYTES, left))):
        left -= len(piece)
        yield piece


def _deflated(file: IO[bytes], entry: Entry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in _stored(file, entry):
            while piece and not inflater.eof:
                yield inflater.decompress(piece, READ_BYTES)
                piece = inflater.unconsumed_tail
            if inflater.unused_data or piece:
                raise _is_cut(entry)
        yield inflater.flush()  # a few matches at most: all input was taken up
    except zlib.error as error:
        raise _is_cut(entry) from error
    if not inflater.eof:
        raise _is_cut(entry)


def _is_cut(entry: Entry) -> UploadRejected:
    return refused(f"the compressed data of {entry.text!r} is damaged, or ends too early or too late")
