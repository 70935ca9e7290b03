"""The builds on disk: one is shown, all others are swept away, and nobody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pywharf.repository.index_builds import IndexBuilds, remove


@pytest.fixture
def builds(tmp_path: Path) -> IndexBuilds:
    return IndexBuilds(tmp_path / "local.sqlite")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_build_is_private_and_not_shown(builds: IndexBuilds) -> None:
    new = builds.make()

    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert builds.shown() is None


def test_showing_one_removes_all_others_and_what_lies_beside_them(builds: IndexBuilds, tmp_path: Path) -> None:
    builds.show(builds.make())
    before = builds.shown()
    for ending in ("-wal", "-shm", ".link"):
        builds.make().with_name(f"local@dead.sqlite{ending}").touch()
    new = builds.make()
    new.with_name(f"{new.name}-wal").touch()

    builds.show(new)

    assert names(tmp_path) == {"local.sqlite", new.name, f"{new.name}-wal"}
    assert builds.shown() not in (None, before)
    assert (tmp_path / "local.sqlite").resolve() == new


def test_sweeping_takes_nothing_of_a_repository_with_a_longer_name_and_nothing_that_is_no_build(
    builds: IndexBuilds, tmp_path: Path
) -> None:
    for other in ("local.x@1.sqlite", "local.synced", "local.catalogue.sqlite", "locals@1.sqlite"):
        (tmp_path / other).touch()
    builds.show(builds.make())
    kept = names(tmp_path)
    builds.make()

    builds.sweep()

    assert names(tmp_path) == kept


def test_a_build_is_discarded_unless_it_is_shown(builds: IndexBuilds, tmp_path: Path) -> None:
    shown, other = builds.make(), builds.make()
    builds.discard(other)
    builds.show(shown)

    builds.discard(shown)

    assert names(tmp_path) == {"local.sqlite", shown.name}


def test_where_nothing_is_shown_every_build_goes(builds: IndexBuilds, tmp_path: Path) -> None:
    builds.make()

    builds.sweep()

    assert names(tmp_path) == set()


def test_where_nobody_can_say_what_is_shown_nothing_goes(builds: IndexBuilds, tmp_path: Path) -> None:
    builds.make()
    (tmp_path / "local.sqlite").write_bytes(b"no link")

    with pytest.raises(OSError, match="Invalid argument"):
        builds.sweep()

    assert len(names(tmp_path)) == 2


def test_a_build_is_removed_with_what_sqlite_keeps_beside_it(builds: IndexBuilds, tmp_path: Path) -> None:
    new = builds.make()
    for ending in ("-wal", "-shm", "-journal"):
        new.with_name(f"{new.name}{ending}").touch()

    remove(new)
    remove(new)

    assert names(tmp_path) == set()
