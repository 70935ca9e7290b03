"""A browser, a server with something on it, and people who are logged in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from pywharf.testing.live_server import LiveServer

from .axe import AxeMissing, axe_source
from .chromium import BrowserMissing, running_chromium
from .stock import fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOOLS = "PYWHARF_TEST_TOOLS"  # the folder where what tests fetch is kept


def _missing(reason: str) -> NoReturn:
    """The automatic check installs what these tests need (`.ci/run`), so that there nothing may be missing."""
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One process for all tests; each has visitors of its own."""
    try:
        with running_chromium() as browser:
            yield browser
    except BrowserMissing as error:
        _missing(str(error))


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core. Kept where tox keeps things, or pytest; else for this run."""
    kept = os.environ.get(TOOLS) or os.environ.get("TOX_WORK_DIR")
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    folder = Path(kept, "axe") if kept else cache.mkdir("axe") if cache else tmp_path_factory.mktemp("axe")
    try:
        return axe_source(folder)
    except AxeMissing as error:
        _missing(str(error))


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a team's projects; tests leave it as it is."""
    with LiveServer(tmp_path_factory.mktemp("stocked") / "root") as server:
        fill(server)
        yield server
