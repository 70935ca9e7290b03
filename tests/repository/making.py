"""What the tests of one repository make again and again."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pywharf.backend.interface import Backend, Change, Changes, Cursor, Entry
from pywharf.model.names import ProjectName, parse_filename
from pywharf.model.record import DistributionRecord, Sha256, Tombstone, to_json
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen

MOMENT = datetime(2026, 11, 21, 10, 11, 12, 131415, tzinfo=timezone.utc)
DEMO = ProjectName("demo")

_numbers = itertools.count(1)


def digest(content: bytes) -> Sha256:
    return Sha256(hashlib.sha256(content).hexdigest())


def record(filename: str, content: bytes = b"content", **more: Any) -> DistributionRecord:
    name = parse_filename(filename)
    return DistributionRecord(filename, name.kind, name.project, str(name.version), digest(content), len(content), MOMENT, **more)


def tombstone(filename: str) -> Tombstone:
    return Tombstone(filename, digest(b"gone"), MOMENT)


def entry(filename: str, serial: int = 1, document: bytes | str | None = "a record") -> Entry:
    """The entry of a distribution file; its record, unless a document is given."""
    name = parse_filename(filename)
    return Entry(name.project, name.key, serial, to_json(record(filename)) if isinstance(document, str) else document)


def wheel(project: str, version: str = "1.0") -> str:
    return f"{project.replace('-', '_')}-{version}-py3-none-any.whl"


def local_index(folder: Path, repository: str = "local") -> LocalIndex:
    """Another view of the index that lies in this folder, as another process has."""
    return LocalIndex(folder / f"{repository}.sqlite", repository, NamesSeen(folder / "names" / repository))


def cursor() -> Cursor:
    """A position that was never before."""
    return Cursor(f"c{next(_numbers)}")


def step(index: LocalIndex, entries: Iterable[Entry], *, reset: bool = False) -> bool:
    """Apply entries to what the index has."""
    before = index.cursor()
    return index.apply(before, Changes(reset or before is None, iter(list(entries)), cursor()))


def settle(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def put(backend: Backend, filename: str, document: bytes | None = None) -> None:
    """Commit one document, whatever was there before."""
    name = parse_filename(filename)
    changes = backend.read_changes(None)
    list(changes.entries)
    backend.commit(Change(name.project, {name.key: to_json(record(filename)) if document is None else document}), changes.cursor)
