"""The local index follows its storage: on time, on demand, through damage and trouble, and never with more questions than needed."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

from pywharf.backend.interface import Changes, Cursor
from pywharf.errors import AccessDenied, BackendUnavailable, IndexNotReady
from pywharf.repository import sync as sync_module
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.sync import Synchroniser
from pywharf.testing.memory import MemoryBackend, MemoryStorage

from .making import DEMO, local_index, put, settle, wheel

pytestmark = pytest.mark.any_python

HOLDER = """
import sys, time
from pathlib import Path
from pywharf.files import open_lock, try_lock
assert try_lock(open_lock(Path(sys.argv[1])))
print("held", flush=True)
time.sleep(60)
"""


class Watched(MemoryBackend):
    """Counts the questions, and does at each what a test says."""

    def __init__(self, storage: MemoryStorage) -> None:
        super().__init__(storage)
        self.reads = 0
        self.before_read: Callable[[], object] = lambda: None

    def read_changes(self, after: Cursor | None) -> Changes:
        self.reads += 1
        self.before_read()
        return super().read_changes(after)


class Gate:
    """Holds whoever comes until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(60)


class Make(Protocol):
    def __call__(self, *, interval: float = ..., own_index: bool = ...) -> Synchroniser: ...


@pytest.fixture
def backend() -> Watched:
    backend = Watched(MemoryStorage())
    put(backend, wheel("demo"))
    backend.reads = 0
    return backend


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    """Not made yet: a sync does that."""
    return local_index(tmp_path)


@pytest.fixture
def make(backend: Watched, index: LocalIndex, tmp_path: Path) -> Iterator[Make]:
    made = []

    def make(*, interval: float = 60.0, own_index: bool = False) -> Synchroniser:
        synchroniser = Synchroniser("local", backend, local_index(tmp_path) if own_index else index, interval=interval, folder=tmp_path)
        made.append(synchroniser)
        return synchroniser

    yield make
    for synchroniser in made:
        synchroniser.stop()


@pytest.fixture
def sync(make: Make) -> Synchroniser:
    return make()


def in_threads(many: int, do: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=do) for _ in range(many)]
    for thread in threads:
        thread.start()
    return threads


def who_asks(sync: Synchroniser, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each asked who waits for a turn, or had one."""
    asked: list[float] = []
    take_turn = sync._take_turn

    def noted(since: float, patience: float) -> bool:
        asked.append(since)
        return take_turn(since, patience)

    monkeypatch.setattr(sync, "_take_turn", noted)
    return asked


def damage(index: LocalIndex, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(index._file.path.resolve())) as db:
        db.execute(sql)
        db.commit()


# --- on demand --------------------------------------------------------------------------------------------------------


def test_the_first_sync_makes_the_index_and_fills_it(sync: Synchroniser, index: LocalIndex) -> None:
    before = int(time.time())
    sync.sync()

    assert index.projects().names == ("demo",)
    at = sync.synced_at()
    assert at is not None
    assert at == int(at)
    assert before <= at <= time.time()
    assert sync.staleness() < 5
    assert sync.problem == ""


def test_a_sync_that_found_nothing_counts_too(sync: Synchroniser, monkeypatch: pytest.MonkeyPatch) -> None:
    sync.sync()
    first = sync.synced_at()
    assert first is not None
    monkeypatch.setattr(time, "time", lambda: first + 7.5)
    sync.sync()

    assert sync.synced_at() == first + 7


def test_who_asks_gets_a_sync_that_began_after_asking(sync: Synchroniser, backend: Watched, index: LocalIndex) -> None:
    """What was committed before the call is there after it, also where another sync had begun before the commit."""
    sync.sync()
    gate, read = Gate(), backend.read_changes

    def read_then_wait(after: Cursor | None) -> Changes:
        changes = read(after)
        gate()
        return changes

    backend.read_changes = read_then_wait  # type: ignore[method-assign]
    early = in_threads(1, sync.sync)
    assert gate.reached.wait(30)
    put(MemoryBackend(backend.storage), wheel("acme"))
    late = in_threads(3, sync.sync)
    time.sleep(0.05)
    gate.open.set()
    for thread in (*early, *late):
        thread.join()

    assert index.projects().names == ("acme", "demo")


def test_many_who_wait_for_a_sync_share_one(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = who_asks(sync, monkeypatch)
    backend.before_read = gate = Gate()
    first = in_threads(1, sync.sync)
    assert gate.reached.wait(30)
    others = in_threads(8, sync.sync)
    settle(lambda: len(asked) == 9)
    gate.open.set()
    for thread in (*first, *others):
        thread.join()

    assert backend.reads == 2


def test_looking_asks_at_most_once_a_second(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 30.0)
    for thread in in_threads(4, lambda: [sync.look() for _ in range(10)]):
        thread.join()
    assert backend.reads == 1

    monkeypatch.setattr(sync_module, "FRESH", 0.0)
    assert sync.look()
    assert backend.reads == 2


def test_looking_at_a_storage_in_trouble_asks_no_more_often(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 30.0)
    backend.storage.unavailable = True

    assert not any(sync.look() for _ in range(10))
    assert backend.reads == 1


def test_who_waited_for_a_slow_look_does_not_look_again(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or ten who wait for a slow storage would ask it ten times, one after the other."""
    asked = who_asks(sync, monkeypatch)
    now = time.monotonic()
    monkeypatch.setattr(sync_module, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
    backend.before_read = gate = Gate()
    threads = in_threads(6, sync.look)
    assert gate.reached.wait(30)
    settle(lambda: len(asked) == 6)
    now += 2 * sync_module.FRESH
    gate.open.set()
    for thread in threads:
        thread.join()

    assert backend.reads == 1


def test_a_look_that_cannot_be_had_in_time_is_no_answer(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "PATIENCE", 0.05)
    sync.sync()
    backend.before_read = gate = Gate()
    threads = in_threads(1, sync.sync)
    assert gate.reached.wait(30)

    assert not sync.look()

    gate.open.set()
    threads[0].join()


def test_a_sync_that_hangs_is_waited_for_once_and_not_by_each_who_comes_anew(
    sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PATIENCE", 2.0)
    backend.before_read = gate = Gate()
    threads = in_threads(1, sync.sync)
    assert gate.reached.wait(30)
    assert not sync.look()
    began = time.monotonic()

    assert not any(sync.look() for _ in range(10))

    assert time.monotonic() - began < 15.0  # and not twenty seconds
    gate.open.set()
    threads[0].join()


def test_a_sync_that_hangs_holds_nobody_for_ever_who_has_to_have_one(
    sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "SYNC_PATIENCE", 0.5)
    backend.before_read = gate = Gate()
    threads = in_threads(1, sync.sync)
    assert gate.reached.wait(30)
    for _ in range(20):  # the first waits, the others find that it was waited for
        with pytest.raises(IndexNotReady, match="takes too long") as refused:
            sync.sync()
        assert refused.value.retry_after > 0

    assert backend.reads == 1
    gate.open.set()
    threads[0].join()
    sync.sync()
    assert backend.reads == 2


# --- notices ----------------------------------------------------------------------------------------------------------


def test_what_the_storage_wants_an_operator_to_know_is_kept_and_logged_once(
    make: Make, backend: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    sync = make()
    sync.sync()
    assert sync.notices.current() == ()
    backend.storage.identity = "another history"

    for _ in range(3):
        sync.sync()

    assert [one.text for one in make(own_index=True).notices.current()] == ["the log was replaced by another one"]
    told = [record for record in caplog.records if "the log was replaced" in record.message]
    assert [(one.levelname, "repository=local" in one.message) for one in told] == [("ERROR", True)]


def test_a_notice_is_kept_before_the_index_moves_on(
    sync: Synchroniser, backend: Watched, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a crash in between would lose it: the next sync begins behind it."""
    sync.sync()
    backend.storage.identity = "another history"

    def die(*args: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(index, "apply", die)
    with pytest.raises(KeyboardInterrupt):
        sync.sync()

    assert len(sync.notices.current()) == 1


def test_a_first_sync_has_nothing_to_tell_nor_one_of_an_index_that_was_another_storages(
    backend: Watched, index: LocalIndex, tmp_path: Path
) -> None:
    synchroniser = Synchroniser("local", backend, index, interval=60.0, folder=tmp_path, is_ours=lambda: False)
    synchroniser.sync()
    backend.storage.identity = "another storage"
    synchroniser.sync()

    assert synchroniser.notices.current() == ()


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_a_storage_in_trouble_is_told_to_who_asks_and_forgotten_when_it_works_again(sync: Synchroniser, backend: Watched) -> None:
    backend.storage.unavailable = True
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match="a test turned it off"):
            sync.sync()
    assert "a test turned it off" in sync.problem
    assert not sync.look()

    backend.storage.unavailable = False
    sync.sync()
    assert sync.problem == ""
    assert sync.look()


def test_the_servers_own_secret_without_the_right_to_read_is_no_denial_of_the_caller(sync: Synchroniser, backend: Watched) -> None:
    def denied() -> None:
        raise AccessDenied("read")

    backend.before_read = denied

    with pytest.raises(BackendUnavailable, match=r"server's own secret \(admin_secret\)"):
        sync.sync()


def test_a_fault_of_a_backend_is_never_taken_for_an_answer(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    sync.sync()
    monkeypatch.setattr(sync_module, "FRESH", 30.0)

    def fault() -> None:
        raise KeyError("a fault of the program")

    backend.before_read = fault
    with pytest.raises(KeyError):
        sync.sync()

    assert not sync.look()
    assert "fault" in sync.problem


def test_a_disk_in_trouble_is_told(sync: Synchroniser, tmp_path: Path) -> None:
    (tmp_path / "local.lock").mkdir()

    with pytest.raises(IndexNotReady, match="ROOT cannot be used"):
        sync.sync()


def test_an_error_that_is_told_again_and_again_does_not_grow(sync: Synchroniser, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.storage.unavailable = True
    lengths = set()
    kept = set()
    for _ in range(5):
        with pytest.raises(BackendUnavailable) as caught:
            sync.sync()
        lengths.add(len(caught.traceback))
        kept.add((sync._failure.__traceback__, sync._failure.__context__) if sync._failure else None)

    assert len(lengths) == 1
    assert kept == {(None, None)}


# --- staleness and the mark -------------------------------------------------------------------------------------------


def test_an_index_that_was_never_in_step_is_infinitely_stale(sync: Synchroniser, backend: Watched) -> None:
    backend.storage.unavailable = True
    assert not sync.look()

    assert sync.staleness() == float("inf")
    assert sync.synced_at() is None


def test_staleness_counts_from_the_last_sync_of_any_process(make: Make, backend: Watched) -> None:
    make().sync()
    backend.storage.unavailable = True
    fresh = make()
    assert not fresh.look()
    assert fresh.staleness() < 5

    at = time.time() - 1000
    os.utime(fresh._mark.path, (at, at))
    assert 999 < fresh.staleness() < 1010


def test_a_mark_from_the_future_proves_nothing(make: Make, backend: Watched) -> None:
    own = make()
    own.sync()
    at = time.time() + 1000
    os.utime(own._mark.path, (at, at))
    backend.storage.unavailable = True

    assert make().staleness() == float("inf")
    assert own.staleness() < 5


def test_a_mark_from_the_future_hides_no_trouble(sync: Synchroniser, backend: Watched) -> None:
    """Written by a clock that was a year ahead: for that year nobody would be told."""
    sync.sync()
    at = time.time() + 365 * 86400
    os.utime(sync._mark.path, (at, at))
    backend.storage.unavailable = True
    with pytest.raises(BackendUnavailable):
        sync.sync()

    assert "turned it off" in sync.problem


def test_trouble_is_told_with_when_it_began_and_another_trouble_later_with_its_own(
    make: Make, backend: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, other = make(), make(own_index=True)
    sync.sync()
    began = time.time()
    backend.storage.unavailable = True
    for later in (10.0, 20.0, 30.0):
        monkeypatch.setattr(time, "time", lambda later=later: began + later)
        with pytest.raises(BackendUnavailable):
            sync.sync()
    assert sync.problem_since == began + 10

    backend.storage.unavailable = False
    monkeypatch.setattr(time, "time", lambda: began + 40.0)
    other.sync()  # another process: this one's own last look is the one that failed
    monkeypatch.setattr(time, "time", lambda: began + 50.0)
    assert sync.problem == ""
    backend.storage.unavailable = True
    with pytest.raises(BackendUnavailable):
        sync.sync()
    assert sync.problem_since == began + 50
    backend.storage.unavailable = False
    sync.sync()
    assert sync.problem_since is None


def test_a_doubt_is_told_for_as_long_as_there_is_one(
    make: Make, backend: Watched, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = "the branch is another"
    read_changes = Watched.read_changes

    def doubted(self: Watched, after: Cursor | None) -> Changes:
        changes = read_changes(self, after)
        changes.doubt = doubt
        return changes

    monkeypatch.setattr(Watched, "read_changes", doubted)
    sync, other = make(), make()
    for _ in range(3):
        sync.sync()
    assert [notice.text for notice in other.notices.current()] == [doubt]  # in every process

    doubt = "another one"
    sync.sync()
    assert [notice.text for notice in other.notices.current()] == [doubt]
    doubt = ""
    sync.sync()
    assert other.notices.current() == ()


def test_the_mark_never_goes_back_even_if_the_clock_does(sync: Synchroniser, monkeypatch: pytest.MonkeyPatch) -> None:
    sync.sync()
    first = sync.synced_at()
    assert first is not None
    monkeypatch.setattr(time, "time", lambda: first - 3600)
    sync.sync()

    assert sync.synced_at() == first


def test_the_mark_is_never_seen_with_another_time_than_its_sync(sync: Synchroniser, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    utime = os.utime

    def watched(*args: object) -> None:
        seen.append(sync.synced_at())
        utime(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "utime", watched)
    sync.sync()

    assert seen == [None]


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE state",
        "DROP TABLE entries",
        "DROP TABLE names",
        "DELETE FROM state",
        "UPDATE state SET cursor = x'00'",
        "PRAGMA user_version = 7",
    ],
)
def test_a_damaged_index_is_built_anew_by_one_sync(sync: Synchroniser, index: LocalIndex, backend: Watched, sql: str) -> None:
    sync.sync()
    damage(index, sql)
    put(backend, wheel("acme"))

    sync.sync()

    assert index.projects().names == ("acme", "demo")
    assert index.ever_seen(DEMO)


@pytest.mark.parametrize("how", ["truncated", "empty", "zeroed", "deleted"])
def test_a_file_in_ruins_is_built_anew_by_one_sync(make: Make, index: LocalIndex, backend: Watched, how: str) -> None:
    make().sync()
    index.close()
    path = index._file.path.resolve()
    content = path.read_bytes()
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "zeroed": bytes(len(content))}[how])
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)

    again = make(own_index=True)
    again.sync()

    assert again._index.projects().names == ("demo",)
    assert again._index.ever_seen(DEMO)


def test_damage_that_does_not_go_away_is_given_up_for_now(
    sync: Synchroniser, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged(*args: object) -> bool:
        raise IndexDamaged("the disk")

    monkeypatch.setattr(index, "apply", damaged)

    with caplog.at_level(logging.ERROR), pytest.raises(IndexNotReady, match="damaged"):
        sync.sync()
    assert len(caplog.records) < 10


def test_a_storage_with_another_history_replaces_the_index(sync: Synchroniser, index: LocalIndex, backend: Watched) -> None:
    sync.sync()
    backend.storage.identity = "another"
    backend.storage.log.clear()
    put(backend, wheel("acme"))

    sync.sync()

    assert index.projects().names == ("acme",)
    assert index.ever_seen(DEMO)


# --- the thread -------------------------------------------------------------------------------------------------------


def test_the_thread_follows_the_storage(make: Make, index: LocalIndex, backend: Watched) -> None:
    make(interval=0.01).start()
    settle(index.is_ready)
    put(backend, wheel("acme"))

    settle(lambda: index.projects().names == ("acme", "demo"))


def test_whatever_a_backend_raises_the_thread_goes_on_and_tells_it_once(
    make: Make, index: LocalIndex, backend: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sync_module, "LONGEST_PAUSE", 0.01)
    sync = make(interval=0.001)

    def fault() -> None:
        raise ZeroDivisionError("a fault of the backend")

    backend.before_read = fault
    with caplog.at_level(logging.INFO):
        sync.start()
        settle(lambda: backend.reads > 10)
        backend.before_read = lambda: None
        settle(index.is_ready)
        settle(lambda: "works again" in caplog.text)

    assert [record.levelno for record in caplog.records if "sync" in record.getMessage()] == [logging.ERROR, logging.INFO]
    assert caplog.records[0].exc_info


def test_the_pauses_grow_and_stay_finite_however_long_the_trouble(sync: Synchroniser, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def wait(pause: float) -> bool:
        pauses.append(pause)
        return False

    monkeypatch.setattr(sync._now, "wait", wait)
    sync._interval = 1.0
    for failures in (0, 1, 3, 20, 2000):
        sync._wait(failures)

    assert pauses[0] == 1.0
    assert 1.5 <= pauses[1] <= 2.5
    assert 6.0 <= pauses[2] <= 10.0
    assert all(45.0 <= pause <= 75.0 for pause in pauses[3:])


def test_a_thread_that_cannot_even_lock_goes_on_when_it_can(
    make: Make, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "LONGEST_PAUSE", 0.01)
    (tmp_path / "local.leader").mkdir()
    sync = make(interval=0.001)
    sync.start()
    time.sleep(0.05)
    assert index.build() is None
    (tmp_path / "local.leader").rmdir()

    settle(index.is_ready)


@pytest.mark.parametrize(
    "sql", ["DELETE FROM state", "DROP TABLE entries", "UPDATE entries SET document = 7", "UPDATE projects SET serial = 'x'"]
)
def test_who_meets_damage_has_it_mended_soon_also_where_a_sync_would_not_meet_it(
    make: Make, index: LocalIndex, backend: Watched, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 0.05)
    sync = make(interval=3600)
    sync.start()
    settle(index.is_ready)
    damage(index, sql)
    with pytest.raises(IndexDamaged):
        (index.project(DEMO), index.projects())

    sync.mend_soon()

    settle(lambda: listed(index) == {wheel("demo")})


def listed(index: LocalIndex) -> set[str]:
    """The files of the project, once the index can say."""
    try:
        found = index.project(DEMO) if index.projects().names else None
    except (IndexDamaged, IndexNotReady):
        return set()
    return {file.filename for file in found.files} if found else set()


def test_what_another_process_has_mended_is_not_built_anew_again(make: Make, index: LocalIndex) -> None:
    one, other = make(), make(own_index=True)
    one.sync()
    one.mend_soon()
    other.mend_soon()
    first = index.build()
    one.sync()
    mended = index.build()
    other.sync()

    assert first != mended == index.build()


def test_a_disk_that_damages_everything_is_not_read_from_begin_to_end_all_the_time(make: Make, index: LocalIndex) -> None:
    sync = make()
    sync.sync()
    builds = set()
    for _ in range(5):
        sync.mend_soon()
        sync.sync()
        builds.add(index.build())

    assert len(builds) == 1


def test_looking_soon_is_no_more_than_once_a_second(
    make: Make, index: LocalIndex, backend: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 0.2)
    sync = make(interval=3600)
    sync.start()
    settle(index.is_ready)
    before = backend.reads
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        sync.look_soon()
        time.sleep(0.001)

    settle(lambda: backend.reads > before)
    assert backend.reads - before <= 4


def test_one_process_at_a_time_looks_on_time(make: Make, index: LocalIndex, backend: Watched) -> None:
    first, second = make(interval=0.005), make(interval=0.005, own_index=True)
    asked: set[str] = set()
    backend.before_read = lambda: asked.add(threading.current_thread().name)
    first._repository, second._repository = "first", "second"
    first.start()
    settle(lambda: backend.reads > 3)
    second.start()
    settle(lambda: backend.reads > 20)
    assert asked == {"sync first"}

    first.stop()
    settle(lambda: asked == {"sync first", "sync second"})


def test_when_the_process_that_looks_dies_another_takes_over(make: Make, backend: Watched, index: LocalIndex, tmp_path: Path) -> None:
    sync = make(interval=0.01)
    sync.sync()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "local.leader")], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = backend.reads
        sync.start()
        time.sleep(0.1)
        assert backend.reads == before
        holder.kill()
        settle(lambda: backend.reads > before)


def test_a_process_that_does_not_lead_makes_an_index_that_is_missing_all_the_same(
    make: Make, backend: Watched, index: LocalIndex, tmp_path: Path
) -> None:
    leader = make(interval=3600)
    leader.start()
    settle(index.is_ready)
    index._file.path.unlink()

    make(interval=0.01).start()

    settle(index.is_ready)


def test_trouble_is_forgotten_where_another_process_is_in_step_again(make: Make, backend: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = make(), make(own_index=True)
    backend.storage.unavailable = True
    assert not one.look()
    assert one.problem
    backend.storage.unavailable = False
    at = time.time() + 2
    monkeypatch.setattr(time, "time", lambda: at)
    other.sync()

    assert one.problem == ""


def test_stopping_does_not_wait_for_a_storage_that_hangs(make: Make, backend: Watched) -> None:
    sync = make(interval=0.01)
    backend.before_read = gate = Gate()
    sync.start()
    assert gate.reached.wait(30)
    began = time.monotonic()
    sync.stop()
    assert time.monotonic() - began < 10
    gate.open.set()


def test_a_thread_that_hangs_while_it_is_stopped_leads_no_longer(make: Make, backend: Watched) -> None:
    hanging, next_one = make(interval=0.01), make(interval=0.01, own_index=True)
    backend.before_read = gate = Gate()
    hanging.start()
    assert gate.reached.wait(30)
    hanging.stop()
    backend.before_read = lambda: None
    before = backend.reads

    next_one.sync()
    next_one.start()

    settle(lambda: backend.reads > before + 3)
    gate.open.set()


def test_a_thread_that_was_stopped_leaves_no_descriptor(make: Make, index: LocalIndex, tmp_path: Path) -> None:
    sync = make(interval=0.001)
    sync.start()
    settle(index.is_ready)
    sync.stop()
    assert sync._thread is not None
    assert not sync._thread.is_alive()
    index.close()

    links = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{name}")]
    assert not [link for link in links if link.startswith(str(tmp_path))]
