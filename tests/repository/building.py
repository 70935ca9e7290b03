"""A large index in the making, for tests: what is large, what is built, who builds it, and what may be left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.repository import index_building, index_spool
from pywharf.repository.index_building import IndexBuilding
from pywharf.repository.local_index import LocalIndex

from .making import cursor, entry, wheel

MANY = 60  # entries, of which each is a piece of its own here
LARGE = 3000  # bytes: some of them

Processes = list[subprocess.Popen[bytes]]


def watch(monkeypatch: pytest.MonkeyPatch) -> Processes:
    """Let little be large. The processes that are started for it."""
    monkeypatch.setattr(index_spool, "IN_MEMORY", 0)
    monkeypatch.setattr(index_building, "LARGE", LARGE)
    found: Processes = []
    start = IndexBuilding._start

    def watched(self: IndexBuilding, build: Path) -> subprocess.Popen[bytes]:
        found.append(start(self, build))
        return found[-1]

    monkeypatch.setattr(IndexBuilding, "_start", watched)
    return found


def many(meanwhile: Callable[[], object] = lambda: None, at: int = MANY // 2) -> Iterator[Entry]:
    """Entries of many projects; at one of them something else happens."""
    for number in range(MANY):
        if number == at:
            meanwhile()
        yield entry(wheel(f"many-{number}"), number)


def reset(index: LocalIndex, entries: Iterator[Entry], before: Cursor | None = None) -> bool:
    return index.apply(before, Changes(True, entries, cursor()))


def is_whole(index: LocalIndex) -> bool:
    return len(index.projects().names) == MANY


def lies_there(folder: Path) -> list[str]:
    """What is in the folder but the index itself, its locks and its names."""
    shown = os.readlink(folder / "local.sqlite")
    known = {"local.sqlite", "local.lock", "local.building", "names", shown, f"{shown}-wal", f"{shown}-shm"}
    return sorted(set(os.listdir(folder)) - known)
