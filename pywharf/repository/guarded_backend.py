"""A backend behind its repository's breaker, as requests and the sync use it.

Work on all of a storage (adoption, verification) goes to the backend itself: it is somebody's who waits for it, and one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, Entry, FileBody, FileRef, Flaw
from pywharf.errors import BackendUnavailable
from pywharf.repository.breaker import Breaker, Question, Work
from pywharf.repository.places import Places

MOST_READERS = 16  # that wait for a body at once: half of a server's threads, so that pages go on

TOO_MANY_READERS = "too many files are being fetched from it"


class GuardedBackend(Backend):
    """Raises NotAsked besides what the backend does."""

    def __init__(self, backend: Backend, breaker: Breaker) -> None:
        self._backend = backend
        self._breaker = breaker
        self._readers = Places(MOST_READERS, TOO_MANY_READERS)

    def access(self) -> Access:
        with self._breaker.asking(Work.RIGHTS):
            return self._backend.access()

    def commit(self, change: Change, after: Cursor) -> None:
        with self._breaker.asking(Work.CHANGES):
            self._backend.commit(change, after)

    def read_changes(self, after: Cursor | None) -> Changes:
        with self._breaker.asking(Work.READING) as question:
            changes = self._backend.read_changes(after)
            if changes.cursor != after:
                question.goes_on = True
                changes.entries = _Told(changes.entries, self._breaker, question)
            return changes

    def open_file(self, file: FileRef) -> FileBody:
        """A copy on this machine is not the storage's trouble."""
        copy = self._backend.open_copy(file)
        if copy is not None:
            return copy
        with self._readers.taken(), self._breaker.asking(Work.READING):
            return self._backend.open_file(file)

    def iter_files(self) -> Iterator[FileRef]:
        return self._backend.iter_files()

    def write_checkpoint(self, entries: Iterable[Entry], at: Cursor) -> None:
        self._backend.write_checkpoint(entries, at)

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        return self._backend.sweep(is_known)

    def secret_label(self) -> str:
        return self._backend.secret_label()

    def examine_log(self, *, repair: bool) -> Iterator[Flaw]:
        return self._backend.examine_log(repair=repair)

    def examine_copies(self, files: Iterable[FileRef], *, repair: bool) -> Iterator[Flaw]:
        return self._backend.examine_copies(files, repair=repair)

    def open_copy(self, file: FileRef) -> FileBody | None:
        return self._backend.open_copy(file)

    def drop_copy(self, file: FileRef) -> bool:
        return self._backend.drop_copy(file)

    def close(self) -> None:
        self._backend.close()


class _Told:
    """What a storage streams; the breaker is told how the stream ended, also where nobody read it to its end."""

    def __init__(self, entries: Iterator[Entry], breaker: Breaker, question: Question) -> None:
        self._entries = entries
        self._breaker = breaker
        self._question = question

    def __iter__(self) -> _Told:
        return self

    def __next__(self) -> Entry:
        try:
            return next(self._entries)
        except StopIteration:
            self._breaker.answered(self._question)
            raise
        except BackendUnavailable as error:
            self._breaker.failed(self._question, error)
            raise

    def __del__(self) -> None:
        self._breaker.left(self._question)
