"""The storage that the tests of the contract run on, and what they all do with it."""

# ruff: noqa: S101 - these are tests, although they are shipped

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, Entry, FileRef, StagedFile
from pywharf.errors import Moved

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


def pass_time_if_possible(storage: StorageUnderTest, seconds: float) -> None:
    try:
        storage.pass_time(seconds)
    except pytest.skip.Exception:
        return  # these tests say something without it too
