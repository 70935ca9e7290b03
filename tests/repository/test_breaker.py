"""A storage that keeps everybody waiting in vain is left alone, asked now and then by one, and used again as soon as it answers."""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import pytest

from pywharf.errors import AccessDenied, BackendUnavailable, FileMissing, Moved, NotAsked, WharfError
from pywharf.repository import breaker as breaker_module
from pywharf.repository.breaker import Breaker, Work

SILENT = "the git host kept silent for 20 s"


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Storage:
    """What stands behind the breaker."""

    def __init__(self, breaker: Breaker, clock: Clock) -> None:
        self.breaker = breaker
        self.clock = clock
        self.asked = 0

    def fails(self, *, after: float = 20.0, work: Work = Work.READING, error: BackendUnavailable | None = None) -> BackendUnavailable:
        """Ask, and wait in vain; what came of it."""
        try:
            with self.breaker.asking(work):
                self.asked += 1
                self.clock.now += after
                raise error or BackendUnavailable(SILENT)
        except BackendUnavailable as failure:
            return failure

    def answers(self, error: WharfError | None = None, work: Work = Work.READING) -> None:
        with self.breaker.asking(work):
            self.asked += 1
            if error is not None:
                raise error

    def refuses(self, work: Work = Work.READING) -> NotAsked:
        """Ask, and be refused at once."""
        before = self.asked
        with pytest.raises(NotAsked) as refused:
            self.answers(work=work)
        assert self.asked == before
        return refused.value


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> Storage:
    return Storage(Breaker("wheels", clock=clock), clock)


@pytest.fixture
def broken(storage: Storage) -> Storage:
    """It kept three waiting, and is left alone since now."""
    for _ in range(breaker_module.FAILURES):
        storage.fails()
    return storage


def test_after_three_long_failures_in_a_row_everybody_is_refused_at_once_with_the_reason(storage: Storage) -> None:
    for _ in range(3):
        assert not isinstance(storage.fails(), NotAsked)

    refused = [storage.refuses() for _ in range(100)]

    assert {(error.reason, error.retry_after) for error in refused} == {(SILENT, 5)}
    with pytest.raises(NotAsked):
        storage.breaker.check(Work.READING)


def test_failures_with_an_answer_between_them_are_not_in_a_row(storage: Storage) -> None:
    for _ in range(20):
        storage.fails()
        storage.fails()
        storage.answers()

    assert storage.breaker.trouble() is None


@pytest.mark.parametrize("answer", [AccessDenied("write"), Moved("demo"), FileMissing("demo-1.0.tar.gz")])
def test_a_denial_or_a_change_that_came_too_late_is_an_answer(storage: Storage, answer: WharfError) -> None:
    for _ in range(20):
        storage.fails()
        storage.fails()
        with pytest.raises(type(answer)):
            storage.answers(answer)

    storage.answers()


def test_a_storage_that_fails_at_once_is_never_left_alone(storage: Storage) -> None:
    """As a full disk does, or a host that nobody listens on."""
    for _ in range(1000):
        storage.fails(after=0.002)

    storage.answers()


def test_one_long_wait_is_no_row(storage: Storage) -> None:
    storage.fails(after=900.0)
    storage.fails(after=0.0)

    storage.answers()


def test_what_goes_on_working_is_not_refused(broken: Storage) -> None:
    broken.answers(work=Work.CHANGES)
    broken.answers(work=Work.RIGHTS)
    broken.breaker.check(Work.CHANGES)

    broken.refuses(Work.READING)


def test_the_time_to_come_again_is_true(broken: Storage, clock: Clock) -> None:
    clock.now += 1.5
    again = broken.refuses().retry_after
    clock.now += again - 0.6
    assert broken.refuses().retry_after == 1
    clock.now += 0.6

    broken.answers()
    broken.answers()


def test_one_at_a_time_is_let_through_and_the_others_are_refused(broken: Storage, clock: Clock) -> None:
    clock.now += 5
    with broken.breaker.asking(Work.READING):
        assert broken.refuses().retry_after == 5
        broken.refuses()
        with pytest.raises(NotAsked):
            broken.breaker.check(Work.READING)

    broken.answers()


def test_of_two_kinds_of_work_in_trouble_one_probe_is_let_through_for_both(broken: Storage, clock: Clock) -> None:
    for _ in range(3):
        broken.fails(work=Work.CHANGES)
    clock.now += 60
    with broken.breaker.asking(Work.CHANGES):
        broken.refuses(Work.READING)
        broken.refuses(Work.CHANGES)

    broken.answers(work=Work.READING)


def test_the_pauses_grow_while_nobody_is_answered_and_stay_finite(broken: Storage, clock: Clock) -> None:
    pauses = []
    for _ in range(6):
        pauses.append(broken.refuses().retry_after)
        clock.now += pauses[-1]
        broken.fails()

    assert pauses == [5, 10, 20, 30, 30, 30]


def test_a_probe_that_fails_at_once_closes_nothing(broken: Storage, clock: Clock) -> None:
    clock.now += 5
    broken.fails(after=0.0)

    assert broken.refuses().retry_after == 10


def test_after_an_answer_it_takes_three_failures_again(broken: Storage, clock: Clock) -> None:
    clock.now += 5
    broken.answers()
    broken.fails()
    broken.fails()

    broken.answers()


def test_where_the_storage_says_when_to_come_again_that_is_when(storage: Storage, clock: Clock) -> None:
    for _ in range(3):
        storage.fails(error=BackendUnavailable("slow down", retry_after=45))
    assert storage.refuses().retry_after == 45
    clock.now += 45
    storage.fails(error=BackendUnavailable("slow down", retry_after=86400))

    assert storage.refuses().retry_after == 60


def test_an_answer_that_was_on_its_way_already_closes_it(storage: Storage) -> None:
    with storage.breaker.asking(Work.READING):
        for _ in range(3):
            storage.fails()
        storage.refuses()

    storage.answers()


def test_a_failure_that_was_on_its_way_already_makes_no_pause_longer(storage: Storage, clock: Clock) -> None:
    with contextlib.suppress(BackendUnavailable), storage.breaker.asking(Work.READING):
        for _ in range(3):
            storage.fails()
        clock.now += 3
        raise BackendUnavailable("an old story")

    assert (storage.refuses().reason, storage.refuses().retry_after) == (SILENT, 2)


def test_a_fault_of_the_program_says_nothing_of_the_storage_and_lets_the_next_one_try(broken: Storage, clock: Clock) -> None:
    clock.now += 5
    with pytest.raises(KeyError), broken.breaker.asking(Work.READING):
        raise KeyError
    assert broken.breaker.trouble() is not None

    broken.answers()


def test_a_refusal_is_no_failure_of_its_own(broken: Storage, clock: Clock) -> None:
    for _ in range(50):
        broken.refuses()
    clock.now += 5

    broken.answers()


def test_the_log_names_it_when_it_begins_and_when_it_ends_and_not_with_each_request(
    storage: Storage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        storage.fails()
    for _ in range(10):
        storage.refuses()
        clock.now += storage.refuses().retry_after
        storage.fails()
    clock.now += 30
    storage.answers()
    storage.answers()

    told = [record.getMessage() for record in caplog.records]
    assert [message.split(":")[0] for message in told] == [
        "the storage keeps failing and is left alone for a while",
        "the storage answers again",
    ]
    assert all("repository=wheels work=reading" in message for message in told)
    assert SILENT in told[0]


def test_trouble_tells_what_and_since_when(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: at)
    assert storage.breaker.trouble() is None
    for _ in range(2):
        storage.fails(work=Work.CHANGES)
        at += 60
    storage.fails(work=Work.CHANGES)

    trouble = storage.breaker.trouble()

    assert trouble is not None
    assert (trouble.work, trouble.since, trouble.reason) == (Work.CHANGES, 1_800_000_000 - 20, SILENT)


def test_the_clock_on_the_wall_changes_nothing(broken: Storage, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in (0.0, 4e9):
        monkeypatch.setattr(time, "time", lambda at=at: at)
        assert broken.refuses().retry_after == 5
    clock.now += 5

    broken.answers()


def test_a_crowd_of_threads_sends_one_probe_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker_module, "WAITED", 0.0)
    monkeypatch.setattr(breaker_module, "PAUSE", 0.001)
    monkeypatch.setattr(breaker_module, "LONGEST", 0.001)
    breaker = Breaker("wheels")
    inside, most, probes = 0, 0, 0
    guard = threading.Lock()
    works = list(Work)
    for work in works:
        for _ in range(3):
            with pytest.raises(BackendUnavailable), breaker.asking(work):
                raise BackendUnavailable(SILENT, retry_after=0)

    def ask(number: int) -> None:
        nonlocal inside, most, probes
        for turn in range(200):
            try:
                with breaker.asking(works[(number + turn) % 3]):
                    with guard:
                        inside += 1
                        probes += 1
                        most = max(most, inside)
                    time.sleep(0.0005)
                    with guard:
                        inside -= 1
                    raise BackendUnavailable(SILENT, retry_after=0)
            except NotAsked:
                time.sleep(0.0005)
            except BackendUnavailable:
                pass

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
    assert probes > 10
