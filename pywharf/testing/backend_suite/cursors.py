"""Cursors: a reader is given what it has not seen, and everything where its cursor is of another past."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import pytest

from pywharf.backend.interface import Access, Backend, Cursor
from pywharf.testing.backend_suite.storage import Reader, StorageUnderTest, current


class CursorTests:
    """Of `BackendSuite`."""

    def test_nothing_new_gives_the_same_cursor_back(self, storage: StorageUnderTest) -> None:
        reader = Reader(storage.open(Access.READ))
        for _ in range(2):
            reader.sync()
            before = reader.cursor
            again = reader.sync()

            assert (again.reset, again.cursor) == (False, before)
            storage.publish("demo", "demo-1")

    def test_a_reader_is_given_only_what_it_has_not_seen(self, storage: StorageUnderTest) -> None:
        for number in range(20):
            storage.publish("demo", f"demo-{number}")
        backend = storage.open(Access.READ)
        seen = current(backend)
        storage.publish("demo", "demo-new")

        changes = backend.read_changes(seen)

        assert not changes.reset
        assert not changes.notice  # that is for what an operator has to know
        assert [(entry.project, entry.key) for entry in changes.entries] == [("demo", "demo-new")]

    def test_a_cursor_is_short_and_printable(self, storage: StorageUnderTest, backend: Backend) -> None:
        for _ in range(2):
            cursor = current(backend)

            assert cursor.isprintable()
            assert len(cursor) <= 200
            storage.publish("demo", "demo-1")

    def test_a_cursor_holds_in_every_instance(self, storage: StorageUnderTest) -> None:
        storage.publish("demo", "demo-1")
        cursor = current(storage.open(Access.READ))
        storage.publish("demo", "demo-2")

        changes = storage.open(Access.WRITE).read_changes(cursor)

        assert not changes.reset
        assert [entry.key for entry in changes.entries] == ["demo-2"]

    def test_a_cursor_from_another_storage_resets(self, storage: StorageUnderTest, another_storage: StorageUnderTest) -> None:
        storage.publish("demo", "demo-1")
        for number in range(3):
            another_storage.publish("other", f"other-{number}")

        for elsewhere in (current(another_storage.open(Access.READ)), _second_cursor(another_storage)):
            changes = storage.open(Access.READ).read_changes(elsewhere)

            assert changes.reset
            assert [(entry.project, entry.key) for entry in changes.entries] == [("demo", "demo-1")]

    def test_the_same_changes_made_elsewhere_are_another_past(self, storage: StorageUnderTest, another_storage: StorageUnderTest) -> None:
        for name in ("demo-1", "demo-2"):
            storage.publish("demo", name, b"same")
            another_storage.publish("demo", name, b"same")
        storage.publish("demo", "demo-3")

        changes = storage.open(Access.READ).read_changes(current(another_storage.open(Access.READ)))

        # Either answer is right, since what was read elsewhere is what would be read here; a mixture is not.
        keys = {entry.key for entry in changes.entries}
        assert keys == ({"demo-1", "demo-2", "demo-3"} if changes.reset else {"demo-3"})

    @pytest.mark.parametrize("cursor", ["", "nonsense", "1", "-1:", "9" * 40, "1:2:3", "\u0661:", "0" * 40, "a" * 200])
    def test_a_cursor_that_never_was_resets(self, storage: StorageUnderTest, cursor: str) -> None:
        storage.publish("demo", "demo-1")

        changes = storage.open(Access.READ).read_changes(Cursor(cursor))

        assert changes.reset
        assert [entry.key for entry in changes.entries] == ["demo-1"]


def _second_cursor(storage: StorageUnderTest) -> Cursor:
    """A cursor that is in the middle of the storage's past by the time it is used."""
    cursor = current(storage.open(Access.READ))
    storage.publish("other", "other-late")
    return cursor
