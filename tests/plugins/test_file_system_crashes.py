"""Death and failing disks at every single step of a commit, and processes killed at work."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.disk import Disk, Killed
from pywharf_file_system import plugin

from pywharf.backend.interface import Access, Backend, Change, Cursor, FileRef, StagedFile
from pywharf.errors import BackendUnavailable, Moved
from pywharf.testing.backend_suite import DOCUMENT, Reader, StorageUnderTest, commit, content, current

pytestmark = pytest.mark.any_python


class Folder(StorageUnderTest):
    def open(self, access: Access = Access.WRITE) -> Backend:
        return plugin.open(plugin.config_model.model_validate({"write_secret": "w"}), None, self.folder)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


HOWS = ["kill", "tear", str(errno.ENOSPC), str(errno.EIO)]


def with_an_old_file(storage: Folder) -> list[FileRef]:
    return [storage.publish("demo", "demo-old", b"old")]


def check_each_point(disk: Disk, folder: Path, how: str, prepare: Callable[[Folder], list[FileRef]]) -> int:
    """Fail at the first changing call of a commit, at the second, and so on until none is left; how many there were."""
    point = 0
    while True:
        point += 1
        storage = Folder(folder / str(point))
        storage.folder.mkdir()
        dropped = prepare(storage)
        before = Reader(storage.open()).documents()
        staged = [storage.stage("demo", "demo-1", b"body"), storage.stage("demo", "demo-1.metadata", b"metadata")]
        change = Change("demo", {"demo-1": b"new", "demo-old": b"deleted"}, staged, dropped)
        seen = current(storage.open())
        with disk.failing(point, how):
            outcome = attempt(storage.open(), change, seen)
            reached = disk.count
        if reached < point:
            assert outcome == "acknowledged"
            return point - 1
        check_outcome(storage, before, change, outcome)


def attempt(backend: Backend, change: Change, seen: Cursor) -> str:
    try:
        backend.commit(change, seen)
    except Killed:
        return "dead"
    except BackendUnavailable as error:
        return "refused" if "/" not in str(error).replace("Input/output", "") else f"told a path: {error}"
    return "acknowledged"


def check_outcome(storage: Folder, before: dict[tuple[str, str], bytes | None], change: Change, outcome: str) -> None:
    after = before | {("demo", key): document for key, document in change.documents.items()}
    first = Reader(storage.open()).documents()
    assert first in {"acknowledged": [after], "refused": [before], "dead": [before, after]}[outcome]

    assert not list((storage.folder / "storage").glob("packages/**/.*"))  # where no sweep would find it
    commit(storage.open(), Change("other", {"next": DOCUMENT}))  # the next one goes through, and brings nothing else to light
    assert Reader(storage.open()).documents() == first | {("other", "next"): DOCUMENT}

    if first == after:
        assert [content(storage.open(), one.ref) for one in change.files] == [b"body", b"metadata"]
    else:
        assert {file.name for file in storage.open().iter_files()} <= {"", "demo-old"}
        for file in change.drop:
            assert content(storage.open(), file) == b"old"
        commit(storage.open(), change)  # the same again, as a client tries again
        assert [content(storage.open(), one.ref) for one in change.files] == [b"body", b"metadata"]
        assert Reader(storage.open()).documents() == after | {("other", "next"): DOCUMENT}


@pytest.mark.parametrize("how", HOWS)
def test_a_commit_that_fails_at_any_step_is_whole_or_not_at_all(disk: Disk, tmp_path: Path, how: str) -> None:
    points = check_each_point(disk, tmp_path, how, with_an_old_file)

    print(f"{points} points, {how}")
    assert points >= (1 if how == "tear" else 15)


@pytest.mark.parametrize("how", HOWS)
def test_the_first_commit_of_a_storage_that_fails_at_any_step_is_whole_or_not_at_all(disk: Disk, tmp_path: Path, how: str) -> None:
    points = check_each_point(disk, tmp_path, how, lambda storage: [])

    print(f"{points} points, {how}")
    assert points >= (2 if how == "tear" else 25)


@pytest.mark.parametrize("how", ["kill", "tear"])
def test_a_commit_after_a_crash_that_fails_at_any_step_is_whole_or_not_at_all(disk: Disk, tmp_path: Path, how: str) -> None:
    def prepare(storage: Folder) -> list[FileRef]:
        files = with_an_old_file(storage)
        with (storage.folder / "storage" / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"torn')
        return files

    assert check_each_point(disk, tmp_path, how, prepare) >= (1 if how == "tear" else 15)


@pytest.mark.parametrize("how", ["kill", str(errno.ENOSPC)])
def test_a_commit_without_links_that_fails_at_any_step_is_whole_or_not_at_all(
    disk: Disk, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)

    assert check_each_point(disk, tmp_path, how, with_an_old_file) >= 20


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Every call that changes a file of the storage, as it happens: "fsync objects", "link objects/aa/<sha256>"."""
    calls: list[str] = []

    def telling(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def tell(*arguments: object, **options: object) -> object:
            at = arguments[1] if name in ("link", "rename") else arguments[0]
            path = os.readlink(f"/proc/self/fd/{at}") if isinstance(at, int) else str(at)
            calls.append(f"{name} {os.path.relpath(path, tmp_path / 'storage')}".partition(".")[0])
            return call(*arguments, **options)

        return tell

    for name in ("fsync", "link", "mkdir", "rename", "unlink", "write"):
        monkeypatch.setattr(os, name, telling(name, getattr(os, name)))
    return calls


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell which file a descriptor is")


@linux
def test_everything_is_on_the_disk_before_anything_refers_to_it(tmp_path: Path, told: list[str]) -> None:
    """Bodies, then their folders, then the line, then the answer: what power loss cannot tear apart."""
    storage = Folder(tmp_path)
    old = storage.publish("demo", "demo-old", b"old")
    staged = storage.stage("demo", "demo-1", b"body")
    seen = current(storage.open())
    told.clear()

    storage.open().commit(Change("demo", {"demo-1": DOCUMENT}, [staged], [old]), seen)

    folder = f"objects/{staged.ref.sha256[:2]}"
    committed = told.index("fsync journal")
    assert told[: committed + 1] == [
        f"mkdir {folder}",
        "fsync objects",
        f"link {folder}/{staged.ref.sha256}",
        f"fsync {folder}",
        "write journal",
        "fsync journal",
    ]
    assert "unlink packages/demo/demo-old" in told[committed:]


@linux
def test_the_bodies_of_a_commit_are_all_linked_before_their_folders_are_made_to_last(tmp_path: Path, told: list[str]) -> None:
    storage = Folder(tmp_path)
    storage.publish("demo", "demo-old", b"old")
    files = [storage.stage("demo", f"demo-1{suffix}", b"body" + suffix.encode()) for suffix in ("", ".metadata", ".provenance")]
    folders = {f"fsync objects/{staged.ref.sha256[:2]}" for staged in files}
    seen = current(storage.open())
    told.clear()

    storage.open().commit(Change("demo", {"demo-1": DOCUMENT}, files), seen)

    written = told.index("write journal")
    last = max(at for at, call in enumerate(told[:written]) if call.startswith("link objects/"))
    assert folders <= set(told[last:written])


@linux
def test_a_folder_of_bodies_is_made_to_last_once_by_each_who_uses_it(tmp_path: Path, told: list[str]) -> None:
    """It may have been made by a process that died before it came to its own fsync."""
    storage = Folder(tmp_path)
    backend = storage.open()
    for number in range(2):
        staged = storage.stage("demo", f"demo-{number}", b"the same bytes")
        backend.commit(Change("demo", {f"demo-{number}": DOCUMENT}, [staged]), current(backend))
        told.append("committed")
    other = storage.open()
    other.commit(Change("demo", {"demo-2": DOCUMENT}, [storage.stage("demo", "demo-2", b"the same bytes")]), current(other))

    first, second, third = " ".join(told).split("committed")
    assert "fsync objects " in first
    assert "fsync objects " not in second
    assert "fsync objects " in third


@linux
def test_folders_of_bodies_that_were_there_are_made_to_last_together(tmp_path: Path, told: list[str]) -> None:
    storage = Folder(tmp_path)
    bodies = [b"%d" % number for number in range(4)]  # each in a folder of its own
    for number, body in enumerate(bodies):
        storage.publish("demo", f"demo-{number}", body)
    other = storage.open()
    told.clear()

    for number, body in enumerate(bodies):
        other.commit(Change("other", {f"other-{number}": DOCUMENT}, [storage.stage("other", f"other-{number}", body)]), current(other))

    folders = {call for call in told if call.startswith("link objects/")}
    assert len({call.split("/")[1] for call in folders}) == len(bodies)
    assert told.count("fsync objects") == 1
    assert told.index("fsync objects") < min(told.index(call) for call in folders)


@linux
def test_what_people_see_may_get_lost_and_is_not_waited_for(tmp_path: Path, told: list[str]) -> None:
    storage = Folder(tmp_path)
    storage.publish("demo", "demo-1")
    told.clear()

    storage.publish("new", "new-1")

    assert "mkdir packages/new" in told[told.index("fsync journal") :]
    assert not [call for call in told if call.startswith("fsync packages")]


@linux
def test_the_first_commit_makes_the_journal_last_before_it_is_used(tmp_path: Path, told: list[str]) -> None:
    Folder(tmp_path).publish("demo", "demo-1")

    begun = told.index("write journal")
    assert told[begun : begun + 3] == ["write journal", "fsync journal", "fsync "]
    assert begun < told.index("mkdir objects") < told.index("write journal", begun + 1)


@linux
def test_a_copied_body_is_on_the_disk_before_it_has_its_name(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    file = Folder(tmp_path).publish("demo", "demo-1")

    named = told.index(f"rename objects/{file.sha256[:2]}/{file.sha256}")
    assert told[named - 1] == f"fsync objects/{file.sha256[:2]}/"


def test_reading_through_a_disk_that_fails_is_refused_and_works_again(disk: Disk, tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    storage.publish("demo", "demo-1")
    for point in range(1, 4):
        with disk.failing(point, str(errno.EIO)):
            try:
                assert Reader(storage.open()).documents() == {("demo", "demo-1"): DOCUMENT}
            except BackendUnavailable:
                assert disk.count >= point  # that of the failure, and what keeps it in mind

    assert Reader(storage.open()).documents() == {("demo", "demo-1"): DOCUMENT}


# --- processes --------------------------------------------------------------------------------------------------------

NAMES = 4000


def work(storage: Folder, told: int, seed: int) -> None:
    """Upload files under names that others want too, and tell what came of each: with one write, so whole or not at all."""
    dice = random.Random(seed)
    backend = storage.open()
    reader = Reader(backend)
    while True:
        key = f"demo-{dice.randrange(NAMES)}"
        body = b"%d %d" % (seed, dice.getrandbits(64))
        digest = hashlib.sha256(body).hexdigest()
        path = storage.staging() / f"{os.getpid()}"
        path.write_bytes(body)
        outcome = ""
        while not outcome:
            if reader.documents().get(("demo", key)) is not None:
                outcome = "refused"
                break
            assert reader.cursor is not None
            try:
                change = Change("demo", {key: digest.encode()}, [StagedFile(FileRef("demo", key, digest, len(body)), path)])
                backend.commit(change, reader.cursor)
                outcome = "acknowledged"
            except Moved:
                continue
        path.unlink()
        os.write(told, json.dumps([key, digest, outcome]).encode() + b"\n")


def test_nothing_acknowledged_is_lost_when_writers_are_killed_at_work(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    storage.publish("other", "first")
    told = os.open(tmp_path / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    dice = random.Random(2)
    seeds = iter(range(10_000))

    def start() -> int:
        seed = next(seeds)
        child = os.fork()
        if not child:
            try:
                work(storage, told, seed)
            finally:
                os._exit(1)  # work() ends by being killed only
        return child

    follower = Reader(storage.open())
    writers = [start() for _ in range(4)]
    kills = 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.02, 0.15))
        victim = dice.randrange(len(writers))
        os.kill(writers[victim], signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(writers[victim], 0)[1]) == -signal.SIGKILL
        kills += 1
        assert follower.sync().reset is (kills == 1)
        writers[victim] = start()
    for writer in writers:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    os.close(told)

    outcomes = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    acknowledged = {key: digest for key, digest, outcome in outcomes if outcome == "acknowledged"}
    refused = {digest for _, digest, outcome in outcomes if outcome == "refused"}
    documents = {key: (document or b"").decode() for (project, key), document in follower.documents().items() if project == "demo"}
    fresh = Reader(storage.open())
    fresh.sync()

    print(f"{kills} kills, {len(acknowledged)} acknowledged, {len(refused)} refused, {len(documents)} there")
    assert len(acknowledged) == sum(outcome == "acknowledged" for _, _, outcome in outcomes)  # one winner for each name
    assert documents.items() >= acknowledged.items()
    assert not refused & set(documents.values())
    assert fresh.newest == follower.newest
    assert sorted(entry.serial for entry in fresh.newest.values()) == list(range(1, len(documents) + 2))
    for key, digest in documents.items():
        (met,) = [path for path in (storage.folder / "storage" / "objects" / digest[:2]).iterdir() if path.name.startswith(digest)]
        body = content(storage.open(), FileRef("demo", key, digest, met.stat().st_size))
        assert hashlib.sha256(body).hexdigest() == digest
    storage.publish("other", "last")
    assert follower.documents()["other", "last"] == DOCUMENT
