"""Keeping the local index in step with the backend: on time, on demand, and again when it is damaged.

Any thread of any process may sync; the index's compare-and-swap on its cursor makes that safe. The thread that looks
for changes made elsewhere runs in one process at a time: whoever holds a lock that the kernel frees.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pywharf.backend.interface import Backend
from pywharf.counting import NOT_COUNTED, SYNCS, Counting
from pywharf.errors import AccessDenied, BackendUnavailable, IndexNotReady, WharfError
from pywharf.files import locked, open_lock, try_lock, unlock
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.notices import Notices
from pywharf.repository.sync_mark import SyncMark

FRESH = 1.0  # seconds: how old the begin of a sync may be that answers "not here"
PATIENCE = 5.0  # seconds that somebody who looks waits for a sync that another thread is busy with
SYNC_PATIENCE = 30.0  # the same of somebody who has to have one, as an upload has
LONGEST_PAUSE = 60.0  # seconds between attempts while the storage is in trouble
NOT_ALLOWED_TO_READ = "the server's own secret (admin_secret) is not allowed to read it"
ATTEMPTS = 100  # of one sync, against processes that were faster
REBUILDS = 3  # of one sync, of an index that is found damaged again
NEVER = float("-inf")

log = logging.getLogger(__name__)


class Synchroniser:
    """Brings one repository's local index in step with its backend."""

    def __init__(
        self,
        repository: str,
        backend: Backend,
        index: LocalIndex,
        *,
        interval: float,
        folder: Path,
        is_ours: Callable[[], bool] = lambda: True,
        counting: Counting = NOT_COUNTED,
    ) -> None:
        """interval: seconds between looks for changes made elsewhere. folder: where the index lies.

        is_ours: whether what the index holds is this storage's, and not what was configured under this name before.
        """
        self._repository = repository
        self._backend = backend
        self._index = index
        self._interval = interval
        self._is_ours = is_ours
        self._counting = counting
        self._lock = folder / f"{repository}.lock"  # held while the index is made or thrown away
        self._leading = folder / f"{repository}.leader"  # held by the process that looks on time
        self._mark = SyncMark(folder / f"{repository}.synced", self._lock)
        self.notices = Notices(folder / f"{repository}.notices", self._lock, repository)
        self._turn = threading.Lock()
        self._began = NEVER  # monotonic begin of the last attempt
        self._began_at = 0.0  # the same in Unix time
        self._in_step = NEVER  # monotonic begin of the last attempt that succeeded
        self._failure: BackendUnavailable | IndexNotReady | None = None  # how the last one ended
        self._failing_since: float | None = None  # Unix time: when the first of those began that failed in a row
        self._doubted: str | None = None  # the build of the index in which somebody met damage
        self._mended = NEVER  # monotonic
        self._stop = threading.Event()
        self._now = threading.Event()
        self._thread: threading.Thread | None = None
        self._leadership = threading.Lock()
        self._leader = -1  # descriptor of the lock that makes this process the one that looks on time

    # --- on demand --------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Return once a sync that began after this call is complete.

        Raises BackendUnavailable; IndexNotReady, also where another thread's sync does not come to its end.
        """
        asked = time.monotonic()
        if not self._take_turn(asked, SYNC_PATIENCE):
            raise IndexNotReady(self._repository, "a sync with its storage takes too long", retry_after=10)
        try:
            if self._began < asked:
                self._attempt()
            if self._failure is not None:
                raise _alike(self._failure)
        finally:
            self._turn.release()

    def look(self) -> bool:
        """Whether a sync that began less than a second before this call, or later, has succeeded; runs one where none began.

        Never raises for trouble. False also where another thread's sync does not come to its end.
        """
        asked = time.monotonic()
        if not self._take_turn(asked, PATIENCE):
            return False
        try:
            if asked - self._began >= FRESH:
                self._attempt()
            return self._failure is None
        finally:
            self._turn.release()

    def look_soon(self) -> None:
        """Let the thread sync now, though not twice a second."""
        self._now.set()

    def mend_soon(self) -> None:
        """Let the thread build the index anew, where nobody has by then: somebody met damage in it."""
        self._doubted = self._index.build()
        self._now.set()

    def staleness(self) -> float:
        """Seconds since the index was last in step, by any process, as far as the clock can be believed; infinite where it never was."""
        ours = time.monotonic() - self._in_step
        mtime = self.synced_at()
        anyones = float("inf") if mtime is None else time.time() - mtime
        return min(ours, anyones) if anyones >= 0 else ours

    def synced_at(self) -> float | None:
        """Unix time of the last completed sync, by any process; None where there was none."""
        return self._mark.at()

    @property
    def was_in_step(self) -> bool:
        """Whether the index was ever brought in step by this instance, and so holds what this storage says."""
        return self._in_step != NEVER

    @property
    def problem(self) -> str:
        """Why the last attempt failed; "" where it did not, or where another process has been in step since."""
        failure, at = self._failure, self.synced_at()
        # A time that is yet to come was written by a clock that went wrong, and proves nothing.
        return "" if failure is None or (at is not None and self._began_at < at <= time.time()) else str(failure)

    @property
    def problem_since(self) -> float | None:
        """Unix time when syncs began to fail; None where the last one did not."""
        return self._failing_since

    # --- the thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow the storage. Raises BackendUnavailable where this process can have no more threads."""
        with contextlib.suppress(OSError):  # the next start may have more luck
            self._index.sweep()
        self._stop.clear()
        thread = threading.Thread(target=self._run, name=f"sync {self._repository}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise BackendUnavailable("no thread can be started to follow it", retry_after=30) from error
        self._thread = thread

    def stop(self) -> None:
        """End the thread; waits for a sync in progress only a moment, since a storage can hang."""
        self._stop.set()
        self._now.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        with self._leadership:
            if self._leader >= 0:  # it hangs: whoever comes next must not wait for it to look on time
                unlock(self._leader)

    def _run(self) -> None:
        failures = 0
        told = ""  # the failure that the log has
        try:
            while not self._stop.is_set():
                asked_for = self._now.is_set()
                self._now.clear()
                try:
                    if self._leads() or asked_for or not self._index.is_ready():
                        self.sync()
                        if told:
                            log.info("sync works again: repository=%s", self._repository)
                        failures, told = 0, ""
                except Exception as error:  # the loop has to go on whatever a backend does; health tells what happened
                    failures += 1
                    if str(error) != told and not self._stop.is_set():
                        _tell(self._repository, error)
                        told = str(error)
                self._wait(failures)
        finally:
            with self._leadership:
                if self._leader >= 0:
                    os.close(self._leader)
                    self._leader = -1

    def _leads(self) -> bool:
        """Whether this process is the one that looks on time, from now on if nobody else is."""
        with self._leadership:
            if self._leader < 0:
                self._leader = open_lock(self._leading)
            return not self._stop.is_set() and try_lock(self._leader)

    def _wait(self, failures: int) -> None:
        pause = self._interval
        if failures:
            pause = min(LONGEST_PAUSE, self._interval * 2 ** min(failures, 20)) * random.uniform(0.75, 1.25)  # noqa: S311
        if self._now.wait(pause) and not self._stop.is_set():
            self._stop.wait(max(0.0, self._began + FRESH - time.monotonic()))

    # --- one sync ---------------------------------------------------------------------------------------------------

    def _take_turn(self, asked: float, patience: float) -> bool:
        """Wait for other threads' syncs. A sync that hangs is waited for once, not by each who comes anew: others need their threads."""
        while not self._turn.acquire(timeout=patience / 50):
            if time.monotonic() >= min(asked, self._began) + patience:
                return False
        return True

    def _attempt(self) -> None:
        """One sync; what came of it is kept for those who waited for it. Raises nothing but what is a bug."""
        since = self._failing_since if self.problem else None
        self._began, self._began_at = time.monotonic(), time.time()
        failure: BackendUnavailable | IndexNotReady | None = BackendUnavailable("a fault of the program; the log says more")
        try:
            self._bring_in_step()
            self._mark.note(self._began_at)
            self._in_step = self._began
            failure = None
        except AccessDenied:
            failure = BackendUnavailable(NOT_ALLOWED_TO_READ, retry_after=60)
        except OSError as error:
            failure = IndexNotReady(self._repository, f"ROOT cannot be used ({error.strerror or type(error).__name__})", retry_after=30)
        except (BackendUnavailable, IndexNotReady) as error:
            failure = _alike(error)
        finally:
            self._failure = failure
            self._counting.count(SYNCS, self._repository, "failed" if failure else "done")
            self._failing_since = None if failure is None else since or self._began_at

    def _bring_in_step(self) -> None:
        damaged = 0
        doubted, self._doubted = self._doubted, None
        if doubted is not None and time.monotonic() - self._mended >= LONGEST_PAUSE:  # or a disk in trouble is read for ever
            self._mended = time.monotonic()
            self._replace(doubted, "somebody met damage in it")
        for _ in range(ATTEMPTS):
            build = self._index.build()
            try:
                if build is None:
                    self._make()
                before = self._index.keep_names()
                changes = self._backend.read_changes(before)
                if changes.reset and before is not None:
                    log.warning("the storage does not know how far the index had come, reading all of it: repository=%s", self._repository)
                if changes.notice and before is not None and self._is_ours():
                    self.notices.keep(changes.notice)  # before the step: told twice is better than lost
                if self._index.apply(before, changes):
                    self.notices.doubt(changes.doubt)
                    return
            except IndexDamaged as error:
                damaged += 1
                if damaged > REBUILDS:
                    raise IndexNotReady(self._repository, "it is damaged, and building it anew does not mend it", retry_after=30) from error
                self._replace(build, str(error))
        raise IndexNotReady(self._repository, "other processes keep changing it")

    def _make(self) -> None:
        with locked(self._lock):
            self._index.create()

    def _replace(self, build: str | None, reason: str) -> None:
        """Build the index anew, where no other process has done so already."""
        with locked(self._lock):
            if self._index.build() == build:
                log.error("local index damaged, building it anew: repository=%s reason=%s", self._repository, reason)
                self._index.rebuild()


def _alike(error: BackendUnavailable | IndexNotReady) -> BackendUnavailable | IndexNotReady:
    """The same error anew: one that is kept and raised again would keep alive, and grow by, the frames it went through."""
    if isinstance(error, IndexNotReady):
        return IndexNotReady(error.repository, error.reason, retry_after=error.retry_after)
    return BackendUnavailable(error.reason, retry_after=error.retry_after)


def _tell(repository: str, error: Exception) -> None:
    if isinstance(error, WharfError | OSError):
        log.warning("sync failed: repository=%s reason=%s", repository, error)
    else:
        log.error("sync failed by a fault of the program: repository=%s", repository, exc_info=error)
