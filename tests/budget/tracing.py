"""What one request of each kind takes of the kernel: the system calls of a real server's worker, counted by strace."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

REQUESTS = 40
ROUNDS = 5  # the one with the fewest counts: in any other something disturbed the server, so that another thread took over
UPLOADS = 10
WHEEL = "demo-1.0-py3-none-any.whl"
ATTACHES_WITHIN = 20  # seconds


class CannotTrace(Exception):
    """There is no strace here, or it may not look at a process that is not its child; the message says which."""


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """System calls per request. folder: an empty one. Raises CannotTrace."""
    if shutil.which("strace") is None:
        raise CannotTrace("there is no strace")
    with LiveServer(folder / "root") as server:
        repository = server.generated
        read, write = (basic_auth(repository.name, secret) for secret in (repository.read_secret, repository.write_secret))
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=30)

        def ask(path: str, **headers: str) -> http.client.HTTPResponse:
            connection.request("GET", path, headers={"Authorization": read, "Accept-Encoding": "gzip", **headers})
            answer = connection.getresponse()
            answer.read()
            return answer

        for number in range(3):
            send_upload(connection, write, make_wheel("demo", f"1.{number}"))
        etag = ask("/simple/demo/").headers["ETag"]
        kinds: dict[str, Callable[[], object]] = {
            "page": lambda: ask("/simple/demo/"),
            "304": lambda: ask("/simple/demo/", **{"If-None-Match": etag}),
            "wheel": lambda: ask(f"/simple/demo/{WHEEL}"),
        }
        found = {}
        for kind, once in kinds.items():
            counts = []
            for _ in range(ROUNDS):
                for _ in range(REQUESTS):  # so that each thread has its connection to the index
                    once()
                with traced(server.worker_pids()[0], folder) as table:
                    for _ in range(REQUESTS):
                        once()
                counts.append(total(table()) / REQUESTS)
            found[kind] = {"syscalls": min(counts)}
        with traced(server.worker_pids()[0], folder) as table:
            for number in range(UPLOADS):
                send_upload(connection, write, make_wheel("demo", f"2.{number}"))
        found["upload"] = {"syscalls": total(table()) / UPLOADS}
        connection.close()
    return found


@contextlib.contextmanager
def traced(pid: int, folder: Path) -> Iterator[Callable[[], str]]:
    """strace at work on a process and its threads; afterwards its table."""
    told = folder / "strace.txt"
    tracer = subprocess.Popen(["strace", "-c", "-f", "-o", told, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            raise CannotTrace(f"strace: {said.strip()}")
        time.sleep(0.2)  # its threads, which are attached one by one
        yield lambda: told.read_text(encoding="utf-8")
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=ATTACHES_WITHIN)


def total(table: str) -> int:
    """The number of all calls in a table of `strace -c`, but for those that only wait: how many there are depends on the machine."""
    found = 0
    for line in table.splitlines():
        columns = line.split()
        if len(columns) >= 5 and re.fullmatch(r"[0-9.]+", columns[0]) and columns[-1] not in WAITING:
            found += int(columns[3])
    return found


WAITING = {
    "total",
    "futex",
    "epoll_wait",
    "epoll_pwait",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "clock_nanosleep",
    "restart_syscall",
    "sched_yield",
}
