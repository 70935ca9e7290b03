"""Bytes and archives made worse: each function takes a source of chance and something right, and gives something that is nearly so."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from random import Random

NUMBERS = (0, 1, 2, 7, 8, 9, 12, 20, 45, 99, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
NAMES = (
    "../x", "/x", "demo-1.0/../x", "x\\y", "x\0y", "x\ny", "", ".", "./x", "x//y", "x/", "PKG-INFO", "METADATA", "RECORD", "pkg-info",
    "C:x", "CON", "\u202ex", "u\u0308", "\u00fc", "x" * 300, "a/" * 120 + "x", "x" * 70_000,
)  # fmt: skip

_LOCAL, _ENTRY, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_FIELDS = {  # offset and format of the numbers in each record of a ZIP archive
    _LOCAL: ((4, "<H"), (6, "<H"), (8, "<H"), (14, "<L"), (18, "<L"), (22, "<L"), (26, "<H"), (28, "<H")),
    _ENTRY: ((4, "<H"), (6, "<H"), (8, "<H"), (10, "<H"), (16, "<L"), (20, "<L"), (24, "<L"), (28, "<H"), (30, "<H"), (32, "<H"), (34, "<H"),
             (38, "<L"), (42, "<L")),
    _END: ((4, "<H"), (6, "<H"), (8, "<H"), (10, "<H"), (12, "<L"), (16, "<L"), (20, "<H")),
}  # fmt: skip
_KINDS = b"0\0" + b"1234567LKSxgXMVNDAZ"


def some_bytes(chance: Random, data: bytes) -> bytes:
    """Bytes replaced, left out, put in, doubled, or cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed) + 1)
        way = chance.randrange(5)
        if way == 0 and at < len(changed):
            changed[at] = chance.choice((0, 1, 0x0A, 0x0D, 0x22, 0x2F, 0x5C, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif way == 1:
            del changed[at : at + chance.choice((1, 2, 10, 100))]
        elif way == 2:
            changed[at:at] = chance.choice((b"\0", b"\r\n", b"\n", b"--", b"PK\x05\x06", b"\xc0\xaf", chance.randbytes(8)))
        elif way == 3:
            changed[at:at] = changed[at : at + chance.choice((1, 16, 512))]
        elif chance.random() < 0.2:
            del changed[at:]
    return bytes(changed)


def zip_numbers(chance: Random, data: bytes) -> bytes:
    """One or two numbers in the records of a ZIP archive."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2))):
        signature = chance.choice((_LOCAL, _ENTRY, _ENTRY, _END))
        found = [at for at in range(len(changed)) if changed.startswith(signature, at)]
        if found:
            offset, format_ = chance.choice(_FIELDS[signature])
            value = chance.choice(NUMBERS) & (0xFFFF if format_ == "<H" else 0xFFFFFFFF)
            at = chance.choice(found) + offset
            if at + struct.calcsize(format_) <= len(changed):
                struct.pack_into(format_, changed, at, value)
    return bytes(changed)


def zip_members(chance: Random, data: bytes) -> bytes:
    """Members left out, named otherwise, there twice, of another kind, compressed, with extra fields and comments, or in another order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        way = chance.randrange(8)
        target = chance.randrange(len(members))
        if way == 0:
            del members[target]
        elif way == 1:
            members.append(members[target])
        elif way == 2:
            chance.shuffle(members)
        if way == 3:
            archive.comment = chance.choice((b"x", b"PK\x05\x06" + bytes(18), b"x" * 65535))
        for at, (info, content) in enumerate(members):
            new = zipfile.ZipInfo(info.filename)
            new.external_attr = info.external_attr
            new.compress_type = zipfile.ZIP_STORED
            if at == target:
                if way == 4:
                    new.filename = chance.choice(NAMES[:-1]) or "x"
                elif way == 5:
                    new.external_attr = chance.choice((0o120777, 0o040755, 0o010644, 0o020644, 0o104755)) << 16
                elif way == 6:
                    new.extra = chance.choice(
                        (struct.pack("<HH8s", 1, 8, b"x"), struct.pack("<HH5s", 0x7075, 5, b"\1abcd"), b"\xff\xff\xff")
                    )
                elif way == 7:
                    new.compress_type = chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
                    content = chance.choice((content, b"", bytes(100_000)))
            archive.writestr(new, content, new.compress_type)
    return out.getvalue()


def tar_blocks(chance: Random, data: bytes) -> bytes:
    """Headers of a .tar.gz with other numbers, names and kinds, their checksums right; blocks left out, doubled, exchanged."""
    blocks = _blocks(gzip.decompress(data))
    headers = [at for at, block in enumerate(blocks) if block[257:262] == b"ustar"]
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.choice(headers)
        way = chance.randrange(8)
        if way == 0:
            blocks[at] = _altered(
                blocks[at],
                124,
                chance.choice((b"00000000000\0", b"77777777777\0", b"\x80" + bytes(10) + b"\1", b"\xff" * 12, b"0_0", b"-1\0")),
            )
        elif way == 1:
            blocks[at] = _altered(blocks[at], 156, bytes([chance.choice(_KINDS)]))
        elif way == 2:
            blocks[at] = _altered(blocks[at], 0, chance.choice(NAMES).encode()[:99] + b"\0")
        elif way == 3:
            blocks[at] = _altered(blocks[at], 157, chance.choice(NAMES).encode()[:99] + b"\0")
        elif way == 4:
            blocks[at] = _altered(blocks[at], chance.choice((257, 263, 345)), chance.choice((b"ustar  \0", b"\0" * 8, b"x/y\0")))
        elif way == 5:
            blocks.insert(at, chance.choice(blocks))
        elif way == 6:
            blocks[at:at] = _blocks(_odd_member(chance))
        else:
            blocks[at] = some_bytes(chance, blocks[at])
    return gzip.compress(b"".join(blocks), 1, mtime=0)


def tar_ends(chance: Random, data: bytes) -> bytes:
    """What comes behind an archive, in it, or is cut off of it."""
    inner = gzip.decompress(data)
    ways = (
        lambda: data + gzip.compress(inner, mtime=0),
        lambda: data + chance.choice((b"\0" * 700, b"x", b"PK\x05\x06" + bytes(18), data)),
        lambda: gzip.compress(inner + inner, 1),
        lambda: gzip.compress(inner.rstrip(b"\0"), 1),
        lambda: gzip.compress(inner[: chance.randrange(len(inner))], 1),
        lambda: data[: chance.randrange(len(data))],
        lambda: gzip.compress(inner, 0),
        lambda: zlib.compress(inner),
        lambda: inner,
        lambda: gzip.compress(data),
        lambda: data[:-8] + chance.randbytes(8),
        lambda: data[:3] + bytes([chance.randrange(256)]) + data[4:],
        lambda: gzip.compress(inner + bytes(chance.choice((1, 511, 512, 10240))), 1),
        lambda: gzip.compress(bytes(chance.choice((512, 1024, 10**6))), 1),
    )
    return chance.choice(ways)()


def _odd_member(chance: Random) -> bytes:
    info = tarfile.TarInfo(chance.choice(("demo-1.0/x", "x", *NAMES)) or "x")
    info.type = bytes([chance.choice(_KINDS)])
    info.linkname = chance.choice(("", "/etc/passwd", "../../x", "demo-1.0/PKG-INFO", *NAMES))
    record = chance.choice(
        (b"path=x", b"size=1", b"size=99999999999", b"linkpath=..", b"GNU.sparse.major=1", b"=", b"hdrcharset=BINARY", b"x=\0")
    )
    content = chance.choice((b"", b"%d %s\n" % (len(record) + chance.choice((3, 4, 4, 4, 99)), record), chance.randbytes(600)))
    info.size = len(content) + chance.choice((0, 0, 0, 1, -1)) if content else 0
    try:
        head = info.tobuf(chance.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)), "utf-8", "surrogateescape")
    except ValueError:
        return b""
    return head + content + bytes(-len(content) % 512)


def _blocks(data: bytes) -> list[bytes]:
    return [data[at : at + 512] for at in range(0, len(data), 512)]


def _altered(block: bytes, at: int, value: bytes) -> bytes:
    block = (block[:at] + value + block[at + len(value) :])[:512].ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 256) + block[156:]
