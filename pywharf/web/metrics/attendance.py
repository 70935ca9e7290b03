"""Worker processes as the supervising one sees them come and go."""

from __future__ import annotations

import logging
import signal

from pywharf.web.metrics.board import Board, Seat
from pywharf.web.metrics.series import WORKER_DEATHS, WORKER_STARTS, WORKERS
from pywharf.web.server import workers

log = logging.getLogger(__name__)


class BoardAttendance(workers.Attendance):
    """Gives workers their seats on a board, and keeps what they counted when they end."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._running = self._starts = self._deaths = 0
        self._tell()

    def begins(self) -> Seat:
        seat = self._board.take()
        if not seat.number:
            log.warning("too many workers are on their way out: /metrics will not know what this one counts")
        self._running += 1
        self._starts += 1
        self._tell()
        return seat

    def ended(self, seat: Seat, code: int) -> None:
        self._board.free(seat)
        self._running -= 1
        self._deaths += code not in (0, -signal.SIGTERM)  # the latter of one that was told to stop before it had begun
        self._tell()

    def _tell(self) -> None:
        self._board.tell({(WORKER_STARTS,): self._starts, (WORKER_DEATHS,): self._deaths}, {(WORKERS,): self._running})
