"""Which of two threads looks after the connections, and may answer a request itself.

Handing a request to another thread costs more than most requests do: both have to be woken, and each waits for Python's lock. So the thread
that leads answers short requests itself, one after the other. The other one stands by, and looks every few milliseconds whether the
leader is still at the same request; if so it takes the lead, and the first goes on with its request and then stands by in its turn.
Nobody waits longer for that than two such looks, and while a thread is missing, requests go to the threads that are there for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pywharf.nap import Nap

if TYPE_CHECKING:
    from pywharf.web.server.connection import Connection

TICK = 0.002  # seconds between two looks at the leader
# Seconds in which no request is begun where the lead changed twice within two of them: where many requests take long, most of them do not hold
# up others for a look each. One change alone is no sign of that: a busy machine had stopped the leader for a moment.
REST = 0.05
STILL = 50  # looks in a row that found nothing new, after which there are none until the leader has work again


class Lead:
    """The lead of one server's connections. Both threads live in `lead_in_turn`; `begin` and `end` are for the one that leads."""

    def __init__(self, let_go: Callable[[Connection], None]) -> None:
        """let_go: is called for the connection that a leader is still at, before another leads: the new one must not look after it."""
        self._let_go = let_go
        self._guard = threading.Lock()
        self._leader = 0  # the number of the thread; 0: none has begun
        self._stands_by = False  # whether another thread could take the lead
        self._own: Connection | None = None  # what the leader is at
        self._stuck: Connection | None = None  # what a former leader is still at
        self._begun = 0  # requests that a leader answered itself
        self._taken_at = self._rests_until = 0.0  # monotonic
        self._nap = Nap()  # of whoever stands by
        self._is_over = False

    @property
    def at_work(self) -> int:
        """Requests that the two threads are at."""
        return (self._own is not None) + (self._stuck is not None)

    def is_mine(self) -> bool:
        """Whether the thread that asks leads. That changes only between `begin` and `end`, or by `lead_in_turn`."""
        return self._leader == threading.get_ident()

    def lead_in_turn(self, look_after: Callable[[], None]) -> None:
        """Stand by, and lead while it is this thread's turn, until it is over.

        look_after: returns when another leads, or when all is over. Its errors are passed on.
        """
        try:
            while self._take():
                look_after()
                with self._guard:
                    if not self.is_mine():
                        self._stuck = None  # of the two threads, it was this one's
        finally:
            self._stands_by = False  # nor where it ended by an error

    def begin(self, connection: Connection) -> bool:
        """The leader wants to answer a request itself. False where nobody could take the lead from it meanwhile, or just did."""
        if not self._stands_by or time.monotonic() < self._rests_until:
            return False
        self._own = connection
        self._begun += 1
        self._nap.wake()
        return True

    def end(self, connection: Connection) -> bool:
        """The request is answered. Whether this thread still leads; if not, the connection is in its hands alone."""
        with self._guard:
            if self._own is connection:
                self._own = None
                return True
            return False

    # --- the end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """It is over: nobody takes the lead any more."""
        self._is_over = True
        self._nap.wake()

    def let_end(self, timeout: float) -> bool:
        """Whether the request that a thread is still at, if any, ends within `timeout` seconds. After `finish`."""
        end = time.monotonic() + timeout
        while self.at_work:
            if time.monotonic() >= end:
                return False
            time.sleep(TICK)
        return True

    def cut_off(self) -> None:
        """Keep whoever is at a request from waiting for its client."""
        for connection in (self._own, self._stuck):
            if connection is not None:
                connection.shut_down()

    # --- standing by ------------------------------------------------------------------------------------------------

    def _take(self) -> bool:
        """Wait until this thread is to lead; False when it is over."""
        with self._guard:
            if not self._leader:
                self._leader = threading.get_ident()
            if self.is_mine():
                return not self._is_over
            self._stands_by = True
        still = 0
        while not self._is_over:
            begun, own = self._begun, self._own
            time.sleep(TICK)
            if begun != self._begun:
                still = 0
            elif own is not None:
                if self._take_over(own, begun):
                    return True
            else:
                still += 1
                if still >= STILL:
                    self._nap.until_woken(lambda begun=begun: self._begun == begun and not self._is_over)  # type: ignore[misc]
                    still = 0
        return False

    def _take_over(self, own: Connection, begun: int) -> bool:
        with self._guard:
            if self._own is not own or self._begun != begun:
                return False
            self._let_go(own)
            self._own, self._stuck = None, own
            self._stands_by = False
            self._leader = threading.get_ident()
            now = time.monotonic()
            if now < self._taken_at + 2 * REST:
                self._rests_until = now + REST
            self._taken_at = now
            return True
