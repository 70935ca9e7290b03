"""Bodies: placed with their commit, opened, met on a walk, put back where they were lost."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import contextlib
import hashlib

import pytest

from pywharf.backend.interface import Access, Backend, Change, FileRef
from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing
from pywharf.testing.backend_suite.storage import DOCUMENT, Reader, StorageUnderTest, commit, content, current


class BodyTests:
    """Of `BackendSuite`."""

    @pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
    def test_the_bytes_come_back(self, storage: StorageUnderTest, size: int) -> None:
        body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        file = storage.publish("demo", "demo-1", body)

        assert content(storage.open(Access.READ), file) == body

    def test_a_body_is_seekable_and_of_known_size(self, storage: StorageUnderTest) -> None:
        file = storage.publish("demo", "demo-1", b"0123456789")

        with storage.open(Access.READ).open_file(file) as body:
            assert body.size == 10
            assert body.read(3) == b"012"
            assert body.stream.seekable()
            body.seek(7)
            assert body.read() == b"789"
            body.seek(0)
            assert body.read() == b"0123456789"

    def test_a_body_that_says_where_it_lies_is_that_file(self, storage: StorageUnderTest) -> None:
        """Another program opens it there, after the answer was given."""
        file = storage.publish("demo", "demo-1", b"0123456789")

        with storage.open(Access.READ).open_file(file) as body:
            path = body.path

        assert path is None or (path.is_file() and not path.is_symlink() and path.read_bytes() == b"0123456789")

    def test_a_copy_on_this_machine_is_the_body_and_for_nobody_who_may_not_read(self, storage: StorageUnderTest) -> None:
        file = storage.publish("demo", "demo-1", b"0123456789")
        reader = storage.open(Access.READ)
        assert content(reader, file) == b"0123456789"
        copy = reader.open_copy(file)
        assert copy is None or (copy.size, copy.read()) == (10, b"0123456789")
        if copy is not None:
            copy.close()
        with contextlib.suppress(AccessDenied):
            assert storage.open(Access.NONE).open_copy(file) is None

    def test_two_readers_of_one_body_do_not_disturb_each_other(self, storage: StorageUnderTest) -> None:
        file = storage.publish("demo", "demo-1", b"0123456789")
        backend = storage.open(Access.READ)

        with backend.open_file(file) as one, backend.open_file(file) as two:
            assert one.read(4) == b"0123"
            assert two.read(2) == b"01"
            assert one.read() == b"456789"

    def test_a_file_that_nobody_stored_is_missing(self, storage: StorageUnderTest) -> None:
        file = storage.publish("demo", "demo-1")
        unknown = hashlib.sha256(b"unknown").hexdigest()

        for missing in (FileRef("demo", "demo-2", unknown, 7), FileRef("other", "demo-1", unknown, 7), FileRef("demo", "demo-2", "", 4)):
            with pytest.raises(FileMissing):
                storage.open(Access.READ).open_file(missing)
        assert content(storage.open(Access.READ), file) == b"body"

    def test_a_file_is_missing_from_a_storage_that_nobody_wrote_to(self, backend: Backend) -> None:
        with pytest.raises(FileMissing):
            backend.open_file(FileRef("demo", "demo-1", hashlib.sha256(b"unknown").hexdigest(), 7))

    def test_the_staged_file_is_left_as_it_was(self, storage: StorageUnderTest, backend: Backend) -> None:
        staged = storage.stage("demo", "demo-1", b"body")

        commit(backend, Change("demo", {"demo-1": DOCUMENT}, [staged]))

        assert staged.path.read_bytes() == b"body"
        staged.path.unlink()  # and what was stored does not hang on it
        assert content(storage.open(Access.READ), staged.ref) == b"body"

    def test_no_document_is_written_whose_body_cannot_be_placed(self, storage: StorageUnderTest, backend: Backend) -> None:
        present, gone = storage.stage("demo", "demo-1", b"1"), storage.stage("demo", "demo-2", b"2")
        gone.path.unlink()

        with pytest.raises((BackendUnavailable, OSError)):
            backend.commit(Change("demo", {"demo-1": DOCUMENT, "demo-2": DOCUMENT}, [present, gone]), current(backend))
        assert Reader(storage.open(Access.READ)).documents() == {}

    def test_the_same_bytes_can_be_stored_under_several_names(self, storage: StorageUnderTest, backend: Backend) -> None:
        files = [storage.publish("demo", "demo-1"), storage.publish("demo", "demo-2"), storage.publish("other", "demo-1")]

        assert [content(backend, file) for file in files] == [b"body"] * 3

    def test_a_walk_meets_every_body_that_was_stored(self, storage: StorageUnderTest, backend: Backend) -> None:
        stored = [storage.publish("demo", f"demo-{number}", b"%d" % number) for number in range(3)]

        met = list(backend.iter_files())

        for file in stored:
            (same, *_) = [one for one in met if one.sha256 == file.sha256 or (one.project, one.name) == (file.project, file.name)]
            assert same.sha256 in ("", file.sha256)
            assert same.size == file.size
            assert content(backend, same) == content(backend, file)

    def test_a_walk_through_a_storage_that_nobody_wrote_to_meets_nothing(self, backend: Backend) -> None:
        assert list(backend.iter_files()) == []

    def test_a_file_put_there_by_hand_is_met_and_can_be_opened_but_is_not_in_the_log(self, storage: StorageUnderTest) -> None:
        storage.publish("demo", "demo-1")
        storage.put_by_hand("demo", "demo-2", b"by hand")
        backend = storage.open(Access.READ)

        (met,) = [file for file in backend.iter_files() if file.name == "demo-2"]

        assert met == FileRef("demo", "demo-2", "", 7)
        assert content(backend, met) == b"by hand"
        assert Reader(backend).documents() == {("demo", "demo-1"): DOCUMENT}

    def test_a_lost_body_is_back_once_it_is_committed_again(self, storage: StorageUnderTest) -> None:
        lost = storage.publish("demo", "demo-1", b"the body")
        other = storage.publish("demo", "demo-2", b"another")
        storage.lose_body(lost)

        storage.publish("demo", "demo-1", b"the body")

        backend = storage.open(Access.READ)
        assert content(backend, lost) == b"the body"
        assert content(backend, other) == b"another"

    def test_a_file_put_there_by_hand_can_be_committed(self, storage: StorageUnderTest) -> None:
        storage.publish("demo", "demo-1")
        storage.put_by_hand("demo", "demo-2", b"by hand")

        file = storage.publish("demo", "demo-2", b"by hand")

        assert content(storage.open(Access.READ), file) == b"by hand"
