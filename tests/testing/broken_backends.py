"""Backends that are wrong in one way each, with the suite on each of them: test_kit_catches_broken_backends.py runs this file.

Each is a small change of MemoryBackend, and a mistake that somebody could make.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pywharf.backend.interface import Access, Change, Changes, Cursor, Entry, FileBody, FileRef
from pywharf.errors import BackendUnavailable, Moved
from pywharf.testing.backend_suite import BackendSuite, StorageUnderTest
from pywharf.testing.memory import DAY, Body, MemoryBackend, MemoryStorage

# --- compare and swap ---------------------------------------------------------------------------------------------------


class LastWriterWins(MemoryBackend):
    """Looks at no key at all."""

    def _disturbs(self, change: Change, entry: Entry) -> bool:
        return False


class ForgetsTheProjectsDocument(MemoryBackend):
    """Compares a change's own keys only, so that an archived project goes on taking uploads."""

    def _disturbs(self, change: Change, entry: Entry) -> bool:
        return entry.project == change.project and entry.key in change.documents


class ComparesWholeProjects(MemoryBackend):
    """Any change of the project disturbs: right, but too busy for two uploads at once."""

    def _disturbs(self, change: Change, entry: Entry) -> bool:
        return entry.project == change.project


class ComparesKeysWithoutTheirProject(MemoryBackend):
    def _disturbs(self, change: Change, entry: Entry) -> bool:
        return entry.key == "" or entry.key in change.documents


class ComparesTheFirstKeyOnly(MemoryBackend):
    def _disturbs(self, change: Change, entry: Entry) -> bool:
        return entry.project == change.project and entry.key in ("", min(change.documents))


class LooksThenLeaps(MemoryBackend):
    """Compares and writes in two steps with nothing to hold others off in between."""

    def commit(self, change: Change, after: Cursor) -> None:
        with self._asking(Access.WRITE):
            since = self._position(after)
            if since is None or any(self._disturbs(change, entry) for commit in self.storage.log[since:] for entry in commit):
                raise Moved(change.project)
        time.sleep(0.05)
        with self._asking(Access.WRITE):
            super().commit(change, self._cursor())


class TakesAnyCursor(MemoryBackend):
    """A cursor it does not know is taken for the newest."""

    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(change, after if self._position(after) is not None else self._cursor())


class WritesBeforeItCompares(MemoryBackend):
    """Leaves the bodies of a change that is refused where everybody takes them for stored ones."""

    def commit(self, change: Change, after: Cursor) -> None:
        with self._asking(Access.WRITE):
            self.storage.bodies.update({staged.ref: Body(staged.path.read_bytes(), self.storage.now()) for staged in change.files})
            super().commit(change, after)


# --- the feed -----------------------------------------------------------------------------------------------------------


class KnowsEveryCursor(MemoryBackend):
    """Another storage's cursor counts as one of its own; the reader keeps what is not there."""

    def _position(self, cursor: Cursor) -> int | None:
        seen = cursor.rpartition(":")[2]
        return min(int(seen), len(self.storage.log)) if seen.isdecimal() else 0


class TellsEverythingAlways(MemoryBackend):
    """Not in proportion to the change."""

    def read_changes(self, after: Cursor | None) -> Changes:
        changes = super().read_changes(after)
        return changes if changes.reset else Changes(False, super().read_changes(None).entries, changes.cursor)


class NewCursorEachTime(MemoryBackend):
    def _cursor(self) -> Cursor:
        return Cursor(f"{time.monotonic_ns()}:{super()._cursor()}")

    def _position(self, cursor: Cursor) -> int | None:
        return super()._position(Cursor(cursor.partition(":")[2]))


class SkipsAnEntry(MemoryBackend):
    """Its cursor is one further than what it tells."""

    def read_changes(self, after: Cursor | None) -> Changes:
        changes = super().read_changes(after)
        entries = list(changes.entries)
        return Changes(changes.reset, iter(entries[:-1] if len(entries) > 1 else entries), changes.cursor)


class ShowsAChangeInPieces(MemoryBackend):
    """One document after another, with time to look in between."""

    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(replace(change, documents=dict(list(change.documents.items())[:1])), after)
        for key, document in list(change.documents.items())[1:]:
            time.sleep(0.0005)
            super().commit(Change(change.project, {key: document}), self._cursor())


class RemembersWhatItRead(MemoryBackend):
    """Keeps its first answer; other instances' commits never reach it."""

    def read_changes(self, after: Cursor | None) -> Changes:
        if after is not None and after == getattr(self, "_last", None) and not self.__dict__.pop("_mine", False):
            return Changes(False, iter(()), after)
        changes = super().read_changes(after)
        self._last = changes.cursor
        return changes

    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(change, after)
        self._mine = True


class TidiesDocuments(MemoryBackend):
    """Stores what a document means, not what it is."""

    def _append(self, change: Change) -> None:
        def tidy(document: bytes) -> bytes:
            try:
                return json.dumps(json.loads(document)).encode()
            except ValueError:
                return document.strip()

        super()._append(replace(change, documents={key: tidy(document) for key, document in change.documents.items()}))


class CutsLongDocuments(MemoryBackend):
    def _append(self, change: Change) -> None:
        super()._append(replace(change, documents={key: document[:16384] for key, document in change.documents.items()}))


class HidesWhatWasRemoved(MemoryBackend):
    """A document that somebody removed is left out, so that nobody ever hears of it."""

    def read_changes(self, after: Cursor | None) -> Changes:
        changes = super().read_changes(after)
        return Changes(changes.reset, iter([entry for entry in changes.entries if entry.document is not None]), changes.cursor)


class ForgetsAtTheCheckpoint(MemoryBackend):
    """Takes a checkpoint for the whole truth, also an old one."""

    def write_checkpoint(self, entries: Iterable[Entry], at: Cursor) -> None:
        with self._asking(Access.WRITE):
            self.storage.log[:] = [[entry] for entry in entries]


# --- serials ------------------------------------------------------------------------------------------------------------


class CountsForItself(MemoryBackend):
    """Each reader numbers what it is told."""

    def read_changes(self, after: Cursor | None) -> Changes:
        changes = super().read_changes(after)
        return Changes(changes.reset, (replace(e, serial=n) for n, e in enumerate(changes.entries, 1)), changes.cursor)


class CountsBackwards(MemoryBackend):
    def _append(self, change: Change) -> None:
        super()._append(change)
        self.storage.log[-1] = [entry._replace(serial=1_000_000 - entry.serial) for entry in self.storage.log[-1]]


# --- bodies -------------------------------------------------------------------------------------------------------------


class EatsTheStagedFile(MemoryBackend):
    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(change, after)
        for staged in change.files:
            os.unlink(staged.path)


class StoresTheFirstFileOnly(MemoryBackend):
    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(replace(change, files=change.files[:1]), after)


class WritesDocumentsFirst(MemoryBackend):
    """A body that cannot be placed is found out too late."""

    def commit(self, change: Change, after: Cursor) -> None:
        with self._asking(Access.WRITE):
            super().commit(replace(change, files=[]), after)
            self.storage.bodies.update({staged.ref: Body(staged.path.read_bytes(), self.storage.now()) for staged in change.files})


class HandsOutPipes(MemoryBackend):
    """A body that can be read once, from its beginning."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, offset: int, whence: int = 0) -> int:
            raise io.UnsupportedOperation

    def open_file(self, file: FileRef) -> FileBody:
        body = super().open_file(file)
        return FileBody(self.Pipe(body.read()), body.size)


class PointsElsewhere(MemoryBackend):
    """Says that a body lies where another file does."""

    def open_file(self, file: FileRef) -> FileBody:
        return replace(super().open_file(file), path=Path(__file__))


class ShowsCopiesToStrangers(MemoryBackend):
    """A cache in front of the storage that knows no rights."""

    def open_copy(self, file: FileRef) -> FileBody | None:
        return MemoryBackend(self.storage).open_file(file)


class OpensNothingAsEmpty(MemoryBackend):
    def open_file(self, file: FileRef) -> FileBody:
        known = file in self.storage.bodies or (file.project, file.name) in self.storage.by_hand
        return super().open_file(file) if known or self.storage.unavailable or self.rights < Access.READ else FileBody(io.BytesIO(), 0)


class NeverDrops(MemoryBackend):
    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(replace(change, drop=()), after)


class DropsFirst(MemoryBackend):
    """Removes bodies before it knows whether the change is made."""

    def commit(self, change: Change, after: Cursor) -> None:
        with self._asking(Access.WRITE):
            for file in change.drop:
                self.storage.bodies.pop(file, None)
            super().commit(change, after)


class DropsByContent(MemoryBackend):
    """Takes away every file that has the same bytes."""

    def commit(self, change: Change, after: Cursor) -> None:
        same = [file for file in self.storage.bodies for dropped in change.drop if file.sha256 == dropped.sha256]
        super().commit(replace(change, drop=same), after)


class DropsTheFirstBodyOnly(MemoryBackend):
    """Enough for a file, not for what lies beside it, nor for a whole release."""

    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(replace(change, drop=change.drop[:1]), after)


class KeepsBodiesByTheirDocument(MemoryBackend):
    """A new document under a key, such as a yank, takes the bodies of the one before with it."""

    def commit(self, change: Change, after: Cursor) -> None:
        super().commit(change, after)
        coming = {staged.ref for staged in change.files}
        for file in list(self.storage.bodies):
            if file.project == change.project and file.name in change.documents and file not in coming:
                del self.storage.bodies[file]


class TakesMessagesForAscii(MemoryBackend):
    """What people write goes where only some of it fits."""

    def commit(self, change: Change, after: Cursor) -> None:
        change.message.encode("ascii")
        super().commit(change, after)


class WalksPastWhatHandsPutThere(MemoryBackend):
    def iter_files(self) -> Iterator[FileRef]:
        return (file for file in super().iter_files() if file.sha256)


class SweepsTheYoung(MemoryBackend):
    """An upload whose commit is on its way loses its body."""

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        now = self.storage.now
        self.storage.now = lambda: now() + 2 * DAY
        try:
            return super().sweep(is_known)
        finally:
            self.storage.now = now


class SweepsTheKnown(MemoryBackend):
    def sweep(self, is_known: Callable[[str], bool]) -> int:
        return super().sweep(lambda sha256: False)


class NeverSweeps(MemoryBackend):
    def sweep(self, is_known: Callable[[str], bool]) -> int:
        with self._asking(Access.WRITE):
            return 0


# --- rights and trouble -------------------------------------------------------------------------------------------------


class LetsReadersWrite(MemoryBackend):
    def commit(self, change: Change, after: Cursor) -> None:
        MemoryBackend(self.storage, Access.WRITE if self.rights else Access.NONE).commit(change, after)


class LetsStrangersRead(MemoryBackend):
    """Checks at the feed, forgets it at the files."""

    def open_file(self, file: FileRef) -> FileBody:
        return MemoryBackend(self.storage).open_file(file)

    def iter_files(self) -> Iterator[FileRef]:
        return MemoryBackend(self.storage).iter_files()


class LetsReadersSweep(MemoryBackend):
    def sweep(self, is_known: Callable[[str], bool]) -> int:
        return MemoryBackend(self.storage).sweep(is_known)


class PromisesTooMuch(MemoryBackend):
    """Says that whoever may read may write."""

    def access(self) -> Access:
        return Access.WRITE if super().access() else Access.NONE


class GuessesWhenItCannotAsk(MemoryBackend):
    def access(self) -> Access:
        try:
            return super().access()
        except BackendUnavailable:
            return Access.READ


class TakesLostForEmpty(MemoryBackend):
    """A disk that is not mounted looks like a repository without packages."""

    def read_changes(self, after: Cursor | None) -> Changes:
        try:
            return super().read_changes(after)
        except BackendUnavailable:
            return Changes(True, iter(()), Cursor(f"{self.storage.identity}:0"))


class ClosesForAll(MemoryBackend):
    def close(self) -> None:
        self.storage.unavailable = True


# --- the suite on each --------------------------------------------------------------------------------------------------


class BrokenUnderTest(StorageUnderTest):
    def __init__(self, folder: Path, broken: type[MemoryBackend]) -> None:
        super().__init__(folder)
        self.broken = broken
        self.memory = MemoryStorage()

    def open(self, access: Access) -> MemoryBackend:
        return self.broken(self.memory, access)

    def put_by_hand(self, project: str, name: str, body: bytes) -> None:
        self.memory.by_hand[project, name] = body

    def remove_by_hand(self, project: str, key: str) -> None:
        self.memory.remove_by_hand(project, key)

    def lose(self) -> None:
        self.memory.unavailable = True

    def pass_time(self, seconds: float) -> None:
        self.memory.now = lambda: time.time() + seconds


def suite_on(broken: type[MemoryBackend]) -> type[BackendSuite]:
    class Suite(BackendSuite):
        def make_storage(self, folder: Path) -> StorageUnderTest:
            return BrokenUnderTest(folder, broken)

    Suite.__name__ = Suite.__qualname__ = f"Test{broken.__name__}"
    return Suite


for _broken in MemoryBackend.__subclasses__():
    if _broken.__module__ == __name__:
        globals()[f"Test{_broken.__name__}"] = suite_on(_broken)
