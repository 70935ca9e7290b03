"""A storage that hangs gets as many threads as it has places, and one that works is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pywharf.errors import BackendUnavailable
from pywharf.repository import places as places_module
from pywharf.repository.places import Places

pytestmark = pytest.mark.any_python


class Crowd:
    """Threads that each take a place, and keep it until they are let go."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._go = threading.Event()
        self._threads: list[threading.Thread] = []
        self.inside = 0
        self.refused = 0
        self._guard = threading.Lock()

    def send(self, many: int) -> None:
        for _ in range(many):
            self._threads.append(threading.Thread(target=self._stay))
            self._threads[-1].start()

    def _stay(self) -> None:
        try:
            with self._places.taken():
                with self._guard:
                    self.inside += 1
                self._go.wait(30)
        except BackendUnavailable:
            with self._guard:
                self.refused += 1

    def settle(self, inside: int, refused: int = 0) -> None:
        end = time.monotonic() + 20
        while (self.inside, self.refused) != (inside, refused):
            assert time.monotonic() < end, (self.inside, self.refused)
            time.sleep(0.005)

    def end(self) -> None:
        self._go.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def places() -> Places:
    return Places(3, "it is full")


@pytest.fixture
def crowd(places: Places) -> Iterator[Crowd]:
    crowd = Crowd(places)
    yield crowd
    crowd.end()


def test_there_are_as_many_places_as_there_are(places: Places, crowd: Crowd) -> None:
    crowd.send(3)
    crowd.settle(3)
    places.check()  # full, but somebody came just now

    crowd.send(1)
    crowd.settle(3, 1)


def test_while_nobody_comes_through_everybody_else_is_refused_at_once(
    places: Places, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places_module, "STUCK", 0.2)
    crowd.send(3)
    crowd.settle(3)
    crowd.send(20)
    crowd.settle(3, 20)
    began = time.monotonic()

    for _ in range(50):
        with pytest.raises(BackendUnavailable, match="it is full") as refused, places.taken():
            pytest.fail("there was a place")
        with pytest.raises(BackendUnavailable):
            places.check()

    assert time.monotonic() - began < 10  # and not 50 times the wait
    assert refused.value.retry_after > 0


def test_who_waits_gets_the_place_of_who_leaves(places: Places, crowd: Crowd) -> None:
    crowd.send(3)
    crowd.settle(3)
    waiting = Crowd(places)
    waiting.send(2)
    time.sleep(0.05)
    crowd.end()

    waiting.settle(2)
    waiting.end()
    places.check()


def test_a_crowd_at_a_storage_that_works_is_served_to_the_last(places: Places) -> None:
    done = []

    def work() -> None:
        with places.taken():
            time.sleep(0.01)
            done.append(1)

    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 40


def test_a_place_is_given_back_whatever_happens(places: Places) -> None:
    for _ in range(10):
        with pytest.raises(KeyError), places.taken():
            raise KeyError

    with places.taken():
        places.check()
