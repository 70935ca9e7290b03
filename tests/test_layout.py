"""ROOT: private whatever the umask, movable, and refused where another version arranged it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pywharf.errors import LayoutUnusable
from pywharf.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "some" / "root")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_everything_that_is_made_is_private_whatever_the_umask(layout: Layout, umask: int) -> None:
    layout.prepare()
    layout.workdir("local")

    folders = [layout.root, *(path for path in layout.root.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in layout.root.rglob("*") if path.is_file()} == {0o600}
    for folder in (layout.keys, layout.index, layout.names, layout.cache, layout.incoming, layout.log, layout.cache / "local"):
        assert folder in folders


def test_preparing_again_changes_nothing(layout: Layout) -> None:
    layout.prepare()
    before = layout.version.stat().st_mtime_ns
    layout.prepare()

    assert layout.version.stat().st_mtime_ns == before


def test_preparing_makes_again_what_somebody_removed(layout: Layout) -> None:
    layout.prepare()
    layout.index.rmdir()
    layout.prepare()

    assert layout.index.is_dir()


@pytest.mark.parametrize("found", ["2", "", "one", "1.5", "\x00\xff"])
def test_a_root_that_another_version_arranged_is_refused_and_left_as_it_is(layout: Layout, found: str) -> None:
    layout.root.mkdir(parents=True)
    layout.version.write_text(found, encoding="latin-1")

    with pytest.raises(LayoutUnusable, match="another version of pywharf") as caught:
        layout.prepare()

    assert str(layout.root) in str(caught.value)
    assert sorted(path.name for path in layout.root.iterdir()) == ["layout", "lock"]
    assert layout.version.read_text(encoding="latin-1") == found


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("in the way")

    with pytest.raises(LayoutUnusable, match="cannot be used as ROOT"):
        Layout(tmp_path / "root").prepare()
    with pytest.raises(LayoutUnusable, match="cannot be used as ROOT"):
        Layout(tmp_path / "root" / "below").prepare()


def test_something_in_the_way_within_root_is_refused(layout: Layout) -> None:
    layout.root.mkdir(parents=True)
    layout.index.write_text("in the way")

    with pytest.raises(LayoutUnusable):
        layout.prepare()


def test_a_root_that_was_moved_still_works(layout: Layout, tmp_path: Path) -> None:
    layout.prepare()
    layout.root.rename(tmp_path / "elsewhere")

    moved = Layout(tmp_path / "elsewhere")
    moved.prepare()
    assert moved.workdir("local") == tmp_path / "elsewhere" / "cache" / "local"


def test_no_two_things_share_a_place(layout: Layout) -> None:
    places = [getattr(layout, name) for name, found in vars(Layout).items() if isinstance(found, property)]

    assert len(places) == len(set(places))
    assert {place.parent for place in places} == {layout.root}
