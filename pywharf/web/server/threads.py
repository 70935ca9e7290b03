"""The threads that work on requests: Cheroot's, with a queue that refuses at once, and an end that no stuck request holds up."""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING, Any

from cheroot.workers import threadpool

if TYPE_CHECKING:
    from pywharf.web.server.connection import Connection

CUT_OFF = 5.0  # seconds a request that was cut off has to notice

log = logging.getLogger(__name__)


class Threads(threadpool.ThreadPool):
    """Reaches into what Cheroot keeps to itself: its worker cannot be made a daemon, nor its queue be chosen, otherwise."""

    def __init__(self, server: Any, *, threads: int, queue_size: int) -> None:
        """queue_size: requests that may wait for a thread."""
        super().__init__(server, min=threads)
        self._queue_size = queue_size
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.get = self._queue.get

    @property
    def size(self) -> int:
        """Threads that there are."""
        return len(self._workers)

    @property
    def busy(self) -> int:
        """Threads that work on a request."""
        return sum(worker.conn is not None for worker in self._workers)

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        return self._queue.qsize()

    @property
    def _workers(self) -> list[threadpool.WorkerThread]:
        workers: list[threadpool.WorkerThread] = self._threads  # type: ignore[attr-defined]
        return workers

    def put(self, obj: Connection) -> None:
        """Let a thread work on what the connection brought. Raises queue.Full, but for one whose response has begun: it cannot be refused."""
        if self._queue.qsize() >= self._queue_size and not obj.wants_write:
            raise queue.Full
        self._queue.put(obj)

    def grow(self, amount: int) -> None:
        """Start threads; unlike Cheroot's, without waiting for each of them."""
        for _ in range(amount):
            worker: threadpool.WorkerThread = threadpool.WorkerThread(self.server)  # type: ignore[no-untyped-call]  # Cheroot's stubs
            worker.name = f"worker {worker.name}"
            worker.daemon = True
            worker.start()
            self._workers.append(worker)

    def stop(self, timeout: float = 5) -> None:
        """Let requests in progress finish within `timeout` seconds, then cut them off."""
        workers = self._workers.copy()
        self._workers.clear()
        for _ in workers:
            self._queue.put(threadpool._SHUTDOWNREQUEST)  # type: ignore[attr-defined]  # behind every request that waits
        if not _ended(workers, timeout):
            for worker in workers:
                connection: Connection | None = worker.conn
                if connection is not None:
                    connection.shut_down()
            if not _ended(workers, CUT_OFF):
                log.error("requests did not end and are abandoned: threads=%d", sum(worker.is_alive() for worker in workers))


def _ended(workers: list[threadpool.WorkerThread], timeout: float) -> bool:
    """Whether all of them ended within `timeout` seconds."""
    end = time.monotonic() + timeout
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    return not any(worker.is_alive() for worker in workers)
