"""What lies in the storage and is not known becomes known or is named; what is known and not there is named; nothing known changes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pywharf.backend.discovery import find_plugin
from pywharf.backend.interface import Access, Change, Cursor, Entry, FileBody, FileRef
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.errors import AccessDenied, BackendUnavailable, IndexNotReady
from pywharf.layout import Layout
from pywharf.model.names import PROJECT_KEY, parse_filename
from pywharf.model.record import ProjectStatus, StatusMarker, to_json
from pywharf.repository.adoption import Report, update_index
from pywharf.repository.index_file import IndexDamaged
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.memory import DAY, MemoryBackend

from .making import DEMO, World, download, put, tombstone, upload, wheel

WHEEL = make_wheel("demo", "1.0")
SDIST = make_sdist("demo", "1.0")
PATIENT: dict[str, Any] = {"sync_index_interval": 3600}


class Folder:
    """A repository in a folder, and the folder that people copy files into."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder / "root")
        self.layout.prepare()
        self.plugin = find_plugin("file_system")
        self.storage = self.layout.workdir("local") / "storage"
        self.repository = self.open()

    def open(self, **config: object) -> Repository:
        checked = self.plugin.config_model.model_validate({"type": "file_system", "write_secret": "writer", **PATIENT, **config})
        return Repository(RepositorySettings("local", self.plugin, checked, None), self.layout, ServerSettings())

    def copy(self, distribution: Distribution, project: str = "demo", *, mtime: float | None = None) -> Path:
        path = self.storage / "packages" / project / distribution.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(distribution.data)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    folder.repository.sync()
    upload(folder.repository, make_wheel("first", "1.0"))
    yield folder
    folder.repository.close()


def times(repository: Repository) -> dict[str, datetime]:
    found = repository.project(DEMO)
    return {file.filename: file.upload_time for file in found.files} if found else {}


# --- files that somebody copied into the folder -----------------------------------------------------------------------


def test_what_was_copied_by_hand_becomes_known_with_its_own_time(folder: Folder) -> None:
    folder.copy(WHEEL, mtime=1_600_000_000.25)
    folder.copy(SDIST, mtime=1_500_000_000)

    report = update_index(folder.repository)

    assert sorted(report.adopted) == sorted([WHEEL.filename, SDIST.filename])
    assert (report.skipped, report.missing) == ((), ())
    assert report.known == 1
    assert times(folder.repository) == {
        WHEEL.filename: datetime(2020, 9, 13, 12, 26, 40, 250_000, tzinfo=timezone.utc),
        SDIST.filename: datetime(2017, 7, 14, 2, 40, tzinfo=timezone.utc),
    }
    assert download(folder.repository, WHEEL.filename) == WHEEL.data
    assert download(folder.repository, SDIST.filename) == SDIST.data
    assert download(folder.repository, f"{WHEEL.filename}.metadata") == WHEEL.metadata


def test_a_second_run_adopts_nothing(folder: Folder) -> None:
    folder.copy(WHEEL)
    update_index(folder.repository)

    assert update_index(folder.repository) == Report(known=2, adopted=(), skipped=(), missing=(), swept=0)


@pytest.mark.parametrize("mtime", [4e9, 253_402_300_800.0 * 2, -1e10])
def test_a_time_that_cannot_be_is_replaced_by_now(folder: Folder, mtime: float) -> None:
    try:
        folder.copy(WHEEL, mtime=mtime)
    except (OSError, OverflowError):
        pytest.skip("this file system cannot")
    before = datetime.now(timezone.utc)

    update_index(folder.repository)

    assert times(folder.repository)[WHEEL.filename] <= datetime.now(timezone.utc)
    if mtime > 0:
        assert times(folder.repository)[WHEEL.filename] >= before


def test_a_file_that_fails_admission_is_named_and_the_others_go_on(folder: Folder) -> None:
    folder.copy(Distribution(wheel("demo", "3.0"), b"no archive at all", b""))
    folder.copy(make_wheel("other", "1.0", filename="demo-4.0-py3-none-any.whl"))
    folder.copy(Distribution("README.txt", b"read me", b""))
    folder.copy(make_wheel("acme", "1.0"), project="demo")
    folder.copy(make_wheel("zeta", "1.0"), project="Zeta")
    folder.copy(WHEEL)

    report = update_index(folder.repository)

    assert report.adopted == (WHEEL.filename,)
    skipped = dict(report.skipped)
    assert sorted(skipped) == [
        "README.txt",
        "acme-1.0-py3-none-any.whl",
        wheel("demo", "3.0"),
        wheel("demo", "4.0"),
        "zeta-1.0-py3-none-any.whl",
    ]
    assert "it belongs to project acme but lies in the folder of demo" in skipped["acme-1.0-py3-none-any.whl"]
    assert "it belongs to project zeta but lies in the folder of Zeta" in skipped["zeta-1.0-py3-none-any.whl"]
    assert all(skipped.values())
    assert folder.repository.projects().names == ("demo", "first")


def test_a_file_larger_than_the_repository_takes_is_named(folder: Folder, tmp_path: Path) -> None:
    folder.copy(WHEEL)
    small = folder.open(max_file_bytes=len(WHEEL.data) - 1)

    report = update_index(small)
    small.close()

    assert report.adopted == ()
    assert [name for name, _ in report.skipped] == [WHEEL.filename]
    assert "too large" in report.skipped[0][1]


def test_nothing_is_left_behind_and_nothing_stays_open(folder: Folder, tmp_path: Path) -> None:
    folder.copy(WHEEL)
    folder.copy(Distribution(wheel("demo", "3.0"), b"no archive", b""))
    update_index(folder.repository)
    folder.repository.close()

    assert list((folder.storage / "incoming").iterdir()) == []


def test_a_body_that_is_gone_is_named(folder: Folder) -> None:
    for path in folder.storage.glob("*/*/first-1.0*"):
        path.unlink()
    for path in folder.storage.glob("objects/*/*"):
        path.unlink()

    report = update_index(folder.repository)

    assert report.missing == (wheel("first"), f"{wheel('first')}.metadata")


def test_a_body_that_only_people_still_see_is_named(folder: Folder) -> None:
    for path in folder.storage.glob("objects/*/*"):
        path.unlink()

    assert update_index(folder.repository).missing == (wheel("first"), f"{wheel('first')}.metadata")


def test_a_record_says_what_the_file_says(folder: Folder) -> None:
    folder.copy(make_wheel("demo", "1.0", requires_python=">=3.7", extra_headers=[("Summary", "Größe")]))
    update_index(folder.repository)

    detail = folder.repository.project(DEMO)
    assert detail is not None
    (file,) = detail.files
    assert (file.requires_python, file.summary, set(file.digests)) == (">=3.7", "Größe", {"md5", "blake2b_256"})


def test_a_file_directly_among_the_projects_is_adopted_into_its_own(folder: Folder) -> None:
    folder.copy(WHEEL, ".")

    assert update_index(folder.repository).adopted == (WHEEL.filename,)
    assert download(folder.repository, WHEEL.filename) == WHEEL.data
    assert update_index(folder.repository) == Report(2, (), (), (), 0)


def test_two_copies_of_one_file_are_one(folder: Folder) -> None:
    folder.copy(WHEEL, ".")
    folder.copy(WHEEL)

    assert update_index(folder.repository) == Report(1, (WHEEL.filename,), (), (), 0)


def test_an_older_spelling_is_adopted_as_it_is(folder: Folder) -> None:
    old = make_sdist("Demo.Pkg", "1.0", filename="Demo.Pkg-1.0.tar.gz")
    folder.copy(old, "demo-pkg")

    assert update_index(folder.repository).adopted == (old.filename,)
    assert download(folder.repository, old.filename) == old.data


@pytest.mark.parametrize("filename", ["demo-1.0.0.tar.gz", "Demo-1.0.tar.gz"])
def test_another_spelling_of_a_known_sdist_is_named(folder: Folder, filename: str) -> None:
    upload(folder.repository, SDIST)
    folder.copy(Distribution(filename, SDIST.data, b""))
    report = update_index(folder.repository)

    assert report.adopted == ()
    assert dict(report.skipped)[filename].startswith(f"File already exists ({filename}): ")


def test_what_was_adopted_is_no_longer_the_copy_that_somebody_may_change(folder: Folder) -> None:
    copied = folder.copy(WHEEL)
    with copied.open("r+b") as still_open:
        update_index(folder.repository)
        still_open.write(b"changed")

    assert download(folder.repository, WHEEL.filename) == WHEEL.data
    assert copied.read_bytes() == WHEEL.data


def test_a_body_that_only_people_no_longer_see_is_not_missing(folder: Folder) -> None:
    for shown in folder.storage.glob("packages/*/*"):
        shown.unlink()

    assert update_index(folder.repository) == Report(1, (), (), (), 0)


# --- rules ------------------------------------------------------------------------------------------------------------


def by_hand(world: World, *distributions: Distribution, project: str = "demo") -> None:
    for one in distributions:
        world.storage().by_hand[project, one.filename] = one.data


def test_a_deleted_file_is_never_adopted_again(world: World) -> None:
    repository = world.open(**PATIENT)
    upload(repository, WHEEL)
    put(MemoryBackend(world.storage()), WHEEL.filename, to_json(tombstone(WHEEL.filename)))
    by_hand(world, WHEEL)

    report = update_index(repository)

    assert report.adopted == ()
    assert report.skipped[0][0] == WHEEL.filename
    assert "it was deleted, and the name of a deleted file stays taken: remove it from the storage by hand" in report.skipped[0][1]


@pytest.mark.parametrize("suffix", [".metadata", f".{WHEEL.sha256[:16]}.provenance"])
def test_what_lies_beside_a_deleted_file_is_told_too(world: World, suffix: str) -> None:
    repository = world.open(**PATIENT)
    upload(repository, WHEEL)
    world.storage().by_hand["demo", f"{WHEEL.filename}{suffix}"] = b"left by a deletion that was cut short"
    assert update_index(repository).skipped == ()

    put(MemoryBackend(world.storage()), WHEEL.filename, to_json(tombstone(WHEEL.filename)))

    told = dict(update_index(repository).skipped)
    assert told[f"{WHEEL.filename}{suffix}"] == "the file that it is about was deleted: remove it from the storage by hand"


def test_a_name_that_was_taken_otherwise_is_left_alone(world: World) -> None:
    repository = world.open(**PATIENT)
    upload(repository, SDIST)
    upload(repository, WHEEL)
    world.storage().remove_by_hand("demo", parse_filename(WHEEL.filename).key)
    zipped = make_sdist("demo", "1.0", suffix=".zip")
    by_hand(world, WHEEL, zipped)

    report = update_index(repository)

    assert report.adopted == ()
    assert {name for name, _ in report.skipped} == {WHEEL.filename, zipped.filename}


def test_a_copy_of_a_known_file_is_in_order_and_one_of_another_size_is_named(world: World) -> None:
    repository = world.open(**PATIENT)
    upload(repository, WHEEL)
    by_hand(world, WHEEL)
    assert update_index(repository).skipped == ()

    by_hand(world, Distribution(WHEEL.filename, WHEEL.data + b"more", b""))
    assert [name for name, _ in update_index(repository).skipped] == [WHEEL.filename]
    assert download(repository, WHEEL.filename) == WHEEL.data


def test_a_file_that_disappears_meanwhile_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, WHEEL)
    found = list(repository.backend.iter_files())
    world.storage().by_hand.clear()
    monkeypatch.setattr(repository.backend, "iter_files", lambda: iter(found))

    assert [name for name, _ in update_index(repository).skipped] == [WHEEL.filename]


def test_side_files_are_no_distributions(world: World) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, Distribution(f"{WHEEL.filename}.metadata", b"x", b""), Distribution(f"{WHEEL.filename}.0123.provenance", b"x", b""))

    report = update_index(repository)

    assert (report.adopted, report.skipped) == ((), ())


def test_adopting_needs_the_right_to_write(world: World) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, WHEEL)
    repository._backend = MemoryBackend(world.storage(), Access.READ)

    with pytest.raises(AccessDenied):
        update_index(repository)


def test_a_storage_in_trouble_ends_the_run(world: World) -> None:
    repository = world.open(**PATIENT)
    world.storage().unavailable = True

    with pytest.raises(BackendUnavailable):
        update_index(repository)


@pytest.mark.parametrize("status", ["archived", "quarantined"])
def test_a_project_that_takes_no_uploads_adopts_nothing(world: World, status: StatusMarker) -> None:
    repository = world.open(**PATIENT)
    cursor = repository.backend.read_changes(None).cursor
    repository.backend.commit(Change(DEMO, {PROJECT_KEY: to_json(ProjectStatus(status))}), cursor)
    by_hand(world, WHEEL)

    assert update_index(repository).skipped == ((WHEEL.filename, f"Project demo is {status} and takes no uploads"),)


class Torn(io.BytesIO):
    """A body on a disk that is dying."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, os.strerror(5))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (BackendUnavailable("permission denied"), "it cannot be read (permission denied)"),
        (None, "it cannot be read (Input/output error)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None, told: str
) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, WHEEL, SDIST)
    open_file = repository.backend.open_file

    def open_or_fail(file: FileRef) -> FileBody:
        if file.name != WHEEL.filename:
            return open_file(file)
        if trouble is not None:
            raise trouble
        return FileBody(Torn(), file.size)

    monkeypatch.setattr(repository.backend, "open_file", open_or_fail)
    report = update_index(repository)

    assert report.skipped == ((WHEEL.filename, told),)
    assert report.adopted == (SDIST.filename,)


def test_a_storage_that_goes_away_in_the_middle_is_told_and_the_next_run_does_the_rest(world: World) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, WHEEL, SDIST)

    def turn_off(done: int) -> None:
        world.storage().unavailable = True

    with pytest.raises(BackendUnavailable):
        update_index(repository, on_progress=turn_off)
    world.storage().unavailable = False

    assert update_index(repository).adopted == (SDIST.filename,)
    assert set(times(repository)) == {WHEEL.filename, SDIST.filename}


# --- sweep and checkpoint ---------------------------------------------------------------------------------------------


def test_orphans_are_swept_and_no_body_that_a_record_speaks_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open(**PATIENT)
    upload(repository, WHEEL)
    upload(repository, make_wheel("acme", "1.0"))
    asked: dict[str, bool] = {}
    sweep = repository.backend.sweep

    def watched(is_known: Callable[[str], bool]) -> int:
        asked.update({body.sha256: is_known(body.sha256) for body in world.storage().bodies})
        asked["orphan"] = is_known("0" * 64)
        return sweep(is_known)

    monkeypatch.setattr(repository.backend, "sweep", watched)
    at = world.storage().now() + DAY + 1
    world.storage().now = lambda: at
    before = dict(world.storage().bodies)

    report = update_index(repository)

    assert asked.pop("orphan") is False
    assert len(asked) == 4
    assert all(asked.values())
    assert world.storage().bodies == before
    assert report.swept == 0


def test_what_was_adopted_is_known_to_the_sweep(world: World) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, WHEEL)
    at = world.storage().now() - DAY - 1
    world.storage().now = lambda: at
    update_index(repository)
    world.storage().now = lambda: at + 2 * DAY

    update_index(repository)

    assert download(repository, WHEEL.filename) == WHEEL.data


def test_the_checkpoint_is_the_log_up_to_its_cursor_whatever_happens_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, other = world.open(**PATIENT), world.open(**PATIENT)
    for version in ("1.0", "2.0"):
        upload(repository, make_wheel("demo", version))
    written: list[tuple[Cursor, list[Entry]]] = []
    cursor_before = repository.index.cursor()

    def checkpoint(entries: Iterable[Entry], at: Cursor) -> None:
        upload(other, make_wheel("demo", "3.0"))
        written.append((at, list(entries)))

    monkeypatch.setattr(repository.backend, "write_checkpoint", checkpoint)
    update_index(repository)

    ((at, entries),) = written
    assert at == cursor_before
    assert [entry.key for entry in entries] == sorted(parse_filename(wheel("demo", version)).key for version in ("1.0", "2.0"))
    assert other.project(DEMO) is not None


def test_what_another_server_committed_meanwhile_is_known_to_the_sweep(world: World) -> None:
    repository, other = world.open(**PATIENT), world.open(**PATIENT)
    by_hand(world, WHEEL)
    at = world.storage().now()
    world.storage().now = lambda: at - 2 * DAY  # what is placed now is old when it is swept

    def commit_more(done: int) -> None:
        upload(other, SDIST)
        world.storage().now = lambda: at

    update_index(repository, on_progress=commit_more)

    assert download(repository, SDIST.filename) == SDIST.data


def test_a_checkpoint_holds_every_project_in_order_and_tombstones_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open(**PATIENT)
    upload(repository, make_wheel("zebra", "1.0"))
    put(repository.backend, SDIST.filename, to_json(tombstone(SDIST.filename)))
    by_hand(world, WHEEL)
    written: list[Entry] = []
    monkeypatch.setattr(repository.backend, "write_checkpoint", lambda entries, at: written.extend(entries))
    update_index(repository)

    assert [(entry.project, entry.key, entry.serial) for entry in written] == [
        ("demo", "demo-1-py3-none-any.whl", 3),
        ("demo", "demo-1.tar.gz", 2),
        ("zebra", "zebra-1-py3-none-any.whl", 1),
    ]


def test_progress_counts_the_files_looked_at(world: World) -> None:
    repository = world.open(**PATIENT)
    by_hand(world, WHEEL, SDIST, Distribution("README.txt", b"", b""))
    seen: list[int] = []

    update_index(repository, on_progress=seen.append)

    assert seen == [1, 2, 3]


def test_a_damaged_index_is_built_anew_on_the_way(world: World) -> None:
    repository = world.open(start=False, **PATIENT)
    repository.sync()
    upload(repository, WHEEL)
    with repository.index._file.connection() as db:
        db.execute("UPDATE entries SET document = 7")

    assert update_index(repository).known == 1


def test_damage_that_does_not_go_away_is_told_as_an_index_that_is_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open(start=False, **PATIENT)

    def damaged() -> Iterator[object]:
        raise IndexDamaged("the disk")

    monkeypatch.setattr(repository.index, "documents", damaged)
    with pytest.raises(IndexNotReady, match="damaged"):
        update_index(repository)
