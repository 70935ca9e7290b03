"""A storage as people find it on the disk: links for them, modes, files they copied there, bodies nobody needs."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pywharf_file_system.bodies
from pywharf_file_system import plugin

from pywharf.backend.interface import Access, Backend, Change, Cursor, FileRef, StagedFile
from pywharf.errors import BackendUnavailable, FileMissing, InvalidName, Moved
from pywharf.testing.backend_suite import DOCUMENT, Reader, StorageUnderTest, commit, content, current

SHA = "0" * 64


class Folder(StorageUnderTest):
    def open(self, access: Access = Access.WRITE) -> Backend:
        return plugin.open(plugin.config_model.model_validate({"write_secret": "w"}), None, self.folder)

    @property
    def root(self) -> Path:
        return self.folder / "storage"

    def shown(self, project: str, name: str) -> Path:
        return self.root / "packages" / project / name

    def bodies(self) -> list[Path]:
        return sorted(self.root.glob("objects/*/*"))


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links."""

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)


# --- for people ---------------------------------------------------------------------------------------------------------


def test_people_find_a_file_in_its_projects_folder_as_a_link_to_the_body(storage: Folder) -> None:
    storage.publish("demo", "Demo-1.0.tar.gz", b"sdist")

    (body,) = storage.bodies()
    assert storage.shown("demo", "Demo-1.0.tar.gz").read_bytes() == b"sdist"
    assert storage.shown("demo", "Demo-1.0.tar.gz").samefile(body)
    assert body.name.startswith(body.parent.name)


def test_where_links_cannot_be_made_files_are_copied(storage: Folder, no_links: None) -> None:
    file = storage.publish("demo", "demo-1", b"body")

    assert content(storage.open(), file) == b"body"
    assert storage.shown("demo", "demo-1").read_bytes() == b"body"
    assert not storage.shown("demo", "demo-1").samefile(storage.bodies()[0])
    assert not list(storage.root.rglob(".*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*storage.bodies(), storage.shown("demo", "demo-1"))} == {0o444}

    commit(storage.open(), Change("demo", {"demo-1": b"deleted"}, drop=[file]))
    assert not storage.shown("demo", "demo-1").exists()
    assert storage.bodies() == []


def test_a_link_that_cannot_be_made_is_told_in_the_log_and_the_upload_stands(storage: Folder, caplog: pytest.LogCaptureFixture) -> None:
    storage.publish("other", "other-1")
    (storage.root / "packages" / "demo").write_text("in the way")

    file = storage.publish("demo", "demo-1", b"body")

    assert content(storage.open(), file) == b"body"
    assert "link for people not made: project=demo file=demo-1" in caplog.text


def test_a_body_that_cannot_be_dropped_is_told_in_the_log_and_the_deletion_stands(
    storage: Folder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = storage.publish("demo", "demo-1", b"body")

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "unlink", refuse)
        commit(storage.open(), Change("demo", {"demo-1": b"deleted"}, drop=[file]))

    assert Reader(storage.open()).documents() == {("demo", "demo-1"): b"deleted"}
    assert "body not removed: project=demo file=demo-1" in caplog.text


def test_another_file_that_lies_under_the_name_is_left_there(storage: Folder, caplog: pytest.LogCaptureFixture) -> None:
    storage.publish("demo", "demo-1")
    storage.shown("demo", "demo-2").write_bytes(b"of somebody else")

    file = storage.publish("demo", "demo-2", b"uploaded")

    assert storage.shown("demo", "demo-2").read_bytes() == b"of somebody else"
    assert content(storage.open(), file) == b"uploaded"
    assert "another file lies under this name" in caplog.text
    commit(storage.open(), Change("demo", {"demo-2": b"deleted"}, drop=[file]))
    assert storage.shown("demo", "demo-2").read_bytes() == b"of somebody else"


def test_a_copy_with_the_same_bytes_becomes_the_link(storage: Folder) -> None:
    """After an adoption one body on the disk is enough."""
    storage.publish("demo", "demo-1")
    storage.shown("demo", "demo-2").write_bytes(b"by hand")

    storage.publish("demo", "demo-2", b"by hand")

    assert storage.shown("demo", "demo-2").stat().st_nlink >= 2
    assert FileRef("demo", "demo-2", "", 7) not in set(storage.open().iter_files())


def test_files_of_one_release_can_share_their_bytes_and_one_be_deleted(storage: Folder) -> None:
    """Wheels of one release often have the same METADATA."""
    first, second = storage.publish("demo", "demo-cp310.whl.metadata", b"M"), storage.publish("demo", "demo-cp311.whl.metadata", b"M")
    storage.shown("demo", "demo-cp311.whl.metadata").unlink()  # links for people are no counters

    commit(storage.open(), Change("demo", {"demo-cp310": b"deleted"}, drop=[first]))

    assert content(storage.open(), second) == b"M"
    assert not storage.shown("demo", "demo-cp310.whl.metadata").exists()


def test_the_same_file_committed_again_leaves_nothing_lying_about(storage: Folder) -> None:
    for _ in range(2):
        storage.publish("demo", "demo-1", b"body")

    assert len(storage.bodies()) == 1
    assert not list(storage.root.rglob(".*"))


# --- modes and places ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_files_are_private_whatever_the_umask(storage: Folder, umask: int) -> None:
    staged = storage.stage("demo", "demo-1", b"body")
    before = os.umask(umask)
    try:
        commit(storage.open(), Change("demo", {"demo-1": DOCUMENT}, [staged]))
        current(storage.open())
    finally:
        os.umask(before)

    modes = {path.relative_to(storage.folder).parts[0:2]: stat.S_IMODE(path.stat().st_mode) for path in storage.folder.rglob("*")}
    assert modes["storage", "journal.jsonl"] == 0o600
    assert modes["filled",] == 0o600
    folders = [path for path in storage.root.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (storage.root, *folders)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in storage.bodies()} == {0o444}


def test_a_storage_can_be_moved_and_copied(storage: Folder, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    moved = Folder(tmp_path / "before")
    file = moved.publish("demo", "demo-1", b"body")
    seen = current(moved.open())
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    shutil.rmtree(tmp_path / "before")

    after = Folder(tmp_path / "after")

    assert not after.open().read_changes(seen).reset
    assert content(after.open(), file) == b"body"
    assert str(tmp_path) not in (after.root / "journal.jsonl").read_text()


def test_two_servers_share_a_folder_elsewhere(tmp_path: Path) -> None:
    config = plugin.config_model.model_validate({"write_secret": "w", "path": tmp_path / "shared"})
    for server in ("one", "two"):
        (tmp_path / server).mkdir()
    one, two = plugin.open(config, None, tmp_path / "one"), plugin.open(config, None, tmp_path / "two")

    commit(one, Change("demo", {"demo-1": b"1"}))
    commit(two, Change("demo", {"demo-2": b"2"}))

    assert Reader(one).documents() == Reader(two).documents() == {("demo", "demo-1"): b"1", ("demo", "demo-2"): b"2"}
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == ["journal.jsonl", "objects", "packages"]


# --- names --------------------------------------------------------------------------------------------------------------

BAD_REFS = [
    FileRef("demo", "../../victim", SHA, 4),
    FileRef("..", "demo-1", SHA, 4),
    FileRef("demo", "/etc/passwd", SHA, 4),
    FileRef("demo", ".hidden", SHA, 4),
    FileRef("demo", "nul\0", SHA, 4),
    FileRef("demo", "n" * 256, SHA, 4),
    FileRef("demo", "", SHA, 4),
    FileRef("", "demo-1", SHA, 4),
    FileRef("demo", "demo-1", "../../../victim", 4),
    FileRef("demo", "demo-1", SHA.upper().replace("0", "A"), 4),
    FileRef("demo", "demo-1", "", 4),
]
BAD_NAMES = "up up-project absolute hidden nul long nameless projectless digest-up digest-case no-digest".split()


@pytest.mark.parametrize("ref", BAD_REFS, ids=BAD_NAMES)
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_written(storage: Folder, ref: FileRef, tmp_path: Path) -> None:
    storage.publish("other", "other-1")
    good = storage.stage("demo", "demo-1", b"body")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    for change in (
        Change("demo", {"demo-1": DOCUMENT}, [StagedFile(ref, good.path)]),
        Change("demo", {"demo-1": DOCUMENT}, [good], drop=[ref]),
    ):
        with pytest.raises(InvalidName):
            storage.open().commit(change, current(storage.open()))

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "ref",
    [*BAD_REFS, *[FileRef(ref.project, ref.name, "", ref.size) for ref in BAD_REFS]],
    ids=[*BAD_NAMES, *(f"{name}, any content" for name in BAD_NAMES)],
)
def test_a_name_that_leads_elsewhere_opens_nothing(storage: Folder, ref: FileRef) -> None:
    storage.publish("other", "other-1")
    (storage.folder / "victim").write_text("body")

    with pytest.raises(FileMissing):
        storage.open().open_file(ref)


def test_an_open_body_says_where_another_program_finds_it(storage: Folder) -> None:
    file = storage.publish("demo", "demo-1", b"the body")

    with storage.open().open_file(file) as body:
        path = body.path

    assert path is not None
    assert path.is_relative_to(storage.root / "objects")
    assert path.read_bytes() == b"the body"


def test_a_symbolic_link_in_the_packages_is_neither_listed_nor_followed(storage: Folder, caplog: pytest.LogCaptureFixture) -> None:
    storage.publish("demo", "demo-1")
    victim = storage.folder / "victim"
    victim.write_text("secret")
    storage.shown("demo", "demo-2").symlink_to(victim)
    (storage.root / "packages" / "folder").symlink_to(storage.folder)

    assert {file.name for file in storage.open().iter_files()} == {"demo-1"}
    assert "left out: name=demo-2" in caplog.text
    with pytest.raises((FileMissing, BackendUnavailable)):
        storage.open().open_file(FileRef("demo", "demo-2", "", 6))
    storage.publish("demo", "demo-2", b"uploaded")
    assert victim.read_text() == "secret"


# --- the walk -----------------------------------------------------------------------------------------------------------


def test_the_walk_tells_links_from_copies_and_names_bodies_without_a_link(storage: Folder) -> None:
    linked = storage.publish("demo", "demo-1", b"1")
    unlinked = storage.publish("demo", "demo-2", b"22")
    storage.shown("demo", "demo-2").unlink()
    storage.shown("demo", "demo-3").write_bytes(b"333")
    (storage.root / "packages" / "beside-4").write_bytes(b"4444")
    storage.shown("demo", ".hidden").write_bytes(b"5")

    met = list(storage.open().iter_files())

    assert sorted(met, key=lambda file: file.size) == [
        linked,
        FileRef("", "", unlinked.sha256, 2),
        FileRef("demo", "demo-3", "", 3),
        FileRef("", "beside-4", "", 4),
    ]
    assert [content(storage.open(), file) for file in sorted(met, key=lambda file: file.size)] == [b"1", b"22", b"333", b"4444"]


def test_a_body_of_another_size_than_was_stored_is_not_handed_out(storage: Folder) -> None:
    file = storage.publish("demo", "demo-1", b"whole body")
    (body,) = storage.bodies()
    body.chmod(0o600)
    os.truncate(body, 5)

    with pytest.raises(BackendUnavailable, match="damaged"):
        storage.open().open_file(file)


def test_a_fifo_under_a_files_name_does_not_hold_anybody_up(storage: Folder) -> None:
    storage.publish("demo", "demo-1")
    os.mkfifo(storage.shown("demo", "demo-2"))

    with pytest.raises(BackendUnavailable):
        storage.open().open_file(FileRef("demo", "demo-2", "", 6))
    assert {file.name for file in storage.open().iter_files()} == {"demo-1"}


# --- sweeping -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Two days pass."""
    return lambda: monkeypatch.setattr(pywharf_file_system.bodies, "now", lambda: time.time() + 2 * 86400)


def orphan(storage: Folder, name: str, body: bytes) -> StagedFile:
    """What an upload leaves that died, or lost, before its commit."""
    backend = storage.open()
    commit(backend, Change("demo", {"": DOCUMENT}))
    seen = current(backend)
    commit(backend, Change("demo", {"": DOCUMENT}))
    staged = storage.stage("demo", name, body)
    with pytest.raises(Moved):
        backend.commit(Change("demo", {name: DOCUMENT}, [staged]), seen)
    return staged


def test_what_an_upload_left_behind_is_swept_after_a_day(storage: Folder, later: Callable[[], None]) -> None:
    left = orphan(storage, "demo-1", b"left").ref
    backend = storage.open()
    rest_of_a_copy = storage.bodies()[0].with_name(".0123456789abcdef.tmp")
    rest_of_a_copy.write_bytes(b"half")
    assert backend.sweep(lambda sha256: False) == 0
    assert list(backend.iter_files()) == [FileRef("", "", left.sha256, left.size)]

    later()

    assert backend.sweep(lambda sha256: False) == 2
    assert storage.bodies() == []
    assert not rest_of_a_copy.exists()


def test_a_body_that_an_upload_left_and_another_now_needs_is_not_swept(storage: Folder, later: Callable[[], None]) -> None:
    """Whichever way the two meet: the sweep asks its index before the commit, and acts after it."""
    left = orphan(storage, "demo-1", b"left")
    backend = storage.open()
    later()
    real_now = time.time()

    def ask(sha256: str) -> bool:
        # The same file is uploaded again just now: its body is young again, two days from now.
        pywharf_file_system.bodies.now = lambda: real_now + 60  # type: ignore[attr-defined]
        commit(storage.open(), Change("demo", {"demo-1": DOCUMENT}, [left]))
        return False

    assert backend.sweep(ask) == 0
    assert content(backend, left.ref) == b"left"


def test_a_body_that_is_swept_between_its_placing_and_the_commit_is_placed_again(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    left = orphan(storage, "demo-1", b"left")
    place = pywharf_file_system.bodies.Bodies.place
    swept: list[Path] = []

    def place_and_lose(self: pywharf_file_system.bodies.Bodies, staged: StagedFile) -> None:
        place(self, staged)
        if not swept:
            swept.extend(storage.bodies())
            swept[0].unlink()

    monkeypatch.setattr(pywharf_file_system.bodies.Bodies, "place", place_and_lose)

    commit(storage.open(), Change("demo", {"demo-1": DOCUMENT}, [left]))

    assert len(swept) == 1
    assert content(storage.open(), left.ref) == b"left"


def test_a_storage_that_is_gone_is_not_swept(storage: Folder, later: Callable[[], None]) -> None:
    orphan(storage, "demo-1", b"left")
    (storage.root / "journal.jsonl").unlink()
    later()

    with pytest.raises(BackendUnavailable):
        storage.open().sweep(lambda sha256: False)
    assert len(storage.bodies()) == 1


# --- trouble ------------------------------------------------------------------------------------------------------------

CHANGING = ("chmod", "fchmod", "ftruncate", "link", "mkdir", "rename", "unlink", "write")


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Make the file system read-only."""

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(arguments[0]))

    def mount() -> None:
        plain_open = os.open

        def open_(path: Path, flags: int, *mode: int) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                refuse(path)
            return plain_open(path, flags, *mode)

        for call in CHANGING:
            monkeypatch.setattr(os, call, refuse)
        monkeypatch.setattr(os, "open", open_)

    yield mount
    monkeypatch.undo()


def test_a_read_only_folder_serves_and_refuses_uploads(storage: Folder, read_only: Callable[[], None]) -> None:
    file = storage.publish("demo", "demo-1", b"body")
    (storage.folder / "filled").unlink()
    staged = storage.stage("demo", "demo-2", b"new")
    read_only()
    backend = storage.open()

    assert Reader(backend).documents() == {("demo", "demo-1"): DOCUMENT}
    assert content(backend, file) == b"body"
    assert list(backend.iter_files()) == [file]
    with pytest.raises(BackendUnavailable, match="Read-only file system") as refused:
        backend.commit(Change("demo", {"demo-2": DOCUMENT}, [staged]), current(backend))
    assert str(storage.folder) not in str(refused.value)
    assert "/" not in refused.value.reason


def test_no_message_tells_where_the_storage_is(storage: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.publish("demo", "demo-1")
    plain_open = os.open

    def deny(path: Path, flags: int, *mode: int, **options: int) -> int:
        if str(path).startswith(str(storage.root)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return plain_open(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", deny)
    attempts: list[Callable[[Backend], object]] = [
        lambda one: one.read_changes(None),
        lambda one: one.commit(Change("demo", {"demo-2": DOCUMENT}), Cursor("0:")),
        lambda one: one.open_file(FileRef("demo", "demo-1", SHA, 4)),
    ]
    for attempt in attempts:
        with pytest.raises(BackendUnavailable, match="Permission denied") as trouble:
            attempt(storage.open())
        assert "/" not in str(trouble.value)


def test_a_journal_that_changes_while_it_is_read_is_unavailable(storage: Folder) -> None:
    storage.publish("demo", "demo-1")
    journal = storage.root / "journal.jsonl"
    meddlings: list[Callable[[], object]] = [
        lambda: journal.write_bytes(journal.read_bytes()[:60]),
        lambda: journal.write_bytes(journal.read_bytes()[:-9] + b"replaced\n"),
        journal.unlink,
    ]
    for meddle in meddlings:
        entries = storage.open().read_changes(None).entries
        kept = journal.read_bytes()
        meddle()

        with pytest.raises(BackendUnavailable):
            list(entries)
        journal.write_bytes(kept)


def test_a_journal_that_is_shortened_in_the_middle_of_its_reading_is_unavailable(storage: Folder) -> None:
    for key in ("demo-1", "demo-2", "demo-3"):
        commit(storage.open(), Change("demo", {key: b"x" * 30_000}))
    entries = storage.open().read_changes(None).entries
    assert next(entries).key == "demo-1"
    os.truncate(storage.root / "journal.jsonl", 70_000)

    with pytest.raises(BackendUnavailable):
        list(entries)
