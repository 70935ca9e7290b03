"""Server processes, and what the kernel knows of them: CPU and memory of a process and all its descendants, from /proc."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.process_cpu import cpu_of

STARTS = 120.0  # seconds until a server is given up
OFTEN = 0.02  # of the time since its start that passes between two looks whether it answers: they cost it CPU


class Failed(Exception):
    """A server did not start, or answered what it should not; the message says which and how."""


class Running:
    """A server process that has answered its first request; `started` is how many seconds that took."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, path: str, headers: Mapping[str, str], log: Path, *, cwd: Path | None = None
    ) -> None:
        self.name, self.port, self.log = name, port, log
        self._asked = False
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        began = time.perf_counter()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=environ, cwd=cwd or log.parent
            )
        try:
            while not self._answers(path, headers):
                if self.process.poll() is not None:
                    raise Failed(f"{name} ended with {self.process.returncode} instead of starting: {self._told()}")
                if time.perf_counter() - began > STARTS:
                    raise Failed(f"{name} did not answer {path} within {STARTS:.0f} s: {self._told()}")
                time.sleep(max(0.005, OFTEN * (time.perf_counter() - began)))
        except BaseException:
            self.stop()
            raise
        self.started = time.perf_counter() - began

    def stop(self) -> None:
        """Ask it to end; after 20 seconds make it."""
        if self.process.poll() is None:
            self.ask_to_stop()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def ask_to_stop(self) -> None:
        """Do not wait for it. A second time it is not asked: it could take that for haste."""
        if self.process.poll() is None and not self._asked:
            self._asked = True
            self.process.send_signal(signal.SIGTERM)

    def cpu(self) -> float:
        """Seconds of CPU so far, of all its processes that live, to the nanosecond."""
        return sum(cpu_of(pid) for pid in descendants(self.process.pid))

    def rss(self) -> float:
        """MB of resident memory of the largest of its processes: with workers, of one of them."""
        return max((_memory(pid, "VmRSS") for pid in descendants(self.process.pid)), default=0.0)

    def peak(self) -> float:
        """MB: the greatest rss() since forget_peak()."""
        return max((_memory(pid, "VmHWM") for pid in descendants(self.process.pid)), default=0.0)

    def forget_peak(self) -> None:
        for pid in descendants(self.process.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def _answers(self, path: str, headers: Mapping[str, str]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STARTS)
        try:
            connection.request("GET", path, headers=dict(headers))
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]


def descendants(pid: int) -> list[int]:
    """A process, its children, theirs, and so on; those that have ended meanwhile are left out."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def _memory(pid: int, name: str) -> float:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) * 1024 / 1e6 if found else 0.0
