"""The counts of this process, shown to the other processes of the server: once a second while something changes, and when somebody asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pywharf.web.metrics.board import Board, Everything, Seat, Shown
from pywharf.web.metrics.counts import Counts
from pywharf.web.metrics.readings import Reading, Source, of_process

LOOK = 0.2  # seconds between looks whether somebody asks
EACH = 1.0  # seconds between two showings while nobody asks; a worker that is killed takes no more with it
PATIENCE = 1.0  # seconds that an answer waits for workers that are too busy to tell how they are doing: then it has what they showed last
FRESH = 0.25  # seconds in which an answer is good for whoever else asks

log = logging.getLogger(__name__)


class Metrics:
    """One process's. Shared between threads."""

    def __init__(self, seat: Seat | None = None) -> None:
        """seat: where the other processes see it; None: there are no others."""
        self.counts = Counts()
        self._seat = seat or Board(1).take()
        self._sources: list[Source] = [of_process()]
        self._guard = threading.Lock()  # held while something is shown
        self._gauges: Reading = Reading()
        self._shown_changes = -1
        self._has_room = True
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.scraper = Scraper(self._seat.board, self.show)

    def watch(self, source: Source) -> None:
        """Ask this one, too, whenever somebody wants to know."""
        self._sources.append(source)

    def show(self, asked: int | None = None) -> None:
        """Show what was counted; and how everything is doing, where that was asked. asked: the number of the question."""
        with self._guard:
            changes = self.counts.changes
            if asked is not None:
                self._gauges = self._read()
            shown = Shown({**self.counts.values(), **self._gauges.counts}, self._gauges.gauges)
            self._shown_changes = changes
            has_room = self._seat.show(shown, asked)
            if self._has_room and not has_room:
                log.error("there are more series than the server has room for; /metrics has those of before: series=%d", len(shown.counts))
            self._has_room = has_room

    def begin(self, server: Source) -> None:
        """Begin to show the counts to the others. server: the source for the HTTP server, which begins now, too."""
        self.watch(server)
        self.show(self._seat.asked)
        self._thread = threading.Thread(target=self._run, name="show metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show the counts a last time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.show()

    def _run(self) -> None:
        answered, at = self._seat.asked, time.monotonic()
        while not self._stop.wait(LOOK):
            asked = self._seat.asked
            if asked != answered:
                self.show(asked)
                answered, at = asked, time.monotonic()
            elif self.counts.changes != self._shown_changes and time.monotonic() - at >= EACH:
                self.show()
                at = time.monotonic()

    def _read(self) -> Reading:
        reading = Reading()
        for source in self._sources:
            try:
                source(reading)
            except OSError as error:
                log.debug("cannot be told: %s", error)
        return reading


class Scraper:
    """Finds out what all processes of this server know. Shared between threads."""

    def __init__(self, board: Board, show: Callable[[int], None] | None = None) -> None:
        """show: lets this process, too, show what it knows; None where it has nothing to show."""
        self._board = board
        self._show = show
        self._turn = threading.Lock()
        self._found: Everything | None = None
        self._at = 0.0  # monotonic

    def everything(self) -> Everything:
        """What is known now. One finds it out for all who ask at the same time."""
        asked_at = time.monotonic()
        with self._turn:
            if self._found is not None and asked_at - self._at < FRESH:
                return self._found
            asked = self._board.ask()
            if self._show is not None:
                self._show(asked)
            end = time.monotonic() + PATIENCE
            while not self._board.is_answered(asked) and time.monotonic() < end:
                time.sleep(0.01)
            self._found, self._at = self._board.everything(), time.monotonic()
            return self._found
