"""A storage that is full, read-only, somebody else's, slow or gone: what is here is served, what cannot be promised is 503, and all of it is over
when the trouble is. docs/reference/reliability.md has the table."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.place import KNOWN, Place
from pywharf_file_system.journal import Journal
from repository.making import settle

from pywharf.backend.interface import Changes, Cursor
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.any_python

NEW = make_wheel("acme", "1.0")
MAKING = ("link", "mkdir", "open")
CHANGING = (*MAKING, "chmod", "ftruncate", "rename", "unlink", "write")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path / "root") as place:
        place.fill()
        yield place


@contextmanager
def refusing(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int, names: tuple[str, ...]) -> Iterator[None]:
    """Let these calls fail below a folder; `open` where it would make or change a file."""

    def between(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def refuse(*arguments: object, **options: object) -> object:
            at = arguments[1] if name in ("link", "rename") else arguments[0]
            where = os.readlink(f"/proc/self/fd/{at}") if isinstance(at, int) else os.path.abspath(str(at))
            flags = arguments[1] if name == "open" and len(arguments) > 1 and isinstance(arguments[1], int) else 0
            harmless = name == "open" and not flags & (os.O_CREAT if names is MAKING else os.O_WRONLY | os.O_RDWR)
            if where.startswith(f"{folder}{os.sep}") and not harmless:
                raise OSError(number, os.strerror(number), where)
            return call(*arguments, **options)

        return refuse

    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(os, name, between(name, getattr(os, name)))
        yield


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell which file a descriptor is")


@needs_proc
@pytest.mark.parametrize(
    ("number", "names"),
    [(errno.EROFS, CHANGING), (errno.EACCES, CHANGING), (errno.ENOSPC, ("write", "mkdir", "link")), (errno.ENOSPC, MAKING), (errno.EDQUOT, CHANGING)],
    ids=["read-only", "somebody else's", "full", "no inode left", "over quota"],
)  # fmt: skip
def test_a_storage_that_takes_nothing_serves_and_refuses_uploads_until_it_takes_them_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int, names: tuple[str, ...]
) -> None:
    with refusing(monkeypatch, place.storage, number, names):
        answers = [place.upload(NEW) for _ in range(3)]
        assert {answer.status for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
        assert str(place.layout.root) not in answers[0].text
        assert place.get("/simple/known/").status == 200
        place.check(KNOWN)
        assert place.get("/simple/acme/").status == 302  # nothing of it is here, and the storage can be asked
        place.check_other()

    assert place.upload(NEW).status == 200
    place.check(NEW)
    left = [path for path in place.storage.glob("incoming/*/*") if path.name != "lock"]
    assert left == []


def test_a_storage_that_is_gone_is_never_taken_for_an_empty_one(place: Place) -> None:
    """As a disk that is not mounted."""
    away = place.storage.with_name("elsewhere")
    place.storage.rename(away)
    settle(lambda: place.health() == "degraded")

    assert place.get("/simple/known/").status == 200
    assert place.download(KNOWN).status == 503
    assert place.upload(NEW).status == 503
    assert place.upload(make_wheel("known", "2.0")).status == 503
    place.check_other()

    shutil.rmtree(place.storage, ignore_errors=True)  # what was made in its place meanwhile
    away.rename(place.storage)
    settle(lambda: place.health() == "ok")
    place.check(KNOWN)
    assert place.upload(NEW).status == 200


def test_a_root_that_is_deleted_under_the_server_is_told_as_trouble_and_no_name_leaves(place: Place) -> None:
    shutil.rmtree(place.layout.root)

    for path in ("/simple/known/", f"/simple/known/{KNOWN.filename}", "/simple/acme/", "/simple/"):
        answer = place.get(path)
        assert answer.status == 503, (path, answer.status, answer.text)
        assert int(answer.headers["retry-after"]) > 0
    assert place.upload(NEW).status == 503
    assert place.health() in ("degraded", "unavailable")


def test_pages_wait_for_no_storage_that_is_slow(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds for each look at the journal: whoever asks for what is known does not even begin to wait."""
    released, waiting = threading.Event(), threading.Event()
    read = Journal.read

    def slow(journal: Journal, after: Cursor | None) -> Changes | None:
        if journal._path.is_relative_to(place.storage):
            waiting.set()
            released.wait(60)
        return read(journal, after)

    monkeypatch.setattr(Journal, "read", slow)
    assert waiting.wait(20)

    for _ in range(20):
        assert place.get("/simple/known/").status == 200
        place.check(KNOWN)
        place.check_other()
    released.set()
    assert place.upload(NEW).status == 200


def test_writes_that_take_one_byte_at_a_time_are_continued(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:1]))
        assert place.upload(NEW).status == 200

    place.check(NEW)
    with Place(place.layout.root) as again:
        again.check(NEW)
        again.check(KNOWN)


def test_signals_that_interrupt_every_call_change_nothing(place: Place) -> None:
    wheels = [make_wheel("acme", f"1.{number}", files={"data.bin": os.urandom(200_000)}) for number in range(8)]
    met = []
    before = signal.signal(signal.SIGALRM, lambda *_: met.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        answers = [place.upload(wheel).status for wheel in wheels]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert answers == [200] * len(wheels)
    assert len(met) > 10
    for wheel in wheels:
        place.check(wheel)
