"""The backend contract as tests: subclass `BackendSuite`, say how a storage of yours is made, and let pytest run it.

    from pywharf.testing.backend_suite import BackendSuite, StorageUnderTest

    class MyStorage(StorageUnderTest):
        def open(self, access):
            return MyBackend(self.folder / "storage", secret_for(access))

    class TestMyBackend(BackendSuite):
        def make_storage(self, folder):
            return MyStorage(folder)

What a storage cannot have done to it from outside it leaves out, and those tests skip themselves. For readable failures
say `pytest.register_assert_rewrite("pywharf.testing.backend_suite")` in your conftest.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Backend
from pywharf.testing.backend_suite.bodies import BodyTests
from pywharf.testing.backend_suite.checkpoints import CheckpointTests
from pywharf.testing.backend_suite.cursors import CursorTests
from pywharf.testing.backend_suite.drops import DropTests
from pywharf.testing.backend_suite.log import LogTests
from pywharf.testing.backend_suite.rights import RightTests
from pywharf.testing.backend_suite.storage import DOCUMENT, Reader, StorageUnderTest, commit, content, current
from pywharf.testing.backend_suite.swaps import SwapTests
from pywharf.testing.backend_suite.trouble import TroubleTests

__all__ = ["DOCUMENT", "BackendSuite", "Reader", "StorageUnderTest", "commit", "content", "current"]


class BackendSuite(LogTests, CursorTests, SwapTests, BodyTests, DropTests, RightTests, CheckpointTests, TroubleTests):
    """The contract of `pywharf.backend.interface.Backend`, sentence by sentence."""

    def make_storage(self, folder: Path) -> StorageUnderTest:
        """A storage that nobody has written to; `folder` is empty and for it alone."""
        raise NotImplementedError("a subclass of BackendSuite says how its storage is made")

    @pytest.fixture
    def storage(self, tmp_path: Path) -> StorageUnderTest:
        (tmp_path / "one").mkdir()
        return self.make_storage(tmp_path / "one")

    @pytest.fixture
    def another_storage(self, tmp_path: Path) -> StorageUnderTest:
        (tmp_path / "another").mkdir()
        return self.make_storage(tmp_path / "another")

    @pytest.fixture
    def backend(self, storage: StorageUnderTest) -> Backend:
        return storage.open(Access.WRITE)
