"""A name can be given to another storage: what the index holds of the old one is not for the new one's callers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pywharf.config import ServerSettings, parse
from pywharf.errors import IndexNotReady
from pywharf.layout import Layout
from pywharf.repository.repository import Repository
from pywharf.repository.shown_storage import ShownStorage
from pywharf.testing.distributions import make_wheel
from pywharf.testing.memory import MemoryConfig
from repository.making import DEMO

CONFIG = '[local]\ntype = "file_system"\nwrite_secret = "{secret}"\npath = "{path}"\n'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    return layout


def opened(layout: Layout, path: Path, secret: str = "writer") -> Repository:
    return Repository(parse(CONFIG.format(path=path, secret=secret), "")["local"], layout, ServerSettings())


def fill(repository: Repository, storage: Path) -> None:
    """Put a wheel there by hand and have it adopted."""
    from pywharf.repository.adoption import update_index

    folder = storage / "packages" / "demo"
    folder.mkdir(parents=True)
    wheel = make_wheel("demo", "1.0")
    (folder / wheel.filename).write_bytes(wheel.data)
    update_index(repository)
    assert repository.projects().names == (DEMO,)


def test_an_index_of_another_storage_is_not_shown_even_if_the_new_one_cannot_be_read(layout: Layout, tmp_path: Path) -> None:
    old = opened(layout, tmp_path / "old")
    fill(old, tmp_path / "old")
    old.close()
    (tmp_path / "in-the-way").write_text("a file where the storage should be")

    new = opened(layout, tmp_path / "in-the-way", secret="somebody else's")

    assert not new.health().ready
    for ask in (new.projects, lambda: new.project(DEMO), lambda: new.find_file(DEMO, "demo-1.0-py3-none-any.whl")):
        with pytest.raises(IndexNotReady, match="configured anew"):
            ask()
    new.close()


def test_an_index_of_this_storage_is_shown_at_once_even_if_it_cannot_be_read(layout: Layout, tmp_path: Path) -> None:
    before = opened(layout, tmp_path / "storage")
    fill(before, tmp_path / "storage")
    before.close()
    (tmp_path / "storage").rename(tmp_path / "elsewhere")

    after = opened(layout, tmp_path / "storage", secret="a new one")

    assert after.projects().names == (DEMO,)
    assert after.health().ready
    after.close()


def test_it_is_shown_once_the_new_storage_was_read(layout: Layout, tmp_path: Path) -> None:
    old = opened(layout, tmp_path / "old")
    fill(old, tmp_path / "old")
    old.close()

    with pytest.MonkeyPatch.context() as patched:  # a storage that is there already, and was filled by others
        patched.setattr("pywharf.layout.Layout.workdir", lambda self, name: tmp_path)
        (tmp_path / "filled").unlink(missing_ok=True)
        new = opened(layout, tmp_path / "new")
        (layout.index / "local.sqlite").unlink()
        new.sync()

    assert new.projects().names == ()
    new.close()


def test_only_where_the_storage_is_counts(tmp_path: Path) -> None:
    first = ShownStorage(tmp_path / "mark", MemoryConfig(read_secret="a"))
    assert not first.is_known
    assert first.remember()

    assert ShownStorage(tmp_path / "mark", MemoryConfig(read_secret="a", sync_index_interval=5, private_names=("acme-*",))).is_known


def test_a_mark_that_cannot_be_kept_costs_only_a_sync_at_the_next_start(tmp_path: Path) -> None:
    shown = ShownStorage(tmp_path / "missing" / "mark", MemoryConfig(read_secret="a"))

    assert shown.remember()
    assert shown.is_known
