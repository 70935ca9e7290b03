"""What requests use of a storage goes through its breaker: what is here is served, what is not is refused at once, and nobody is told wrong."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Backend, Change, Changes, Cursor, Entry, FileBody, FileRef
from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing, NotAsked
from pywharf.repository import guarded_backend as guarded_module
from pywharf.repository.audit import ON_THIS_MACHINE
from pywharf.repository.breaker import FAILURES, Breaker, Work
from pywharf.repository.guarded_backend import GuardedBackend
from pywharf.repository.places import Places
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel
from pywharf.testing.memory import MemoryBackend, MemoryStorage

from .making import DEMO, World, settle, upload, wheel

SILENT = "the host kept silent for 20 s"
FILE = FileRef("demo", wheel("demo"), "a" * 64, 4)
NEW = Cursor("new")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Slow(MemoryBackend):
    """A storage that keeps silent while a test says so, with a copy of one file on this machine."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(MemoryStorage())
        self.clock = clock
        self.is_silent = True
        self.streams = False  # True: it is the stream of changes that ends in silence
        self.copy = b""
        self.asked = 0

    def _wait(self) -> None:
        self.asked += 1
        if self.is_silent:
            self.clock.now += 20
            raise BackendUnavailable(SILENT)

    def access(self) -> Access:
        self._wait()
        return super().access()

    def commit(self, change: Change, after: Cursor) -> None:
        self._wait()
        super().commit(change, after)

    def read_changes(self, after: Cursor | None) -> Changes:
        if self.streams:
            return Changes(True, self._stream(), NEW)
        self._wait()
        return super().read_changes(after)

    def _stream(self) -> Iterator[Entry]:
        yield Entry("demo", "", 1, None)
        self._wait()

    def open_file(self, file: FileRef) -> FileBody:
        self._wait()
        return super().open_file(file)

    def open_copy(self, file: FileRef) -> FileBody | None:
        return FileBody(io.BytesIO(self.copy), len(self.copy)) if self.copy else None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(clock: Clock) -> Slow:
    return Slow(clock)


@pytest.fixture
def guarded(slow: Slow, clock: Clock) -> GuardedBackend:
    return GuardedBackend(slow, Breaker("wheels", clock=clock))


def failing(ask: Callable[[], object], times: int = FAILURES) -> None:
    for _ in range(times):
        with pytest.raises(BackendUnavailable) as raised:
            ask()
        assert not isinstance(raised.value, NotAsked)


def drain(guarded: GuardedBackend) -> int:
    return len(list(guarded.read_changes(None).entries))


def test_no_method_of_a_backend_is_forgotten() -> None:
    public = {name for name in vars(Backend) if not name.startswith("_")}

    assert public <= vars(GuardedBackend).keys()


@pytest.mark.parametrize(
    "ask",
    [
        lambda guarded: guarded.access(),
        lambda guarded: guarded.commit(Change("demo", {"k": b"{}"}), Cursor("")),
        lambda guarded: guarded.read_changes(None),
        lambda guarded: guarded.open_file(FILE),
    ],
    ids=["access", "commit", "read_changes", "open_file"],
)
def test_a_storage_that_keeps_silent_is_asked_three_times_and_then_left_alone(
    guarded: GuardedBackend, slow: Slow, ask: Callable[[GuardedBackend], object]
) -> None:
    failing(lambda: ask(guarded))
    asked = slow.asked
    for _ in range(100):
        with pytest.raises(NotAsked, match="kept silent"):
            ask(guarded)

    assert slow.asked == asked == FAILURES


def test_a_stream_that_breaks_off_is_a_failure_however_well_it_began(guarded: GuardedBackend, slow: Slow) -> None:
    slow.streams = True
    failing(lambda: drain(guarded))

    with pytest.raises(NotAsked):
        guarded.read_changes(None)


def test_a_stream_read_to_its_end_is_an_answer(guarded: GuardedBackend, slow: Slow, clock: Clock) -> None:
    slow.streams = True
    failing(lambda: drain(guarded))
    slow.is_silent = False
    clock.now += 5
    changes = guarded.read_changes(None)
    with pytest.raises(NotAsked):  # it is the one that was let through, and not over yet
        guarded.read_changes(None)

    assert len(list(changes.entries)) == 1
    assert drain(guarded) == 1


def test_a_stream_that_nobody_reads_keeps_nobody_out(guarded: GuardedBackend, slow: Slow, clock: Clock) -> None:
    slow.streams = True
    failing(lambda: drain(guarded))
    slow.is_silent = False
    clock.now += 5
    changes: Changes | None = guarded.read_changes(None)
    assert changes is not None
    next(iter(changes.entries))
    changes = None

    assert drain(guarded) == 1


def test_what_is_on_this_machine_is_served_while_the_storage_is_left_alone(guarded: GuardedBackend, slow: Slow) -> None:
    failing(lambda: guarded.open_file(FILE))
    slow.copy = b"here"

    assert guarded.open_file(FILE).read() == b"here"


def test_a_copy_on_this_machine_is_no_answer_of_the_storage(guarded: GuardedBackend, slow: Slow) -> None:
    slow.copy = b"here"
    for _ in range(FAILURES):
        guarded.open_file(FILE)
        failing(lambda: guarded.read_changes(None), 1)

    with pytest.raises(NotAsked):
        guarded.read_changes(None)


def test_what_is_not_on_this_machine_is_asked_for(guarded: GuardedBackend, slow: Slow) -> None:
    slow.is_silent = False

    with pytest.raises(FileMissing):
        guarded.open_file(FILE)
    assert slow.asked == 1


def test_a_storage_that_hangs_gets_no_more_readers_than_it_may_and_copies_go_on(
    guarded: GuardedBackend, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pywharf.repository.places.STUCK", 0.2)
    guarded._readers = Places(2, guarded_module.TOO_MANY_READERS)
    released = threading.Event()
    monkeypatch.setattr(slow, "_wait", lambda: released.wait(30))

    def read() -> None:
        with contextlib.suppress(FileMissing):
            guarded.open_file(FILE)

    hanging = [threading.Thread(target=read) for _ in range(2)]
    for thread in hanging:
        thread.start()
    settle(lambda: guarded._readers._inside == 2)

    with pytest.raises(BackendUnavailable, match="too many files"):
        guarded.open_file(FILE)
    slow.copy = b"here"
    assert guarded.open_file(FILE).read() == b"here"
    released.set()
    for thread in hanging:
        thread.join()


# --- in a repository --------------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def leave_alone(repository: Repository, *works: Work) -> None:
    """Let the breaker believe that the storage kept three waiting."""
    for work in works:
        clock = repository._breaker._clock = Clock()
        for _ in range(FAILURES):
            with contextlib.suppress(BackendUnavailable), repository._breaker.asking(work):
                clock.now += 20
                raise BackendUnavailable(SILENT)


def test_an_upload_is_refused_before_its_bytes_are_received_and_is_no_matter_for_the_audit(world: World) -> None:
    repository = world.open(sync_index_interval=3600)
    upload(repository, make_wheel("demo", "1.0"))
    audit = world.layout.audit / "local.jsonl"
    before = audit.read_bytes()
    leave_alone(repository, Work.CHANGES)

    with pytest.raises(NotAsked), repository.receiving():
        pytest.fail("it would be received")
    with pytest.raises(NotAsked), repository._writing("writer", ON_THIS_MACHINE) as (writer, _):
        writer.commit(Change("demo", {"k": b"{}"}), Cursor(""))

    assert audit.read_bytes() == before
    assert json.loads(before.splitlines()[-1])["result"] == "done"


def test_a_change_that_was_not_tried_is_not_told_as_one_whose_end_is_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was let in, and somebody else failed before it came to its commit."""
    repository = world.open(sync_index_interval=3600)
    monkeypatch.setattr(repository._breaker, "check", lambda work: None)
    leave_alone(repository, Work.CHANGES)

    with pytest.raises(NotAsked):
        upload(repository, make_wheel("demo", "1.0"))

    audit = world.layout.audit / "local.jsonl"
    assert not audit.exists() or b"unknown" not in audit.read_bytes()
    assert repository.project(DEMO) is None


def test_pages_go_on_and_health_tells_what_is_wrong_and_since_when(world: World) -> None:
    repository = world.open(sync_index_interval=3600)
    upload(repository, make_wheel("demo", "1.0"))
    assert (repository.health().problem, repository.health().problem_since) == ("", None)
    began = time.time()
    leave_alone(repository, Work.CHANGES)

    health = repository.health()

    assert repository.project(DEMO) is not None
    assert health.ready
    assert health.problem == f"changes: {SILENT}"
    assert health.problem_since is not None
    assert began - 21 <= health.problem_since <= time.time()


def test_every_secret_is_behind_the_same_breaker(world: World) -> None:
    repository = world.open(sync_index_interval=3600)
    leave_alone(repository, Work.RIGHTS, Work.READING)

    with pytest.raises(NotAsked):
        repository.access("reader")
    with pytest.raises(NotAsked):
        repository.open_file(FILE)
    with pytest.raises(BackendUnavailable, match="kept silent"):
        repository.sync()


def test_the_storage_itself_is_there_for_work_on_all_of_it(world: World) -> None:
    repository = world.open(sync_index_interval=3600)
    leave_alone(repository, *Work)

    assert repository.backend.access() == Access.WRITE
    assert list(repository.backend.iter_files()) == []


def test_a_denial_is_passed_on(guarded: GuardedBackend, slow: Slow) -> None:
    slow.is_silent, slow.rights = False, Access.READ

    with pytest.raises(AccessDenied):
        guarded.commit(Change("demo", {"k": b"{}"}), Cursor(""))
