"""A handler runs out of memory, of stack, of threads or of descriptors: that request fails with a sentence, and the next one does not."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.place import KNOWN, Place

from pywharf.repository.repository import Repository
from pywharf.repository.uploads import Uploads
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.any_python


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path / "root") as place:
        place.fill()
        yield place


def out_of_memory(*arguments: object, **options: object) -> None:
    raise MemoryError


def out_of_stack(*arguments: object, **options: object) -> None:
    out_of_stack(*arguments, **options)


def out_of_threads(*arguments: object, **options: object) -> None:
    raise RuntimeError("can't start new thread")


def out_of_descriptors(*arguments: object, **options: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/a/path")


ASKING: dict[str, tuple[type, str, Callable[[Place], int]]] = {
    "page": (Repository, "project", lambda place: place.get("/simple/known/").status),
    "file": (Repository, "find_file", lambda place: place.download(KNOWN).status),
    "upload": (Uploads, "take", lambda place: place.upload(make_wheel("acme", "1.0")).status),
}


@pytest.mark.parametrize("how", [out_of_memory, out_of_stack, out_of_threads, out_of_descriptors])
@pytest.mark.parametrize("what", ASKING)
def test_a_request_that_runs_out_of_something_fails_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, what: str, how: Callable[..., None]
) -> None:
    owner, name, ask = ASKING[what]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, how)
        assert [ask(place) for _ in range(3)] in ([500] * 3, [503] * 3)

    assert ask(place) == 200
    place.check(KNOWN)
    place.check_other()
    left = [path for path in place.storage.glob("incoming/*/*") if path.name != "lock"]
    assert left == []


def test_nothing_private_is_told_of_it(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Repository, "project", out_of_descriptors)
    answer = place.get("/simple/known/")

    assert "/a/path" not in answer.text
    assert "Traceback" not in answer.text


def test_a_server_that_can_have_no_more_threads_keeps_its_configuration(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[local]\ntype = "file_system"\nread_secret = "r"\nwrite_secret = "w"\n'
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", out_of_threads)
        assert place.initialize(text).status == 503
    place.check(KNOWN)
    assert place.upload(make_wheel("acme", "1.0")).status == 200

    assert place.initialize(text).status == 200
    assert place.get("/simple/known/", secret="r").status == 200
