"""Compare and swap: a change that was decided on an old picture is refused, and of many at once none is lost."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import threading
from functools import partial

import pytest

from pywharf.backend.interface import Access, Backend, Change, Cursor, FileRef, StagedFile
from pywharf.errors import Moved
from pywharf.testing.backend_suite.storage import DOCUMENT, Reader, StorageUnderTest, at_once, commit, content, current


class SwapTests:
    """Of `BackendSuite`."""

    def test_a_change_is_moved_where_its_key_changed_since(self, storage: StorageUnderTest, backend: Backend) -> None:
        for _ in range(2):  # first a key that is new, then one that is there
            seen = current(backend)
            commit(storage.open(Access.WRITE), Change("demo", {"demo-1": b"theirs"}))

            with pytest.raises(Moved):
                backend.commit(Change("demo", {"demo-1": b"ours"}), seen)
            assert Reader(backend).documents() == {("demo", "demo-1"): b"theirs"}

    def test_a_change_is_moved_where_the_projects_own_document_changed(self, storage: StorageUnderTest, backend: Backend) -> None:
        seen = current(backend)
        commit(storage.open(Access.WRITE), Change("demo", {"": b"archived"}))

        with pytest.raises(Moved):
            backend.commit(Change("demo", {"demo-1": DOCUMENT}), seen)

    def test_a_change_is_moved_where_one_of_its_keys_changed_and_none_is_written(self, storage: StorageUnderTest, backend: Backend) -> None:
        seen = current(backend)
        commit(storage.open(Access.WRITE), Change("demo", {"demo-2": b"theirs"}))

        with pytest.raises(Moved):
            backend.commit(Change("demo", {"demo-1": b"ours", "demo-2": b"ours"}), seen)
        assert Reader(backend).documents() == {("demo", "demo-2"): b"theirs"}

    def test_other_keys_of_the_project_do_not_disturb(self, storage: StorageUnderTest, backend: Backend) -> None:
        seen = current(backend)
        storage.publish("demo", "demo-1")

        backend.commit(Change("demo", {"demo-2": DOCUMENT}), seen)
        backend.commit(Change("demo", {"": DOCUMENT}), seen)

        assert set(Reader(backend).documents()) == {("demo", "demo-1"), ("demo", "demo-2"), ("demo", "")}

    def test_other_projects_do_not_disturb(self, storage: StorageUnderTest, backend: Backend) -> None:
        seen = current(backend)
        commit(storage.open(Access.WRITE), Change("other", {"same": DOCUMENT, "": DOCUMENT}))

        backend.commit(Change("demo", {"same": DOCUMENT}), seen)

        assert ("demo", "same") in Reader(backend).documents()

    def test_a_cursor_that_is_not_in_the_past_is_moved(
        self, storage: StorageUnderTest, another_storage: StorageUnderTest, backend: Backend
    ) -> None:
        storage.publish("other", "other-1")
        for number in range(2):
            another_storage.publish("elsewhere", f"elsewhere-{number}")

        for cursor in (current(another_storage.open(Access.READ)), Cursor("nonsense"), Cursor("9" * 40)):
            with pytest.raises(Moved):
                backend.commit(Change("demo", {"demo-1": DOCUMENT}), cursor)
        assert ("demo", "demo-1") not in Reader(backend).documents()

    def test_a_moved_change_leaves_no_trace_and_goes_through_when_decided_again(self, storage: StorageUnderTest, backend: Backend) -> None:
        seen = current(backend)
        theirs = storage.publish("demo", "demo-1", b"theirs")
        after_theirs = current(backend)
        ours = storage.stage("demo", "demo-1", b"ours")

        with pytest.raises(Moved):
            backend.commit(Change("demo", {"demo-1": b"ours"}, [ours]), seen)

        assert current(backend) == after_theirs
        assert {(file.project, file.name, file.size) for file in backend.iter_files() if file.name} == {("demo", "demo-1", theirs.size)}
        assert content(backend, theirs) == b"theirs"
        backend.commit(Change("demo", {"demo-1": b"ours"}, [ours]), after_theirs)
        assert content(backend, ours.ref) == b"ours"

    def test_one_of_many_wins_a_name(self, storage: StorageUnderTest, backend: Backend) -> None:
        seen = current(backend)
        outcomes: list[str] = []
        staged = [storage.stage("demo", "demo-1", b"%d" % number) for number in range(6)]

        def upload(one: StagedFile) -> None:
            try:
                storage.open(Access.WRITE).commit(Change("demo", {"demo-1": one.ref.sha256.encode()}, [one]), seen)
                outcomes.append(one.ref.sha256)
            except Moved:
                outcomes.append("")

        at_once([partial(upload, one) for one in staged])

        (winner,) = [outcome for outcome in outcomes if outcome]
        assert len(outcomes) == len(staged)
        assert Reader(backend).documents() == {("demo", "demo-1"): winner.encode()}

    @pytest.mark.parametrize("shared", [True, False], ids=["one-instance", "an-instance-each"])
    def test_no_commit_is_lost_among_many(self, storage: StorageUnderTest, backend: Backend, shared: bool) -> None:
        follower = Reader(storage.open(Access.READ))
        follower.sync()

        def work(number: int) -> None:
            mine = backend if shared else storage.open(Access.WRITE)
            for n in range(8):
                staged = storage.stage("demo", f"demo-{number}-{n}", b"%d-%d" % (number, n))
                commit(mine, Change("demo", {staged.ref.name: staged.ref.sha256.encode()}, [staged]))

        at_once([partial(work, number) for number in range(4)])

        documents = Reader(storage.open(Access.READ)).documents()
        assert set(documents) == {("demo", f"demo-{number}-{n}") for number in range(4) for n in range(8)}
        assert follower.documents() == documents
        for (project, name), document in documents.items():
            assert document is not None
            body = content(backend, FileRef(project, name, document.decode(), 3))
            assert name == "demo-" + body.decode()

    def test_a_count_kept_by_many_is_exact(self, storage: StorageUnderTest) -> None:
        """Everyone reads, adds one, and commits with the cursor of what was read."""

        def work() -> None:
            reader = Reader(storage.open(Access.WRITE))
            for _ in range(8):
                while True:
                    count = int(reader.documents().get(("demo", "count")) or b"0")
                    assert reader.cursor is not None
                    try:
                        reader.backend.commit(Change("demo", {"count": b"%d" % (count + 1)}), reader.cursor)
                    except Moved:
                        continue
                    break

        at_once([work] * 4)

        assert Reader(storage.open(Access.READ)).documents() == {("demo", "count"): b"32"}

    def test_a_change_is_seen_whole_or_not_at_all(self, storage: StorageUnderTest, backend: Backend) -> None:
        keys = [f"demo-{number}" for number in range(8)]
        done = threading.Event()

        def write() -> None:
            try:
                for version in range(12):
                    commit(backend, Change("demo", dict.fromkeys(keys, b"%d" % version)))
            finally:
                done.set()

        def read() -> None:
            follower = Reader(storage.open(Access.READ))
            while not done.is_set():
                for reader in (follower, Reader(storage.open(Access.READ))):
                    documents = reader.documents()
                    assert len(documents) in (0, len(keys))
                    assert len(set(documents.values())) <= 1

        at_once([write, read, read])
