"""What a change may do: decided on one picture, committed by compare-and-swap, decided again when that moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pywharf.backend.interface import Access, Change, Cursor
from pywharf.backend.interface import Changes as Found
from pywharf.errors import (
    AccessDenied,
    BackendUnavailable,
    FileConflict,
    IndexBehind,
    IndexNotReady,
    Moved,
    ProjectClosed,
    TooBusy,
    UploadRejected,
    WharfError,
)
from pywharf.model.names import PROJECT_KEY, parse_filename
from pywharf.model.record import DistributionRecord, ProjectStatus, to_json
from pywharf.repository.audit import Audit
from pywharf.repository.changes import Changes, Uploaded
from pywharf.repository.commits import ATTEMPTS, Commits
from pywharf.repository.incoming import Incoming
from pywharf.repository.local_index import LocalIndex
from pywharf.testing.memory import MemoryBackend, MemoryStorage

from .making import DEMO, digest, put, record, step, tombstone, wheel

CONTENT = b"content"


class Shop:
    """One repository's index and storage, with what publishes to it."""

    def __init__(self, index: LocalIndex, folder: Path) -> None:
        self.index = index
        self.storage = MemoryStorage()
        self.backend = MemoryBackend(self.storage)
        self.syncs = 0
        self.after_sync: Callable[[], None] = lambda: None
        self.changes = Changes("local", index, Commits("local", self.sync, Audit(folder / "audit" / "local.jsonl", "repository local")))
        self.incoming = Incoming(folder / "incoming")
        self.bring_in_step()

    def bring_in_step(self) -> None:
        before = self.index.cursor()
        assert self.index.apply(before, self.backend.read_changes(before))

    def sync(self) -> None:
        self.syncs += 1
        self.after_sync()
        self.bring_in_step()

    def publish(self, filename: str, content: bytes = CONTENT, *, writer: MemoryBackend | None = None, **more: object) -> Uploaded:
        name = parse_filename(filename)
        with self.incoming.receive() as file:
            file.write(content)
            staged = [file.staged(name.project, filename)]
            return self.changes.publish(writer or self.backend, name, record(filename, content, **more), staged)

    def statused(self, status: str) -> None:
        found = self.backend.read_changes(None)
        list(found.entries)
        self.backend.commit(Change(DEMO, {PROJECT_KEY: to_json(ProjectStatus(status))}), found.cursor)  # type: ignore[arg-type]
        self.bring_in_step()

    def files(self, project: str = DEMO) -> dict[str, str]:
        found = self.index.project(parse_filename(wheel(project)).project)
        return {file.filename: file.sha256 for file in found.files} if found else {}


@pytest.fixture
def shop(index: LocalIndex, tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        shop = Shop(index, tmp_path)
        stack.callback(shop.incoming.close)
        yield shop


def test_a_published_file_is_listed_when_publish_returns(shop: Shop) -> None:
    uploaded = shop.publish(wheel("demo"))

    assert uploaded.created
    assert shop.files() == {wheel("demo"): digest(CONTENT)}
    assert [body.name for body in shop.storage.bodies] == [wheel("demo")]


def test_the_same_bytes_again_change_nothing(shop: Shop) -> None:
    first = shop.publish(wheel("demo"))
    commits = len(shop.storage.log)

    again = shop.publish(wheel("demo"), summary="another summary")

    assert not again.created
    assert again.record == first.record
    assert len(shop.storage.log) == commits


@pytest.mark.parametrize(
    ("here", "filename", "content", "sentence"),
    [
        (wheel("demo"), wheel("demo"), b"other", "with other content; give a changed file another version or build number"),
        ("Demo-1.0-py3-none-any.whl", wheel("demo"), b"other", "it is here as Demo-1.0-py3-none-any.whl, with other content"),
        (
            "Demo-1.0-py3-none-any.whl",
            wheel("demo"),
            CONTENT,
            "the same content is here as Demo-1.0-py3-none-any.whl; a file has one spelling",
        ),
        ("demo-1.0-py2.py3-none-any.whl", "demo-1.0-py3.py2-none-any.whl", b"other", "it is here as demo-1.0-py2.py3-none-any.whl"),
        ("demo-1.0.tar.gz", "demo-1.0.zip", b"other", "release 1.0 has its source distribution, demo-1.0.tar.gz; a release has one"),
        ("demo-1.0.zip", "demo-1.0.0.tar.gz", b"other", "release 1.0 has its source distribution, demo-1.0.zip"),
    ],
)
def test_a_name_that_is_taken_is_refused_with_a_sentence_that_helps(
    shop: Shop, here: str, filename: str, content: bytes, sentence: str
) -> None:
    shop.publish(here)

    with pytest.raises(FileConflict) as caught:
        shop.publish(filename, content)

    assert str(caught.value).startswith(f"File already exists ({filename}): ")
    assert sentence in str(caught.value)
    assert list(shop.files()) == [here]
    assert len(shop.storage.bodies) == 1


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (to_json(tombstone(wheel("demo"))), "it was deleted, and the name of a deleted file stays taken"),
        (b"{", "it was here before, and its name stays taken although it can no longer be read"),
        (b'{"kind":"later"}', "its name stays taken"),
    ],
)
def test_a_name_that_was_taken_stays_taken_also_for_the_same_bytes(shop: Shop, document: bytes, sentence: str) -> None:
    shop.publish(wheel("demo"))
    put(shop.backend, wheel("demo"), document)
    shop.bring_in_step()

    with pytest.raises(FileConflict, match=sentence):
        shop.publish(wheel("demo"))


def test_a_name_whose_record_somebody_removed_by_hand_stays_taken(shop: Shop) -> None:
    shop.publish(wheel("demo"))
    shop.storage.remove_by_hand("demo", parse_filename(wheel("demo")).key)
    shop.bring_in_step()

    with pytest.raises(FileConflict, match="it was here before"):
        shop.publish(wheel("demo"))


@pytest.mark.parametrize("status", ["archived", "quarantined"])
def test_a_closed_project_takes_nothing(shop: Shop, status: str) -> None:
    shop.publish(wheel("demo"))
    shop.statused(status)

    for version in ("1.0", "2.0"):
        with pytest.raises(ProjectClosed, match=f"Project demo is {status} and takes no uploads"):
            shop.publish(wheel("demo", version))


def test_a_deprecated_project_goes_on(shop: Shop) -> None:
    shop.publish(wheel("demo"))
    shop.statused("deprecated")

    assert shop.publish(wheel("demo", "2.0")).created


# --- against others ---------------------------------------------------------------------------------------------------


def test_who_loses_the_race_for_a_name_is_told_that_it_is_taken(shop: Shop) -> None:
    """The index is behind: only the storage knows, and its answer is exact."""
    put(shop.backend, wheel("demo"), to_json(record(wheel("demo"), b"theirs")))

    with pytest.raises(FileConflict, match="with other content"):
        shop.publish(wheel("demo"), b"ours")

    assert shop.files() == {wheel("demo"): digest(b"theirs")}


def test_who_loses_the_race_with_the_same_bytes_has_won_too(shop: Shop) -> None:
    put(shop.backend, wheel("demo"), to_json(record(wheel("demo"), CONTENT)))

    assert not shop.publish(wheel("demo")).created


def test_an_archive_that_the_index_has_not_seen_yet_counts(shop: Shop) -> None:
    shop.publish(wheel("demo"))
    bring, shop.bring_in_step = shop.bring_in_step, lambda: None  # type: ignore[method-assign]
    shop.statused("archived")
    shop.bring_in_step = bring  # type: ignore[method-assign]

    with pytest.raises(ProjectClosed):
        shop.publish(wheel("demo", "2.0"))


def test_other_files_of_the_project_do_not_disturb(shop: Shop) -> None:
    put(shop.backend, wheel("demo", "2.0"))

    assert shop.publish(wheel("demo")).created
    assert shop.syncs == 1


def test_losing_twenty_times_is_told_as_too_busy(shop: Shop) -> None:
    commits = []

    def moved(change: Change) -> None:
        commits.append(change)
        raise Moved("demo")

    shop.storage.before_commit = moved
    with pytest.raises(TooBusy) as caught:
        shop.publish(wheel("demo"))

    assert len(commits) == ATTEMPTS == 20
    assert caught.value.retry_after > 0
    assert shop.storage.bodies == {}


def test_losing_nineteen_times_is_no_failure(shop: Shop) -> None:
    commits = []

    def moved(change: Change) -> None:
        commits.append(change)
        if len(commits) < ATTEMPTS:
            raise Moved("demo")

    shop.storage.before_commit = moved
    assert shop.publish(wheel("demo")).created


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AccessDenied("write"), BackendUnavailable("down")])
def test_what_the_storage_refuses_is_passed_on_and_nothing_is_kept(shop: Shop, error: WharfError) -> None:
    def refuse(change: Change) -> None:
        raise error

    shop.storage.before_commit = refuse
    with pytest.raises(type(error)):
        shop.publish(wheel("demo"))

    assert shop.storage.log == []
    assert shop.files() == {}


def test_a_secret_without_the_right_to_write_is_refused_by_the_storage(shop: Shop) -> None:
    with pytest.raises(AccessDenied):
        shop.publish(wheel("demo"), writer=MemoryBackend(shop.storage, Access.READ))


@pytest.mark.parametrize("error", [BackendUnavailable("down"), IndexNotReady("local", "no room")])
def test_a_sync_that_fails_after_the_commit_asks_to_come_again_and_then_all_is_well(shop: Shop, error: WharfError) -> None:
    def fail() -> None:
        shop.after_sync = lambda: None
        raise error

    shop.after_sync = fail
    with pytest.raises(IndexBehind, match="sending it again is safe") as caught:
        shop.publish(wheel("demo"))
    assert caught.value.retry_after > 0

    again = shop.publish(wheel("demo"))
    assert not again.created
    assert shop.files() == {wheel("demo"): digest(CONTENT)}
    assert len(shop.storage.log) == 1


def test_a_sync_that_fails_before_anything_was_committed_is_no_promise(shop: Shop) -> None:
    put(shop.backend, wheel("demo"), to_json(record(wheel("demo"), b"theirs")))

    def fail() -> None:
        raise BackendUnavailable("down")

    shop.after_sync = fail
    with pytest.raises(BackendUnavailable):
        shop.publish(wheel("demo"))
    assert len(shop.storage.log) == 1


def test_an_index_that_cannot_answer_lets_nothing_through(shop: Shop) -> None:
    shop.index.rebuild()

    with pytest.raises(IndexNotReady):
        shop.publish(wheel("demo"))
    assert shop.storage.log == []


def test_metadata_too_much_for_a_record_is_the_uploads_fault(shop: Shop) -> None:
    with pytest.raises(UploadRejected, match="content: its core metadata is too much for the index"):
        shop.publish(wheel("demo"), requires_python=", ".join([">=3.8"] * 10_000))
    assert shop.storage.log == []


def test_the_message_of_a_commit_says_what_it_does(shop: Shop) -> None:
    messages = []
    shop.storage.before_commit = lambda change: messages.append(change.message)
    shop.publish(wheel("demo"))

    assert messages == [f"Publish demo 1.0: {wheel('demo')}"]


def test_the_picture_is_of_one_instant(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor that a commit is compared with is the one of what was decided upon, not a later one."""
    seen: list[Cursor] = []
    commit = shop.backend.commit

    def watched(change: Change, after: Cursor) -> None:
        seen.append(after)
        step(shop.index, [])  # somebody syncs in between
        commit(change, after)

    monkeypatch.setattr(shop.backend, "commit", watched)
    before = shop.index.cursor()
    shop.after_sync = shop.index.rebuild
    shop.publish(wheel("demo"))

    assert seen == [before]
    assert isinstance(shop.index.picture(DEMO, parse_filename(wheel("demo")).key).document, DistributionRecord)
    assert isinstance(shop.backend.read_changes(None), Found)
