"""ROOT is private, knows who arranged it, holds nothing that ties it to its place, and says clearly where it cannot be."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository.making import download, upload

from pywharf import stored_config
from pywharf.config import ServerSettings
from pywharf.errors import LayoutUnusable
from pywharf.files import locked
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.model.names import ProjectName
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_sdist, make_wheel
from pywharf.wharf import Wharf

CONFIG = '[local]\ntype = "file_system"\nread_secret = "reader"\nwrite_secret = "writer"\n'
FOLDERS = ("keys", "index", "names", "cache", "incoming", "audit", "log")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "some" / "where" / "root")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# --- private ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_umask")
def test_a_new_root_is_private_whatever_the_umask(layout: Layout) -> None:
    layout.prepare()
    workdir = layout.workdir("local")

    assert workdir == layout.cache / "local"
    made = [layout.root, workdir, *(layout.root / name for name in FOLDERS)]
    assert {path: mode(path) for path in made} == dict.fromkeys(made, 0o700)
    assert {path.name for path in layout.root.iterdir()} == {*FOLDERS, "layout", "lock"}
    assert {path.name: mode(path) for path in (layout.version, layout.lock)} == {"layout": 0o600, "lock": 0o600}


@pytest.mark.usefixtures("no_umask")
def test_whatever_a_server_leaves_in_root_is_private(layout: Layout) -> None:
    serve(layout, make_wheel("demo", "1.0").filename)
    initialize_token(layout.initialize_token, {})

    open_to_others = [path for path in layout.root.rglob("*") if not path.is_symlink() and mode(path) & 0o077]
    # Bodies are read-only for all, behind folders that nobody else can enter.
    assert {path for path in open_to_others if mode(path) != 0o444} == set()
    assert all(layout.cache in path.parents for path in open_to_others)


def test_preparing_again_changes_nothing(layout: Layout) -> None:
    layout.prepare()
    (layout.names / "local").write_text("demo\n")
    before = everything(layout.root)
    layout.prepare()

    assert everything(layout.root) == before


def test_a_folder_that_is_missing_is_made_again(layout: Layout) -> None:
    layout.prepare()
    layout.incoming.rmdir()
    layout.prepare()

    assert layout.incoming.is_dir()


def test_processes_that_start_together_find_one_root(layout: Layout) -> None:
    faults: list[BaseException] = []

    def prepare() -> None:
        try:
            Layout(layout.root).prepare()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    assert layout.version.read_text() == "1\n"


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2\n", "", "one", "1 2", "\xff", "9" * 10_000])
def test_a_root_of_another_version_is_refused_and_left_as_it_is(layout: Layout, version: str) -> None:
    layout.root.mkdir(parents=True)
    layout.version.write_text(version, encoding="latin-1")
    with pytest.raises(LayoutUnusable) as caught:
        layout.prepare()

    assert "was arranged by another version of pywharf" in str(caught.value)
    assert "use that version, or start with an empty folder" in str(caught.value)
    assert str(layout.root) in str(caught.value)
    assert len(str(caught.value)) < 500
    assert set(everything(layout.root)) == {"layout", "lock"}


def test_a_root_that_is_a_file_is_told(layout: Layout) -> None:
    layout.root.parent.mkdir(parents=True)
    layout.root.write_text("not a folder")
    with pytest.raises(LayoutUnusable, match=r"cannot be used as ROOT \(File exists\)"):
        layout.prepare()

    assert layout.root.read_text() == "not a folder"


def test_a_root_behind_a_file_is_told(layout: Layout) -> None:
    layout.root.parent.mkdir(parents=True)
    layout.root.write_text("not a folder")
    below = Layout(layout.root / "deeper" / "root")
    with pytest.raises(LayoutUnusable, match="cannot be used as ROOT"):
        below.prepare()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_where_a_folder_belongs_is_told(layout: Layout, name: str) -> None:
    layout.root.mkdir(parents=True)
    (layout.root / name).write_text("in the way")

    with pytest.raises(LayoutUnusable, match="cannot be used as ROOT"):
        layout.prepare()


@pytest.mark.parametrize("name", ["layout", "lock"])
def test_a_folder_where_a_file_belongs_is_told(layout: Layout, name: str) -> None:
    (layout.root / name).mkdir(parents=True)

    with pytest.raises(LayoutUnusable, match=r"cannot be used as ROOT \(Is a directory\)"):
        layout.prepare()


def test_a_lock_that_leads_elsewhere_is_not_followed(layout: Layout, tmp_path: Path) -> None:
    layout.root.mkdir(parents=True)
    layout.lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LayoutUnusable):
        layout.prepare()

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("step", ["mkdir", "open", "rename", "fsync"])
def test_a_root_that_cannot_be_written_is_told(layout: Layout, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, os.strerror(30))

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(LayoutUnusable, match=r"cannot be used as ROOT \(Read-only file system\)"):
            layout.prepare()

    layout.prepare()  # nothing half-made is in the way


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_root_of_somebody_else_is_told(layout: Layout) -> None:
    layout.root.mkdir(parents=True)
    layout.root.chmod(0o500)

    with pytest.raises(LayoutUnusable, match=r"cannot be used as ROOT \(Permission denied\)"):
        layout.prepare()


def test_a_root_that_another_process_holds_for_too_long_is_told(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.prepare()
    monkeypatch.setattr("pywharf.layout.locked", lambda path, timeout: locked(path, timeout=timeout / 1000))

    with locked(layout.lock), pytest.raises(LayoutUnusable, match=r"\(the lock lock is held by another process\)"):
        layout.prepare()


# --- moved ------------------------------------------------------------------------------------------------------------


def serve(layout: Layout, *filenames: str) -> dict[str, bytes | None]:
    """Start a server on this ROOT, upload what it does not have, and download all of it."""
    made = {one.filename: one for one in (make_wheel("demo", "1.0"), make_sdist("demo", "1.0"), make_wheel("demo", "2.0"))}
    layout.prepare()
    if stored_config.read(layout) is None:
        stored_config.replace(layout, StoredConfig(CONFIG, ""))
    server = Wharf(layout, ServerSettings())
    server.start()
    try:
        with server.hold() as generation:
            local = generation.repositories["local"]
            for filename in filenames:
                upload(local, made[filename])
            project = local.project(ProjectName("demo"))
            assert project is not None
            assert not local.may_leave(ProjectName("demo"))
            return {file.filename: download(local, file.filename) for file in project.files}
    finally:
        server.close()


def test_a_root_that_was_moved_serves_and_takes_everything(layout: Layout, tmp_path: Path) -> None:
    before = serve(layout, "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz")
    assert set(before) == {"demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"}
    token = initialize_token(layout.initialize_token, {})
    moved = Layout(tmp_path / "a name with spaces and ü")
    layout.root.rename(moved.root)

    assert serve(moved) == before
    assert initialize_token(moved.initialize_token, {}) == token
    assert set(serve(moved, "demo-2.0-py3-none-any.whl")) == {*before, "demo-2.0-py3-none-any.whl"}
    assert not layout.root.exists()


def test_nothing_in_root_knows_where_it_lies(layout: Layout) -> None:
    serve(layout, "demo-1.0-py3-none-any.whl")
    initialize_token(layout.initialize_token, {})

    here = str(layout.root.parent).encode()
    assert [path for path, content in everything(layout.root).items() if content is not None and here in content] == []
    assert [path for path in layout.root.rglob("*") if path.is_symlink() and path.readlink().is_absolute()] == []
