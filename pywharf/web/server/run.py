"""Running the server: built from Cheroot's parts, started, and stopped in order.

In order means: nobody new is let in; whoever has not begun a request is sent away; requests that have begun get their time;
what is not done by then is cut off, and a body cut off is never taken for a whole one.
"""

from __future__ import annotations

import errno
import logging
import queue
import resource
import signal
import socket
import sys
import threading
import time
import traceback as traceback_
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cheroot.connections import ConnectionManager
from cheroot.workers import threadpool
from cheroot.wsgi import Server as CherootServer

from pywharf.web.server.http_request import Connection
from pywharf.web.server.lingering import Lingering
from pywharf.web.server.listening import shown
from pywharf.web.server.options import checked
from pywharf.web.server.signals import StopSignals

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
MOST_DESCRIPTORS = 65536  # each thread keeps one open for each repository's index, besides its connection
CUT_OFF = 5.0  # seconds a request that was cut off has to notice

log = logging.getLogger(__name__)


def serve(
    app: WSGIApplication,
    listener: socket.socket,
    *,
    options: Mapping[str, object] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order and return. Call it in the main thread.

    listener: see `listening.listen`; closed at the end. options: see `options.OPTIONS`. on_ready: is told "host:port" once connections
    are taken. A second signal does not wait any longer. Raises OSError where the server ended by itself, ValueError for an option.
    """
    _allow_descriptors()
    with StopSignals() as signals, running(app, listener, options=options, on_end=signals.server_ended) as address:
        if on_ready is not None:
            on_ready(address)
        number = signals.wait()
        signals.give_back()
        if not number:
            raise OSError("the server ended by itself; its log says why")
        log.info("stopping: signal=%s", signal.Signals(number).name)


def _allow_descriptors() -> None:
    """Raise the usual limit of open files, which is meant for programs that use select(), as far as this user may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def running(
    app: WSGIApplication,
    listener: socket.socket,
    *,
    options: Mapping[str, object] | None = None,
    on_end: Callable[[], None] | None = None,
) -> Iterator[str]:
    """A server that runs in threads of its own during the `with`, and is stopped in order at its end.

    Gives "host:port". on_end: is called when it ends by itself, which it does only where something is very wrong.
    Raises ValueError for an option; the listener is closed then, too.
    """
    try:
        server = Server(app, listener, options or {})
    except ValueError:
        listener.close()
        raise
    server.prepare()

    def work() -> None:
        try:
            server.serve()
        finally:
            if on_end is not None:
                on_end()

    thread = threading.Thread(target=work, name="accept connections", daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.stop()
        thread.join(CUT_OFF)


class Server(CherootServer):
    """Cheroot's server with our connections, threads and log."""

    ConnectionClass = Connection

    def __init__(self, app: WSGIApplication, listener: socket.socket, options: Mapping[str, object]) -> None:
        values = checked(options)
        threads, queue_size = values.pop("numthreads"), values.pop("accepted_queue_size")
        queue_timeout = values.pop("accepted_queue_timeout")
        super().__init__(listener.getsockname()[:2], app, server_name="pywharf")
        for name, value in values.items():
            setattr(self, name, value)
        self.software = "pywharf"
        self._listener = listener
        self._told_of_descriptors = float("-inf")  # monotonic seconds
        self.lingering = Lingering()
        self.requests = Threads(self, min=threads, accepted_queue_size=queue_size, accepted_queue_timeout=queue_timeout)

    @property
    def address(self) -> str:
        """Where it listens, as "host:port"."""
        return shown(self._listener)

    def prepare(self) -> None:
        """Begin with the listener that is there already; Cheroot would make one of its own, and believe whatever LISTEN_PID says."""
        self._interrupt = None
        self.socket = self._listener
        self.socket.setblocking(False)  # another worker may have taken the connection that woke this one
        self._connections = ConnectionManager(self)
        self.requests.start()
        self.ready = True
        self._start_time = time.time()

    def stop(self) -> None:
        """Stop in order. Takes `shutdown_timeout` and a moment at most."""
        super().stop()
        self.lingering.close(min(1.0, self.shutdown_timeout))

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Cheroot's messages, into our log: it forgets nothing and shows no secret."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and error.errno in NO_DESCRIPTOR:
            self._without_descriptors(error)
            return
        log.log(level, "%s%s", msg, "\n" + traceback_.format_exc() if traceback else "")

    def _without_descriptors(self, error: OSError) -> None:
        """A connection waits that cannot be accepted: Cheroot would try again at once, and log each try."""
        now = time.monotonic()
        if now - self._told_of_descriptors >= 10:
            self._told_of_descriptors = now
            log.error("no new connection can be accepted: reason=%s; raise the limit of open files (ulimit -n)", error.strerror)
        time.sleep(0.05)


class Threads(threadpool.ThreadPool):
    """Cheroot's threads, which no stuck request keeps from ending: neither the server's stop nor the process's exit waits for ever.

    Reaches into what Cheroot keeps to itself: its worker cannot be made a daemon, nor its queue be written to, otherwise.
    """

    def _spawn_worker(self) -> threadpool.WorkerThread:
        worker: threadpool.WorkerThread = threadpool.WorkerThread(self.server)  # type: ignore[no-untyped-call]  # Cheroot's stubs
        worker.name = f"worker {worker.name}"
        worker.daemon = True
        worker.start()
        return worker

    def stop(self, timeout: float = 5) -> None:
        """Let requests in flight finish within `timeout` seconds, then cut them off."""
        workers: list[threadpool.WorkerThread] = list(self._clear_threads())  # type: ignore[attr-defined]
        pending: queue.Queue[object] = self._queue  # type: ignore[attr-defined]
        pending.maxsize = 0
        for _ in workers:
            pending.put(threadpool._SHUTDOWNREQUEST)  # type: ignore[attr-defined]  # behind every connection accepted before
        _wait(workers, timeout, lambda conn: conn.is_idle, socket.SHUT_RD)
        left = _wait(workers, CUT_OFF, lambda conn: True, socket.SHUT_RDWR)
        if left:
            log.error("requests did not end and are abandoned: threads=%d", left)


def _wait(workers: list[threadpool.WorkerThread], timeout: float, is_to_end: Callable[[Connection], bool], how: int) -> int:
    """Wait until all workers ended, shutting down the connections that are to end. Returns how many workers are left."""
    end = time.monotonic() + timeout
    while alive := [worker for worker in workers if worker.is_alive()]:
        for worker in alive:
            connection = worker.conn
            if connection is not None and is_to_end(connection):
                _shut_down(connection, how)
        if time.monotonic() >= end:
            return len(alive)
        alive[0].join(0.02)
    return 0


def _shut_down(connection: Connection, how: int) -> None:
    try:
        connection.socket.shutdown(how)
    except OSError:
        return  # it ended meanwhile
