"""One repository at work: what was acknowledged is served, what is not known is asked for, and trouble is never an answer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pywharf.backend.interface import Access, Change, Changes, Cursor
from pywharf.config import ServerSettings
from pywharf.errors import (
    AccessDenied,
    BackendUnavailable,
    FileConflict,
    FileMissing,
    IndexBehind,
    IndexNotReady,
    ProjectClosed,
    UploadRejected,
    WharfError,
)
from pywharf.model.names import PROJECT_KEY, ProjectName, parse_filename
from pywharf.model.record import ProjectStatus, to_json
from pywharf.repository import index_file, places
from pywharf.repository import sync as sync_module
from pywharf.repository.breaker import Breaker
from pywharf.repository.guarded_backend import GuardedBackend
from pywharf.repository.repository import MOST_CHANGES, Repository
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.memory import MemoryBackend, MemoryStorage

from .making import DEMO, World, open_descriptors, put, settle, upload, wheel

ACME = ProjectName("acme")
PATIENT = {"sync_index_interval": 3600}  # what is found is found by asking, not by the thread

# A server process that uploads files of one project to the repository `local` in ROOT.
UPLOADER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from repository.making import upload
from pywharf.backend.discovery import find_plugin
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.layout import Layout
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel
plugin = find_plugin("file_system")
config = plugin.config_model.model_validate({"type": "file_system", "write_secret": "writer"})
repository = Repository(RepositorySettings("local", plugin, config, None), Layout(Path(sys.argv[1])), ServerSettings())
repository.start()
assert repository.wait_until_ready(20)
for number in range(int(sys.argv[3])):
    file = make_wheel("demo", f"{sys.argv[2]}.{number}")
    assert upload(repository, file).created
    assert file.filename in {one.filename for one in repository.project("demo").files}
repository.close()
"""


class Counting(MemoryBackend):
    """Counts what is asked."""

    reads = 0

    def read_changes(self, after: Cursor | None) -> Changes:
        self.reads += 1
        return super().read_changes(after)


def counting(repository: Repository, storage: MemoryStorage) -> Counting:
    """Let a repository ask through a backend that counts."""
    backend = Counting(storage)
    repository._backend = repository._sync._backend = backend
    return backend


def wheel_of(project: str = "demo", version: str = "1.0", text: str = "") -> Distribution:
    return make_wheel(project, version, files={f"{project.replace('-', '_')}.py": f"# {text}"})


def files(repository: Repository, project: str = DEMO) -> set[str]:
    found = repository.project(ProjectName(project))
    return {file.filename for file in found.files} if found else set()


# --- upload and read --------------------------------------------------------------------------------------------------


def test_an_upload_is_in_the_next_page_with_its_metadata(world: World) -> None:
    repository = world.open(**PATIENT)
    one = wheel_of()

    uploaded = upload(repository, one)

    assert uploaded.created
    assert repository.project_revision(DEMO) is not None
    assert files(repository) == {one.filename}
    file = repository.find_file(DEMO, one.filename)
    side = repository.find_file(DEMO, f"{one.filename}.metadata")
    assert file is not None
    assert side is not None
    with repository.open_file(file) as body:
        assert body.read() == one.data
    with repository.open_file(side) as body:
        assert body.read() == one.metadata
    assert repository.projects().names == ("demo",)
    assert list(world.layout.incoming.rglob("*-*/[0-9a-f]*")) == []


def test_an_acknowledged_upload_is_in_the_next_page_of_every_process_on_the_root(world: World) -> None:
    one, other = world.open(**PATIENT), world.open(**PATIENT)
    assert other.project_revision(DEMO) is None

    upload(one, wheel_of())

    assert files(other) == {wheel("demo")}
    assert other.projects().names == ("demo",)


def test_the_same_bytes_again_are_welcome_and_other_bytes_are_not(world: World) -> None:
    repository = world.open()
    upload(repository, wheel_of())

    assert not upload(repository, wheel_of()).created
    with pytest.raises(FileConflict, match="File already exists"):
        upload(repository, wheel_of(text="other"))
    upload(repository, make_sdist("demo", "1.0"))
    with pytest.raises(FileConflict, match="a release has one"):
        upload(repository, make_sdist("demo", "1.0", suffix=".zip"))

    assert files(repository) == {wheel("demo"), "demo-1.0.tar.gz"}


def test_what_is_refused_is_nowhere(world: World) -> None:
    repository = world.open()
    bad = Distribution(wheel("demo"), b"no archive", b"")

    with pytest.raises(UploadRejected):
        upload(repository, bad)

    assert world.storage().bodies == {}
    assert repository.project(DEMO) is None
    assert not repository._index.ever_seen(DEMO)
    assert not [path for path in world.layout.incoming.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_reader_cannot_write_and_the_storage_says_so(world: World) -> None:
    repository = world.open()

    with pytest.raises(AccessDenied):
        upload(repository, wheel_of(), secret="reader")
    assert world.storage().bodies == {}


def test_an_upload_that_cannot_be_read_again_is_the_disks_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open()
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.is_relative_to(world.layout.incoming):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)

    for one in (wheel_of(), make_sdist("demo", "1.0")):
        with pytest.raises(BackendUnavailable, match="cannot be read"):
            upload(repository, one)
    assert files(repository) == set()


def test_a_body_that_is_gone_is_missing(world: World) -> None:
    repository = world.open()
    upload(repository, wheel_of())
    file = repository.find_file(DEMO, wheel("demo"))
    assert file is not None
    world.storage().bodies.clear()

    with pytest.raises(FileMissing):
        repository.open_file(file)


def test_a_failure_after_the_commit_is_mended_by_sending_it_again(world: World) -> None:
    repository = world.open(**PATIENT)
    storage = world.storage()

    def down_after(change: Change) -> None:
        storage.before_commit = lambda change: None
        storage.unavailable = True

    storage.before_commit = down_after
    with pytest.raises(IndexNotReady, match="sending it again is safe"):
        upload(repository, wheel_of())
    assert len(storage.log) == 1
    storage.unavailable = False

    assert not upload(repository, wheel_of()).created
    assert files(repository) == {wheel("demo")}


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0-py3-none-any.whl.metadata.metadata",
        "Demo-1.0-py3-none-any.whl",
        "demo-2.0-py3-none-any.whl",
        "acme-1.0-py3-none-any.whl",
        "x",
        "",
        ".metadata",
        "../../etc/passwd",
    ],
)
def test_only_the_exact_name_of_a_file_of_the_project_is_found(world: World, filename: str) -> None:
    repository = world.open()
    upload(repository, wheel_of())

    assert repository.find_file(DEMO, filename) is None


def test_an_sdist_whose_metadata_may_change_has_none_to_serve(world: World) -> None:
    repository = world.open()
    upload(repository, make_sdist("demo", "1.0"))

    assert repository.find_file(DEMO, "demo-1.0.tar.gz") is not None
    assert repository.find_file(DEMO, "demo-1.0.tar.gz.metadata") is None


def statused(repository: Repository, storage: MemoryStorage, status: str) -> None:
    backend = MemoryBackend(storage)
    found = backend.read_changes(None)
    list(found.entries)
    backend.commit(Change(DEMO, {PROJECT_KEY: to_json(ProjectStatus(status))}), found.cursor)  # type: ignore[arg-type]
    repository.sync()


def test_a_quarantined_project_keeps_its_page_and_gives_no_file(world: World) -> None:
    repository = world.open()
    upload(repository, wheel_of())
    statused(repository, world.storage(), "quarantined")

    assert repository.find_file(DEMO, wheel("demo")) is None
    assert repository.find_file(DEMO, f"{wheel('demo')}.metadata") is None
    detail = repository.project(DEMO)
    assert detail is not None
    assert detail.offered_files == ()
    with pytest.raises(ProjectClosed):
        upload(repository, wheel_of(version="2.0"))


# --- freshness --------------------------------------------------------------------------------------------------------


def test_an_unknown_project_is_asked_for_before_it_is_said_to_be_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 0.0)
    repository = world.open(**PATIENT)
    put(MemoryBackend(world.storage()), wheel("demo"))  # by another server

    assert repository.project_revision(DEMO) is not None
    assert files(repository) == {wheel("demo")}


def test_an_unknown_file_of_a_known_project_is_asked_for_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open(**PATIENT)
    upload(repository, wheel_of())
    monkeypatch.setattr(sync_module, "FRESH", 0.0)
    put(MemoryBackend(world.storage()), wheel("demo", "2.0"))

    assert repository.find_file(DEMO, wheel("demo", "2.0")) is not None


def test_many_unknown_names_cost_one_question(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 30.0)
    repository = world.open(**PATIENT)
    backend = counting(repository, world.storage())
    for number in range(50):
        assert repository.project_revision(ProjectName(f"guess-{number}")) is None
        assert repository.find_file(DEMO, wheel("demo", f"1.{number}")) is None

    assert backend.reads == 0  # the first sync of the thread was less than FRESH ago


def test_what_is_known_costs_no_question(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open(**PATIENT)
    upload(repository, wheel_of())
    monkeypatch.setattr(sync_module, "FRESH", 0.0)
    backend = counting(repository, world.storage())
    for _ in range(10):
        repository.project_revision(DEMO)
        repository.project(DEMO)
        repository.projects()
        repository.find_file(DEMO, wheel("demo"))

    assert backend.reads == 0


def test_with_the_storage_down_known_names_go_on_and_unknown_ones_only_as_long_as_the_last_sync_is_young(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "FRESH", 0.0)
    repository = world.open(server=ServerSettings(redirect_max_staleness=600), **PATIENT)
    upload(repository, wheel_of())
    world.storage().unavailable = True

    assert repository.project_revision(ACME) is None
    assert repository.may_leave(ACME)

    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 601)
    at = time.time() - 601
    os.utime(world.layout.index / "local.synced", (at, at))
    with pytest.raises(IndexNotReady) as caught:
        repository.project_revision(ACME)
    assert caught.value.retry_after > 0
    with pytest.raises(IndexNotReady):
        repository.find_file(DEMO, wheel("demo", "9.9"))

    assert repository.project_revision(DEMO) is not None
    assert files(repository) == {wheel("demo")}
    assert repository.find_file(DEMO, wheel("demo")) is not None
    assert repository.projects().names == ("demo",)


def test_before_the_first_sync_nothing_is_unknown(world: World) -> None:
    world.storage().unavailable = True
    repository = world.open(start=False)
    repository.start()

    assert not repository.wait_until_ready(0.2)
    for ask in (
        lambda: repository.project_revision(ACME),
        lambda: repository.project(ACME),
        lambda: repository.find_file(ACME, wheel("acme")),
        lambda: repository.projects(),
        lambda: repository.projects_revision(),
        lambda: repository.may_leave(ACME),
        lambda: upload(repository, wheel_of()),
    ):
        with pytest.raises((IndexNotReady, BackendUnavailable)):
            ask()
    assert not repository.health().ready
    assert "turned it off" in repository.health().problem


def test_a_name_that_was_here_never_leaves_nor_does_a_private_one(world: World) -> None:
    repository = world.open(private_names=["acme-*", "secret"])
    upload(repository, wheel_of())
    world.storage().remove_by_hand("demo", parse_filename(wheel("demo")).key)
    world.storage().identity = "another history"
    world.storage().log.clear()
    repository.sync()

    assert repository.project_revision(DEMO) is None
    assert not repository.may_leave(DEMO)
    assert not repository.may_leave(ProjectName("acme-core"))
    assert not repository.may_leave(ProjectName("secret"))
    assert repository.may_leave(ProjectName("acme"))
    assert repository.may_leave(ProjectName("requests"))


# --- a storage that hangs ---------------------------------------------------------------------------------------------


@pytest.mark.any_python
def test_a_storage_that_hangs_takes_no_more_uploads_than_it_may_and_the_others_before_their_bodies_are_received(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "STUCK", 0.3)
    repository = world.open(**PATIENT)
    upload(repository, wheel_of())
    go, commit = threading.Event(), MemoryBackend.commit
    hanging: list[str] = []

    def hang(self: MemoryBackend, change: Change, after: Cursor) -> None:
        hanging.append(change.project)
        assert go.wait(30)
        commit(self, change, after)

    monkeypatch.setattr(MemoryBackend, "commit", hang)
    threads = [threading.Thread(target=upload, args=(repository, make_wheel(f"project{number}", "1.0"))) for number in range(MOST_CHANGES)]
    for thread in threads:
        thread.start()
    settle(lambda: len(hanging) == MOST_CHANGES, 30)
    time.sleep(0.4)

    for _ in range(10):
        with pytest.raises(BackendUnavailable, match="too many changes are waiting"):
            repository.receiving()
    assert repository.project_revision(DEMO) is not None

    go.set()
    for thread in threads:
        thread.join()
    assert len(repository.projects().names) == MOST_CHANGES + 1
    assert upload(repository, make_wheel("acme", "1.0")).created


def test_a_sync_that_hangs_after_the_commit_is_told_as_stored_but_not_listed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "SYNC_PATIENCE", 0.3)
    repository = world.open(**PATIENT)
    go, read_changes = threading.Event(), MemoryBackend.read_changes
    hangs = threading.Event()

    def hang(self: MemoryBackend, after: Cursor | None) -> Changes:
        hangs.set()
        assert go.wait(30)
        return read_changes(self, after)

    monkeypatch.setattr(MemoryBackend, "read_changes", hang)
    looking = threading.Thread(target=repository.sync)
    looking.start()
    assert hangs.wait(30)

    with pytest.raises(IndexBehind, match="stored but not listed yet") as told:
        upload(repository, wheel_of())
    assert told.value.retry_after > 0

    go.set()
    looking.join()
    assert not upload(repository, wheel_of()).created


# --- notices ----------------------------------------------------------------------------------------------------------


def test_another_storage_under_the_same_name_begins_without_the_notices_of_the_one_before(world: World) -> None:
    repository = world.open(**PATIENT)
    upload(repository, wheel_of())
    world.storage().identity = "another history"
    repository.sync()
    assert [notice.text for notice in repository.health().notices] == ["the log was replaced by another one"]
    repository.close()

    again = world.open(**PATIENT)
    assert len(again.health().notices) == 1
    again.close()

    moved = world.open(**PATIENT, read_secret="another")  # another table: it may be another storage
    assert moved.health().notices == ()


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.any_python
def test_a_damaged_index_is_not_ready_then_mended_and_never_says_unknown(world: World) -> None:
    repository = world.open(**PATIENT)
    upload(repository, wheel_of())
    with repository._index._file.connection() as db:
        db.execute("DROP TABLE entries")
        db.execute("DELETE FROM projects")

    with pytest.raises(IndexNotReady):
        repository.find_file(DEMO, wheel("demo"))
    settle(lambda: sure_of(repository) is not None)

    assert sure_of(repository) is True
    assert files(repository) == {wheel("demo")}


def sure_of(repository: Repository) -> bool | None:
    """Whether the project is known; None while that cannot be said."""
    try:
        return repository.find_file(DEMO, wheel("demo")) is not None
    except IndexNotReady:
        return None


def test_a_deleted_index_comes_back_and_meanwhile_no_name_leaves(world: World) -> None:
    repository = world.open(sync_index_interval=0.05)
    upload(repository, wheel_of())
    for path in world.layout.index.glob("local*sqlite*"):
        path.unlink()

    settle(lambda: sure_of(repository) is not None)
    assert sure_of(repository) is True


# --- several at once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.any_python
def test_sixteen_uploaders_lose_nothing_and_nothing_is_there_twice(world: World, processes: int) -> None:
    repositories = [world.open() for _ in range(processes)]
    errors: list[BaseException] = []

    def work(number: int) -> None:
        repository = repositories[number % processes]
        try:
            for turn in range(3):
                one = wheel_of(version=f"{number}.{turn}")
                assert upload(repository, one).created
                assert one.filename in files(repository)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    expected = {wheel("demo", f"{number}.{turn}") for number in range(16) for turn in range(3)}
    for repository in repositories:
        detail = repository.project(DEMO)
        assert detail is not None
        assert len(detail.files) == len(expected)
        assert {file.filename for file in detail.files} == expected
    assert len(world.storage().log) == len(expected)


def test_the_race_for_one_name_has_one_winner(world: World) -> None:
    repositories = [world.open(), world.open()]
    outcomes: list[str] = []

    def work(number: int) -> None:
        try:
            created = upload(repositories[number % 2], wheel_of(text=str(number % 4))).created
            outcomes.append(f"{'created' if created else 'there'} {number % 4}")
        except FileConflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    won = [outcome for outcome in outcomes if outcome.startswith("created")]
    assert len(won) == 1
    assert outcomes.count(won[0].replace("created", "there")) == 3
    assert outcomes.count("conflict") == 12
    assert len(world.storage().log) == 1


@pytest.mark.any_python
def test_two_processes_on_one_root_lose_nothing(tmp_path: Path) -> None:
    from pywharf.layout import Layout

    root = tmp_path / "root"
    Layout(root).prepare()
    tests = str(Path(__file__).parent.parent)
    processes = [subprocess.Popen([sys.executable, "-c", UPLOADER, str(root), str(number), "5", tests]) for number in range(2)]

    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    names = [path.name for path in (root / "cache" / "local" / "storage" / "packages" / "demo").iterdir() if path.suffix == ".whl"]
    assert len(names) == 10
    assert list((root / "cache" / "local" / "storage" / "incoming").iterdir()) == []


# --- rights -----------------------------------------------------------------------------------------------------------


def test_what_a_secret_may_do_is_asked_and_remembered(world: World) -> None:
    repository = world.open()

    assert repository.remembered("writer", Access.WRITE) is None
    assert repository.access("writer", Access.WRITE) == Access.WRITE
    assert repository.remembered("writer", Access.WRITE) == Access.WRITE
    assert repository.access("reader") == Access.READ
    assert repository.access("wrong") == Access.NONE
    assert repository.access("") == Access.NONE
    assert repository.access("\udcff\0") == Access.NONE
    world.storage().unavailable = True
    with pytest.raises(BackendUnavailable):
        repository.access("another")


def test_the_servers_own_right_is_checked_on_its_own(world: World) -> None:
    repository = world.open(start=False)
    repository.check_admin_access()
    repository._backend = MemoryBackend(world.storage(), Access.NONE)

    with pytest.raises(AccessDenied):
        repository.check_admin_access()


def test_a_body_that_the_server_may_not_read_is_trouble_and_no_denial_of_the_caller(world: World) -> None:
    repository = world.open()
    upload(repository, wheel_of())
    file = repository.find_file(DEMO, wheel("demo"))
    assert file is not None
    repository._guarded = GuardedBackend(MemoryBackend(world.storage(), Access.NONE), Breaker("local"))

    with pytest.raises(BackendUnavailable, match="admin_secret"):
        repository.open_file(file)


# --- begin and end ----------------------------------------------------------------------------------------------------


def test_nothing_stays_open_after_closing(world: World, tmp_path: Path) -> None:
    repository = world.open(sync_index_interval=0.01)
    threads = [threading.Thread(target=upload, args=(repository, wheel_of(version=f"1.{number}"))) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repository.close()

    assert open_descriptors(tmp_path) == []
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("sync")] == []


def test_many_requests_leave_no_descriptor_behind(world: World, tmp_path: Path) -> None:
    repository = world.open()
    upload(repository, wheel_of())
    before = 0
    for number in range(20):
        if number == 3:  # SQLite keeps a few for the next connection
            before = len(open_descriptors(tmp_path))
        with pytest.raises(WharfError):
            upload(repository, Distribution(wheel("demo", f"2.{number}"), b"no archive", b""))
        repository.find_file(DEMO, wheel("demo", "9"))
        list(repository.index.documents())
        with repository.index.all_entries() as (_, entries):
            next(entries)
        with repository.receiving() as incoming:
            incoming.write(b"x")

    assert len(open_descriptors(tmp_path)) == before


def test_a_start_that_cannot_sweep_serves_all_the_same(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.layout.incoming.rmdir()
    world.layout.incoming.write_text("in the way")
    repository = world.open()

    assert "cannot be swept" in caplog.text
    assert repository.projects().names == ()
    with pytest.raises(BackendUnavailable), repository.receiving():
        pass


def test_a_repository_that_cannot_be_opened_leaves_nothing_open(world: World, tmp_path: Path) -> None:
    (world.layout.keys / "secrets").write_bytes(b"short")
    (world.layout.keys / "secrets").chmod(0o600)

    with pytest.raises(WharfError):
        world.open()
    assert open_descriptors(tmp_path) == []


def test_health_tells_how_long_ago_it_was_in_step(world: World) -> None:
    repository = world.open(**PATIENT)
    settle(lambda: repository.index_mtime() is not None)
    health = repository.health()
    assert health.ready
    assert health.synced_ago is not None
    assert health.synced_ago < 30
    assert health.problem == ""
    assert repository.index_mtime() == int(repository._sync.synced_at() or 0)


def test_a_restart_serves_what_was_there_with_the_storage_down(world: World) -> None:
    repository = world.open()
    upload(repository, wheel_of())
    repository.close()
    world.storage().unavailable = True

    again = world.open(ready=False)

    assert again.health().ready
    assert files(again) == {wheel("demo")}
    assert again.find_file(DEMO, wheel("demo")) is not None


def test_an_index_of_an_older_build_of_pywharf_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = world.open()
    upload(repository, wheel_of())
    repository.close()
    monkeypatch.setattr(index_file, "SCHEMA_VERSION", 99)

    again = world.open()

    assert files(again) == {wheel("demo")}


def test_a_form_that_disagrees_with_its_file_is_refused(world: World) -> None:
    repository = world.open()
    one = wheel_of()
    with pytest.raises(UploadRejected, match="another project"):
        upload(repository, Distribution(wheel("acme"), one.data, one.metadata))
