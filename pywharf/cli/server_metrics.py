"""The metrics of a running server, as its supervising process arranges them: who counts where, and who tells it on an address of its own."""

from __future__ import annotations

import logging
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pywharf.cli.client_lines import is_loopback
from pywharf.web.metrics.attendance import BoardAttendance
from pywharf.web.metrics.board import Board
from pywharf.web.metrics.page import metrics_app
from pywharf.web.metrics.reporting import Metrics, Scraper
from pywharf.web.server.forked import Parent
from pywharf.web.server.listening import UnixListener, listen, shown
from pywharf.web.server.run import serve

OPTION = "--metrics_address"
_PLAIN = re.compile(r"[A-Za-z0-9._:\[\]-]+")
# One process, asked by a Prometheus or two: few threads, and nobody who is slow keeps one for long.
_LIMITS = {
    "numthreads": 4,
    "max_connections": 64,
    "keep_alive_conn_limit": 16,
    "accepted_queue_size": 64,
    "response_timeout": 30.0,
    "shutdown_timeout": 1.0,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricsAddress:
    """host and port; or path, of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can reach it."""
        return not self.path and not is_loopback(self.host)


def metrics_address(text: str) -> MetricsAddress | None:
    """HOST:PORT, [IPV6]:PORT, or a path with a slash in it; "" is None. Raises ValueError, whose text says what it has to be."""
    if not text or "/" in text:
        return MetricsAddress(path=text) if text else None
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or not _PLAIN.fullmatch(text):
        raise ValueError("has to be HOST:PORT, such as 127.0.0.1:9180, or the path of a unix socket, with a slash in it")
    return MetricsAddress(host, port)


class ServerMetrics:
    """One server's. Made in the supervising process before it forks."""

    def __init__(self, workers: int, address: str) -> None:
        """workers: how many there are to be; while they are replaced, there are more."""
        self._board = Board(2 * workers + 2)
        self.attendance = BoardAttendance(self._board)
        self.address = metrics_address(address)
        self._unix: UnixListener | None = None
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """In the supervising process: listen where metrics are to be told. Raises OSError."""
        if self.address is None:
            return
        if self.address.path:
            self._unix = UnixListener(Path(self.address.path), backlog=16, option=OPTION)
            self._listener = self._unix.socket
        else:
            self._listener = listen(self.address.host, self.address.port, backlog=16, options=f"another {OPTION}")
        if self.address.is_open:
            log.warning(
                "METRICS ARE OPEN TO THE NETWORK, with the names of all repositories, for everybody who reaches them: address=%s; "
                "give %s an address of this machine, or leave it out and scrape /metrics with a repository's secret",
                shown(self._listener),
                OPTION,
            )
        log.info("metrics: address=%s", shown(self._listener))

    def of_worker(self, parent: Parent) -> Metrics:
        """In a worker: where it counts."""
        if self._listener is not None:
            self._listener.close()
        return Metrics(parent.seat)

    def tell(self, parent: Parent) -> None:
        """In a process beside the workers: tell the metrics until told to stop. Raises OSError."""
        assert self._listener is not None  # noqa: S101 - for the type checker
        app = metrics_app(Scraper(self._board))
        serve(app, self._listener, options=_LIMITS, on_ready=lambda _: parent.ready(), supervisor=parent.channel)

    def close(self) -> None:
        """In the supervising process: listen no more."""
        if self._unix is not None:
            self._unix.close()
        elif self._listener is not None:
            self._listener.close()
