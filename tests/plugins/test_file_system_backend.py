"""The file_system backend keeps the backend contract."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import pywharf_file_system.bodies
from pywharf_file_system import plugin

from pywharf.backend.interface import Access, Backend, FileRef
from pywharf.testing.backend_suite import BackendSuite, StorageUnderTest

SECRETS = {Access.WRITE: "writer", Access.READ: "reader", Access.NONE: "stranger"}


class FileSystemUnderTest(StorageUnderTest):
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, path: Path | None) -> None:
        super().__init__(folder)
        self._monkeypatch = monkeypatch
        self.config = plugin.config_model.model_validate({"read_secret": "reader", "write_secret": "writer", "path": path})
        self.storage = path or folder / "storage"

    def open(self, access: Access) -> Backend:
        return plugin.open(self.config, plugin.secret_model.model_validate({"raw": SECRETS[access]}), self.folder)

    def staging(self) -> Path:
        folder = plugin.staging(self.config, self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def put_by_hand(self, project: str, name: str, body: bytes) -> None:
        folder = self.storage / "packages" / project
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)

    def lose_body(self, file: FileRef) -> None:
        (body,) = (self.storage / "objects" / file.sha256[:2]).glob(f"{file.sha256}.*")
        body.chmod(0o600)
        body.write_bytes(b"damaged"[: file.size])

    def lose(self) -> None:
        shutil.rmtree(self.storage)

    def pass_time(self, seconds: float) -> None:
        self._monkeypatch.setattr(pywharf_file_system.bodies, "now", lambda: time.time() + seconds)


class TestUnderRoot(BackendSuite):
    @pytest.fixture(autouse=True)
    def _patching(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def make_storage(self, folder: Path) -> StorageUnderTest:
        return FileSystemUnderTest(folder, self.monkeypatch, None)


class TestElsewhere(TestUnderRoot):
    def make_storage(self, folder: Path) -> StorageUnderTest:
        return FileSystemUnderTest(folder, self.monkeypatch, folder.with_name(f"{folder.name}-elsewhere"))
