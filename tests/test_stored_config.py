"""The two texts of a configuration change together, whatever happens in between; who reads them sees a pair that somebody wrote."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pywharf.errors import ConfigInvalid, LayoutUnusable
from pywharf.files import locked
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, read, replace, stamp

OLD = StoredConfig("# old config\n", "# old secret\n")
NEW = StoredConfig("# new config: Größe ✓\r\n", "# new secret\n")
STEPS = ("open", "fchmod", "fsync", "rename", "unlink")  # what changes a file, as `os` has it


class Killed(BaseException):
    """The process died here: nothing after it runs, except what Python does on its way."""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    return layout


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def files(layout: Layout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.root.iterdir() if path.is_file() and path.name not in ("lock", "layout")}


def pair(stored: StoredConfig) -> dict[str, bytes]:
    return {"config.toml": stored.config.encode(), "admin_secret.toml": stored.admin_secret.encode()}


class Trouble:
    """Counts what changes files, and lets one of these steps meet trouble, before it happens or after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.met = 0
        self.at = 0
        self.then: Callable[[], object] = lambda: None
        self.after = False
        self.for_good = False  # also at every later step
        for name in STEPS:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, step: Callable[..., object]) -> Callable[..., object]:
        def stepped(*arguments: object, **more: object) -> object:
            self.met += 1
            mine = self.met == self.at or (self.for_good and self.met > self.at)
            if mine and not self.after:
                self.then()
            found = step(*arguments, **more)
            if mine and self.after:
                if isinstance(found, int):
                    os.close(found)
                self.then()
            return found

        return stepped


def full() -> None:
    raise OSError(28, os.strerror(28))


def die() -> None:
    raise Killed


# --- both or none -----------------------------------------------------------------------------------------------------


def test_a_root_that_was_never_configured_holds_nothing(layout: Layout) -> None:
    assert read(layout) is None


def test_what_was_put_there_is_read_back_to_the_letter(layout: Layout) -> None:
    for stored in (OLD, NEW, StoredConfig("", ""), StoredConfig("\n", "\x00")):
        replace(layout, stored)
        assert files(layout) == pair(stored)
        assert read(Layout(layout.root)) == stored


def test_an_admin_secret_that_is_not_there_is_none_given(layout: Layout) -> None:
    layout.config.write_text("# by hand\n")

    assert read(layout) == StoredConfig("# by hand\n", "")


@pytest.mark.parametrize(("stored", "source"), [(StoredConfig("\ud800", ""), "config"), (StoredConfig("", "\udcff"), "admin_secret")])
def test_a_text_that_cannot_be_written_is_named_and_changes_nothing(layout: Layout, stored: StoredConfig, source: str) -> None:
    replace(layout, OLD)
    with pytest.raises(ConfigInvalid, match="holds text that is not Unicode") as caught:
        replace(layout, stored)

    assert caught.value.source == source
    assert files(layout) == pair(OLD)


@pytest.mark.parametrize("after", [False, True], ids=["before it happens", "after it happened"])
@pytest.mark.parametrize("then", [full, die], ids=["error", "death"])
@pytest.mark.any_python
def test_at_every_step_it_is_the_old_pair_or_the_new_one(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object], after: bool
) -> None:
    """What was refused never comes true, what was acknowledged stays, and a death leaves one of the two."""
    outcomes = []
    for at in itertools.count(1):
        replace(layout, OLD)
        with monkeypatch.context() as patched:
            trouble = Trouble(patched)
            trouble.at, trouble.then, trouble.after = at, then, after
            try:
                replace(layout, NEW)
                outcome = "done"
            except LayoutUnusable:
                outcome = "refused"
            except Killed:
                outcome = "died"
        if trouble.met < at:
            break
        found = read(layout)
        assert found == read(layout)
        assert found == {"done": NEW, "refused": OLD}.get(outcome, found)
        assert found in (OLD, NEW)
        for left in layout.root.glob(".*.tmp"):
            assert after or outcome == "died"
            left.unlink()
        assert files(layout) == pair(found or OLD)
        outcomes.append((outcome, found))

    assert outcome == "done"
    assert len(outcomes) > 12
    assert {found == NEW for _, found in outcomes} == {True, False}


def test_a_disk_that_turns_bad_for_good_makes_nothing_come_true_that_was_refused(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = set()
    for at in itertools.count(1):
        replace(layout, OLD)
        with monkeypatch.context() as patched:
            trouble = Trouble(patched)
            trouble.at, trouble.then, trouble.for_good = at, full, True
            try:
                replace(layout, NEW)
                expected = NEW
            except LayoutUnusable:
                expected = OLD
        if trouble.met < at:
            break
        assert read(layout) == read(layout) == expected
        outcomes.add(expected)

    assert outcomes == {OLD, NEW}


def test_a_crash_between_the_two_files_is_finished_by_whoever_reads(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(layout, OLD)
    with monkeypatch.context() as patched:
        rename, renamed = os.rename, []

        def die_at_the_config(source: Path, target: Path) -> None:
            if target == layout.config:
                die()
            renamed.append(target)
            rename(source, target)

        patched.setattr(os, "rename", die_at_the_config)
        with pytest.raises(Killed):
            replace(layout, NEW)

    assert renamed == [layout.pending, layout.admin_secret]
    assert layout.config.read_text() == OLD.config
    assert read(layout) == NEW
    assert files(layout) == pair(NEW)


def test_a_decision_on_a_disk_that_takes_nothing_more_is_read_all_the_same(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(layout, OLD)
    layout.pending.write_text(json.dumps([NEW.config, NEW.admin_secret]))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", lambda *_: full())
        assert read(layout) == NEW
        with pytest.raises(LayoutUnusable):
            replace(layout, OLD)
        assert read(layout) == NEW

    assert read(layout) == NEW
    assert files(layout) == pair(NEW)


def test_what_was_decided_before_is_never_put_over_what_came_later(layout: Layout) -> None:
    layout.pending.write_text(json.dumps([OLD.config, OLD.admin_secret]))
    replace(layout, NEW)

    assert read(layout) == NEW
    assert not layout.pending.exists()


@pytest.mark.parametrize("content", [b"", b"[1", b"{}", b'"ab"', b"7", b'["one"]', b'["a", 1]', b"\xff"])
def test_a_damaged_decision_is_told_and_nothing_is_guessed(layout: Layout, content: bytes) -> None:
    replace(layout, OLD)
    layout.pending.write_bytes(content)

    for use in (lambda: read(layout), lambda: replace(layout, NEW)):
        with pytest.raises(LayoutUnusable, match=r"initialize\.pending: damaged; remove it"):
            use()
    assert files(layout) == {**pair(OLD), "initialize.pending": content}


# --- what lies there --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_umask")
def test_nobody_else_can_read_what_is_written(layout: Layout) -> None:
    for _ in range(2):
        replace(layout, OLD)
        modes = {path.stat().st_mode & 0o7777 for path in (layout.config, layout.admin_secret, layout.lock)}
        assert modes == {0o600}
        for path in (layout.config, layout.admin_secret):
            path.chmod(0o644)


@pytest.mark.usefixtures("no_umask")
def test_nobody_else_can_read_a_decision_while_it_is_carried_out(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    with monkeypatch.context() as patched:
        rename = os.rename

        def look(source: Path, target: Path) -> None:
            modes.append(source.stat().st_mode & 0o7777)
            rename(source, target)

        patched.setattr(os, "rename", look)
        replace(layout, OLD)

    assert modes == [0o600] * 3


@pytest.mark.parametrize("which", ["config", "admin_secret"])
def test_what_cannot_be_read_is_told_by_its_name(layout: Layout, which: str) -> None:
    replace(layout, OLD)
    path: Path = getattr(layout, which)
    path.write_bytes(b"\xff")
    with pytest.raises(LayoutUnusable, match="not UTF-8 text"):
        read(layout)

    path.unlink()
    path.mkdir()
    with pytest.raises(LayoutUnusable) as caught:
        read(layout)
    assert str(path) in str(caught.value)


# --- the stamp --------------------------------------------------------------------------------------------------------


def test_the_stamp_moves_with_every_replacement_and_not_otherwise(layout: Layout) -> None:
    stamps = [stamp(layout)]
    for _ in range(20):
        stamps.append(replace(layout, OLD))
        assert stamp(layout) == stamps[-1]
        read(layout)
        assert stamp(layout) == stamps[-1]

    assert all(one != next_one for one, next_one in itertools.pairwise(stamps))


def test_the_stamp_moves_where_somebody_edits_or_decides(layout: Layout) -> None:
    seen = [replace(layout, OLD)]
    for path in (layout.config, layout.admin_secret, layout.pending):
        path.write_text("by hand")
        seen.append(stamp(layout))
        path.unlink()
        seen.append(stamp(layout))

    assert all(one != next_one for one, next_one in itertools.pairwise(seen))


# --- together ---------------------------------------------------------------------------------------------------------


def test_whoever_reads_while_many_write_sees_one_pair(layout: Layout) -> None:
    replace(layout, StoredConfig("0", "0"))
    seen: list[StoredConfig | None] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(read(layout))

    def write(number: int) -> None:
        for _ in range(10):
            replace(layout, StoredConfig(str(number) * 1000, str(number)))

    reader = threading.Thread(target=look)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()

    assert seen
    assert all(stored is not None and set(stored.config) == set(stored.admin_secret) for stored in seen)


def test_reading_waits_for_who_is_writing(layout: Layout) -> None:
    replace(layout, OLD)
    found: list[StoredConfig | None] = []
    thread = threading.Thread(target=lambda: found.append(read(layout)))
    with locked(layout.lock):
        thread.start()
        thread.join(0.1)
        assert not found
        layout.config.write_text("# half")
        layout.config.write_bytes(NEW.config.encode())
        layout.admin_secret.write_bytes(NEW.admin_secret.encode())
    thread.join(30)

    assert found == [NEW]
