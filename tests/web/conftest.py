from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pywharf.config import ServerSettings
from pywharf.web.app import App, make_app
from pywharf.web.readme import Readmes
from pywharf.web.sessions import Sessions
from pywharf.web.throttle import Throttle

from .browser import Browser
from .client import Client, basic
from .fakes import WRITE, FakeRepository, FakeWharf

EXTRA = "https://extra.example/simple/"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def everything_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The applications that a test made, their sessions, their folders: since 3.13 Python tells of each database that is left open."""
    with ExitStack() as at_the_end:
        for kind in (App, Sessions, FakeWharf):
            monkeypatch.setattr(kind, "__init__", _remembered(kind.__init__, at_the_end))
        yield


def _remembered(begin: Any, at_the_end: ExitStack) -> Any:
    def made(self: Any, *arguments: Any, **more: Any) -> None:
        begin(self, *arguments, **more)
        at_the_end.callback(self.close)

    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repository() -> FakeRepository:
    repository = FakeRepository()
    repository.put("demo-1.0-py3-none-any.whl", b"wheel " * 100, b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nSummary: A demo\n")
    repository.put("demo-1.0.tar.gz", b"sdist")
    return repository


@pytest.fixture
def other() -> FakeRepository:
    other = FakeRepository("other")
    other.secrets = {"other-read": other.secrets["read-me"], "other-write": other.secrets["write-me"]}
    return other


@pytest.fixture
def wharf(repository: FakeRepository, other: FakeRepository) -> FakeWharf:
    return FakeWharf(repository, other)


@pytest.fixture
def app(wharf: FakeWharf, clock: Clock) -> App:
    return make_app(wharf.wharf, ServerSettings(extra_index_url=EXTRA), throttle=Throttle(clock=clock))


@pytest.fixture
def client(app: App) -> Client:
    """A reader of the repository "local"."""
    return Client(app)


@pytest.fixture
def writer(app: App) -> Client:
    """A writer of the repository "local"."""
    return Client(app, basic("local", WRITE))


@pytest.fixture
def stranger(app: App) -> Client:
    """Somebody without credentials."""
    return Client(app, None)


@pytest.fixture
def browser(app: App) -> Browser:
    """A browser that nobody has logged in with."""
    return Browser(app)


@pytest.fixture(scope="module")
def readmes() -> Iterator[Readmes]:
    """The real thing, with patience for machines that are busy with other things."""
    readmes = Readmes(patience=60.0, start_patience=60.0)
    yield readmes
    readmes.close()
