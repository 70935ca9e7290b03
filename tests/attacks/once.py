"""Attacks that are over in a moment: too much of something, bodies nobody wants, uploads broken off, many at once."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .target import Target, held, processes

PIECE = bytes(256 * 1024)
PATIENCE = 60.0  # seconds
BURST_PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Outcome:
    """answer: what the client was told. ms: until its first byte. sent: bytes that the server's side took. written: bytes, to files."""

    answer: str
    ms: float
    sent: int
    growth: int = 0  # of RSS at most, bytes
    written: int = 0


def _written(pid: int) -> int:
    total = 0
    for one in processes(pid):
        with suppress(OSError):
            fields = dict(line.split(": ") for line in Path(f"/proc/{one}/io").read_text().splitlines())
            total += int(fields["wchar"])
    return total


@contextmanager
def watched(pid: int) -> Iterator[Callable[[], int]]:
    """Watches memory meanwhile; gives what tells by how much it grew at most."""
    before, most, ended = held(pid).rss, [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], held(pid).rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: most[0]
    finally:
        ended.set()
        thread.join()


def push(target: Target, head: bytes, body: int = 0, *, goes_on: bool = True) -> Outcome:
    """Send a head, and so many bytes of a body, whatever the answer. goes_on: False waits for an answer before the body, as Expect has it."""
    written = _written(target.pid)
    with watched(target.pid) as growth, socket.create_connection(target.address, timeout=PATIENCE) as client:
        answer, ms, sent = _push(client, head, body if goes_on else 0)
        grown = growth()
    time.sleep(0.2)  # the log has its line
    return Outcome(answer, ms, sent, grown, _written(target.pid) - written)


def _push(client: socket.socket, head: bytes, body: int) -> tuple[str, float, int]:
    client.setblocking(False)
    began, end = time.perf_counter(), time.monotonic() + PATIENCE
    answer, ms, sent, total = b"", 0.0, 0, len(head) + body
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while time.monotonic() < end and (sent < total or not answer):
            for _, events in selector.select(0.1):
                try:
                    if events & selectors.EVENT_READ:
                        piece = client.recv(65536)
                        ms = ms or (time.perf_counter() - began) * 1000
                        answer += piece
                        if not piece:
                            selector.modify(client, selectors.EVENT_WRITE)
                            end = end if sent < total else 0
                    elif sent < total:
                        sent += client.send(head[sent : sent + len(PIECE)] if sent < len(head) else PIECE[: total - sent])
                    else:
                        selector.modify(client, selectors.EVENT_READ)
                except BlockingIOError:
                    continue
                except OSError:
                    end = 0
    return answer.partition(b"\r\n")[0].decode("latin-1") or "no answer", ms, sent


def break_off(target: Target, body: bytes, content_type: str) -> int:
    """Upload a body a hundred times, each broken off one percent later, every other one by a reset. Returns how many were acknowledged."""
    acknowledged = 0
    for percent in range(100):
        with socket.create_connection(target.address, timeout=PATIENCE) as client:
            head = target.post(len(body), writer=True).replace(b"multipart/form-data; boundary=hostile", content_type.encode())
            with suppress(ConnectionError):
                client.sendall(head + body[: len(body) * percent // 100])
            if percent % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                continue
            client.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                acknowledged += client.recv(65536).startswith(b"HTTP/1.1 200")
    return acknowledged


def burst(target: Target, count: int = 200) -> tuple[int, float]:
    """So many clients at the same moment. Returns how many got no page, and the longest wait in milliseconds."""
    began = time.perf_counter()
    missing, longest = count, 0.0
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(target.address)
            selector.register(client, selectors.EVENT_WRITE)
        while selector.get_map() and time.perf_counter() - began < BURST_PATIENCE:
            for key, events in selector.select(0.1):
                asking = key.fileobj
                assert isinstance(asking, socket.socket)
                try:
                    if events & selectors.EVENT_WRITE:
                        asking.send(target.get(lasting=False))
                        selector.modify(asking, selectors.EVENT_READ)
                        continue
                    if asking.recv(65536).startswith(b"HTTP/1.1 200"):
                        missing -= 1
                        longest = (time.perf_counter() - began) * 1000
                except OSError:
                    pass
                selector.unregister(asking)
                asking.close()
        for key in list(selector.get_map().values()):
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
    return missing, longest


def pipeline(target: Target, count: int = 1000) -> int:
    """So many requests sent without waiting for an answer. Returns how many were answered."""
    with socket.create_connection(target.address, timeout=PATIENCE) as client:
        threading.Thread(target=lambda: _send(client, target.get() * (count - 1) + target.get(lasting=False)), daemon=True).start()
        received = bytearray()
        with suppress(OSError):
            while piece := client.recv(1 << 20):
                received += piece
    return received.count(b"HTTP/1.1 200 ")


def _send(client: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        client.sendall(data)
