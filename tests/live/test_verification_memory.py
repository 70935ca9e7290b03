"""`pywharf verify` of 20,000 files: how much memory it takes more than for one file. Making them takes minutes, so it is slow.

pytest -m slow tests/live/test_verification_memory.py -s
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from pywharf_file_system import plugin

from pywharf import stored_config
from pywharf.backend.interface import Change, Cursor, FileRef, StagedFile
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, Sha256, SideFile, now, to_json
from pywharf.stored_config import StoredConfig
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.slow

FILES = 20_000
MOST_GROWTH = 64  # MB


def filled(root: Path, files: int) -> Path:
    """A ROOT with as many wheels in 1,000 projects, made without waiting for the disk."""
    layout = Layout(root)
    layout.prepare()
    stored_config.replace(layout, StoredConfig('[local]\ntype = "file_system"\nwrite_secret = "write-it"\n', ""))
    config = plugin.config_model.model_validate({"write_secret": "write-it"})
    backend = plugin.open(config, None, layout.workdir("local"))
    staging = plugin.staging(config, layout.workdir("local"))
    staging.mkdir(parents=True)
    cursor = Cursor("0:")
    for number in range(files):
        made = make_wheel(f"demo-{number % 1000}", f"1.{number // 1000}")
        name = parse_filename(made.filename)
        staged = []
        for filename, data in ((made.filename, made.data), (f"{made.filename}.metadata", made.metadata)):
            path = staging / str(len(staged))
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            staged.append(StagedFile(FileRef(name.project, filename, hashlib.sha256(data).hexdigest(), len(data)), path))
        side = SideFile(staged[1].ref.name, Sha256(staged[1].ref.sha256), staged[1].ref.size)
        record = DistributionRecord(
            made.filename, name.kind, name.project, str(name.version), Sha256(made.sha256), len(made.data), now(), metadata=side
        )
        backend.commit(Change(name.project, {name.key: to_json(record)}, staged), cursor)
        if number % 200 == 0:
            cursor = backend.read_changes(cursor).cursor
    return root


def run(*words: str | Path) -> tuple[int, float, float]:
    """The exit code of a command, its peak of memory in MB, and its CPU time in seconds."""
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "pywharf", *map(str, words)], os.environ)
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime


def test_memory_does_not_grow_with_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        small, large = filled(tmp_path / "small", 1), filled(tmp_path / "large", FILES)
    for root in (small, large):
        assert run("update_index", "file_system", "local", "--root", root)[0] == 0  # the local index is there to be compared

    code, least, _ = run("verify", small)
    assert code == 0
    code, most, seconds = run("verify", large)

    print(f"verify of {FILES} files: {most - least:.0f} MB more than of one, {seconds:.1f} s of CPU")
    assert code == 0
    assert most - least < MOST_GROWTH
