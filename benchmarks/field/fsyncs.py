"""How often a server makes the disk write for one upload: its calls of fsync and the like, counted by strace.

A process that is traced is slow, so this is never done while something is timed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.field import clients
from benchmarks.field.kinds import Measure
from benchmarks.field.processes import Failed, descendants
from benchmarks.field.servers import Live

CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync", "msync")
ATTACHES = 10.0  # seconds until strace is given up
SECONDS = 0.5  # of uploads

_CALL = re.compile(rf"^\d+ +(?:{'|'.join(CALLS)})\(", re.MULTILINE)  # not the second half of one that another thread came into


def fsyncs_of_uploads(live: Live, count: int, work: Path) -> Measure:
    """Calls for one upload of 10 kB, by so many clients at a time. Raises Failed."""
    done, forms = 0, clients.new_forms()

    def act() -> None:
        nonlocal done
        done = clients.upload_for(live, count, SECONDS, forms)
        time.sleep(clients.SETTLES)

    counted = fsyncs_while(live.running.process.pid, act, work)
    return Measure(counted / done)


def fsyncs_while(pid: int, act: Callable[[], object], work: Path) -> int:
    """Calls by a process and its descendants, those that begin meanwhile included. Raises Failed where they cannot be traced."""
    traced = descendants(pid)
    calls, told = work / "fsyncs.calls", work / "fsyncs.told"
    words = ["-f", "-o", str(calls), "-e", f"trace={','.join(CALLS)}", *(f"-p{one}" for one in traced)]
    with told.open("wb") as output:
        tracing = subprocess.Popen(["strace", *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _wait_until_attached(tracing, told, len(traced))
        act()
    finally:
        tracing.send_signal(signal.SIGINT)  # on which it lets go of them
        tracing.wait()
    return len(_CALL.findall(calls.read_text(errors="replace")))


def _wait_until_attached(tracing: subprocess.Popen[bytes], told: Path, count: int) -> None:
    began = time.perf_counter()
    while (text := told.read_text(errors="replace")).count(" attached") < count:
        if tracing.poll() is not None or time.perf_counter() - began > ATTACHES:
            raise Failed(f"strace: {text[-300:]}")
        time.sleep(0.01)
