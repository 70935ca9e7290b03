"""Checkpoint and sweep: what is known stays, for every reader."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import pytest

from pywharf.backend.interface import Access, Backend, Change
from pywharf.errors import FileMissing
from pywharf.testing.backend_suite.storage import Reader, StorageUnderTest, content, pass_time_if_possible


class CheckpointTests:
    """Of `BackendSuite`."""

    def test_a_checkpoint_changes_nothing_for_any_reader(self, storage: StorageUnderTest, backend: Backend) -> None:
        follower, kept = Reader(storage.open(Access.READ)), Reader(storage.open(Access.READ))
        storage.publish("demo", "demo-0")
        storage.publish("demo", "demo-1")
        kept.sync()
        storage.publish("demo", "demo-2")
        follower.sync()
        assert follower.cursor is not None
        assert kept.cursor is not None

        backend.write_checkpoint(iter(list(follower.newest.values())), follower.cursor)
        storage.publish("demo", "demo-late")
        backend.write_checkpoint(iter(list(kept.newest.values())), kept.cursor)  # older: does not replace the newer one

        newcomer = Reader(storage.open(Access.READ))
        newcomer.sync()
        follower.sync()
        assert set(newcomer.newest) == {("demo", f"demo-{which}") for which in ("0", "1", "2", "late")}
        assert follower.newest == newcomer.newest
        backend.commit(Change("demo", {"demo-0": b"again"}), follower.cursor)

    def test_sweeping_keeps_what_is_known(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        pass_time_if_possible(storage, 2 * 86400)

        assert backend.sweep(lambda sha256: sha256 == file.sha256) == 0
        assert content(backend, file) == b"body"

    def test_sweeping_keeps_what_is_younger_than_a_day(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        pass_time_if_possible(storage, 86400 - 600)

        assert backend.sweep(lambda sha256: False) == 0
        assert content(backend, file) == b"body"

    def test_sweeping_removes_what_is_old_and_unknown(self, storage: StorageUnderTest, backend: Backend) -> None:
        known, unknown = storage.publish("demo", "demo-1", b"1"), storage.publish("demo", "demo-2", b"2")
        storage.pass_time(2 * 86400)

        assert backend.sweep(lambda sha256: sha256 == known.sha256) == 1
        assert content(backend, known) == b"1"
        with pytest.raises(FileMissing):
            backend.open_file(unknown)
