"""The log: what is committed is read, whole, by every instance; and what a serial is."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import pytest

from pywharf.backend.interface import Access, Backend, Change
from pywharf.testing.backend_suite.storage import DOCUMENT, LONGEST, Reader, StorageUnderTest, commit, content


class LogTests:
    """Of `BackendSuite`."""

    # --- the log ----------------------------------------------------------------------------------------------------

    def test_an_empty_log_is_a_reset_without_entries(self, backend: Backend) -> None:
        changes = backend.read_changes(None)

        assert changes.reset
        assert list(changes.entries) == []

    def test_a_commit_is_in_the_next_read(self, backend: Backend) -> None:
        reader = Reader(backend)
        reader.sync()

        commit(backend, Change("demo", {"demo-1": DOCUMENT}))

        assert reader.documents() == {("demo", "demo-1"): DOCUMENT}

    def test_another_instance_sees_the_commit(self, storage: StorageUnderTest, backend: Backend) -> None:
        reader = Reader(storage.open(Access.READ))
        reader.sync()

        commit(backend, Change("demo", {"demo-1": DOCUMENT}))

        assert reader.documents() == {("demo", "demo-1"): DOCUMENT}

    def test_several_files_and_documents_go_in_one_change(self, storage: StorageUnderTest, backend: Backend) -> None:
        staged = [storage.stage("demo", f"demo-{n}", b"%d" % n) for n in range(3)]

        commit(backend, Change("demo", {"demo-1": b"{}", "demo-2": DOCUMENT}, staged))

        assert Reader(backend).documents() == {("demo", "demo-1"): b"{}", ("demo", "demo-2"): DOCUMENT}
        assert [content(backend, one.ref) for one in staged] == [b"0", b"1", b"2"]

    @pytest.mark.parametrize(
        "document",
        [
            '{ "b": 1,  "a": [1.0, 1e3] }',
            '"Größe, 名前, \U0001f40d, e\u0301"',
            'quotes " and \\ and \\u0041 and </script>',
            "lines\nand\r\nreturns\rand\ttabs\u2028\u2029\u0085",
            "\x00\x01\x1f\x7f\ufeff\ufffe",
            " a blank at both ends \n",
            "x" * 32 * 1024,
            "\u00e9" * 16 * 1024,
            "\n" * 32 * 1024,
        ],
        ids=["json", "unicode", "quotes", "lines", "controls", "blanks", "longest", "longest-unicode", "longest-escaped"],
    )
    def test_a_document_comes_back_byte_for_byte(self, storage: StorageUnderTest, backend: Backend, document: str) -> None:
        commit(backend, Change("demo", {"demo-1": document.encode()}))

        assert Reader(storage.open(Access.READ)).documents() == {("demo", "demo-1"): document.encode()}

    def test_the_newest_document_of_a_key_counts(self, storage: StorageUnderTest, backend: Backend) -> None:
        early = Reader(storage.open(Access.READ))
        for document in (b"1", b"2", b"3"):
            commit(backend, Change("demo", {"demo-1": document}))
            assert early.documents() == {("demo", "demo-1"): document}

        assert Reader(storage.open(Access.READ)).documents() == {("demo", "demo-1"): b"3"}

    def test_a_project_has_a_document_of_its_own(self, backend: Backend) -> None:
        commit(backend, Change("demo", {"demo-1": b"file"}))
        commit(backend, Change("demo", {"": b"project"}))

        assert Reader(backend).documents() == {("demo", "demo-1"): b"file", ("demo", ""): b"project"}

    def test_one_key_in_two_projects_is_two_keys(self, backend: Backend) -> None:
        commit(backend, Change("one", {"same": b"1"}))
        commit(backend, Change("two", {"same": b"2"}))

        assert Reader(backend).documents() == {("one", "same"): b"1", ("two", "same"): b"2"}

    def test_the_longest_names_are_kept(self, storage: StorageUnderTest, backend: Backend) -> None:
        side = LONGEST + "." + "5" * 16 + ".provenance"
        staged = [storage.stage(LONGEST, LONGEST, b"1"), storage.stage(LONGEST, side, b"2")]

        commit(backend, Change(LONGEST, {LONGEST: DOCUMENT}, staged))

        assert Reader(backend).documents() == {(LONGEST, LONGEST): DOCUMENT}
        assert [content(backend, one.ref) for one in staged] == [b"1", b"2"]

    # --- serials ----------------------------------------------------------------------------------------------------

    def test_serials_grow_with_each_commit(self, storage: StorageUnderTest, backend: Backend) -> None:
        reader = Reader(backend)
        newest = 0
        for number in range(4):
            commit(storage.open(Access.WRITE), Change(f"demo-{number % 2}", {"one": b"%d" % number, "two": b"%d" % number}))
            serials = _new_serials(reader)

            assert min(serials) > newest
            newest = max(serials)

    def test_serials_are_the_same_for_every_reader(self, storage: StorageUnderTest) -> None:
        follower = Reader(storage.open(Access.READ))
        for number in range(6):
            storage.publish(f"demo-{number % 2}", f"demo-{number % 4}", b"%d" % number)
            follower.sync()
        newcomer = Reader(storage.open(Access.WRITE))
        newcomer.sync()

        assert newcomer.newest == follower.newest


def _new_serials(reader: Reader) -> set[int]:
    changes = reader.backend.read_changes(reader.cursor)
    serials = {entry.serial for entry in changes.entries}
    reader.cursor = changes.cursor
    return serials
