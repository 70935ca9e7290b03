"""The power goes at any moment of a change: whatever the disk kept of what was not fsynced, the next start finds all of it or nothing.

`pytest -s` prints the number of states.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.power_loss import Recorder
from pywharf_file_system import plugin
from repository.making import DEMO, download, upload

from pywharf.config import RepositorySettings, ServerSettings
from pywharf.errors import FileConflict, WharfError
from pywharf.layout import Layout
from pywharf.model.names import ProjectName
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel

BEFORE, NEW, NEXT = make_wheel("demo", "1.0"), make_wheel("acme", "1.0"), make_wheel("demo", "9.0")
ACME = ProjectName("acme")
SEED = 20261122

pytestmark = [
    pytest.mark.any_python,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to tell which file a descriptor is"),
]


def opened(root: Path) -> Repository:
    layout = Layout(root)
    layout.prepare()
    config = plugin.config_model.model_validate({"type": "file_system", "read_secret": "r", "write_secret": "w"})
    repository = Repository(RepositorySettings("local", plugin, config, None), layout, ServerSettings())
    repository.sync()
    return repository


def upload_new(repository: Repository) -> None:
    upload(repository, NEW, "w")


def delete(repository: Repository) -> None:
    repository.releases.delete("w", "demo", version="1.0")


def listed(repository: Repository, project: ProjectName) -> set[str]:
    detail = repository.project(project)
    return {file.filename for file in detail.files} if detail else set()


def check_upload(repository: Repository, acknowledged: bool) -> None:
    there = listed(repository, ACME)
    assert there == {NEW.filename} or (not there and not acknowledged)
    if there:
        assert download(repository, NEW.filename) == NEW.data
        assert download(repository, f"{NEW.filename}.metadata") == NEW.metadata
        assert not repository.may_leave(ACME)
    assert download(repository, BEFORE.filename) == BEFORE.data
    assert upload(repository, NEW, "w").created is (not there)
    assert download(repository, NEW.filename) == NEW.data


def check_delete(repository: Repository, acknowledged: bool) -> None:
    if BEFORE.filename in listed(repository, DEMO):
        assert not acknowledged
        assert download(repository, BEFORE.filename) == BEFORE.data
        delete(repository)
    with pytest.raises(FileConflict):
        upload(repository, BEFORE, "w")


@pytest.mark.parametrize(
    ("act", "check", "has_packages"),
    [
        pytest.param(upload_new, check_upload, True, id="upload"),
        pytest.param(upload_new, check_upload, False, id="first upload", marks=pytest.mark.live),
        pytest.param(delete, check_delete, True, id="delete", marks=pytest.mark.live),
    ],
)
def test_after_power_loss_at_any_moment_a_change_is_whole_or_not_at_all(
    act: Callable[[Repository], None],
    check: Callable[[Repository, bool], None],
    has_packages: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls, states, acknowledged = survive(act, check, has_packages, tmp_path, monkeypatch)

    with capsys.disabled():
        print(f"\n{calls} calls, {states} states after power loss, {acknowledged} of them after the answer, seed {SEED}")
    assert states > 30
    assert acknowledged


@pytest.mark.live
def test_a_forgotten_fsync_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pywharf_file_system.bodies.fsync_folder", lambda folder: None)

    with pytest.raises((AssertionError, WharfError)):
        survive(upload_new, check_upload, True, tmp_path, monkeypatch)


def survive(
    act: Callable[[Repository], None],
    check: Callable[[Repository, bool], None],
    has_packages: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, int, int]:
    """How many calls were recorded, states looked at, and of these after the answer."""
    root = tmp_path / "root"
    first = opened(root)
    if has_packages:
        upload(first, BEFORE, "w")
    first.close()
    begin = tmp_path / "begin"
    shutil.copytree(root / "index", begin, symlinks=True)  # the index may lose its newest transactions, and no part of one
    recorder = Recorder(root)
    repository = opened(root)
    with recorder.recording(monkeypatch):
        act(repository)
    repository.close()
    assert len(recorder.trace) >= 8

    states = acknowledged = 0
    for moment, state in recorder.states(random.Random(SEED)):
        states += 1
        acknowledged += moment == len(recorder.trace)
        place = tmp_path / f"state{states}"
        state.write(recorder.top, place)
        shutil.rmtree(place / "index")
        shutil.copytree(begin, place / "index", symlinks=True)
        look_at(place, check, moment == len(recorder.trace), has_packages)
        shutil.rmtree(place)
    return len(recorder.trace), states, acknowledged


def look_at(place: Path, check: Callable[[Repository, bool], None], acknowledged: bool, has_packages: bool) -> None:
    if acknowledged:
        done = [line for line in (place / "audit" / "local.jsonl").read_bytes().splitlines() if json.loads(line)["result"] == "done"]
        assert len(done) == 1 + has_packages
    repository = opened(place)
    try:
        if not has_packages:
            assert listed(repository, DEMO) == set()
            upload(repository, BEFORE, "w")
        check(repository, acknowledged)
        upload(repository, NEXT, "w")
        assert download(repository, NEXT.filename) == NEXT.data
    finally:
        repository.close()
