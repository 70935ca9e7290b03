"""The servers of a history: two on one ROOT, a third on another, all on one storage."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from pywharf.testing.live_server import LiveServer

from .client import Door

READ, WRITE = "the-secret-that-reads", "the-secret-that-writes"
INTERVAL = 1.0  # seconds: sync_index_interval
CONFIG = f'[local]\ntype = "file_system"\nread_secret = "{READ}"\nwrite_secret = "{WRITE}"\nsync_index_interval = {INTERVAL}\n'
BESIDES = '[besides]\ntype = "file_system"\nread_secret = "to-read-besides"\n'  # another repository
ONE, OTHER = "one ROOT", "another ROOT"
WITHIN = 60.0  # seconds that anything may take on a busy machine


class StageFailed(Exception):
    """A server did not do what servers do; the message says which and what."""


class Stage:
    """main and second work on one ROOT, other on another. Which of them run changes all the time; `doors` says it."""

    def __init__(self, folder: Path, *, workers: int = 2) -> None:
        """folder: of a storage and its ROOTs; what is there goes on being used."""
        self.folder = folder
        words = ["--shutdown_timeout", "20", "--workers", str(workers)]
        self._configure(folder / "one")
        self._configure(folder / "other", f"path = {json.dumps(str(folder / 'one/cache/local/storage'))}\n")
        self.main, self.second, self.other = (LiveServer(folder / name, options=words) for name in ("one", "one", "other"))
        self._guard = threading.Lock()
        self._open: list[tuple[LiveServer, Door]] = []
        self._coming: dict[LiveServer, Future[None]] = {}
        self._pool = ThreadPoolExecutor(3)

    def _configure(self, root: Path, more: str = "") -> None:
        """Without --config, so that a server that starts again goes on with what it was initialised with."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = root / "config.toml"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(CONFIG + more, encoding="utf-8")

    # --- life -------------------------------------------------------------------------------------------------------

    def doors(self) -> Sequence[Door]:
        """Where clients may knock now. One whose server was just killed stays until it is known."""
        with self._guard:
            return [door for _, door in self._open]

    def ready(self) -> list[LiveServer]:
        """The servers that run and are neither starting nor stopping."""
        with self._guard:
            return [server for server, _ in self._open if server not in self._coming]

    def start_soon(self, server: LiveServer, *, stop: bool = False) -> None:
        """While others are already being killed. stop: in order, before."""

        def work() -> None:
            if stop:
                self.stop(server)
            self.start(server)

        with self._guard:
            self._coming[server] = self._pool.submit(work)

    def wait(self, *, for_all: bool = False) -> None:
        """Notice who has started, or wait until everybody has. Raises StageFailed, LiveServerFailed for one that did not."""
        for server, coming in list(self._coming.items()):
            if for_all or coming.done():
                coming.result()
                with self._guard:
                    del self._coming[server]

    def settle(self) -> None:
        """Everybody runs, and nobody is disturbed any more."""
        self.wait(for_all=True)
        for server in (self.main, self.other, self.second):
            if not server.running:
                self.start_soon(server)
        self.wait(for_all=True)

    def is_coming(self, server: LiveServer) -> bool:
        return server in self._coming

    def start(self, server: LiveServer) -> None:
        server.start(timeout=WITHIN)
        with self._guard:
            self._open.append((server, Door(OTHER if server is self.other else ONE, server.url)))

    def kill(self, server: LiveServer) -> None:
        """All its processes, as a crash."""
        server.kill()
        self._shut(server)

    def stop(self, server: LiveServer) -> None:
        """In order. Raises StageFailed where it says that this was not possible."""
        code = server.stop(timeout=WITHIN)
        self._shut(server)
        if code:
            raise StageFailed(f"a server that was asked to stop ended with {code}:\n{_tail(server)}")

    def close(self) -> None:
        """Stop whoever runs; whatever went wrong before, nothing is left behind."""
        self._pool.shutdown()
        for server in (self.main, self.second, self.other):
            try:
                if server.running:
                    self.stop(server)
            finally:
                server.__exit__(None, None, None)  # gives its port back

    def _shut(self, server: LiveServer) -> None:
        with self._guard:
            self._open = [(one, door) for one, door in self._open if one is not server]

    # --- harm -------------------------------------------------------------------------------------------------------

    def kill_worker(self, server: LiveServer, chance: random.Random) -> bool:
        """One worker process, as a crash; the others go on. False where none is there at this moment."""
        workers = children(server.pid)
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)
            return True
        return False

    def initialize(self, server: LiveServer, config: str) -> int:
        """The status of the answer; 0 where there was none."""
        token = (server.root / "initialize_token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=WITHIN)
        try:
            connection.request("POST", "/initialize/", urlencode({"config": config, "admin_secret": ""}), headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def children(pid: int) -> list[int]:
    """The processes that this one started and that have not ended."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return [child for child in found if _is_alive(child)]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_workers(server: LiveServer, number: int) -> None:
    """Until that many are there. Raises StageFailed."""
    end = time.monotonic() + WITHIN
    while len(children(server.pid)) < number:
        if time.monotonic() > end:
            raise StageFailed(f"a worker did not come back:\n{_tail(server)}")
        time.sleep(0.02)


def _tail(server: LiveServer) -> str:
    return server.output[-5000:]
