"""The backend contract as tests: subclass `BackendSuite`, say how a storage of yours is made, and let pytest run it.

    from pywharf.testing.backend_suite import BackendSuite, StorageUnderTest

    class MyStorage(StorageUnderTest):
        def open(self, access):
            return MyBackend(self.folder / "storage", secret_for(access))

    class TestMyBackend(BackendSuite):
        def make_storage(self, folder):
            return MyStorage(folder)

What a storage cannot have done to it from outside it leaves out, and those tests skip themselves. For readable failures
say `pytest.register_assert_rewrite("pywharf.testing.backend_suite")` in your conftest.py.
"""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import contextlib
import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, Entry, FileRef, StagedFile
from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing, Moved

DOCUMENT = b'{"kind":"test"}'
LONGEST = "l" + "o" * 198 + "g"  # characters: the longest name of a project, and of a file without its side file's suffix


class StorageUnderTest(ABC):
    """One storage, as its backend's author supplies it to the suite. Made anew, and empty, for each test."""

    def __init__(self, folder: Path) -> None:
        """folder: empty, for this storage alone."""
        self.folder = folder

    @abstractmethod
    def open(self, access: Access) -> Backend:
        """A new instance, as another server would open it, with a secret that carries this right and no more."""

    def staging(self) -> Path:
        """Where bodies wait for their commit; the folder that the plugin names, made."""
        folder = self.folder / "staging"
        folder.mkdir(exist_ok=True)
        return folder

    # Ways around the backend. Leave out what cannot be done to your kind of storage.

    def put_by_hand(self, project: str, name: str, body: bytes) -> None:
        """Put a file where somebody would copy it, for `update_index` to find."""
        pytest.skip("nobody can put a file into this storage by hand")

    def remove_by_hand(self, project: str, key: str) -> None:
        """Remove a document behind pywharf's back, so that readers are told None."""
        pytest.skip("nobody can remove a document from this storage by hand")

    def lose_body(self, file: FileRef) -> None:
        """Take one body away that a commit placed, or damage it, as a disk or somebody's hand does."""
        pytest.skip("nobody can take one body out of this storage")

    def lose(self) -> None:
        """Take the storage away, as an unmounted disk or a deleted branch does."""
        pytest.skip("this storage cannot be taken away")

    def pass_time(self, seconds: float) -> None:
        """Make every instance, those already open too, believe that it is so much later."""
        pytest.skip("this storage has no clock that a test can move")

    # What the tests do all the time.

    def stage(self, project: str, name: str, body: bytes) -> StagedFile:
        """Put a body where uploads are received."""
        digest = hashlib.sha256(body).hexdigest()
        path = self.staging() / f"{digest[:16]}-{threading.get_ident()}-{name[:32]}"
        path.write_bytes(body)
        return StagedFile(FileRef(project, name, digest, len(body)), path)

    def publish(self, project: str, name: str, body: bytes = b"body") -> FileRef:
        """Commit one file, with a document under its name."""
        staged = self.stage(project, name, body)
        commit(self.open(Access.WRITE), Change(project, {name: DOCUMENT}, [staged]))
        return staged.ref


class Reader:
    """What a server's local index does with the feed."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.cursor: Cursor | None = None
        self.newest: dict[tuple[str, str], Entry] = {}  # by project and key

    def sync(self) -> Changes:
        """Read what is new; the entries of what is returned are used up."""
        changes = self.backend.read_changes(self.cursor)
        if changes.reset:
            self.newest.clear()
        self.newest.update({(entry.project, entry.key): entry for entry in changes.entries})
        self.cursor = changes.cursor
        return changes

    def documents(self) -> dict[tuple[str, str], bytes | None]:
        self.sync()
        return {key: entry.document for key, entry in self.newest.items()}


def commit(backend: Backend, change: Change) -> None:
    """Commit whatever happened before, as somebody who looks again each time."""
    while True:
        cursor = current(backend)
        try:
            return backend.commit(change, cursor)
        except Moved:
            continue


def current(backend: Backend) -> Cursor:
    """The cursor behind everything there is."""
    reader = Reader(backend)
    reader.sync()
    assert reader.cursor is not None
    return reader.cursor


def content(backend: Backend, file: FileRef) -> bytes:
    with backend.open_file(file) as body:
        return body.read()


def at_once(tasks: Iterable[Callable[[], None]]) -> None:
    """Run each in a thread of its own, all beginning together; raises what one of them raises."""
    tasks = list(tasks)
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], None]) -> None:
        start.wait(timeout=30)
        task()

    with ThreadPoolExecutor(len(tasks)) as threads:
        for done in [threads.submit(run, task) for task in tasks]:
            done.result(timeout=60)


class BackendSuite:
    """The contract of `pywharf.backend.interface.Backend`, sentence by sentence."""

    def make_storage(self, folder: Path) -> StorageUnderTest:
        """A storage that nobody has written to; `folder` is empty and for it alone."""
        raise NotImplementedError("a subclass of BackendSuite says how its storage is made")

    @pytest.fixture
    def storage(self, tmp_path: Path) -> StorageUnderTest:
        (tmp_path / "one").mkdir()
        return self.make_storage(tmp_path / "one")

    @pytest.fixture
    def another_storage(self, tmp_path: Path) -> StorageUnderTest:
        (tmp_path / "another").mkdir()
        return self.make_storage(tmp_path / "another")

    @pytest.fixture
    def backend(self, storage: StorageUnderTest) -> Backend:
        return storage.open(Access.WRITE)

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

    # --- cursors ----------------------------------------------------------------------------------------------------

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

        for elsewhere in (current(another_storage.open(Access.READ)), self._second_cursor(another_storage)):
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

    # --- compare and swap -------------------------------------------------------------------------------------------

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

    # --- bodies -----------------------------------------------------------------------------------------------------

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

    # --- drop -------------------------------------------------------------------------------------------------------

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
        self._pass_time_if_possible(storage, 2 * 86400)
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

    # --- serials ----------------------------------------------------------------------------------------------------

    def test_serials_grow_with_each_commit(self, storage: StorageUnderTest, backend: Backend) -> None:
        reader = Reader(backend)
        newest = 0
        for number in range(4):
            commit(storage.open(Access.WRITE), Change(f"demo-{number % 2}", {"one": b"%d" % number, "two": b"%d" % number}))
            serials = self._new_serials(reader)

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

    # --- rights -----------------------------------------------------------------------------------------------------

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

    # --- checkpoint and sweep ---------------------------------------------------------------------------------------

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
        self._pass_time_if_possible(storage, 2 * 86400)

        assert backend.sweep(lambda sha256: sha256 == file.sha256) == 0
        assert content(backend, file) == b"body"

    def test_sweeping_keeps_what_is_younger_than_a_day(self, storage: StorageUnderTest, backend: Backend) -> None:
        file = storage.publish("demo", "demo-1")
        self._pass_time_if_possible(storage, 86400 - 600)

        assert backend.sweep(lambda sha256: False) == 0
        assert content(backend, file) == b"body"

    def test_sweeping_removes_what_is_old_and_unknown(self, storage: StorageUnderTest, backend: Backend) -> None:
        known, unknown = storage.publish("demo", "demo-1", b"1"), storage.publish("demo", "demo-2", b"2")
        storage.pass_time(2 * 86400)

        assert backend.sweep(lambda sha256: sha256 == known.sha256) == 1
        assert content(backend, known) == b"1"
        with pytest.raises(FileMissing):
            backend.open_file(unknown)

    # --- trouble ----------------------------------------------------------------------------------------------------

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

    # --- how --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _new_serials(reader: Reader) -> set[int]:
        changes = reader.backend.read_changes(reader.cursor)
        serials = {entry.serial for entry in changes.entries}
        reader.cursor = changes.cursor
        return serials

    @staticmethod
    def _second_cursor(storage: StorageUnderTest) -> Cursor:
        """A cursor that is in the middle of the storage's past by the time it is used."""
        cursor = current(storage.open(Access.READ))
        storage.publish("other", "other-late")
        return cursor

    @staticmethod
    def _pass_time_if_possible(storage: StorageUnderTest, seconds: float) -> None:
        try:
            storage.pass_time(seconds)
        except pytest.skip.Exception:
            return  # these tests say something without it too
