from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with contextlib.closing(Site(tmp_path / "root")) as site:
        yield site


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module that only look at it."""
    with contextlib.closing(Site(tmp_path_factory.mktemp("shared") / "root")) as site:
        yield site
