"""Running the server: built from Cheroot's parts, started, and stopped in order.

In order means: nobody new is let in; whoever has not begun a request is sent away; requests that have begun get their time;
what is not done by then is cut off, and a body cut off is never taken for a whole one.
"""

from __future__ import annotations

import logging
import resource
import socket
import ssl
import threading
import time
import traceback as traceback_
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cheroot.wsgi import Server as CherootServer

from pywharf.web.server.connection import Connection
from pywharf.web.server.connections import GOODBYE, Connections
from pywharf.web.server.counts import CountedServer, ServerCounts
from pywharf.web.server.lingering import Lingering
from pywharf.web.server.listening import shown
from pywharf.web.server.options import checked
from pywharf.web.server.pace import Pace
from pywharf.web.server.signals import StopSignals, Told
from pywharf.web.server.threads import CUT_OFF, Threads

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LONG_GOODBYE = 5.0  # seconds, where another worker stands in already: nobody who was let in here is to notice it
A_TEAMS = 1024  # connections that a team may have; fewer are worth a word
FOR_FILES = 256  # descriptors that connections leave, at least, where there are twice as many
MOST_DESCRIPTORS = 65536  # each thread keeps one open for each repository's index, besides its connection

log = logging.getLogger(__name__)


def serve(
    app: WSGIApplication,
    listener: socket.socket,
    *,
    options: Mapping[str, object] | None = None,
    tls: ssl.SSLContext | None = None,
    on_ready: Callable[[str], None] | None = None,
    on_server: Callable[[CountedServer], None] | None = None,
    supervisor: socket.socket | None = None,
    workers: int = 1,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order and return. Call it in the main thread.

    listener: see `listening.listen`; closed at the end. options: see `options.OPTIONS`. on_ready: is told "host:port" once connections
    are taken; on_server, before that, whom to ask how it is doing. supervisor: a worker's channel to the process that supervises it; its end, or a word from there, stops the server as well. workers: processes that take connections from this listener.
    A second signal does not wait any longer, but for a worker. Raises OSError where the server ended by itself, ValueError for an option.
    """
    _allow_descriptors()
    with StopSignals(supervisor) as signals:
        server = _made(app, listener, options, tls)
        server.workers = workers
        with _running(server, signals.server_ended):
            if on_server is not None:
                on_server(server)
            if on_ready is not None:
                on_ready(server.address)
            told = signals.wait()
            signals.give_back()
            if told is Told.ENDED:
                raise OSError("the server ended by itself; its log says why")
            if told is Told.REPLACED:
                server.goodbye = LONG_GOODBYE
            log.info("stopping: %s", f"signal={signals.name}" if told is Told.STOP else told.value)


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
    tls: ssl.SSLContext | None = None,
    on_end: Callable[[], None] | None = None,
) -> Iterator[str]:
    """A server that runs in threads of its own during the `with`, and is stopped in order at its end.

    Gives "host:port". on_end: is called when it ends by itself, which it does only where something is very wrong.
    Raises ValueError for an option; the listener is closed then, too.
    """
    server = _made(app, listener, options, tls)
    with _running(server, on_end):
        yield server.address


def _made(app: WSGIApplication, listener: socket.socket, options: Mapping[str, object] | None, tls: ssl.SSLContext | None) -> Server:
    try:
        return Server(app, listener, options or {}, tls)
    except ValueError:
        listener.close()
        raise


@contextmanager
def _running(server: Server, on_end: Callable[[], None] | None) -> Iterator[None]:
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
        yield
    finally:
        server.stop()
        thread.join(CUT_OFF)


class Server(CherootServer):
    """Cheroot's server with our connections, threads and log."""

    ConnectionClass = Connection
    signature = "Server: pywharf\r\n\r\n"  # ends every head; without a version
    goodbye = GOODBYE  # seconds in which connections may still bring a request once it stops
    workers = 1  # processes that take connections from its listener

    def __init__(
        self, app: WSGIApplication, listener: socket.socket, options: Mapping[str, object], tls: ssl.SSLContext | None = None
    ) -> None:
        """tls: what connections are wrapped with; None: they speak plain HTTP."""
        values = checked(options)
        threads, queue_size = values.pop("numthreads"), values.pop("accepted_queue_size")
        name = listener.getsockname()
        super().__init__(name[:2] if isinstance(name, tuple) else ("localhost", 0), app, server_name="pywharf")
        for option, value in values.items():
            setattr(self, option, value)
        self.max_connections: int = values["max_connections"]
        self.tls = tls
        self.body_pace = Pace(values["timeout"], values["slow_grace"], values["min_rate"], values["body_timeout"])
        self.response_pace = Pace(values["timeout"], values["slow_grace"], values["min_rate"], values["response_timeout"])
        self.open_connections: set[Connection] = set()
        self.accepted = 0  # connections
        self._refusals = dict.fromkeys(("400", "408", "503"), 0)
        self._refusing = threading.Lock()
        self.lingering = Lingering()
        self.requests = Threads(self, threads=threads, queue_size=queue_size)
        self._listener = listener
        self._address = shown(listener)

    @property
    def address(self) -> str:
        """Where it listens, as "host:port" or the path of a unix socket."""
        return self._address

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether a connection may stay open after this response."""
        return self.ready and self._connections.waiting.idle < self.keep_alive_conn_limit

    def counts(self) -> ServerCounts:
        """How it is doing now. For any thread."""
        parked = len(self._connections.waiting)
        return ServerCounts(
            threads=self.requests.size,
            threads_busy=self.requests.busy + self._connections.at_work,
            queued=self.requests.waiting,
            parked=parked,
            active=max(0, len(self.open_connections) - parked),
            accepted=self.accepted,
            refused=dict(self._refusals),
        )

    def count_refusal(self, status: str) -> None:
        """Something is refused that the application did not see. For any thread."""
        with self._refusing:
            self._refusals[status] = self._refusals.get(status, 0) + 1

    def prepare(self) -> None:
        """Begin with the listener that is there already; Cheroot would make one of its own, and believe whatever LISTEN_PID says."""
        self._interrupt = None
        self._listener.setblocking(False)  # another worker may have taken the connection that woke this one
        self._leave_descriptors()
        self._connections = Connections(self, self._listener)
        self.requests.start()
        self.ready = True

    def _leave_descriptors(self) -> None:
        """Connections alone must not take up all the descriptors there are: who works on a request opens files."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = limit - max(limit // 4, min(limit // 2, FOR_FILES))
        if limit != resource.RLIM_INFINITY and most < self.max_connections:
            level = logging.WARNING if most < A_TEAMS else logging.DEBUG
            log.log(level, "max_connections is lowered: connections=%d, since only %d files may be open (ulimit -n)", most, limit)
            self.max_connections = most

    def serve(self) -> None:
        """Look after connections until `stop`."""
        self._connections.run()

    def put_conn(self, conn: Connection) -> None:
        """A thread is done with a connection that stays open."""
        self._connections.put(conn)

    def stop(self) -> None:
        """Stop in order. Takes `shutdown_timeout` and a moment at most."""
        if not self.ready:
            return
        self.ready = False  # from now on each response says that it is the last of its connection
        began = time.monotonic()
        self._connections.refuse_new()
        self._wait_until(lambda: not self._connections.waiting, min(self.goodbye, self.shutdown_timeout))
        self._wait_until(self._is_done, max(0.0, began + self.shutdown_timeout - time.monotonic()))
        self._connections.stop()
        end = began + self.shutdown_timeout
        self._connections.cut_off(max(0.0, end - time.monotonic()))
        cut_off = time.monotonic()
        self.requests.stop(max(0.0, end - cut_off))
        self._connections.has_ended(max(0.0, cut_off + CUT_OFF - time.monotonic()))  # all who were cut off have the same time
        self.lingering.close(min(1.0, self.shutdown_timeout))

    def _is_done(self) -> bool:
        """Whether all who are still here have brought no request. Who changes sides while this is counted is not missed in this order."""
        open_ = len(self.open_connections)
        return open_ <= self._connections.waiting.silent

    @staticmethod
    def _wait_until(is_so: Callable[[], bool], longest: float) -> None:
        end = time.monotonic() + longest
        while not is_so() and time.monotonic() < end:
            time.sleep(0.01)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Cheroot's messages, into our log: it forgets nothing and shows no secret."""
        log.log(level, "%s%s", msg, "\n" + traceback_.format_exc() if traceback else "")
