"""Whether the token may read what lies on this machine already: known from the last look at the branch, which need not be this minute's."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from pywharf.errors import AccessDenied, BackendUnavailable

GOOD_FOR = 300.0  # seconds
ASK_AGAIN = 120.0  # seconds after a look that failed


class Proof:
    """One token's right to read one branch. Shared between threads."""

    def __init__(self) -> None:
        self.given = False  # whether it was proved at any time
        self._proved: float | None = None  # when the right to read was last proved, and the branch there; monotonic
        self._failed = float("-inf")  # when a look last failed; monotonic
        self._asking = 0  # looks going on
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Around each look at the branch: how it ends is what is known."""
        with self._guard:
            self._asking += 1
        try:
            yield
        except AccessDenied:
            self._proved = None
            raise
        except BackendUnavailable:
            self._failed = time.monotonic()
            raise
        else:
            self._proved = time.monotonic()
            self.given = True
        finally:
            with self._guard:
                self._asking -= 1

    def withdraw(self) -> None:
        """The branch is not there: nobody knows what may be read."""
        self._proved = None

    def stands(self) -> bool:
        """Whether the token may read without another look."""
        proved, now = self._proved, time.monotonic()
        if proved is None:
            return False
        return now - proved <= GOOD_FOR or self._asking > 0 or now - self._failed <= ASK_AGAIN

    def need(self, look: Callable[[], object]) -> None:
        """Know that the token may read, by a look where the last one is too long ago. Raises AccessDenied, BackendUnavailable.

        A host that is down, or keeps silent, takes nothing back, and nobody waits for it who has been allowed to read before.
        """
        if self._proved is None:
            look()
            return
        if self.stands():
            return
        try:
            look()
        except BackendUnavailable:
            if self._proved is None:
                raise
