"""Tar archives block by block, for what no library would write."""

from __future__ import annotations

import functools
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable

from pywharf.testing.distributions import make_sdist

TOP = "demo-1.0"
END = bytes(1024)  # the end mark: two blocks of NULs


@functools.cache
def contents() -> tuple[tuple[str, bytes], ...]:
    """What an sdist that can be installed holds, by path."""
    with tarfile.open(fileobj=io.BytesIO(make_sdist("demo", "1.0").data)) as archive:
        return tuple((member.name, archive.extractfile(member).read()) for member in archive)  # type: ignore[union-attr]


def padded(data: bytes) -> bytes:
    """Filled up with NULs to whole blocks."""
    return data + bytes(-len(data) % 512)


def header(name: str, *, size: int = 0, kind: bytes = tarfile.REGTYPE, format_: int = tarfile.GNU_FORMAT, **attributes: object) -> bytes:
    """One header block, or more where the name needs them."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info.tobuf(format_, "utf-8", "surrogateescape")


def member(name: str, data: bytes = b"", **attributes: object) -> bytes:
    """A file, or a member of another kind."""
    return header(name, size=len(data), **attributes) + padded(data)  # type: ignore[arg-type]


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    return header(name, kind=kind, linkname=target)


def extended(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended (PAX) header."""
    return member("PaxHeader", b"".join(map(record, records)), kind=kind, format_=tarfile.USTAR_FORMAT)


def record(keyword_and_value: bytes) -> bytes:
    """One record of an extended header: its length counts itself."""
    length = len(keyword_and_value) + 3
    while len(b"%d %s\n" % (length, keyword_and_value)) != length:
        length += 1
    return b"%d %s\n" % (length, keyword_and_value)


def altered(block: bytes, at: int, value: bytes) -> bytes:
    """A header block with some bytes replaced, and its checksum made right."""
    block = block[:at] + value + block[at + len(value) :]
    summed = sum(block[:148]) + sum(block[156:512]) + 8 * 0x20
    return block[:148] + b"%06o\0 " % summed + block[156:]


def tar(*blocks: bytes, prefix: str = "", without: str = "", end: bytes = END, **attributes: object) -> bytes:
    """A whole sdist and then `blocks`, not compressed. prefix: before each name; without: a file that is left out."""
    members = [member(prefix + name, data, **attributes) for name, data in contents() if name != without]
    return b"".join([*members, *blocks, end])


def packed(data: bytes, level: int = 9) -> bytes:
    return gzip.compress(data, level, mtime=0)


def sdist(*blocks: bytes, **more: object) -> bytes:
    """A .tar.gz that can be installed, with `blocks` at its end."""
    return packed(tar(*blocks, **more))  # type: ignore[arg-type]


def deflated_zeros(count: int, before: bytes = b"") -> bytes:
    """A gzip file of `before` and then so many NULs, rounded up to whole pieces of 16 MiB."""
    piece = bytes(16 * 1024 * 1024)
    return deflated(before, piece, -(-count // len(piece)))


def deflated(before: bytes, piece: bytes, times: int) -> bytes:
    """A gzip file of `before` and so many times `piece`, which is deflated once; the checksum at its end is not the right one."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = compressor.compress(before) + compressor.flush(zlib.Z_FULL_FLUSH)
    again = compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + first + again * times + compressor.flush() + bytes(8)


def named(names: Iterable[str]) -> bytes:
    """Empty files of these names in the top folder."""
    return b"".join(member(f"{TOP}/{name}") for name in names)
