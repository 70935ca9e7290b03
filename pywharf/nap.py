"""How a thread rests while there is nothing for it, and is woken by whoever brings something: at next to no cost while it is awake."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Nap:
    """One thread's. Only that thread calls `until_woken`; `wake` is for any."""

    def __init__(self) -> None:
        self._sleeps = False
        self._woken = threading.Event()

    def wake(self) -> None:
        """There is something, or all is over; said before. Does next to nothing where the thread does not sleep."""
        if self._sleeps:
            self._sleeps = False
            self._woken.set()

    def until_woken(self, is_idle: Callable[[], bool]) -> None:
        """Sleep, unless there is something by now."""
        self._woken.clear()
        self._sleeps = True
        if is_idle():  # looked at after it was said: who brings something now sees it, and what came before is seen here
            self._woken.wait()
        self._sleeps = False
