"""Who waits, where, and until when: connections in one selector, and in one of three tables each.

Any thread may bring a connection. The rest is for the one thread that looks after them: it alone takes them out again, so that what the
selector told it is still so when it gets there.
"""

from __future__ import annotations

import selectors
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pywharf.web.server.connection import Connection


class Waiting:
    """The connections of one server that no thread works on. All times are monotonic."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._guard = threading.Lock()  # of the selector's table and of the three below
        self._arriving: dict[Connection, float] = {}  # something came, or has to come at once: until when the head has to be whole
        self._idle: dict[Connection, float] = {}  # kept for a next request: until when
        self._sending: dict[Connection, None] = {}  # each knows its own

    # --- counts -----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._arriving) + len(self._idle) + len(self._sending)

    @property
    def idle(self) -> int:
        """Those that are kept for a next request."""
        return len(self._idle)

    @property
    def silent(self) -> int:
        """Those that have brought no whole request: new ones, kept ones. Of one moment."""
        with self._guard:
            return len(self._arriving) + len(self._idle)

    # --- coming -----------------------------------------------------------------------------------------------------

    def for_head(self, connection: Connection, until: float) -> None:
        """Wait until the rest of a head is here."""
        self._begin(connection, self._arriving, until, selectors.EVENT_READ)

    def for_next(self, connection: Connection, until: float) -> None:
        """Wait until it brings a next request."""
        self._begin(connection, self._idle, until, selectors.EVENT_READ)

    def for_room(self, connection: Connection) -> None:
        """Wait until its client takes more of the response."""
        self._begin(connection, self._sending, None, selectors.EVENT_WRITE)

    def _begin(self, connection: Connection, among: dict[Connection, Any], until: float | None, event: int) -> None:
        with self._guard:
            among[connection] = until  # first: it is looked for there as soon as something comes
            try:
                self.selector.register(connection.socket, event, connection)
                return
            except (OSError, ValueError, KeyError):  # it was shut down meanwhile, or the server is closed
                del among[connection]
        connection.close()

    # --- moving and going -------------------------------------------------------------------------------------------

    def wants_room(self, connection: Connection) -> bool:
        """Whether it waits for its client to take more."""
        return connection in self._sending

    def has_begun(self, connection: Connection, until: float) -> None:
        """The first bytes of a head are here; where these are not the first, the time that it has stays as it was."""
        with self._guard:
            if self._idle.pop(connection, None) is not None:
                self._arriving[connection] = until

    def set_aside(self, connection: Connection) -> None:
        """It is worked on for a moment: it is in no table, but still in the selector, which nobody asks meanwhile."""
        with self._guard:
            self._arriving.pop(connection, None)
            self._idle.pop(connection, None)

    def put_back(self, connection: Connection, until: float) -> None:
        """What was set aside waits for its next request."""
        with self._guard:
            self._idle[connection] = until

    def take(self, connection: Connection) -> None:
        """It does not wait here any more. Nothing happens where it did not."""
        with self._guard:
            with suppress(KeyError, ValueError):
                self.selector.unregister(connection.socket)
            for among in (self._arriving, self._idle, self._sending):
                among.pop(connection, None)

    # --- deadlines --------------------------------------------------------------------------------------------------

    def late(self, now: float) -> list[Connection]:
        """Those whose time is over."""
        with self._guard:
            late = [one for among in (self._arriving, self._idle) for one, until in among.items() if until <= now]
            return late + [one for one in self._sending if one.deadline <= now]

    def least_needed(self, until: float) -> Connection | None:
        """The one that is idle longest, which may end at any time; else the first, where its head has to be here by then."""
        with self._guard:
            idle = next(iter(self._idle), None)
            first, has = next(iter(self._arriving.items()), (None, 0.0))
            return idle if idle is not None else first if has <= until else None

    def close(self) -> list[Connection]:
        """Let nobody in any more, and give all who are here."""
        with self._guard:  # who comes here now finds the selector closed
            left = [*self._arriving, *self._idle, *self._sending]
            with suppress(OSError):
                self.selector.close()
            self._arriving.clear()
            self._idle.clear()
            self._sending.clear()
            return left
