"""The rows of the local index: what an entry is written as, and an entry read back only if it is still what was written.

SQLite notices pages that are broken, not bytes that became others within them; a page with another digest than the
file has would be worse than none. So each row has a checksum, and a value of another kind than the schema says is damage.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from pywharf.backend.interface import Cursor, Entry
from pywharf.model.names import PROJECT_KEY
from pywharf.repository.index_file import IndexDamaged

COLUMNS = "project, key, serial, live, checksum, document"
PLACES = "?, ?, ?, ?, ?, ?"

Row = tuple[str, str, int, bool, int, "bytes | None"]
Value = TypeVar("Value")

_decode = json.JSONDecoder().decode


@dataclass(frozen=True)
class State:
    """What the index knows of itself."""

    cursor: Cursor | None
    serial: int
    revision: int
    list_revision: int
    names_taken: int  # bytes of the file of names that are in the table of names

    @classmethod
    def of(cls, db: sqlite3.Connection) -> State:
        """Raises IndexDamaged."""
        row = db.execute("SELECT cursor, serial, revision, list_revision, names_taken FROM state").fetchone()
        if row is None:
            raise IndexDamaged("its state is gone")
        cursor, *numbers = row
        return cls(None if cursor is None else Cursor(expect(cursor, str)), *(expect(number, int) for number in numbers))


def to_row(entry: tuple[str, str, int, bytes | None]) -> Row:
    """The row of an Entry, or of the plain tuple that one becomes on its way."""
    project, key, serial, document = entry
    live = _is_live(key, document)
    return project, key, serial, live, _checksum(project, key, serial, live, document), document


def to_entry(row: Sequence[object]) -> Entry:
    """The entry in a row of COLUMNS. Raises IndexDamaged."""
    project, key, serial, live, checksum, document = row
    entry = Entry(expect(project, str), expect(key, str), expect(serial, int), None if document is None else expect(document, bytes))
    if live not in (0, 1) or checksum != _checksum(*entry[:3], bool(live), entry.document):
        raise IndexDamaged("a row is not what was written")
    return entry


def is_live(entry: Entry) -> bool:
    """Whether the entry is a file that a page would show, as its kind says."""
    return _is_live(entry.key, entry.document)


def _is_live(key: str, document: bytes | None) -> bool:
    if document is None or key == PROJECT_KEY:
        return False
    if b'"kind":"file"' in document and document.count(b'"kind"') == 1:  # as we write it: spares taking it apart
        return True
    try:
        return bool(_decode(document.decode()).get("kind") == "file")
    except (ValueError, AttributeError, RecursionError):
        return False


def expect(value: object, kind: type[Value]) -> Value:
    """A value of the kind that the schema says. Raises IndexDamaged."""
    if not isinstance(value, kind):
        raise IndexDamaged(f"it holds {type(value).__name__} where {kind.__name__} belongs")
    return value


def _checksum(project: str, key: str, serial: int, live: bool, document: bytes | None) -> int:
    head = f"{project}\t{key}\t{serial}\t{'1' if live else '0'}\t{'1' if document is None else '0'}"  # ":d" takes as long as the rest
    return zlib.crc32(document or b"", zlib.crc32(head.encode("utf-8", "surrogatepass")))
