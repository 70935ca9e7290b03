"""What the tests of the GitHub backend share."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator

import pytest
from plugins.github.hosted import Hosted

from pywharf.testing.git_server import GitServer, git_server

__all__ = ["git_server"]


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """One host for all tests of a module: each has repositories of its own."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    with GitServer(tmp_path_factory.mktemp("host")) as server:
        yield server


@pytest.fixture
def hosted(shared_server: GitServer) -> Iterator[Hosted]:
    """An empty repository on it."""
    shared_server.forget_requests()
    yield Hosted(shared_server, repository=f"acme/wheels-{secrets.token_hex(4)}")
    shared_server.mend()
