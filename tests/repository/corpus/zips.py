"""ZIP archives put together byte by byte, so that each number in them can be another than it has to be."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

STORED, DEFLATED = 0, 8
SIZES_FOLLOW, UTF8 = 0x8, 0x800
FILE, FOLDER = 0o100644 << 16, 0o40755 << 16 | 0x10
UNSAID = 0xFFFFFFFF

Numbers = Mapping[str, int]  # by the names in _LOCAL and _ENTRY; what is not given is as it has to be

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")


@dataclass(frozen=True)
class Piece:
    """A member, and what is to be wrong with it."""

    name: str | bytes
    data: bytes = b""
    method: int = DEFLATED
    attributes: int = FILE
    flags: int | None = None  # None: those that the name needs
    descriptor: str = ""  # struct format of the sizes behind the data: "<4s3L", with its signature; "": none
    described: Numbers = field(default_factory=dict)
    local: Numbers = field(default_factory=dict)
    entry: Numbers = field(default_factory=dict)
    local_extra: bytes = b""
    entry_extra: bytes = b""
    local_name: str | bytes | None = None
    comment: bytes = b""
    packed: bytes | None = None  # None: `data`, compressed by `method`
    before: bytes = b""  # stands before the local header and belongs to nothing
    is_listed: bool = True  # in the directory

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def compressed(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == DEFLATED else self.data

    def with_(self, **changes: Any) -> Piece:
        return replace(self, **changes)


@dataclass(frozen=True)
class Frame:
    """What stands around the members, and what is to be wrong with it."""

    prefix: bytes = b""
    counts_prefix: bool = False  # whether offsets count from the file's beginning
    between: bytes = b""  # stands between the directory and the end records
    end: Numbers = field(default_factory=dict)
    comment: bytes = b""
    says_comment: bool = True
    tail: bytes = b""
    end64: Numbers | None = None  # None: there is no 64-bit end record
    extensible: bytes = b""
    locator: Numbers = field(default_factory=dict)
    order: int = 1  # of the directory: -1 turns it round


def deflated(data: bytes, level: int = 9) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def extra_field(number: int, content: bytes) -> bytes:
    return struct.pack("<2H", number, len(content)) + content


def zip64(*numbers: int) -> bytes:
    return extra_field(1, struct.pack(f"<{len(numbers)}Q", *numbers))


def archive(pieces: Iterable[Piece], frame: Frame | None = None) -> bytes:
    """The archive of these members."""
    frame = frame or Frame()
    out, entries = frame.prefix, []
    base = 0 if frame.counts_prefix else len(frame.prefix)
    for piece in pieces:
        out += piece.before
        if piece.is_listed:
            entries.append(_entry(piece, len(out) - base))
        out += _local(piece) + piece.compressed + _descriptor(piece)
    directory = b"".join(entries[:: frame.order])
    start = len(out) - base
    out += directory + frame.between
    said = {"here": len(entries), "entries": len(entries), "size": len(directory), "offset": start}
    if frame.end64 is not None:
        wide = {"part": 0, "directory_part": 0, **said, **frame.end64}
        at = len(out) - base
        numbers = [wide[key] for key in ("part", "directory_part", "here", "entries", "size", "offset")]
        out += _END64.pack(b"PK\x06\x06", wide.get("length", 44 + len(frame.extensible)), 45, 45, *numbers) + frame.extensible
        places = {"part": 0, "at": at, "parts": 1, **frame.locator}
        out += _LOCATOR.pack(b"PK\x06\x07", places["part"], places["at"], places["parts"])
    narrow = {"part": 0, "directory_part": 0, **said, "comment": len(frame.comment) if frame.says_comment else 0, **frame.end}
    numbers = [narrow[key] for key in ("part", "directory_part", "here", "entries", "size", "offset", "comment")]
    return out + _END.pack(b"PK\x05\x06", *numbers) + frame.comment + frame.tail


def _numbers(piece: Piece) -> dict[str, int]:
    flags = piece.flags if piece.flags is not None else 0 if piece.raw_name.isascii() else UTF8
    return {
        "made_by": 3 << 8 | 20,
        "needs": 20,
        "flags": flags | (SIZES_FOLLOW if piece.descriptor else 0),
        "method": piece.method,
        "time": 0,
        "date": 33,
        "crc": zlib.crc32(piece.data),
        "compressed": len(piece.compressed),
        "size": len(piece.data),
    }


def _local(piece: Piece) -> bytes:
    raw = piece.raw_name if piece.local_name is None else piece.local_name
    name = raw.encode() if isinstance(raw, str) else raw
    open_ = {"crc": 0, "compressed": 0, "size": 0} if piece.descriptor else {}
    numbers = {**_numbers(piece), **open_, "name": len(name), "extra": len(piece.local_extra), **piece.local}
    keys = ("needs", "flags", "method", "time", "date", "crc", "compressed", "size", "name", "extra")
    return _LOCAL.pack(b"PK\x03\x04", *[numbers[key] for key in keys]) + name + piece.local_extra


def _entry(piece: Piece, offset: int) -> bytes:
    lengths = {"name": len(piece.raw_name), "extra": len(piece.entry_extra), "comment": len(piece.comment)}
    numbers = {**_numbers(piece), **lengths, "part": 0, "inner": 0, "attributes": piece.attributes, "offset": offset, **piece.entry}
    keys = (
        "made_by", "needs", "flags", "method", "time", "date", "crc", "compressed", "size",
        "name", "extra", "comment", "part", "inner", "attributes", "offset",
    )  # fmt: skip
    return _ENTRY.pack(b"PK\x01\x02", *[numbers[key] for key in keys]) + piece.raw_name + piece.entry_extra + piece.comment


def _descriptor(piece: Piece) -> bytes:
    if not piece.descriptor:
        return b""
    numbers = {**_numbers(piece), **piece.described}
    values = [numbers[key] for key in ("crc", "compressed", "size")]
    return struct.pack(piece.descriptor, *([b"PK\x07\x08"] if "4s" in piece.descriptor else []), *values)


# --- wheels ---------------------------------------------------------------------------------------------------------


def record_row(piece: Piece, algorithm: str = "sha256") -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, piece.data).digest()).rstrip(b"=").decode()
    name = piece.raw_name.decode("utf-8", "replace").replace('"', '""')
    return f'"{name}",{algorithm}={digest},{len(piece.data)}\n'


def wheel(
    *more: Piece,
    project: str = "demo",
    folder: str = "",
    tags: Iterable[str] = ("py3-none-any",),
    wheel_version: str = "1.0",
    metadata: bytes | None = None,
    without: Iterable[str] = (),
    changed: Mapping[str, Mapping[str, Any]] | None = None,
    record: bytes | None = None,
    algorithm: str = "sha256",
    more_rows: str = "",
    own_row: bool = True,
) -> list[Piece]:
    """The members of a wheel whose RECORD is right, but for what is told otherwise.

    more: members beside those that a wheel needs. folder: the .dist-info folder. without: names in it that are left out.
    changed: attributes of a member by its short name ("METADATA", "demo.py"). record: all of RECORD. more_rows: rows behind the right ones.
    """
    folder = folder or f"{project}-1.0.dist-info"
    told = metadata if metadata is not None else f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n".encode()
    lines = [f"Wheel-Version: {wheel_version}", "Generator: by hand", "Root-Is-Purelib: true", *(f"Tag: {tag}" for tag in tags), ""]
    pieces = [
        Piece(f"{project}.py", b"print('hello')\n"),
        *more,
        Piece(f"{folder}/METADATA", told),
        Piece(f"{folder}/WHEEL", "\n".join(lines).encode()),
    ]
    rows = "".join(record_row(piece, algorithm) for piece in pieces if not piece.raw_name.endswith((b"/", b".jws", b".p7s")))
    rows += more_rows + (f"{folder}/RECORD,,\n" if own_row else "")
    pieces.append(Piece(f"{folder}/RECORD", rows.encode() if record is None else record))
    kept = [piece for piece in pieces if piece.raw_name.decode("utf-8", "replace").rpartition("/")[2] not in without]
    changes = changed or {}
    return [piece.with_(**changes.get(piece.raw_name.decode("utf-8", "replace").rpartition("/")[2], {})) for piece in kept]
