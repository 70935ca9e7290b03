"""Archives of some 10 MB that inflate to 10 GiB, made in a moment: one deflated piece, again and again.

Their checksums are not those of so much data, which nobody gets to see who does not inflate all of it.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from pywharf.testing.distributions import make_sdist, make_wheel

from .tars import TOP, deflated, deflated_zeros, header, tar

GIB = 1024**3
MEMBERS = 10  # of a ZIP, one GiB each: none needs 64-bit fields

_ZEROS_BYTES = 16 * 1024 * 1024


def one_member() -> bytes:
    """A tar with one member, which says how large it is."""
    return deflated_zeros(10 * GIB, tar(header(f"{TOP}/zeros", size=10 * GIB), end=b""))


def many_members() -> bytes:
    """A tar with 10,000 members: what the first ones say is within the limits."""
    piece = header(f"{TOP}/zeros", size=1024**2) + bytes(1024**2)
    return deflated(tar(end=b""), piece, 10 * 1024)


def behind_the_end_mark() -> bytes:
    """A whole sdist, and NULs as tapes are filled up with."""
    return deflated_zeros(10 * GIB, tar())


def in_an_extended_header() -> bytes:
    return deflated_zeros(10 * GIB, header("PaxHeader", size=10 * GIB, kind=b"x"))


def wheel() -> bytes:
    return _zip(make_wheel("demo", "1.0", files=_promised(GIB)).data, GIB)


def wheel_that_lies() -> bytes:
    """Its directory says that each member has 100 bytes, and RECORD agrees."""
    return _zip(make_wheel("demo", "1.0", files=_promised(100)).data, 100)


def zip_sdist() -> bytes:
    return _zip(make_sdist("demo", "1.0", suffix=".zip", files=_promised(GIB)).data, GIB)


def zip_sdist_that_lies() -> bytes:
    return _zip(make_sdist("demo", "1.0", suffix=".zip", files=_promised(100)).data, 100)


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one-member": ("demo-1.0.tar.gz", one_member),
    "many-members": ("demo-1.0.tar.gz", many_members),
    "behind-the-end-mark": ("demo-1.0.tar.gz", behind_the_end_mark),
    "extended-header": ("demo-1.0.tar.gz", in_an_extended_header),
    "wheel": ("demo-1.0-py3-none-any.whl", wheel),
    "wheel-that-lies": ("demo-1.0-py3-none-any.whl", wheel_that_lies),
    "zip-sdist": ("demo-1.0.zip", zip_sdist),
    "zip-sdist-that-lies": ("demo-1.0.zip", zip_sdist_that_lies),
}


def _promised(size: int) -> dict[str, bytes]:
    """What the zeros are listed as: names, and as many bytes as are said."""
    return {f"zeros{at}.bin": bytes(size if size < GIB else 0) for at in range(MEMBERS)}


def _zip(honest: bytes, said: int) -> bytes:
    """An honest archive with the content of its `zeros*` replaced by a GiB of zeros; `said` is what the headers tell of its size."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = compressor.compress(bytes(_ZEROS_BYTES)) + compressor.flush(zlib.Z_FULL_FLUSH)
    zeros = piece * (GIB // _ZEROS_BYTES) + compressor.flush()
    body, directory, count = b"", b"", 0
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        for info in archive.infolist():
            is_bomb = "zeros" in info.filename
            data = zeros if is_bomb else archive.read(info)
            name, size = info.filename.encode(), said if is_bomb else len(data)
            crc = zlib.crc32(bytes(said)) if is_bomb and said < GIB else info.CRC
            numbers = (20, 0, 8 if is_bomb else 0, 0, 33, crc, len(data), size, len(name), 0)
            directory += struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 3 << 8 | 20, *numbers, 0, 0, 0, 0o100644 << 16, len(body)) + name
            body += struct.pack("<4s5H3L2H", b"PK\3\4", *numbers) + name + data
            count += 1
    return body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
