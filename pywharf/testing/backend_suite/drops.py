"""Deletion: bodies go with the commit that says so, and only they; and what a commit's message is for."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import pytest

from pywharf.backend.interface import Access, Backend, Change, FileRef
from pywharf.errors import FileMissing, Moved
from pywharf.testing.backend_suite.storage import DOCUMENT, Reader, StorageUnderTest, commit, content, current, pass_time_if_possible


class DropTests:
    """Of `BackendSuite`."""

    def test_a_dropped_body_is_gone(self, storage: StorageUnderTest, backend: Backend) -> None:
        dropped, kept = storage.publish("demo", "demo-1", b"1"), storage.publish("demo", "demo-2", b"2")

        commit(backend, Change("demo", {"demo-1": b"deleted"}, drop=[dropped]))

        with pytest.raises(FileMissing):
            storage.open(Access.READ).open_file(dropped)
        assert content(backend, kept) == b"2"
        assert not [file for file in backend.iter_files() if file.sha256 == dropped.sha256 or file.name == "demo-1"]
        assert Reader(backend).documents() == {("demo", "demo-1"): b"deleted", ("demo", "demo-2"): DOCUMENT}

    def test_a_body_is_dropped_only_once_the_commit_is_made(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        seen = current(backend)
        commit(backend, Change("demo", {"": b"archived"}))

        with pytest.raises(Moved):
            backend.commit(Change("demo", {"demo-1": b"deleted"}, drop=[file]), seen)
        assert content(backend, file) == b"body"

    def test_dropping_a_body_leaves_the_same_bytes_under_another_name(self, storage: StorageUnderTest, backend: Backend) -> None:
        dropped, kept = storage.publish("demo", "demo-1"), storage.publish("demo", "demo-2")

        commit(backend, Change("demo", {"demo-1": b"deleted"}, drop=[dropped]))

        assert content(backend, kept) == b"body"

    def test_dropping_what_is_gone_already_is_no_error(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        for document in (b"deleted", b"deleted again"):
            commit(backend, Change("demo", {"demo-1": document}, drop=[file]))

        assert Reader(backend).documents() == {("demo", "demo-1"): b"deleted again"}

    def test_a_release_is_deleted_in_one_change_with_all_its_bodies(self, storage: StorageUnderTest, backend: Backend) -> None:
        names = [f"demo-{number}" for number in range(3)]
        bodies: list[FileRef] = []
        for name in names:
            staged = [storage.stage("demo", name, name.encode()), storage.stage("demo", f"{name}.metadata", b"the same in all of them")]
            commit(backend, Change("demo", {name: DOCUMENT}, staged))
            bodies += [one.ref for one in staged]
        kept = storage.stage("demo", "demo-kept", b"kept"), storage.stage("demo", "demo-kept.metadata", b"the same in all of them")
        commit(backend, Change("demo", {"demo-kept": DOCUMENT}, kept))
        follower = Reader(storage.open(Access.READ))
        follower.sync()

        commit(backend, Change("demo", dict.fromkeys(names, b"deleted"), drop=bodies))

        assert follower.documents() == {**dict.fromkeys([("demo", name) for name in names], b"deleted"), ("demo", "demo-kept"): DOCUMENT}
        for body in bodies:
            with pytest.raises(FileMissing):
                storage.open(Access.READ).open_file(body)
        assert [content(backend, one.ref) for one in kept] == [b"kept", b"the same in all of them"]
        assert not {file.name for file in backend.iter_files()} & {body.name for body in bodies}

    def test_of_a_change_of_several_keys_nothing_is_dropped_where_one_of_them_moved(
        self, storage: StorageUnderTest, backend: Backend
    ) -> None:
        files = [storage.publish("demo", name, name.encode()) for name in ("demo-1", "demo-2")]
        seen = current(backend)
        commit(storage.open(Access.WRITE), Change("demo", {"demo-2": b"yanked"}))

        with pytest.raises(Moved):
            backend.commit(Change("demo", {"demo-1": b"deleted", "demo-2": b"deleted"}, drop=files), seen)
        assert [content(backend, file) for file in files] == [b"demo-1", b"demo-2"]
        assert Reader(backend).documents() == {("demo", "demo-1"): DOCUMENT, ("demo", "demo-2"): b"yanked"}

    def test_a_new_document_leaves_the_bodies_that_came_with_the_one_before(self, storage: StorageUnderTest, backend: Backend) -> None:
        staged = [storage.stage("demo", "demo-1", b"1"), storage.stage("demo", "demo-1.metadata", b"2")]
        commit(backend, Change("demo", {"demo-1": DOCUMENT}, staged))

        for document in (b"yanked", b"unyanked"):
            commit(backend, Change("demo", {"demo-1": document, "demo-2": document}))

            assert [content(storage.open(Access.READ), one.ref) for one in staged] == [b"1", b"2"]
        pass_time_if_possible(storage, 2 * 86400)
        backend.sweep({one.ref.sha256 for one in staged}.__contains__)
        assert [content(storage.open(Access.READ), one.ref) for one in staged] == [b"1", b"2"]

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "Yank demo 1.0: zu gro\u00df, \u540d\u524d, \U0001f40d",
            'a "quoted" \\ one',
            "two\nlines\r\n\nSerial: 9",
            "\x00\x1b[2J",
            "x" * 5000,
        ],
        ids=["none", "unicode", "quotes", "lines", "controls", "long"],
    )
    def test_a_message_is_for_people_and_changes_nothing(self, storage: StorageUnderTest, backend: Backend, message: str) -> None:
        file = storage.publish("demo", "demo-1")
        follower = Reader(storage.open(Access.READ))
        follower.sync()

        commit(backend, Change("demo", {"demo-1": b"yanked"}, message=message))

        assert follower.documents() == Reader(storage.open(Access.READ)).documents() == {("demo", "demo-1"): b"yanked"}
        assert content(backend, file) == b"body"
