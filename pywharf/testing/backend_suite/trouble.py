"""Trouble: a storage that is gone is not an empty one, and what somebody did behind its back is told."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

from collections.abc import Callable

import pytest

from pywharf.backend.interface import Access, Backend, Change
from pywharf.errors import BackendUnavailable
from pywharf.testing.backend_suite.storage import DOCUMENT, Reader, StorageUnderTest, commit, content, current


class TroubleTests:
    """Of `BackendSuite`."""

    def test_a_storage_that_is_gone_is_unavailable_and_not_empty(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        seen = current(backend)
        storage.lose()

        attempts: list[Callable[[Backend], object]] = [
            lambda one: list(one.read_changes(None).entries),
            lambda one: list(one.read_changes(seen).entries),
            lambda one: one.commit(Change("demo", {"demo-2": DOCUMENT}), seen),
            lambda one: one.open_file(file),
            lambda one: list(one.iter_files()),
        ]
        for attempt in attempts:
            for one in (backend, storage.open(Access.WRITE)):
                with pytest.raises(BackendUnavailable):
                    attempt(one)

    @pytest.mark.parametrize("access", list(Access))
    def test_access_is_never_guessed(self, storage: StorageUnderTest, access: Access) -> None:
        storage.publish("demo", "demo-1")
        storage.lose()

        try:
            answer = storage.open(access).access()
        except BackendUnavailable:
            return
        assert answer is access

    def test_a_document_removed_behind_our_back_is_told_as_none(self, storage: StorageUnderTest) -> None:
        storage.publish("demo", "demo-1")
        storage.publish("demo", "demo-2")
        follower = Reader(storage.open(Access.READ))
        follower.sync()
        storage.remove_by_hand("demo", "demo-1")

        assert follower.documents() == {("demo", "demo-1"): None, ("demo", "demo-2"): DOCUMENT}
        assert Reader(storage.open(Access.READ)).documents().get(("demo", "demo-1")) is None
        assert follower.sync().reset is False

    def test_closing_one_instance_twice_leaves_the_others_at_work(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        closed = storage.open(Access.READ)
        current(closed)
        for _ in range(2):
            closed.close()

        assert content(backend, file) == b"body"
        commit(backend, Change("demo", {"demo-2": DOCUMENT}))
