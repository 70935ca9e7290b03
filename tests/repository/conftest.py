from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.repository.local_index import LocalIndex

from .building import Processes, watch
from .making import World, local_index


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    """An index that was made and waits for its first sync."""
    index = local_index(tmp_path)
    index.create()
    return index


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Processes:
    """The processes that build an index, for which little is large enough here."""
    return watch(monkeypatch)
