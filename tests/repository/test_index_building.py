"""A large index is built by a process of its own: the same one as without, seen when it is whole, by one who was not overtaken."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.backend.interface import Changes, Cursor, Entry
from pywharf.errors import IndexNotReady
from pywharf.model.names import ProjectName
from pywharf.repository import index_building
from pywharf.repository import local_index as local_index_module
from pywharf.repository.index_building import IndexBuilding
from pywharf.repository.local_index import LocalIndex
from pywharf.repository.names_seen import NamesSeen

from .building import LARGE, MANY, Processes, is_whole, lies_there, many, reset
from .making import DEMO, cursor, entry, local_index, open_descriptors, settle, step, wheel
from .test_index_build_process import contents

pytestmark = pytest.mark.usefixtures("started")

# --- built ------------------------------------------------------------------------------------------------------------


def test_a_large_reset_is_built_by_a_process_and_is_what_it_would_be_without(
    index: LocalIndex, tmp_path: Path, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    NamesSeen(tmp_path / "names" / "local").add(["seen-before", "acme"])
    entries = [
        entry(wheel("demo"), 1),
        Entry("Not A Project", "k", 2, b"{}"),
        entry(wheel("demo"), 3, None),
        *many(),
        Entry("acme", "", 2**63 - 1, b"\x00\xff\n\t no text at all \n"),
        Entry("acme", "x\\'\"{}", 7, b""),
        Entry("acme", "d\udcffmo", 8, b"{}"),
        entry(wheel("many-3"), 9000),
        entry(wheel("demo"), 4),
    ]
    here = tmp_path / "here"
    NamesSeen(here / "names" / "local").add(["seen-before", "acme"])
    other = local_index(here)
    other.create()
    for one in (index, other):
        one.keep_names()
        assert one.apply(None, Changes(True, iter(entries), Cursor("here")))
        one.close()
        monkeypatch.setattr(index_building, "LARGE", 1 << 40)

    assert len(started) == 1
    assert started[0].returncode == 0
    assert contents(tmp_path / "local.sqlite") == contents(here / "local.sqlite")
    assert set((tmp_path / "names" / "local").read_text().split()) == set((here / "names" / "local").read_text().split())
    assert lies_there(tmp_path) == ["here"]
    assert open_descriptors(tmp_path) == []


def test_a_small_one_and_a_step_that_is_no_reset_start_nothing(
    index: LocalIndex, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert index.apply(None, Changes(False, many(), cursor()))
    monkeypatch.setattr(index_building, "LARGE", 1 << 20)
    assert reset(index, many(), index.cursor())

    assert started == []


def test_readers_keep_the_old_picture_until_all_of_the_new_one_is_there(index: LocalIndex, tmp_path: Path, started: Processes) -> None:
    step(index, [entry(wheel("demo"))])
    reader = local_index(tmp_path)
    before = reader.projects_revision()
    seen = []

    with index.all_entries() as (_, old):
        assert reset(index, many(lambda: seen.append(reader.projects().names)), index.cursor())
        assert [one.project for one in old] == ["demo"]

    assert seen == [("demo",)]
    assert is_whole(reader)
    assert reader.project(DEMO) is None
    assert reader.ever_seen(DEMO)
    assert reader.projects_revision() != before
    assert len(started) == 1
    assert step(reader, [entry(wheel("later"))])
    assert len(index.projects().names) == MANY + 1


def test_names_last_before_anybody_sees_what_lists_them(
    index: LocalIndex, tmp_path: Path, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = local_index(tmp_path)
    add = NamesSeen.add

    def dying(self: NamesSeen, names: list[str]) -> None:
        add(self, names)
        assert not reader.is_ready()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NamesSeen, "add", dying)
    with pytest.raises(IndexNotReady, match="names"):
        reset(index, many())
    monkeypatch.undo()

    assert not reader.is_ready()
    assert lies_there(tmp_path) == []
    reader.keep_names()
    assert reader.ever_seen(ProjectName("many-7"))
    assert len(started) == 1


def test_the_process_has_no_secrets_no_descriptor_too_many_and_hears_no_ctrl_c(
    index: LocalIndex, tmp_path: Path, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYWHARF_TEST_SECRET", "s3cr3t")
    seen: list[object] = []

    def look() -> None:
        process = Path(f"/proc/{started[0].pid}")
        settle(lambda: os.path.exists("/proc/self") and b"index_build_process" in (process / "cmdline").read_bytes())
        assert started[0].stdout is not None
        assert started[0].stdout.read(1) == b"."
        seen.append(b"s3cr3t" in (process / "environ").read_bytes() + (process / "cmdline").read_bytes())
        open_there = {os.readlink(process / "fd" / number) for number in os.listdir(process / "fd")}
        seen.append({target for target in open_there if not target.startswith(("pipe:", str(tmp_path)))})
        seen.append(os.getsid(started[0].pid) == os.getsid(0))

    assert reset(index, many(look))

    assert seen == [False, set(), False]


# --- overtaken --------------------------------------------------------------------------------------------------------


def test_who_is_overtaken_meanwhile_stops_and_leaves_nothing(index: LocalIndex, tmp_path: Path, started: Processes) -> None:
    step(index, [entry(wheel("demo"))])
    before = index.cursor()
    taken: list[Entry] = []

    def watched() -> Iterator[Entry]:
        for one in many(lambda: step(local_index(tmp_path), [entry(wheel("acme"))])):
            taken.append(one)
            yield one

    assert not reset(index, watched(), before)

    assert len(taken) < MANY
    assert set(index.projects().names) == {"acme", "demo"}
    assert started[0].returncode is not None
    assert lies_there(tmp_path) == []


def test_who_is_overtaken_at_the_very_end_shows_nothing(
    index: LocalIndex, tmp_path: Path, started: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(index, [entry(wheel("demo"))])
    finish = IndexBuilding.finish

    def late(self: IndexBuilding, at: Cursor) -> bool:
        built = finish(self, at)
        monkeypatch.setattr(IndexBuilding, "finish", finish)
        step(local_index(tmp_path), [entry(wheel("acme"))])
        return built

    monkeypatch.setattr(IndexBuilding, "finish", late)
    assert not reset(index, many(), index.cursor())

    assert set(index.projects().names) == {"acme", "demo"}
    assert len(started) == 1
    assert lies_there(tmp_path) == []


def test_a_step_into_a_build_that_was_replaced_meanwhile_is_not_taken(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build before says still what it said; its last step would be seen by nobody."""
    step(index, [entry(wheel("demo"))])
    before = index.cursor()
    writing = local_index_module.writing

    @contextlib.contextmanager
    def late(db: object) -> Iterator[None]:
        monkeypatch.setattr(local_index_module, "writing", writing)
        assert reset(local_index(tmp_path), many(), before)
        with writing(db):  # type: ignore[arg-type]
            yield

    monkeypatch.setattr(local_index_module, "writing", late)
    assert not index.apply(before, Changes(False, iter([entry(wheel("acme"))]), cursor()))

    assert is_whole(index)


@pytest.mark.parametrize("moment", ["while it is built", "when it is shown"])
def test_an_index_that_is_thrown_away_meanwhile_is_built_once_more(
    index: LocalIndex, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = IndexBuilding.finish

    def late(self: IndexBuilding, at: Cursor) -> bool:
        built = finish(self, at)
        local_index(tmp_path).rebuild()
        return built

    if moment == "when it is shown":
        monkeypatch.setattr(IndexBuilding, "finish", late)
        assert not reset(index, many())
    else:
        reset(index, many(local_index(tmp_path).rebuild))
    monkeypatch.undo()
    monkeypatch.setattr(index_building, "LARGE", LARGE)

    assert index.cursor() is not None or reset(index, many())
    assert is_whole(index)
    assert lies_there(tmp_path) == []


def test_closing_ends_what_is_being_built(index: LocalIndex, tmp_path: Path, started: Processes) -> None:
    with pytest.raises(IndexNotReady, match="closed"):
        reset(index, many(index.close))

    assert started[0].returncode is not None
    assert lies_there(tmp_path) == []
