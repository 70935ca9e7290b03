"""Normal clients: some keep their connection, some open one for each request; how long do they wait for an answer?

    python -m attacks.probe TARGET SECONDS

Prints JSON: the waits in milliseconds, and how many were never answered; those count with the time they waited in vain.
"""

from __future__ import annotations

import json
import socket
import ssl
import statistics
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from .target import Target

CLIENTS = 4  # half of them keep their connection
PAUSE = 0.02  # seconds between a client's requests
PATIENCE = 15.0  # seconds; fewer where less than that is watched


@dataclass
class Waits:
    """What the clients saw. waits: milliseconds."""

    waits: list[float] = field(default_factory=list)
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def part(self, percent: float) -> float:
        if len(self.waits) < 2:
            return self.waits[0] if self.waits else float("nan")
        if percent == 100:
            return max(self.waits)
        return statistics.quantiles(self.waits, n=100, method="inclusive")[int(percent) - 1]


class NormalClient:
    """One client. Uses a raw socket, so that what is measured is the server."""

    def __init__(self, target: Target, *, lasting: bool, patience: float = PATIENCE) -> None:
        self._target = target
        self._lasting = lasting
        self._patience = patience
        self._socket: socket.socket | None = None
        self._context = ssl._create_unverified_context() if target.tls else None

    def ask(self) -> None:
        """Fetch the page. Raises OSError where there is no answer, or not the right one."""
        if self._socket is not None:
            with suppress(ConnectionError):  # it was ended meanwhile, which a client has to expect of an idle one
                self._ask()
                return
        self._ask()

    def _ask(self) -> None:
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._target.address, timeout=self._patience)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context:
                    self._socket = self._context.wrap_socket(self._socket)
            self._socket.sendall(self._target.get(lasting=self._lasting))
            ends = self._read(self._socket)
        except OSError:
            self.close()
            raise
        if ends or not self._lasting:
            self.close()

    def _read(self, connection: socket.socket) -> bool:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            body += self._more(connection)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise OSError(head.partition(b"\r\n")[0].decode("latin-1"))
        return fields.get(b"connection", b"").lower() == b"close"

    def _more(self, connection: socket.socket) -> bytes:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError("ended without an answer")
        return piece

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None


def probe(target: Target, seconds: float) -> Waits:
    """Let the clients work for so long."""
    found, guard = Waits(), threading.Lock()
    end, patience = time.monotonic() + seconds, min(PATIENCE, max(2.0, seconds))

    def work(lasting: bool) -> None:
        client = NormalClient(target, lasting=lasting, patience=patience)
        while time.monotonic() < end:
            began, trouble = time.perf_counter(), ""
            try:
                client.ask()
            except OSError as error:
                trouble = f"{type(error).__name__}: {error}"
            with guard:
                found.waits.append((time.perf_counter() - began) * 1000)
                if trouble:
                    found.failed += 1
                    found.reasons[trouble] = found.reasons.get(trouble, 0) + 1
            time.sleep(PAUSE)
        client.close()

    threads = [threading.Thread(target=work, args=(number % 2 == 0,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main(target: str, seconds: str) -> None:
    found = probe(Target.from_json(target), float(seconds))
    with suppress(BrokenPipeError):
        print(json.dumps({"waits": found.waits, "failed": found.failed, "reasons": found.reasons}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
