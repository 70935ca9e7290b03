"""A line of a journal: a JSON object, a space, a checksum of that object, a newline.

Documents stand in it as texts, so that each quote in them is escaped; taking millions of those apart one by one is most of the work of a
start without a local index. Lines that are written as here, in ASCII and with no other escape, are taken apart at their unescaped
quotes instead; every other line is left to Python's own reader, which says the same, only later.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from pywharf.backend.interface import Entry
from pywharf.errors import BackendUnavailable

FORMAT = 1
CHECKSUM = 16  # hex digits

_SERIAL = re.compile(rb":([1-9][0-9]{0,17}),")
_NO_TEXT = b"\0"  # stands for an escaped quote meanwhile: no JSON holds this byte


def sealed(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%s %s\n" % (text, checksum(text).encode())


def unsealed(raw: bytes) -> dict[str, Any] | None:
    """What a line says; None where its checksum is wrong. Raises BackendUnavailable for another format."""
    text = _checked(raw)
    return None if text is None else _read(text)


def entries_of(raw: bytes) -> Iterable[Entry] | None:
    """The entries of a line; None where its checksum is wrong. Raises BackendUnavailable for another format."""
    text = _checked(raw)
    if text is None:
        return None
    quickly = _usual_entries(text)
    if quickly is not None:
        return quickly
    line = _read(text)
    return [Entry(line["project"], key, line["serial"], document.encode()) for key, document in line.get("documents", {}).items()]


def checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=CHECKSUM // 2).hexdigest()


def _checked(raw: bytes) -> bytes | None:
    text, _, found = raw.rstrip(b"\n").rpartition(b" ")
    return text if found == checksum(text).encode() else None


def _read(text: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text.decode())
    if line.get("format", FORMAT) != FORMAT:
        raise BackendUnavailable(f"it was made by another version of pywharf (format {line['format']}, this one knows {FORMAT})")
    return line


def _usual_entries(text: bytes) -> list[Entry] | None:
    """The entries of {"serial":1,"after":"...","project":"...","documents":{"key":"document",...}}; None for any other line."""
    if not text.isascii() or _NO_TEXT in text or text.count(b"\\") != text.count(b'\\"'):
        return None
    parts = text.replace(b'\\"', _NO_TEXT).split(b'"')
    serial = _SERIAL.fullmatch(parts[2]) if len(parts) >= 17 and len(parts) % 4 == 1 else None
    names = parts[0:2] + parts[3:5] + parts[6:9] + parts[10:13] + parts[-1:]
    if serial is None or names != [b"{", b"serial", b"after", b":", b",", b"project", b":", b",", b"documents", b":{", b"}}"]:
        return None
    project, keys, documents = parts[9], parts[13::4], parts[15::4]
    if parts[14::4].count(b":") != len(keys) or parts[16:-1:4].count(b",") != len(keys) - 1:
        return None
    if _NO_TEXT in project or any(_NO_TEXT in key for key in keys) or len(set(keys)) != len(keys):
        return None
    name, number = project.decode(), int(serial[1])
    return [Entry(name, key.decode(), number, document.replace(_NO_TEXT, b'"')) for key, document in zip(keys, documents, strict=True)]
