"""What one request of each kind takes of the application, in counts that no other work on the machine changes.

Calls of functions, Python's and C's, are the same from run to run on one version of Python; so are the statements that SQLite is given,
the fsyncs and, but for a few, the bytes written.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pywharf import logs

ROOT = Path(__file__).parents[2]
STATEMENTS = frozenset({"Connection.execute", "Connection.executemany", "Connection.executescript"})
ROUNDS = 5

Counts = dict[str, float]


def load_read_path() -> Any:
    """`benchmarks/read_path.py`, which knows what installers ask for."""
    spec = importlib.util.spec_from_file_location("read_path", ROOT / "benchmarks/read_path.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def counted(work: Callable[[], object]) -> Counter[str]:
    """What this thread calls while it does the work: "calls" altogether, "sql" statements, "fsyncs"."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            found["calls"] += 1
        elif event == "c_call":
            found["calls"] += 1
            name = getattr(argument, "__qualname__", "")
            if name in STATEMENTS:
                found["sql"] += 1
            elif name in ("fsync", "fdatasync"):
                found["fsyncs"] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def bytes_written() -> int | None:
    """Bytes that this process has given to write() so far; None where the system does not tell."""
    try:
        told = Path("/proc/self/io").read_text(encoding="ascii")
    except OSError:
        return None
    return next(int(line.split()[1]) for line in told.splitlines() if line.startswith("wchar:"))


def measure() -> dict[str, Counts]:
    """The counts of every kind: the median of some rounds, since an upload now and then tidies up after others."""
    read_path = load_read_path()
    found: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log").mkdir()
        logs.set_up(Path(folder) / "log", debug=False)
        with read_path.served(Path(folder) / "root", names=20) as served:
            for kind, asked in served.requests.items():
                found[kind] = _median([counted(lambda asked=asked: served.call(asked)) for _ in range(ROUNDS)], ("calls", "sql"))
            rounds, written = [], []
            for number in range(ROUNDS):
                upload = served.upload("demo", f"2.{number}")
                before = bytes_written()
                rounds.append(counted(lambda upload=upload: served.call(upload)))
                after = bytes_written()
                if before is not None and after is not None:
                    written.append(after - before)
            found["upload"] = _median(rounds, ("calls", "sql", "fsyncs"))
            if written:
                found["upload"]["bytes"] = statistics.median(written)
    return found


def measure_apart() -> dict[str, Counts]:
    """The same in a process of its own, where nobody else listens to the log or to calls."""
    done = subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300, check=True)
    found: dict[str, Counts] = json.loads(done.stdout)
    return found


def _median(rounds: list[Counter[str]], names: tuple[str, ...]) -> Counts:
    return {name: statistics.median(one[name] for one in rounds) for name in names}


if __name__ == "__main__":
    print(json.dumps(measure()))
