"""What the tests of whole servers on a git host share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from live.git.served import Served

from pywharf.testing.git_server import GitServer


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """One host for all tests of a module: each has a repository of its own."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    with GitServer(tmp_path_factory.mktemp("host")) as server:
        yield server


@pytest.fixture
def served(host: GitServer, tmp_path: Path) -> Iterator[Served]:
    host.forget_requests()
    yield Served(host, tmp_path)
    host.mend()
