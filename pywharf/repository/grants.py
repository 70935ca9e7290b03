"""What a secret was found to be allowed, remembered for a while so that the backend is not asked at each request.

Secrets are never kept, only an HMAC of them. Time is monotonic: a clock that is set back extends nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pywharf.backend.interface import Access
from pywharf.keys import fingerprint

DENIAL_EXPIRES = 10.0  # seconds
MOST = 10_000  # grants, and as many denials, remembered at once
STRIPES = 64  # at most so many different secrets are asked about at the same time


@dataclass(frozen=True)
class Grant:
    """What the backend said of a secret, and when."""

    access: Access
    asked: float  # monotonic seconds


class Grants:
    """One repository's remembered answers."""

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
        self._turns = [threading.Lock() for _ in range(STRIPES)]
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
        known = self._remembered(mark, needs)  # before the turn: who is known never waits for somebody else's question
        if known is not None:
            return known
        with self._turns[mark[0] % STRIPES]:  # one question for many who wait for the same answer
            known = self._remembered(mark, needs)
            if known is not None:
                return known
            asked = self._clock()
            access = self._ask(secret)
            self._remember(mark, Grant(access, asked), needs)
        return access

    def _remembered(self, mark: bytes, needs: Access) -> Access | None:
        now = self._clock()
        with self._guard:
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
