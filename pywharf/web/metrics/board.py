"""Where the processes of one server show each other their counts: memory that they share because one parent forked them.

No file is involved. A file mapped into memory, which is how counts are usually shared, kills the process that writes it with SIGBUS
where the disk is full, stays behind when a worker ends, and needs a disk that answers.

Every worker has a seat and writes into it alone; the parent has one too, gives the others out, and adds the counts of a worker that ended to
its own, so that no total ever goes back. A seat has two halves: what is shown stays whole while the next is written, also where the
writer is killed in the midst of it.
"""

from __future__ import annotations

import json
import mmap
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pywharf.web.metrics.counts import Key, Values, add_up

HALF = 1024 * 1024  # bytes that one process's counts may have; memory is used only as far as it is written
PATIENCE = 0.2  # seconds that a reader waits for the parent to be done with adding up
_PAGE = 4096
_MEASURES = struct.Struct("=II")  # length and CRC of what follows
_FIRST, _SECOND = 1, 2

# Words of four bytes: in the first page, and at the begin of each seat.
_ADDING, _ASKED = 0, 1
_SHOWN, _TAKEN, _ANSWERED = 0, 1, 2
_WORD = 4
_WORDS = 2**32


@dataclass(frozen=True)
class Shown:
    """What one process shows. gauges: as it is now; counts: since it began."""

    counts: Values = field(default_factory=dict)
    gauges: Mapping[Key, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Everything:
    """What all processes show, at one moment."""

    past: Shown  # the parent's, with those that ended
    workers: Mapping[int, Shown]  # by the number of the seat; those that have shown nothing yet are not there


class Board:
    """The shared memory. Made before the first fork; seats are given and freed by the parent alone, and by one thread of it."""

    def __init__(self, seats: int) -> None:
        """seats: how many workers there can be at once, with those that are on their way out."""
        self._seats = seats
        self._memory = mmap.mmap(-1, _PAGE + (seats + 1) * (_PAGE + 2 * HALF))
        self._words = memoryview(self._memory).cast("I")
        self._past = Shown()

    # --- the parent ---------------------------------------------------------------------------------------------------

    def take(self) -> Seat:
        """A free seat for a worker that is about to be forked. Where none is free, one that nobody reads."""
        for number in range(1, self._seats + 1):
            if not self._words[self._word(number, _TAKEN)]:
                self._words[self._word(number, _ANSWERED)] = self._words[_ASKED]
                self._words[self._word(number, _TAKEN)] = 1
                return Seat(self, number)
        return Seat(self, 0)

    def free(self, seat: Seat) -> None:
        """The worker has ended: its counts stay, what it showed of its state goes."""
        if not seat.number:
            return
        counts = dict(self._past.counts)
        self._words[_ADDING] = (self._words[_ADDING] + 1) % _WORDS  # readers wait: the counts are in two places for a moment
        add_up(counts, self._read(seat.number).counts)
        self.tell(counts, {})
        self._words[self._word(seat.number, _SHOWN)] = self._words[self._word(seat.number, _TAKEN)] = 0
        self._words[_ADDING] = (self._words[_ADDING] + 1) % _WORDS

    def tell(self, counts: Values, gauges: Mapping[Key, float]) -> None:
        """What the parent itself knows: replaces what it said of these series before."""
        self._past = Shown({**self._past.counts, **counts}, {**self._past.gauges, **gauges})
        self._write(0, self._past)

    # --- readers ------------------------------------------------------------------------------------------------------

    def ask(self) -> int:
        """Ask all workers to show how they are doing now. Returns the number of the question."""
        self._words[_ASKED] = asked = (self._words[_ASKED] + 1) % _WORDS
        return asked

    def is_answered(self, asked: int) -> bool:
        """Whether all workers that have ever shown something have answered the question, or a later one."""
        return all(
            not self._words[self._word(number, _SHOWN)] or (self._words[self._word(number, _ANSWERED)] - asked) % _WORDS < _WORDS // 2
            for number in range(1, self._seats + 1)
        )

    def everything(self) -> Everything:
        """What all processes show. The counts of a worker that ended are neither missing nor in it twice."""
        end = time.monotonic() + PATIENCE
        while True:
            before = self._words[_ADDING]
            shown = {number: self._read(number) for number in range(1, self._seats + 1) if self._words[self._word(number, _SHOWN)]}
            found = Everything(self._read(0), shown)
            if (before % 2 == 0 and self._words[_ADDING] == before) or time.monotonic() >= end:
                return found
            time.sleep(0.001)

    # --- seats --------------------------------------------------------------------------------------------------------

    def _write(self, number: int, shown: Shown) -> bool:
        """Show it in place of what was shown before. False where it has no room."""
        lists = [[[*key, value] for key, value in values.items()] for values in (shown.counts, shown.gauges)]
        payload = json.dumps(lists, separators=(",", ":")).encode()
        if len(payload) > HALF - _MEASURES.size:
            return False
        shows = self._word(number, _SHOWN)
        half = _SECOND if self._words[shows] == _FIRST else _FIRST
        start = self._half(number, half)
        self._memory[start : start + _MEASURES.size] = _MEASURES.pack(len(payload), zlib.crc32(payload))
        self._memory[start + _MEASURES.size : start + _MEASURES.size + len(payload)] = payload
        self._words[shows] = half
        return True

    def _read(self, number: int) -> Shown:
        """What a seat shows; nothing where it shows nothing."""
        for _ in range(10):
            half = self._words[self._word(number, _SHOWN)]
            if half not in (_FIRST, _SECOND):
                break
            start = self._half(number, half)
            length, crc = _MEASURES.unpack(self._memory[start : start + _MEASURES.size])
            payload = self._memory[start + _MEASURES.size : start + _MEASURES.size + min(length, HALF)]
            if zlib.crc32(payload) == crc:  # else its owner has shown two others meanwhile
                counts, gauges = json.loads(payload)
                return Shown({tuple(key): value for *key, value in counts}, {tuple(key): value for *key, value in gauges})
        return Shown()

    def _at(self, number: int) -> int:
        return _PAGE + number * (_PAGE + 2 * HALF)

    def _word(self, number: int, word: int) -> int:
        return self._at(number) // _WORD + word

    def _half(self, number: int, half: int) -> int:
        return self._at(number) + _PAGE + (half - 1) * HALF


@dataclass(frozen=True)
class Seat:
    """One worker's place on a board. number: 0 where there was none left."""

    board: Board
    number: int

    @property
    def asked(self) -> int:
        """The number of the last question to all workers."""
        return self.board._words[_ASKED]

    def show(self, shown: Shown, asked: int | None = None) -> bool:
        """Show it to the others. asked: the question that it answers, where it does. False where it has no room."""
        if not self.number:
            return True
        fits = self.board._write(self.number, shown)
        if asked is not None:
            self.board._words[self.board._word(self.number, _ANSWERED)] = asked
        return fits
