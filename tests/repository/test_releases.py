"""Yank, unyank, delete and status: all of a release in one commit, decided anew when that moved, and nothing the second time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pywharf.api.negotiation import PageFormat
from pywharf.api.simple import render_project
from pywharf.backend.interface import Access, Change
from pywharf.errors import (
    AccessDenied,
    AuditUnavailable,
    BackendUnavailable,
    ChangeRejected,
    FileConflict,
    FileMissing,
    IndexBehind,
    InvalidName,
    NotRecorded,
    ProjectClosed,
    ReleaseMissing,
    TooBusy,
    WharfError,
)
from pywharf.model.names import PROJECT_KEY, normalize_project, parse_filename
from pywharf.model.record import DistributionRecord, ProjectStatus, Tombstone, from_json, to_json
from pywharf.repository.adoption import update_index
from pywharf.repository.audit import Audit, Requester
from pywharf.repository.commits import ATTEMPTS
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.memory import MemoryBackend

from .making import DEMO, World, download, put, record, upload

pytestmark = pytest.mark.any_python

WHEEL, SDIST, OTHER = make_wheel("demo", "1.0"), make_sdist("demo", "1.0", metadata_version="2.2"), make_wheel("demo", "2.0")
WRITER, READER = "writer", "reader"


@pytest.fixture
def repository(world: World) -> Repository:
    """A repository with two releases of one project: 1.0 as wheel and sdist, 2.0 as wheel."""
    repository = world.open()
    for distribution in (WHEEL, SDIST, OTHER):
        upload(repository, distribution)
    return repository


def yanked(repository: Repository) -> dict[str, str | None]:
    """By file name: None where it is not yanked, else the reason."""
    found = repository.project(DEMO)
    return {file.filename: file.yanked for file in found.files} if found else {}


def names(*distributions: Distribution) -> tuple[str, ...]:
    return tuple(sorted(distribution.filename for distribution in distributions))


def commits(world: World) -> int:
    return len(world.storage().log)


def audited(world: World, name: str = "local") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (world.layout.audit / f"{name}.jsonl").read_text().splitlines()]


# --- yank -----------------------------------------------------------------------------------------------------------


def test_a_release_is_yanked_and_unyanked_with_all_its_files_in_one_commit(world: World, repository: Repository) -> None:
    before = commits(world)
    messages: list[str] = []
    world.storage().before_commit = lambda change: messages.append(change.message)

    done = repository.releases.yank(WRITER, "Demo", version="1.0.0", reason="broken on 3.12")
    assert (done.project, done.changed, done.unchanged) == ("demo", names(WHEEL, SDIST), ())
    assert yanked(repository) == {WHEEL.filename: "broken on 3.12", SDIST.filename: "broken on 3.12", OTHER.filename: None}
    undone = repository.releases.unyank(WRITER, "demo", version="1")
    assert (undone.changed, undone.unchanged) == (names(WHEEL, SDIST), ())
    assert set(yanked(repository).values()) == {None}

    assert commits(world) == before + 2
    assert messages == ["Yank demo 1.0: broken on 3.12", "Unyank demo 1.0"]


def test_one_file_is_yanked_without_the_others(repository: Repository) -> None:
    done = repository.releases.yank(WRITER, "demo", filename=WHEEL.filename)

    assert (done.changed, done.unchanged) == (names(WHEEL), ())
    assert yanked(repository) == {WHEEL.filename: "", SDIST.filename: None, OTHER.filename: None}


def test_what_is_so_already_is_not_done_again_and_told(world: World, repository: Repository) -> None:
    repository.releases.yank(WRITER, "demo", filename=WHEEL.filename, reason="broken")
    before, told = commits(world), len(audited(world))

    rest = repository.releases.yank(WRITER, "demo", version="1.0", reason="broken")
    assert (rest.changed, rest.unchanged) == (names(SDIST), names(WHEEL))
    again = repository.releases.yank(WRITER, "demo", version="1.0", reason="broken")
    assert (again.changed, again.unchanged) == ((), names(WHEEL, SDIST))

    assert commits(world) == before + 1
    assert len(audited(world)) == told + 1
    assert repository.releases.yank(WRITER, "demo", version="1.0", reason="worse").changed == names(WHEEL, SDIST)


def test_what_this_version_does_not_know_of_a_document_is_kept(world: World, repository: Repository) -> None:
    later = {**json.loads(to_json(record(WHEEL.filename))), "seal": {"of": "later"}}
    put(MemoryBackend(world.storage()), WHEEL.filename, json.dumps(later).encode())
    status = {"kind": "status", "status": "active", "reason": "", "successor": "demo2"}
    MemoryBackend(world.storage()).commit(Change("demo", {"": json.dumps(status).encode()}), MemoryBackend(world.storage())._cursor())

    repository.releases.yank(WRITER, "demo", filename=WHEEL.filename)
    repository.releases.set_status(WRITER, "demo", "deprecated")

    newest = {entry.key: entry.document for commit in world.storage().log for entry in commit if entry.project == "demo"}
    assert json.loads(newest[parse_filename(WHEEL.filename).key] or b"")["seal"] == {"of": "later"}
    assert json.loads(newest[""] or b"") == {"kind": "status", "status": "deprecated", "reason": "", "successor": "demo2"}
    repository.releases.delete(WRITER, "demo", filename=WHEEL.filename)
    (deleted,) = [entry.document for entry in world.storage().log[-1]]
    assert json.loads(deleted or b"")["seal"] == {"of": "later"}


# --- delete ---------------------------------------------------------------------------------------------------------


def test_a_deleted_release_is_gone_with_its_bodies_and_its_names_stay_taken(world: World, repository: Repository) -> None:
    before = commits(world)
    refs = [repository.find_file(DEMO, name) for name in (WHEEL.filename, f"{WHEEL.filename}.metadata", SDIST.filename)]

    done = repository.releases.delete(WRITER, "demo", version="1.0", reason="holds a password")

    assert (done.changed, commits(world)) == (names(WHEEL, SDIST), before + 1)
    assert list(yanked(repository)) == [OTHER.filename]
    for ref in refs:
        assert ref is not None
        assert download(repository, ref.name) is None
        with pytest.raises(FileMissing):
            repository.open_file(ref)
    assert {body.name.removesuffix(".metadata") for body in world.storage().bodies} == {OTHER.filename}
    for distribution in (WHEEL, SDIST):
        with pytest.raises(FileConflict, match="it was deleted"):
            upload(repository, distribution)
    picture = repository.index.picture(DEMO, parse_filename(WHEEL.filename).key)
    assert isinstance(picture.document, Tombstone)
    assert (picture.document.filename, picture.document.sha256, picture.document.reason) == (
        WHEEL.filename,
        WHEEL.sha256,
        "holds a password",
    )


def test_deleting_again_changes_nothing_and_says_so(world: World, repository: Repository) -> None:
    repository.releases.delete(WRITER, "demo", filename=WHEEL.filename)
    repository.releases.delete(WRITER, "demo", version="1.0")
    before = commits(world)

    again = repository.releases.delete(WRITER, "demo", version="1.0", reason="another reason")

    assert (again.changed, again.unchanged) == ((), names(WHEEL, SDIST))
    assert repository.releases.delete(WRITER, "demo", filename=WHEEL.filename).unchanged == names(WHEEL)
    assert commits(world) == before


@pytest.mark.parametrize("action", ["yank", "unyank"])
def test_what_was_deleted_cannot_be_yanked(repository: Repository, action: str) -> None:
    repository.releases.delete(WRITER, "demo", version="1.0")

    with pytest.raises(ReleaseMissing, match=r"Release 1\.0 of project demo was deleted"):
        getattr(repository.releases, action)(WRITER, "demo", version="1.0")
    with pytest.raises(ReleaseMissing, match=f"File {WHEEL.filename} was deleted"):
        getattr(repository.releases, action)(WRITER, "demo", filename=WHEEL.filename)


def test_a_release_that_was_deleted_in_part_is_yanked_in_the_rest(repository: Repository) -> None:
    repository.releases.delete(WRITER, "demo", filename=WHEEL.filename)

    done = repository.releases.yank(WRITER, "demo", version="1.0")

    assert (done.changed, done.unchanged) == (names(SDIST), ())


def test_a_project_without_files_keeps_its_name_and_an_empty_page(world: World, repository: Repository) -> None:
    for version in ("1.0", "2.0"):
        repository.releases.delete(WRITER, "demo", version=version)

    detail = repository.project(DEMO)
    assert detail is not None
    assert detail.files == ()
    assert json.loads(render_project(detail, PageFormat.JSON_V1))["versions"] == []
    assert repository.project_revision(DEMO) is not None
    assert list(repository.projects().names) == []
    assert not repository.may_leave(DEMO)
    assert repository.releases.set_status(WRITER, "demo", "archived").changed  # nobody shall begin it anew
    with pytest.raises(ProjectClosed):
        upload(repository, make_wheel("demo", "3.0"))
    repository.mend()
    assert repository.project_revision(DEMO) is not None
    assert not repository.may_leave(DEMO)


def test_a_new_release_opens_a_project_again_whose_files_were_all_deleted(repository: Repository) -> None:
    for version in ("1.0", "2.0"):
        repository.releases.delete(WRITER, "demo", version=version)

    upload(repository, make_wheel("demo", "3.0"))

    assert list(repository.projects().names) == ["demo"]


# --- status ---------------------------------------------------------------------------------------------------------


def test_a_status_is_set_told_and_taken_back(world: World, repository: Repository) -> None:
    messages: list[str] = []
    world.storage().before_commit = lambda change: messages.append(change.message)

    done = repository.releases.set_status(WRITER, "Demo", "deprecated", "use demo2")
    assert (done.project, done.changed, done.before, done.status) == (
        "demo",
        True,
        ProjectStatus(),
        ProjectStatus("deprecated", "use demo2"),
    )
    assert repository.project_status(DEMO) == ProjectStatus("deprecated", "use demo2")
    assert not repository.releases.set_status(WRITER, "demo", "deprecated", "use demo2").changed
    assert repository.releases.set_status(WRITER, "demo", "active").before == ProjectStatus("deprecated", "use demo2")
    assert repository.project_status(DEMO) == ProjectStatus()
    assert repository.project_status(normalize_project("nothing")) is None

    assert messages == ["Mark demo as deprecated: use demo2", "Mark demo as active"]


@pytest.mark.parametrize(
    ("status", "takes", "serves"), [("archived", False, True), ("quarantined", False, False), ("deprecated", True, True)]
)
def test_a_status_is_kept_to(repository: Repository, status: str, takes: bool, serves: bool) -> None:
    ref = repository.find_file(DEMO, WHEEL.filename)
    assert ref is not None
    repository.releases.set_status(WRITER, "demo", status, "looked into")

    if takes:
        assert upload(repository, make_wheel("demo", "3.0")).created
    else:
        for distribution in (make_wheel("demo", "3.0"), WHEEL):  # also what is here already
            with pytest.raises(ProjectClosed, match=status):
                upload(repository, distribution)
    detail = repository.project(DEMO)
    assert detail is not None
    page = json.loads(render_project(detail, PageFormat.JSON_V1))
    assert page["project-status"] == {"status": status, "reason": "looked into"}
    assert bool(page["files"]) == serves
    assert "1.0" in page["versions"]
    for name in (WHEEL.filename, f"{WHEEL.filename}.metadata"):
        assert (download(repository, name) is not None) == serves
    assert repository.releases.yank(WRITER, "demo", version="1.0").changed  # it can still be mended and cleared away
    assert repository.releases.delete(WRITER, "demo", version="1.0").changed


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("project", "what", "error", "sentence"),
    [
        ("nothing", {"version": "1.0"}, ReleaseMissing, "There is no project nothing in repository local"),
        ("demo", {"version": "3.0"}, ReleaseMissing, "Project demo has no release 3.0"),
        ("demo", {"filename": "demo-1.0-py2-none-any.whl"}, ReleaseMissing, "Project demo has no file demo-1.0-py2-none-any.whl"),
        ("demo", {"filename": "demo-1.0.zip"}, ReleaseMissing, "Project demo has no file demo-1.0.zip; it has demo-1.0.tar.gz"),
        ("demo", {"filename": "other-1.0.tar.gz"}, ChangeRejected, "filename: other-1.0.tar.gz is a file of project other, not of demo"),
        ("demo", {"filename": "../demo-1.0.tar.gz"}, ChangeRejected, "filename: "),
        ("demo", {}, ChangeRejected, "version: give either version, for all files of a release, or filename, for one file"),
        ("demo", {"version": "1.0", "filename": "demo-1.0.tar.gz"}, ChangeRejected, "version: give either version"),
        ("demo", {"version": "one"}, ChangeRejected, "version: 'one' is no version as PEP 440 has them"),
        ("demo", {"version": ""}, ChangeRejected, "version: '' is no version"),
        ("demo", {"version": "1.0", "reason": "two\nlines"}, ChangeRejected, "reason: holds U+000A; a reason is one line"),
        ("demo", {"version": "1.0", "reason": "x" * 501}, ChangeRejected, "reason: has 501 characters; a reason has at most 500"),
        ("../demo", {"version": "1.0"}, InvalidName, "a project's name has"),
    ],
)
@pytest.mark.parametrize("action", ["yank", "unyank", "delete"])
def test_what_cannot_be_done_is_refused_with_what_is_at_fault(
    world: World, repository: Repository, action: str, project: str, what: dict[str, str], error: type[WharfError], sentence: str
) -> None:
    before = commits(world), len(audited(world))

    with pytest.raises(error) as refused:
        getattr(repository.releases, action)(WRITER, project, **what)

    assert sentence in str(refused.value)
    assert (commits(world), len(audited(world))) == before


@pytest.mark.parametrize(
    ("project", "status", "reason", "error", "sentence"),
    [
        ("nothing", "archived", "", ReleaseMissing, "There is no project nothing"),
        ("demo", "retired", "", ChangeRejected, "status: 'retired' is none of active, archived, quarantined, deprecated"),
        ("demo", "archived", "\x1b[2J", ChangeRejected, "reason: holds U+001B"),
    ],
)
def test_a_status_that_cannot_be_set_is_refused(
    repository: Repository, project: str, status: str, reason: str, error: type[WharfError], sentence: str
) -> None:
    with pytest.raises(error) as refused:
        repository.releases.set_status(WRITER, project, status, reason)
    assert sentence in str(refused.value)
    assert repository.project_status(DEMO) == ProjectStatus()


@pytest.mark.parametrize("secret", [READER, "wrong"])
def test_a_change_is_made_with_the_right_of_who_asks_for_it(world: World, repository: Repository, secret: str) -> None:
    before = commits(world), len(audited(world))

    with pytest.raises(AccessDenied):
        repository.releases.yank(secret, "demo", version="1.0")
    with pytest.raises(AccessDenied):
        repository.releases.delete(secret, "demo", version="1.0")
    with pytest.raises(AccessDenied):
        repository.releases.set_status(secret, "demo", "quarantined")

    assert (commits(world), len(audited(world))) == before
    assert repository.releases.yank(None, "demo", version="1.0").changed  # the server's own right


def test_what_cannot_be_read_any_more_is_left_alone_and_named(world: World, repository: Repository) -> None:
    put(MemoryBackend(world.storage()), WHEEL.filename, b'{"kind":"later"}')

    with pytest.raises(ReleaseMissing, match="can no longer be read"):
        repository.releases.delete(WRITER, "demo", filename=WHEEL.filename)
    assert repository.releases.delete(WRITER, "demo", version="1.0").changed == names(SDIST)


def test_a_record_that_is_as_long_as_can_be_is_yanked_without_a_reason(world: World, repository: Repository) -> None:
    long = record("demo-9.0.tar.gz", summary="x" * 32_300)
    put(MemoryBackend(world.storage()), "demo-9.0.tar.gz", to_json(long))

    with pytest.raises(ChangeRejected, match="reason: with it a record is too long to be kept"):
        repository.releases.yank(WRITER, "demo", version="9.0", reason="x" * 500)
    assert repository.releases.yank(WRITER, "demo", version="9.0").changed == ("demo-9.0.tar.gz",)


# --- others at the same time ----------------------------------------------------------------------------------------


def test_a_file_that_another_server_stored_a_moment_ago_is_part_of_its_release(world: World) -> None:
    here, there = world.open(sync_index_interval=3600), World(world.layout.root.parent / "elsewhere")
    there.plugin = world.plugin
    world.plugin._storages[there.layout.workdir("local")] = world.storage()
    upload(here, WHEEL)
    elsewhere = there.open(sync_index_interval=3600)
    upload(elsewhere, SDIST)

    assert here.releases.yank(WRITER, "demo", version="1.0").changed == names(WHEEL, SDIST)
    elsewhere.sync()
    assert yanked(elsewhere) == {WHEEL.filename: "", SDIST.filename: ""}
    there.close()


def test_a_change_is_decided_anew_where_somebody_else_was_faster(world: World, repository: Repository) -> None:
    storage = world.storage()

    def interfere(change: Change) -> None:
        storage.before_commit = lambda change: None
        backend = MemoryBackend(storage)
        newest = next(entry for commit in reversed(storage.log) for entry in commit if entry.key == parse_filename(SDIST.filename).key)
        found = from_json(newest.document or b"")
        assert isinstance(found, DistributionRecord)
        gone = Tombstone(found.filename, found.sha256, found.upload_time)
        backend.commit(Change("demo", {newest.key: to_json(gone)}), backend._cursor())

    storage.before_commit = interfere
    done = repository.releases.yank(WRITER, "demo", version="1.0", reason="broken")

    assert done.changed == names(WHEEL)
    assert isinstance(repository.index.picture(DEMO, parse_filename(SDIST.filename).key).document, Tombstone)
    assert audited(world)[-1]["files"] == [{"filename": WHEEL.filename, "sha256": WHEEL.sha256}]


def test_who_is_never_fast_enough_is_told_to_come_again(world: World, repository: Repository) -> None:
    storage = world.storage()
    tries = 0

    def interfere(change: Change) -> None:
        nonlocal tries
        tries += 1
        storage.before_commit = lambda change: None
        backend = MemoryBackend(storage)
        backend.commit(Change("demo", {PROJECT_KEY: to_json(ProjectStatus("active", str(tries)))}), backend._cursor())
        storage.before_commit = interfere

    storage.before_commit = interfere
    with pytest.raises(TooBusy):
        repository.releases.yank(WRITER, "demo", version="1.0")
    assert tries == ATTEMPTS
    storage.before_commit = lambda change: None
    assert [line["what"] for line in audited(world)] == ["upload"] * 3


def test_no_upload_slips_past_a_status_that_was_set_in_between(world: World, repository: Repository) -> None:
    storage = world.storage()

    def close(change: Change) -> None:
        storage.before_commit = lambda change: None
        backend = MemoryBackend(storage)
        backend.commit(Change("demo", {PROJECT_KEY: to_json(ProjectStatus("quarantined"))}), backend._cursor())

    storage.before_commit = close
    with pytest.raises(ProjectClosed):
        upload(repository, make_wheel("demo", "3.0"))


# --- the audit ------------------------------------------------------------------------------------------------------


def test_each_change_has_one_line_and_a_repeat_has_none(world: World) -> None:
    repository = world.open()
    for _ in range(2):
        upload(repository, WHEEL)
        upload(repository, SDIST)
        repository.releases.yank(WRITER, "demo", version="1.0", reason="broken", requester=Requester("192.0.2.7"))
    for _ in range(2):
        repository.releases.unyank(WRITER, "demo", filename=WHEEL.filename, reason="mended")
        repository.releases.set_status(None, "demo", "deprecated", "use demo2", requester=Requester(label="command line"))
    for _ in range(2):
        repository.releases.delete(WRITER, "demo", version="1.0")

    lines = audited(world)
    both = [{"filename": one.filename, "sha256": one.sha256} for one in (WHEEL, SDIST)]
    assert [(line["what"], line["result"], line.get("reason", ""), len(line.get("files", ()))) for line in lines] == [
        ("upload", "done", "", 1),
        ("upload", "done", "", 1),
        ("yank", "done", "broken", 2),
        ("unyank", "done", "mended", 1),
        ("status", "done", "use demo2", 0),
        ("delete", "done", "", 2),
    ]
    assert {line["repository"] for line in lines} == {"local"}
    assert lines[2]["address"] == "192.0.2.7"
    assert sorted(lines[2]["files"], key=str) == sorted(both, key=str)
    assert (lines[4]["status"], lines[4]["key_id"], lines[4]["label"]) == ("deprecated", "", "command line")
    assert len({line["key_id"] for line in lines if line["what"] != "status"}) == 1
    raw = (world.layout.audit / "local.jsonl").read_text()
    assert len(lines[0]["key_id"]) == 12
    assert WRITER not in raw.replace('"what"', "")


def test_a_refused_upload_has_no_line(world: World, repository: Repository) -> None:
    before = len(audited(world))

    with pytest.raises(FileConflict):
        upload(repository, Distribution(WHEEL.filename, make_wheel("demo", "1.0", files={"x.py": "1"}).data, b""))
    with pytest.raises(AccessDenied):
        upload(repository, make_wheel("demo", "4.0"), secret=READER)

    assert len(audited(world)) == before


def test_without_an_audit_nothing_is_changed(world: World, repository: Repository) -> None:
    path = world.layout.audit / "local.jsonl"
    path.rename(path.with_suffix(".old"))
    path.mkdir()
    before = commits(world)

    with pytest.raises(AuditUnavailable):
        upload(repository, make_wheel("demo", "3.0"))
    with pytest.raises(AuditUnavailable):
        repository.releases.delete(WRITER, "demo", version="1.0")
    assert commits(world) == before
    assert download(repository, WHEEL.filename) == WHEEL.data  # readers are none the worse

    path.rmdir()
    assert repository.releases.delete(WRITER, "demo", version="1.0").changed


def test_a_change_that_is_made_and_not_recorded_is_shown_and_told(
    world: World, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise NotRecorded("repository local", "a test")

    monkeypatch.setattr(Audit, "record", fail)
    with pytest.raises(NotRecorded):
        repository.releases.yank(WRITER, "demo", version="1.0")

    assert yanked(repository)[WHEEL.filename] == ""
    assert repository.releases.yank(WRITER, "demo", version="1.0").unchanged == names(WHEEL, SDIST)


def test_a_change_that_cannot_be_shown_yet_has_its_line(world: World, repository: Repository) -> None:
    storage = world.storage()

    class Deaf(MemoryBackend):
        def commit(self, change: Change, after: Any) -> None:
            super().commit(change, after)
            storage.unavailable = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.plugin, "open", lambda config, secret, workdir: Deaf(storage, Access.WRITE))
        with pytest.raises(IndexBehind):
            repository.releases.yank("another secret", "demo", version="1.0")
    storage.unavailable = False

    assert (audited(world)[-1]["what"], audited(world)[-1]["result"]) == ("yank", "done")


def test_a_change_whose_answer_was_lost_is_told_as_unknown(world: World, repository: Repository) -> None:
    storage = world.storage()

    class Mute(MemoryBackend):
        def commit(self, change: Change, after: Any) -> None:
            super().commit(change, after)
            raise BackendUnavailable("the answer was lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.plugin, "open", lambda config, secret, workdir: Mute(storage, Access.WRITE))
        with pytest.raises(BackendUnavailable):
            repository.releases.yank("another secret", "demo", version="1.0")

    assert (audited(world)[-1]["what"], audited(world)[-1]["result"]) == ("yank", "unknown")
    assert repository.releases.yank(WRITER, "demo", version="1.0").unchanged == names(WHEEL, SDIST)


def test_adopting_has_a_line_too(world: World, repository: Repository, tmp_path: Path) -> None:
    added = make_wheel("added", "1.0")
    world.storage().by_hand["added", added.filename] = added.data
    assert update_index(repository).adopted == (added.filename,)

    assert (audited(world)[-1]["what"], audited(world)[-1]["project"], audited(world)[-1]["key_id"]) == ("adopt", "added", "")
