"""A storage that keeps everybody waiting in vain is left alone for a while: who comes meanwhile is refused at once.

A breaker is closed while the storage answers. It opens when the storage failed several times in a row and took long over it, for that
kind of work alone; then everybody is refused, until the pause is over. After it one is let through, and how that ends decides: an
answer closes the breaker, a failure makes the next pause longer. Any answer counts, also a denial and a change that came too late.

What is judged is how a storage behaves, never what it is. One that fails at once keeps nobody waiting and is never left alone.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from pywharf.counting import NOT_COUNTED, STORAGE_ERRORS, Counting
from pywharf.errors import BackendUnavailable, NotAsked, WharfError

FAILURES = 3  # in a row, at least, before a storage is left alone
WAITED = 10.0  # seconds, at least, that they took together
PAUSE = 5.0  # seconds until one is let through; twice as long after each that failed
LONGEST = 30.0  # seconds of such a pause at most
FURTHEST = 60.0  # the same where the storage itself says when to come again

log = logging.getLogger(__name__)


class Work(Enum):
    """What a storage is asked to do. It can be in trouble with one of these and not with another."""

    RIGHTS = "asking what a secret may do"
    READING = "reading"
    CHANGES = "changes"


@dataclass(frozen=True)
class Trouble:
    """A storage that is left alone at this moment."""

    work: Work
    since: float  # Unix time: when the first of the failures in a row began
    reason: str  # of the last one, safe to show


@dataclass
class _Record:
    """How one kind of work has been going."""

    failures: int = 0  # in a row
    waited: float = 0.0  # seconds that they took
    since: float = 0.0  # Unix time
    reason: str = ""
    pause: float = 0.0  # seconds; 0: the breaker is closed
    again: float = 0.0  # monotonic: when one is let through


@dataclass(eq=False)
class Question:
    """One question or change on its way to the storage. How it ends is told once; what is told later counts for nothing."""

    work: Work
    began: float  # monotonic
    goes_on: bool = False  # True: it is not over at the end of the `with`; whoever said so tells how it ends
    is_over: bool = False


class Breaker:
    """One repository's, for all who ask its storage, with whatever secret. Shared between threads."""

    def __init__(self, repository: str, *, clock: Callable[[], float] = time.monotonic, counting: Counting = NOT_COUNTED) -> None:
        """clock: monotonic seconds."""
        self._repository = repository
        self._clock = clock
        self._counting = counting
        self._guard = threading.Lock()
        self._records = {work: _Record() for work in Work}
        self._probe: Question | None = None  # the one that was let through while a breaker was open: never two at a time

    def check(self, work: Work) -> None:
        """Raises NotAsked where nobody would be let through now: for whoever has something long to do before."""
        with self._guard:
            self._refuse(work, self._clock())

    @contextlib.contextmanager
    def asking(self, work: Work) -> Iterator[Question]:
        """Around a question or a change: how it ends is what is known. Raises NotAsked where the storage is left alone."""
        question = self._begin(work)
        try:
            yield question
        except BackendUnavailable as error:
            self.failed(question, error)
            raise
        except WharfError:
            self.answered(question)
            raise
        except BaseException:
            self.left(question)
            raise
        if not question.goes_on:
            self.answered(question)

    def answered(self, question: Question) -> None:
        with self._guard:
            before = self._over(question)
            if before is not None:
                self._records[question.work] = _Record()
        if before is not None and before.pause:
            log.info(
                "the storage answers again: repository=%s work=%s after=%ds",
                self._repository, question.work.value, max(0.0, time.time() - before.since),
            )  # fmt: skip

    def failed(self, question: Question, error: BackendUnavailable) -> None:
        if not question.is_over:
            self._counting.count(STORAGE_ERRORS, self._repository, question.work.name.lower(), type(error).__name__)
        with self._guard:
            probed = self._probe is question
            record, now = self._over(question), self._clock()
            if record is None or (record.pause and not probed):  # it began when nobody knew yet
                return
            took = now - question.began
            if not record.failures:
                record.since = time.time() - took
            record.failures += 1
            record.waited += took
            record.reason = error.reason
            if record.failures < FAILURES or record.waited < WAITED:
                return
            record.pause = min(2 * record.pause or PAUSE, LONGEST)
            pause = max(record.pause, min(float(error.retry_after), FURTHEST))
            record.again = now + pause
        if not probed:
            log.warning(
                "the storage keeps failing and is left alone for a while: repository=%s work=%s failures=%d took=%ds again=%ds reason=%s",
                self._repository, question.work.value, record.failures, record.waited, pause, error.reason,
            )  # fmt: skip

    def left(self, question: Question) -> None:
        """It came to no end that tells anything of the storage."""
        with self._guard:
            self._over(question)

    def trouble(self) -> Trouble | None:
        """What the storage is left alone for, the oldest of it; None where it is not."""
        with self._guard:
            found = [Trouble(work, record.since, record.reason) for work, record in self._records.items() if record.pause]
        return min(found, key=lambda one: one.since, default=None)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _begin(self, work: Work) -> Question:
        with self._guard:
            now = self._clock()
            self._refuse(work, now)
            question = Question(work, now)
            if self._records[work].pause:
                self._probe = question
            return question

    def _over(self, question: Question) -> _Record | None:
        """What is known of its kind of work; None where its end was told before."""
        if question.is_over:
            return None
        question.is_over = True
        if self._probe is question:
            self._probe = None
        return self._records[question.work]

    def _refuse(self, work: Work, now: float) -> None:
        """With the guard held."""
        record = self._records[work]
        if not record.pause:
            return
        if now < record.again:
            raise NotAsked(record.reason, retry_after=max(1, math.ceil(record.again - now)))
        if self._probe is not None:
            raise NotAsked(record.reason, retry_after=math.ceil(PAUSE))
