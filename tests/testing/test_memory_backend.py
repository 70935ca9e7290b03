"""The backend in memory keeps the contract, and its switches do what they say."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Backend, BackendPlugin, Change, FileRef
from pywharf.errors import BackendUnavailable, Moved
from pywharf.testing.backend_suite import BackendSuite, Reader, StorageUnderTest, commit, current
from pywharf.testing.memory import MemoryBackend, MemoryPlugin, MemoryStorage


class MemoryUnderTest(StorageUnderTest):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.memory = MemoryStorage()

    def open(self, access: Access) -> Backend:
        return MemoryBackend(self.memory, access)

    def put_by_hand(self, project: str, name: str, body: bytes) -> None:
        self.memory.by_hand[project, name] = body

    def remove_by_hand(self, project: str, key: str) -> None:
        self.memory.remove_by_hand(project, key)

    def lose_body(self, file: FileRef) -> None:
        del self.memory.bodies[file]

    def lose(self) -> None:
        self.memory.unavailable = True

    def pass_time(self, seconds: float) -> None:
        self.memory.now = lambda: time.time() + seconds


class TestMemoryBackend(BackendSuite):
    def make_storage(self, folder: Path) -> StorageUnderTest:
        return MemoryUnderTest(folder)


def test_an_unavailable_storage_comes_back_with_all_it_had() -> None:
    storage = MemoryStorage()
    backend = MemoryBackend(storage)
    commit(backend, Change("demo", {"demo-1": b"{}"}))

    storage.unavailable = True
    with pytest.raises(BackendUnavailable):
        backend.access()
    storage.unavailable = False

    assert Reader(backend).documents() == {("demo", "demo-1"): b"{}"}


def test_the_hook_before_a_commit_can_let_somebody_else_be_faster() -> None:
    storage = MemoryStorage()
    backend = MemoryBackend(storage)

    def be_faster(change: Change) -> None:
        storage.before_commit = lambda change: None
        commit(MemoryBackend(storage), Change(change.project, dict.fromkeys(change.documents, b"theirs")))

    storage.before_commit = be_faster

    with pytest.raises(Moved):
        backend.commit(Change("demo", {"demo-1": b"ours"}), current(backend))
    assert Reader(backend).documents() == {("demo", "demo-1"): b"theirs"}


def test_a_plugin_shares_one_storage_for_each_workdir_and_knows_its_secrets(tmp_path: Path) -> None:
    plugin = MemoryPlugin()
    assert isinstance(plugin, BackendPlugin)
    config = plugin.config_model(write_secret="w", read_secret="r")

    def rights(secret: str) -> Access:
        return plugin.open(config, plugin.secret_model.model_validate({"type": "memory", "raw": secret}), tmp_path).access()

    assert [rights(secret) for secret in ("w", "r", "x")] == [Access.WRITE, Access.READ, Access.NONE]
    server = plugin.open(config, None, tmp_path)
    commit(server, Change("demo", {"demo-1": b"{}"}))
    assert len(plugin.storage(tmp_path).log) == 1
    assert plugin.storage(tmp_path / "other").log == []
