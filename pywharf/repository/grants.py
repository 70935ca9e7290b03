"""What a secret was found to be allowed, remembered for a while so that the backend is not asked at each request.

Secrets are never kept, only a keyed hash of them. Time is monotonic: a clock that is set back extends nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from pywharf.backend.interface import Access
from pywharf.errors import BackendUnavailable
from pywharf.keys import fingerprint
from pywharf.repository.places import Places

DENIAL_EXPIRES = 10.0  # seconds
MOST = 10_000  # grants, and as many denials, remembered at once
MOST_ASKED = 8  # secrets asked about at once, each on a thread that waits for the answer
PATIENCE = 5.0  # seconds that others with the same secret wait for its answer
SLOW = "it is slow to say what a secret may do"


@dataclass(frozen=True)
class Grant:
    """What the backend said of a secret, and when."""

    access: Access
    asked: float  # monotonic seconds


@dataclass(eq=False)
class _Question:
    """What the storage is being asked at this moment, by one for all who want to know it."""

    began: float  # monotonic seconds, by the real clock
    answered: threading.Event = field(default_factory=threading.Event)
    access: Access | None = None  # None: no answer
    failure: str = "it could not be asked what a secret may do"
    retry_after: int = 5


class Grants:
    """One repository's remembered answers. Shared between threads."""

    def __init__(
        self,
        ask: Callable[[str], Access],
        key: bytes,
        *,
        read_expires: float,
        write_expires: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ask: what may this secret do; raises BackendUnavailable when that cannot be known. expires: seconds."""
        self._ask = ask
        self._key = key
        self._expires = {Access.READ: read_expires, Access.WRITE: write_expires}
        self._clock = clock
        self._guard = threading.Lock()
        self._questions: dict[bytes, _Question] = {}
        self._places = Places(MOST_ASKED, SLOW)
        self._grants: OrderedDict[bytes, Grant] = OrderedDict()
        self._denials: OrderedDict[bytes, Grant] = OrderedDict()  # apart: guesses may not push grants out

    def remembered(self, secret: str, needs: Access) -> Access | None:
        """What is known without asking: a grant that covers `needs`, a recent denial (less than `needs`), or None."""
        return self._remembered(fingerprint(self._key, secret), needs)

    def access(self, secret: str, needs: Access) -> Access:
        """What the secret may do, asked for where it is not remembered. An empty secret opens nothing.

        Raises BackendUnavailable where it cannot be known: never a denial, never a grant.
        """
        if not secret:
            return Access.NONE
        mark = fingerprint(self._key, secret)
        with self._guard:
            known = self._find(mark, needs)
            if known is not None:
                return known
            question = self._questions.get(mark)
            is_asked = question is not None
            if question is None:
                question = self._questions[mark] = _Question(time.monotonic())
        return _answer_to(question) if is_asked else self._put(question, mark, secret, needs)

    def _put(self, question: _Question, mark: bytes, secret: str, needs: Access) -> Access:
        """Put a question to the storage."""
        try:
            with self._places.taken():
                asked = self._clock()
                question.access = self._ask(secret)
            self._remember(mark, Grant(question.access, asked), needs)
        except BackendUnavailable as error:
            question.failure, question.retry_after = error.reason, error.retry_after
            raise
        finally:
            with self._guard:
                del self._questions[mark]
            question.answered.set()
        return question.access

    def _remembered(self, mark: bytes, needs: Access) -> Access | None:
        with self._guard:
            return self._find(mark, needs)

    def _find(self, mark: bytes, needs: Access) -> Access | None:
        now = self._clock()
        grant = self._grants.get(mark)
        for access in (Access.WRITE, Access.READ):  # the most of it that has not expired
            if grant and grant.access >= access >= needs and now - grant.asked < self._expires[access]:
                self._grants.move_to_end(mark)
                return access
        denial = self._denials.get(mark)
        if denial and denial.access < needs and now - denial.asked < DENIAL_EXPIRES:
            return denial.access
        return None

    def _remember(self, mark: bytes, grant: Grant, needs: Access) -> None:
        with self._guard:
            if grant.access == Access.NONE:
                self._grants.pop(mark, None)  # a right that was taken away ends here, for reading too
            else:
                self._grants[mark] = grant
                self._grants.move_to_end(mark)
            self._denials.pop(mark, None)
            if grant.access < needs:
                self._denials[mark] = grant
            for remembered in (self._grants, self._denials):
                while len(remembered) > MOST:
                    remembered.popitem(last=False)


def _answer_to(question: _Question) -> Access:
    """The answer to somebody else's question. Raises BackendUnavailable where it does not come, or comes too late to be waited for."""
    if not question.answered.wait(max(0.0, question.began + PATIENCE - time.monotonic())):
        raise BackendUnavailable(SLOW)
    if question.access is None:
        raise BackendUnavailable(question.failure, retry_after=question.retry_after)
    return question.access
