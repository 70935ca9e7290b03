"""What a secret may do is asked once and remembered for a while: never longer, never more, and never where it was not known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from pywharf.backend.interface import Access
from pywharf.errors import BackendUnavailable
from pywharf.repository import grants as grants_module
from pywharf.repository import places as places_module
from pywharf.repository.grants import DENIAL_EXPIRES, Grants

from .making import settle

pytestmark = pytest.mark.any_python

READ_EXPIRES, WRITE_EXPIRES = 3600.0, 300.0


class Storage:
    """Answers, counts, and can be out of reach."""

    def __init__(self) -> None:
        self.rights = {"reader": Access.READ, "writer": Access.WRITE}
        self.asked: list[str] = []
        self.unavailable = False
        self.meanwhile: Callable[[], object] = lambda: None

    def ask(self, secret: str) -> Access:
        self.asked.append(secret)
        self.meanwhile()
        if self.unavailable:
            raise BackendUnavailable("a test turned it off")
        return self.rights.get(secret, Access.NONE)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def grants(storage: Storage, clock: Clock) -> Grants:
    return Grants(storage.ask, b"k" * 32, read_expires=READ_EXPIRES, write_expires=WRITE_EXPIRES, clock=clock)


@pytest.mark.parametrize(("secret", "needs", "expires"), [("reader", Access.READ, READ_EXPIRES), ("writer", Access.WRITE, WRITE_EXPIRES)])
def test_a_grant_is_remembered_until_it_expires_and_no_longer(
    grants: Grants, storage: Storage, clock: Clock, secret: str, needs: Access, expires: float
) -> None:
    assert grants.remembered(secret, needs) is None
    assert grants.access(secret, needs) == needs
    clock.now += expires - 1
    assert grants.access(secret, needs) == needs
    assert grants.remembered(secret, needs) == needs
    assert len(storage.asked) == 1

    clock.now += 1
    assert grants.remembered(secret, needs) is None
    assert grants.access(secret, needs) == needs
    assert len(storage.asked) == 2


def test_use_does_not_prolong_a_grant(grants: Grants, storage: Storage, clock: Clock) -> None:
    for _ in range(10):
        grants.access("reader", Access.READ)
        clock.now += READ_EXPIRES / 4

    assert len(storage.asked) == 3


def test_a_grant_counts_from_the_question_not_from_the_answer(grants: Grants, storage: Storage, clock: Clock) -> None:
    storage.meanwhile = lambda: setattr(clock, "now", clock.now + 100)
    grants.access("writer", Access.WRITE)
    clock.now += WRITE_EXPIRES - 100

    assert grants.remembered("writer", Access.WRITE) is None


def test_the_clock_on_the_wall_changes_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    grants = Grants(storage.ask, b"k" * 32, read_expires=READ_EXPIRES, write_expires=WRITE_EXPIRES)
    grants.access("reader", Access.READ)
    monkeypatch.setattr(time, "time", lambda: 0.0)

    assert grants.remembered("reader", Access.READ) == Access.READ


def test_the_right_to_read_remembered_does_not_cover_writing(grants: Grants, storage: Storage) -> None:
    assert grants.access("reader", Access.READ) == Access.READ
    assert grants.remembered("reader", Access.WRITE) is None
    assert grants.access("reader", Access.WRITE) == Access.READ
    assert grants.remembered("reader", Access.WRITE) == Access.READ
    assert len(storage.asked) == 2


def test_a_right_to_write_that_has_expired_is_not_told_to_who_reads(grants: Grants, storage: Storage, clock: Clock) -> None:
    assert grants.access("writer", Access.READ) == Access.WRITE
    clock.now += WRITE_EXPIRES

    assert grants.access("writer", Access.READ) == Access.READ
    assert grants.remembered("writer", Access.READ) == Access.READ
    assert len(storage.asked) == 1


def test_a_denial_is_remembered_for_ten_seconds(grants: Grants, storage: Storage, clock: Clock) -> None:
    assert DENIAL_EXPIRES == 10
    assert grants.access("guess", Access.READ) == Access.NONE
    storage.rights["guess"] = Access.READ
    clock.now += 9.9
    assert grants.access("guess", Access.READ) == Access.NONE
    assert len(storage.asked) == 1

    clock.now += 0.1
    assert grants.access("guess", Access.READ) == Access.READ


def test_a_right_that_was_taken_away_ends_reading_too_once_it_is_found(grants: Grants, storage: Storage, clock: Clock) -> None:
    grants.access("writer", Access.WRITE)
    storage.rights.clear()
    clock.now += WRITE_EXPIRES

    assert grants.access("writer", Access.READ) == Access.READ  # nobody has asked yet
    assert grants.access("writer", Access.WRITE) == Access.NONE
    assert grants.access("writer", Access.READ) == Access.NONE


def test_a_right_that_became_less_is_less_from_then_on(grants: Grants, storage: Storage, clock: Clock) -> None:
    grants.access("writer", Access.WRITE)
    storage.rights["writer"] = Access.READ
    clock.now += WRITE_EXPIRES

    assert grants.access("writer", Access.WRITE) == Access.READ
    assert grants.access("writer", Access.READ) == Access.READ


def test_a_right_that_was_given_is_had_as_soon_as_it_is_found(grants: Grants, storage: Storage, clock: Clock) -> None:
    grants.access("reader", Access.WRITE)
    storage.rights["reader"] = Access.WRITE
    clock.now += DENIAL_EXPIRES

    assert grants.access("reader", Access.WRITE) == Access.WRITE
    assert grants.remembered("reader", Access.WRITE) == Access.WRITE


def test_an_empty_secret_opens_nothing_and_is_not_asked_about(grants: Grants, storage: Storage) -> None:
    storage.rights[""] = Access.WRITE

    assert grants.access("", Access.READ) == Access.NONE
    assert grants.remembered("", Access.READ) is None
    assert storage.asked == []


def test_not_knowing_is_never_remembered(grants: Grants, storage: Storage, clock: Clock) -> None:
    storage.unavailable = True
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            grants.access("reader", Access.READ)
    assert grants.remembered("reader", Access.READ) is None

    storage.unavailable = False
    assert grants.access("reader", Access.READ) == Access.READ
    assert len(storage.asked) == 3

    storage.unavailable = True  # and what is known stays known meanwhile
    assert grants.access("reader", Access.READ) == Access.READ
    clock.now += READ_EXPIRES
    with pytest.raises(BackendUnavailable):
        grants.access("reader", Access.READ)


def test_guesses_take_a_bounded_room_and_push_no_grant_out(grants: Grants, storage: Storage) -> None:
    grants.access("reader", Access.READ)
    for number in range(50_000):
        grants.access(f"guess {number}", Access.READ)

    assert len(grants._denials) == len(grants._grants) + 9_999 == grants_module.MOST
    assert grants.remembered("reader", Access.READ) == Access.READ


def test_grants_take_a_bounded_room_too(grants: Grants, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants_module, "MOST", 10)
    for number in range(20):
        storage.rights[f"reader {number}"] = Access.READ
        grants.access(f"reader {number}", Access.READ)
        grants.access("reader", Access.READ)

    assert len(grants._grants) == 10
    assert grants.remembered("reader", Access.READ) == Access.READ  # in use, so not the one to go
    assert grants.remembered("reader 3", Access.READ) is None


def test_no_secret_is_kept(grants: Grants) -> None:
    grants.access("reader", Access.READ)
    grants.access("a guess", Access.READ)

    assert b"reader" not in repr(vars(grants)).encode()
    assert "a guess" not in repr(vars(grants))


def test_odd_characters_make_no_odd_answer(grants: Grants) -> None:
    for secret in ("\udcff", "\0", "ü" * 5000, "😀"):
        assert grants.access(secret, Access.READ) == Access.NONE


def test_many_who_show_the_same_secret_cause_one_question(grants: Grants, storage: Storage) -> None:
    storage.meanwhile = lambda: time.sleep(0.05)
    found = []
    threads = [threading.Thread(target=lambda: found.append(grants.access("reader", Access.READ))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [Access.READ] * 10
    assert storage.asked == ["reader"]


class Silence:
    """A storage that keeps silent until it is told to go on."""

    def __init__(self, storage: Storage) -> None:
        self.go = threading.Event()
        storage.meanwhile = lambda: self.go.wait(30)
        self._storage = storage
        self.failures: list[BackendUnavailable] = []
        self.found: list[Access] = []
        self._threads: list[threading.Thread] = []

    def ask(self, grants: Grants, secret: str) -> None:
        """In a thread of its own."""

        def ask() -> None:
            try:
                self.found.append(grants.access(secret, Access.READ))
            except BackendUnavailable as error:
                self.failures.append(error)

        self._threads.append(threading.Thread(target=ask))
        self._threads[-1].start()

    def wait_until_asked(self, many: int) -> None:
        end = time.monotonic() + 20
        while len(self._storage.asked) < many:
            assert time.monotonic() < end
            time.sleep(0.005)

    def end(self) -> None:
        self.go.set()
        for thread in self._threads:
            thread.join()


def test_those_who_wait_for_somebody_elses_question_wait_for_a_while_and_not_one_after_the_other(
    grants: Grants, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants_module, "PATIENCE", 0.3)
    silence = Silence(storage)
    silence.ask(grants, "reader")
    silence.wait_until_asked(1)
    for _ in range(20):
        with pytest.raises(BackendUnavailable, match="slow to say"):
            grants.access("reader", Access.READ)

    silence.end()

    assert storage.asked == ["reader"]
    assert grants.access("reader", Access.READ) == Access.READ


def who_waits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The questions of others that are waited for, one for each who waits."""
    waited: list[object] = []
    answer_to = grants_module._answer_to

    def noted(question: grants_module._Question) -> Access:
        waited.append(question)
        return answer_to(question)

    monkeypatch.setattr(grants_module, "_answer_to", noted)
    return waited


def test_a_question_that_failed_failed_for_all_who_waited_for_it(grants: Grants, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = who_waits(monkeypatch)
    silence = Silence(storage)
    for _ in range(10):
        silence.ask(grants, "reader")
    silence.wait_until_asked(1)
    settle(lambda: len(waits) == 9)
    storage.unavailable = True
    silence.end()

    assert [error.reason for error in silence.failures] == ["a test turned it off"] * 10
    assert storage.asked == ["reader"]


def test_a_question_that_met_a_fault_is_no_answer_to_others(grants: Grants, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = who_waits(monkeypatch)

    def fault() -> None:
        settle(lambda: len(waits) == 2)
        raise KeyError("a fault of the program")

    found: list[BaseException] = []

    def ask() -> None:
        try:
            grants.access("reader", Access.READ)
        except (BackendUnavailable, KeyError) as error:
            found.append(error)

    storage.meanwhile = fault
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(error).__name__ for error in found) == ["BackendUnavailable", "BackendUnavailable", "KeyError"]
    storage.meanwhile = lambda: None
    assert grants.access("reader", Access.READ) == Access.READ


def test_a_storage_that_keeps_silent_gets_few_threads_whatever_the_secrets(
    grants: Grants, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places_module, "STUCK", 0.2)
    silence = Silence(storage)
    for number in range(grants_module.MOST_ASKED):
        silence.ask(grants, f"guess {number}")
    silence.wait_until_asked(grants_module.MOST_ASKED)
    for number in range(20):
        with pytest.raises(BackendUnavailable, match="slow to say"):
            grants.access(f"another {number}", Access.READ)
    silence.end()

    assert len(storage.asked) == grants_module.MOST_ASKED
    assert grants.access("reader", Access.READ) == Access.READ


def test_who_is_known_never_waits_for_guesses(grants: Grants, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants_module, "MOST_ASKED", 1)
    grants.access("reader", Access.READ)
    asked, go = threading.Event(), threading.Event()
    storage.meanwhile = lambda: (asked.set(), go.wait(20))
    guess = threading.Thread(target=lambda: grants.access("guess", Access.READ))
    guess.start()
    assert asked.wait(30)

    assert grants.access("reader", Access.READ) == Access.READ
    assert guess.is_alive()

    go.set()
    guess.join()
