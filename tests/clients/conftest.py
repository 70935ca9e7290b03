"""The clients of the day, projects built for them, and servers to use them on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.testing.live_server import LiveServer, live_server, live_server_options

from .projects import Built, Project, build_all
from .toolbox import FOLDER, NAME, Toolbox
from .workplace import Workplace

__all__ = ["live_server", "live_server_options"]  # fixtures


@pytest.fixture(scope="session")
def toolbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """Kept where PYWHARF_TEST_TOOLS says, or with what tox keeps, or with what pytest keeps; else for this run."""
    kept = os.environ.get(FOLDER) or os.environ.get("TOX_WORK_DIR")
    if kept:
        return Toolbox(Path(kept, NAME))
    cache: pytest.Cache | None = getattr(request.config, "cache", None)  # pytest can be told to keep nothing
    return Toolbox(cache.mkdir(NAME) if cache else tmp_path_factory.mktemp(NAME))


@pytest.fixture(scope="session")
def built(toolbox: Toolbox) -> dict[Project, Built]:
    """Every project's wheel and sdist."""
    return build_all(toolbox)


@pytest.fixture
def workplace(tmp_path: Path, toolbox: Toolbox) -> Workplace:
    return Workplace(tmp_path / "work", toolbox)


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, toolbox: Toolbox, built: dict[Project, Built]) -> Iterator[LiveServer]:
    """A server with every project and with the build backends, to install from; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("stocked")
    files = [*toolbox.wheelhouse().glob("*.whl"), *(file for one in built.values() for file in one.files)]
    with LiveServer(folder / "root") as server:
        ours = server.generated
        publish = ["publish", "--publish-url", server.index_url(), "--username", ours.name, "--password", ours.write_secret]
        Workplace(folder / "work", toolbox).tool("uv", *publish, *files).check()
        yield server
