"""Whatever becomes of the process that builds a large index, or of who started it: nobody sees half of it, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pywharf.backend.interface import Entry
from pywharf.errors import IndexNotReady
from pywharf.files import locked, open_lock, try_lock
from pywharf.repository import index_building
from pywharf.repository.index_building import IndexBuilding
from pywharf.repository.index_builds import IndexBuilds
from pywharf.repository.local_index import LocalIndex

from .building import MANY, Processes, is_whole, lies_there, many, reset
from .making import local_index, settle

pytestmark = pytest.mark.usefixtures("started")

# A process that builds a large index: told "slow", it waits for a line in the middle of it. It says how it went, and how many processes it started.
BUILDER = """
import sys
from pathlib import Path
from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.repository import index_building, index_spool
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen
index_spool.IN_MEMORY, index_building.LARGE = 0, 1
folder, how = Path(sys.argv[1]), sys.argv[2]
started = []
start = index_building.IndexBuilding._start
def watched(self, build):
    started.append(start(self, build))
    return started[-1]
index_building.IndexBuilding._start = watched
def entries():
    for number in range(60):
        yield Entry(f"demo-{number}", "k", number, b'{"kind":"file"}')
        if number == 30 and how == "slow":
            print(started[0].pid, flush=True)
            sys.stdin.readline()
index = LocalIndex(folder / "local.sqlite", "local", NamesSeen(folder / "names" / "local"))
while index.cursor() is None:
    index.apply(None, Changes(True, entries(), Cursor("here")))
print(len(started), len(index.projects().names), flush=True)
"""


# --- the process in trouble -------------------------------------------------------------------------------------------


def killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def stopped(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)


def without_room(process: subprocess.Popen[bytes]) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize("trouble", [killed, stopped, without_room])
@pytest.mark.parametrize("at", [MANY // 2, MANY - 1])
def test_what_becomes_of_the_process_costs_time_and_nothing_else(
    index: LocalIndex,
    tmp_path: Path,
    started: Processes,
    trouble: Callable[[subprocess.Popen[bytes]], None],
    at: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(index_building, "PATIENCE", 1.0 if trouble is stopped else 60.0)
    with caplog.at_level(logging.WARNING):
        assert reset(index, many(lambda: trouble(started[0]), at))

    assert is_whole(index)
    assert "it is built here" in caplog.text
    assert len(started) == 1
    assert lies_there(tmp_path) == []


@pytest.mark.parametrize("program", ["missing", "", "false", "cat"])
def test_where_no_process_can_be_started_it_is_built_here(
    index: LocalIndex, tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program)

    assert reset(index, many())

    assert is_whole(index)
    assert lies_there(tmp_path) == []


def test_a_disk_without_room_is_told_as_ever(index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def full(self: object, db: object) -> Iterator[None]:
        db.execute("PRAGMA max_page_count = 10")  # type: ignore[attr-defined]
        yield

    monkeypatch.setattr(sys, "executable", "false")
    monkeypatch.setattr(type(index._file), "roomy", full)
    with pytest.raises(IndexNotReady, match="no room"):
        reset(index, (Entry("demo", f"k{number}", number, bytes(5000)) for number in range(MANY)))

    assert not index.is_ready()
    assert lies_there(tmp_path) == []


def test_what_is_shown_stays_where_the_one_before_cannot_be_swept_away(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_descriptor_left(self: IndexBuilds) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Too many open files"):
        reset(index, many(lambda: patch.setattr(IndexBuilds, "sweep", no_descriptor_left)))

    assert is_whole(index)
    index.sweep()
    assert lies_there(tmp_path) == []


def test_the_process_finds_modules_in_the_order_in_which_this_one_does(
    index: LocalIndex, tmp_path: Path, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path.with_name(f"{tmp_path.name}-site")  # where pywharf lies, and behind Python's own modules a back port of one of them
    site.mkdir()
    (site / "pywharf").symlink_to(Path(index_building.__file__).parents[1])
    (site / "pathlib.py").write_text("raise ImportError('not for this Python')\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    monkeypatch.setattr(index_building, "__file__", str(site / "pywharf" / "repository" / "index_building.py"))

    assert reset(index, many())

    assert [process.returncode for process in started] == [0]


# --- several at once, and death -----------------------------------------------------------------------------------------


def builder(folder: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(folder), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_several_processes_one_builds_it_and_all_have_it(index: LocalIndex, tmp_path: Path) -> None:
    first = builder(tmp_path, "slow")
    assert said(first)
    others = [builder(tmp_path, "fast") for _ in range(2)]
    with pytest.raises(subprocess.TimeoutExpired):
        others[0].wait(0.5)

    first.communicate("go on\n", 30)

    assert [other.communicate(timeout=30)[0].strip() for other in others] == [f"0 {MANY}"] * 2
    assert is_whole(index)
    assert lies_there(tmp_path) == []


def test_another_one_that_hangs_is_not_waited_for_for_ever(
    index: LocalIndex, tmp_path: Path, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_building, "TURN_PATIENCE", 0.3)
    with locked(tmp_path / "local.building"):
        assert reset(index, many())

    assert is_whole(index)
    assert len(started) == 1


class Clock:
    """Stands in for the time as `index_building` knows it. Nine seconds pass at each look; for a while the lock shows progress."""

    def __init__(self, lock: Path) -> None:
        self._lock = lock
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 9.0
        if self.now < 100:
            os.utime(self._lock, (self.now, self.now))


def test_another_one_that_makes_progress_is_waited_for(index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "local.building"
    clock = Clock(lock)
    began: list[float] = []

    def cannot(self: IndexBuilding, build: Path) -> None:
        began.append(clock.now)
        raise OSError("not here")

    monkeypatch.setattr(index_building, "time", clock)
    monkeypatch.setattr(index_building, "TURN_PATIENCE", 10.0)
    monkeypatch.setattr(IndexBuilding, "_start", cannot)
    with locked(lock):
        assert reset(index, many())

    assert 100 < began[0] < 130
    assert is_whole(index)


def test_who_waits_for_another_one_hears_that_it_is_not_needed_any_more(index: LocalIndex, tmp_path: Path) -> None:
    failure: list[IndexNotReady] = []

    def wait() -> None:
        try:
            reset(index, many())
        except IndexNotReady as error:
            failure.append(error)

    with locked(tmp_path / "local.building"):
        thread = threading.Thread(target=wait)
        thread.start()
        index.close()
        thread.join(30)

    assert "closed" in str(failure[0])


@pytest.mark.parametrize("also_the_process", [False, True])
def test_a_death_in_the_middle_leaves_nothing_that_stops_the_next(index: LocalIndex, tmp_path: Path, also_the_process: bool) -> None:
    dying = builder(tmp_path, "slow")
    its_process = int(said(dying))
    if also_the_process:  # before it could remove anything
        os.kill(its_process, signal.SIGKILL)
    dying.kill()
    dying.communicate(timeout=30)
    turn = open_lock(tmp_path / "local.building")
    settle(lambda: try_lock(turn))
    os.close(turn)
    assert not index.is_ready()

    if also_the_process:
        assert lies_there(tmp_path)
        index.sweep()
    settle(lambda: not lies_there(tmp_path))

    assert reset(index, many())
    assert is_whole(index)
    assert lies_there(tmp_path) == []


def test_the_next_to_build_sweeps_what_the_dead_left(index: LocalIndex, tmp_path: Path) -> None:
    dead = tmp_path / "local@dead.sqlite"
    dead.write_bytes(b"half made")
    seen: list[bool] = []

    assert reset(index, many(lambda: seen.append(dead.exists())))

    assert seen == [False]  # before it needs the room itself
    assert lies_there(tmp_path) == []


def test_sweeping_leaves_alone_what_is_being_built(index: LocalIndex, tmp_path: Path, started: Processes) -> None:
    assert reset(index, many(local_index(tmp_path).sweep))

    assert is_whole(index)
    assert [process.returncode for process in started] == [0]


def test_sweeping_waits_for_nobody(index: LocalIndex, tmp_path: Path) -> None:
    (tmp_path / "local@dead.sqlite").touch()
    with locked(tmp_path / "local.lock"), pytest.raises(TimeoutError):
        index.sweep()

    assert lies_there(tmp_path) == ["local@dead.sqlite"]
