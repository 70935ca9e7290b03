"""Death, and a full or broken disk, at each call by which a change of any kind, or a sync, changes a file of ROOT.

An upload under a new name is disturbed by a tracer at each system call, in test_every_step_of_an_upload.py; here is everything else that
changes something, in this process. `pytest -s` prints the number of points.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.disk import Disk, Killed
from pywharf_file_system import plugin
from repository.making import DEMO, download, upload

from pywharf.config import RepositorySettings, ServerSettings
from pywharf.errors import FileConflict, FileMissing, IndexBehind, IndexNotReady, NotRecorded, WharfError
from pywharf.layout import Layout
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.any_python

ONE, TWO, LATER = (make_wheel("demo", version) for version in ("1.0", "2.0", "3.0"))


def opened(root: Path, storage: Path, *, synced: bool = True) -> Repository:
    layout = Layout(root)
    layout.prepare()
    config = plugin.config_model.model_validate({"type": "file_system", "read_secret": "r", "write_secret": "w", "path": storage})
    repository = Repository(RepositorySettings("local", plugin, config, None), layout, ServerSettings())
    if synced:
        repository.sync()
    return repository


def shown(repository: Repository) -> str:
    """What people and installers see of the project, and what is served under each name; with one file left to say nothing of."""
    detail = repository.project(DEMO)
    assert detail is not None
    files = []
    for file in detail.files:
        if file.filename != LATER.filename:
            try:
                body = download(repository, file.filename)
            except FileMissing:
                body = None
            assert body in (None, ONE.data, TWO.data), "other bytes than were stored"
            files.append((file.filename, file.sha256, file.yanked, hashlib.sha256(body or b"").hexdigest()))
    return json.dumps([sorted(files, key=str), str(detail.status)])


@dataclass(frozen=True)
class Action:
    prepare: Callable[[Path, Path], None]  # ROOT and storage, after ONE was uploaded
    act: Callable[[Repository], object]
    again: Callable[[Repository], object]  # what somebody does who does not know whether it happened
    synced: bool = True  # False: the index is left as prepare() left it
    helps_early: bool = False  # True: bytes that are listed already are there before the change is made, and nobody is told more by it


def nothing(root: Path, storage: Path) -> None:
    """Nothing but what is there."""


def lose_the_body(root: Path, storage: Path) -> None:
    for body in storage.glob("objects/*/*"):
        if body.read_bytes() == ONE.data:
            body.unlink()


def upload_elsewhere(root: Path, storage: Path) -> None:
    other = opened(root.parent / "other", storage)
    upload(other, TWO, "w")
    other.close()


def lose_the_index(root: Path, storage: Path) -> None:
    for path in (root / "index").iterdir():
        path.unlink()


def delete(repository: Repository) -> None:
    repository.releases.delete("w", "demo", version="1.0", reason="leaked")


def delete_again(repository: Repository) -> None:
    delete(repository)
    with pytest.raises(FileConflict):
        upload(repository, ONE, "w")


def same(act: Callable[[Repository], object]) -> tuple[Callable[[Repository], object], Callable[[Repository], object]]:
    return act, act


ACTIONS = {
    "the same upload again": Action(nothing, *same(lambda repository: upload(repository, ONE, "w"))),
    "an upload that puts a lost body back": Action(lose_the_body, *same(lambda repository: upload(repository, ONE, "w")), helps_early=True),
    "yank": Action(nothing, *same(lambda repository: repository.releases.yank("w", "demo", version="1.0", reason="broken"))),
    "delete": Action(nothing, delete, delete_again),
    "status": Action(nothing, *same(lambda repository: repository.releases.set_status("w", "demo", "archived", "moved"))),
    "sync": Action(upload_elsewhere, *same(lambda repository: repository.sync()), synced=False),
    "first sync": Action(lose_the_index, *same(lambda repository: repository.sync()), synced=False),
}


@pytest.fixture(params=ACTIONS)
def action(request: pytest.FixtureRequest) -> Action:
    return ACTIONS[request.param]


def attempt(action: Action, repository: Repository) -> str:
    try:
        action.act(repository)
    except Killed:
        return "dead"
    except (IndexBehind, NotRecorded):
        return "done"
    except WharfError as error:
        return "refused" if "/" not in str(error).replace("Input/output", "") else f"told a path: {error}"
    return "done"


@pytest.mark.parametrize(
    "how", ["kill", pytest.param(str(errno.ENOSPC), marks=pytest.mark.live), pytest.param(str(errno.EIO), marks=pytest.mark.live)]
)
def test_a_change_that_fails_at_any_step_is_whole_or_not_at_all(
    action: Action, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = Disk(monkeypatch)
    template = tmp_path / "template"
    first = opened(template / "root", template / "storage")
    upload(first, ONE, "w")
    first.close()
    action.prepare(template / "root", template / "storage")
    before, after = undisturbed(action, template, tmp_path / "undisturbed")
    point = 0
    while True:
        point += 1
        place = tmp_path / str(point)
        shutil.copytree(template, place, symlinks=True)
        repository = opened(place / "root", place / "storage", synced=action.synced)
        with disk.failing(point, how):
            said = attempt(action, repository)
            reached = disk.count
        if how != "kill":
            known_stays_known(repository)
        repository.close()
        if reached < point:
            assert said == "done"
            break
        look_at(place, action, said, before, after)
        shutil.rmtree(place)
    with capsys.disabled():
        print(f"\n{point - 1} points, {how}")
    assert point > 1 or action is ACTIONS["the same upload again"]


def undisturbed(action: Action, template: Path, place: Path) -> tuple[str, str]:
    """What is shown before and after."""
    shutil.copytree(template, place, symlinks=True)
    repository = opened(place / "root", place / "storage", synced=action.synced)
    before = shown(repository) if action.synced else ""
    action.act(repository)
    after = shown(repository)
    repository.close()
    return before or after, after


def known_stays_known(repository: Repository) -> None:
    """Trouble is 503, and never that there is no such project."""
    with contextlib.suppress(IndexNotReady):
        assert repository.project_revision(DEMO) is not None


def look_at(place: Path, action: Action, said: str, before: str, after: str) -> None:
    fresh = opened(place / "root", place / "storage")
    try:
        found = shown(fresh)
        assert found in {"done": [after], "refused": [before, after][: 1 + action.helps_early], "dead": [before, after]}[said]
        if json.loads(found)[1] == json.loads(before)[1]:  # not archived: the next upload goes through, and brings nothing else to light
            upload(fresh, LATER, "w")
            assert shown(fresh) == found
        action.again(fresh)
        assert shown(fresh) == after
        for line in (place / "root" / "audit" / "local.jsonl").read_bytes().split(b"\n")[:-1]:
            if line.endswith(b"}"):  # a torn one was ended by the next
                json.loads(line)
    finally:
        fresh.close()
