"""The GitHub backend keeps the backend contract, over the real `git http-backend`."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from plugins.github.hosted import GitHubUnderTest, Hosted

from pywharf.testing.backend_suite import BackendSuite, StorageUnderTest
from pywharf.testing.git_server import GitServer


class TestGitHubBackend(BackendSuite):
    """Instances share a workdir, as those of one server's processes do."""

    @pytest.fixture(autouse=True)
    def _on(self, shared_server: GitServer) -> None:
        self.server = shared_server

    def make_storage(self, folder: Path) -> StorageUnderTest:
        return GitHubUnderTest(folder, Hosted(self.server, f"acme/{folder.name}-{secrets.token_hex(4)}"))
