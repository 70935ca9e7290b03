"""Looking at a server while it runs: its processes' arguments and environments, and everything that it answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pywharf.testing.live_server import LiveServer

from .search import Search


@contextmanager
def watched(search: Search, server: LiveServer) -> Iterator[None]:
    """Look at the process and all that come from it, again and again; also while it is started anew."""
    stop, rounds = threading.Event(), [0]

    def look() -> None:
        while not stop.is_set():
            for pid in family(server.pid):
                for name in ("cmdline", "environ"):
                    try:
                        search.look(f"{name} of a process", Path(f"/proc/{pid}/{name}").read_bytes())
                    except OSError:
                        continue  # it has ended
            rounds[0] += 1
            time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert rounds[0] > 3


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def ask(search: Search, server: LiveServer, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
    """A request of any kind; the whole answer is looked at. The status."""
    return exchange(search, server, method, path, body, **headers)[0]


def exchange(
    search: Search, server: LiveServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    """The same, with header fields and text."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    search.look(f"answer to {method} {path.split('?')[0]}", f"{answer.status} {answer.reason}\n{answer.headers}".encode() + content)
    return answer.status, answer.headers, content.decode("utf-8", "replace")
