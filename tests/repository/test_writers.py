"""The instances that uploads go through: shared by those with one secret, bounded, closed when nobody uses them."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from pywharf.backend.interface import Backend
from pywharf.errors import BackendUnavailable
from pywharf.repository import writers as writers_module
from pywharf.repository.writers import Writers
from pywharf.testing.memory import MemoryBackend, MemoryStorage


class Closable(MemoryBackend):
    def __init__(self, secret: str) -> None:
        super().__init__(MemoryStorage())
        self.secret = secret
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Opened:
    def __init__(self) -> None:
        self.all: list[Closable] = []
        self.fails = False

    def __call__(self, secret: str) -> Backend:
        if self.fails:
            raise BackendUnavailable("a test turned it off")
        self.all.append(Closable(secret))
        return self.all[-1]

    def open_ones(self) -> list[str]:
        return [backend.secret for backend in self.all if not backend.closed]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setattr(writers_module, "MOST", 3)
    return Opened()


@pytest.fixture
def writers(opened: Opened) -> Writers:
    return Writers(opened, b"k" * 32)


def test_those_with_one_secret_share_an_instance(writers: Writers, opened: Opened) -> None:
    with writers.lease("a") as one, writers.lease("a") as two, writers.lease("b") as three:
        assert one is two
        assert one is not three
    with writers.lease("a") as again:
        assert again is one
    assert len(opened.all) == 2


def test_the_number_kept_is_bounded_and_the_longest_unused_go(writers: Writers, opened: Opened) -> None:
    for secret in ("a", "b", "c", "a", "d"):
        with writers.lease(secret):
            pass

    assert opened.open_ones() == ["a", "c", "d"]


def test_an_instance_in_use_is_never_closed(writers: Writers, opened: Opened) -> None:
    with ExitStack() as stack:
        for secret in "abcdef":
            stack.enter_context(writers.lease(secret))
        assert opened.open_ones() == list("abcdef")
        with writers.lease("g"):
            assert len(opened.open_ones()) == 7
        assert opened.open_ones() == list("abcdef")
    assert len(opened.open_ones()) == 3
    assert all(backend.closed <= 1 for backend in opened.all)


def test_an_upload_that_fails_gives_its_instance_back(writers: Writers, opened: Opened) -> None:
    for secret in "abcd":
        with pytest.raises(KeyError), writers.lease(secret):
            raise KeyError
    assert len(opened.open_ones()) == 3


def test_a_backend_that_cannot_be_opened_leaves_nothing_behind(writers: Writers, opened: Opened) -> None:
    opened.fails = True
    with pytest.raises(BackendUnavailable), writers.lease("a"):
        pass
    opened.fails = False
    with writers.lease("a"):
        assert opened.open_ones() == ["a"]


def test_closing_closes_each_once(writers: Writers, opened: Opened) -> None:
    for secret in "abcd":
        with writers.lease(secret):
            pass
    writers.close()
    writers.close()

    assert [backend.closed for backend in opened.all] == [1, 1, 1, 1]


def test_no_secret_is_kept_as_a_key(writers: Writers) -> None:
    with writers.lease("a very secret secret"):
        assert "a very secret secret" not in repr(writers._writers)


def test_threads_that_come_and_go_never_meet_a_closed_instance(writers: Writers, opened: Opened) -> None:
    wrong = []

    def use(number: int) -> None:
        for turn in range(200):
            with writers.lease(str((number + turn) % 6)) as backend:
                assert isinstance(backend, Closable)
                if backend.closed:
                    wrong.append(backend)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(opened.open_ones()) <= 3
