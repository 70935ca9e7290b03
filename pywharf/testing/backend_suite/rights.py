"""Rights: what a secret may do, and that nothing is done with less."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

from collections.abc import Callable

import pytest

from pywharf.backend.interface import Access, Backend, Change
from pywharf.errors import AccessDenied
from pywharf.testing.backend_suite.storage import DOCUMENT, Reader, StorageUnderTest, content, current


class RightTests:
    """Of `BackendSuite`."""

    @pytest.mark.parametrize("access", list(Access))
    def test_access_says_what_the_secret_may_do(self, storage: StorageUnderTest, access: Access) -> None:
        assert storage.open(access).access() is access
        storage.publish("demo", "demo-1")
        assert storage.open(access).access() is access

    @pytest.mark.parametrize("access", [Access.NONE, Access.READ])
    def test_committing_needs_the_right_to_write(self, storage: StorageUnderTest, backend: Backend, access: Access) -> None:
        file = storage.publish("demo", "demo-1")

        with pytest.raises(AccessDenied) as denied:
            storage.open(access).commit(Change("demo", {"demo-1": b"deleted"}, drop=[file]), current(backend))
        assert denied.value.needed == "write"
        assert Reader(backend).documents() == {("demo", "demo-1"): DOCUMENT}
        assert content(backend, file) == b"body"

    def test_reading_needs_the_right_to_read(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        stranger = storage.open(Access.NONE)
        attempts: list[Callable[[], object]] = [
            lambda: list(stranger.read_changes(None).entries),
            lambda: list(stranger.read_changes(current(backend)).entries),
            lambda: stranger.open_file(file),
            lambda: list(stranger.iter_files()),
        ]

        for attempt in attempts:
            with pytest.raises(AccessDenied) as denied:
                attempt()
            assert denied.value.needed == "read"

    @pytest.mark.parametrize("access", [Access.NONE, Access.READ])
    def test_sweeping_and_writing_a_checkpoint_need_the_right_to_write(self, storage: StorageUnderTest, access: Access) -> None:
        storage.publish("demo", "demo-1")
        backend = storage.open(access)
        cursor = current(storage.open(Access.READ))

        if type(backend).sweep is not Backend.sweep:
            with pytest.raises(AccessDenied):
                backend.sweep(lambda sha256: False)
        if type(backend).write_checkpoint is not Backend.write_checkpoint:
            with pytest.raises(AccessDenied):
                backend.write_checkpoint(iter(()), cursor)
