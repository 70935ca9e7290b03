"""A ROOT that was copied file by file while the server wrote to it: the copy serves what was acknowledged before, whole, and goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import KNOWN, Place
from repository.making import settle

from pywharf.testing.distributions import Distribution, make_wheel

pytestmark = pytest.mark.any_python

COPIES = 3


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path / "root") as place:
        place.fill()
        yield place


def copy(source: Path, target: Path) -> None:
    """As `cp -a` does, which knows nothing of what it copies; what goes away under it is left out."""
    target.mkdir(mode=0o700)
    for entry in os.scandir(source):
        with contextlib.suppress(FileNotFoundError):
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target / entry.name)
            elif entry.is_dir():
                copy(Path(entry.path), target / entry.name)
            else:
                shutil.copy2(entry.path, target / entry.name)


def backup(root: Path, target: Path, *, journal_first: bool) -> None:
    if not journal_first:
        copy(root, target)
        return
    journals = {path.relative_to(root): path.read_bytes() for path in root.glob("cache/*/storage/journal.jsonl")}
    copy(root, target)
    for where, content in journals.items():  # what came later to the journal is not part of it
        (target / where).write_bytes(content)


@pytest.mark.parametrize("journal_first", [True, False], ids=["journal first", "in any order"])
def test_a_copy_taken_while_writing_opens_and_has_what_was_acknowledged(place: Place, journal_first: bool, tmp_path: Path) -> None:
    over = threading.Event()
    acknowledged: list[Distribution] = []

    def upload() -> None:
        number = 0
        while not over.is_set():
            wheel = make_wheel("demo", f"1.{number}")
            assert place.upload(wheel).status == 200
            acknowledged.append(wheel)
            number += 1

    writer = threading.Thread(target=upload)
    writer.start()
    copies = []
    try:
        for number in range(COPIES):
            settle(lambda number=number: len(acknowledged) > 2 * number)  # type: ignore[misc]
            before = list(acknowledged)
            backup(place.layout.root, tmp_path / f"copy{number}", journal_first=journal_first)
            copies.append((tmp_path / f"copy{number}", before))
    finally:
        over.set()
        writer.join()

    for root, before in copies:
        with Place(root) as restored:
            settle(lambda restored=restored: restored.get("/simple/demo/").status == 200, 30)  # type: ignore[misc]
            restored.check(KNOWN)
            for wheel in before:
                restored.check(wheel)
            page = restored.get("/simple/demo/").text
            for wheel in acknowledged[len(before) :]:
                # Of what was uploaded meanwhile all is there, or nothing, or the bytes are missing and that is said.
                answer = restored.download(wheel)
                if wheel.filename not in page:
                    assert answer.status == 404
                elif journal_first:
                    assert (answer.status, answer.body) == (200, wheel.data)
                else:
                    assert answer.status in (404, 503) or answer.body == wheel.data
                assert restored.upload(wheel).status == 200  # the same again puts right whatever it was
                restored.check(wheel)
