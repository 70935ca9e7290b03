"""kill -9 at the system calls by which an upload or a sync changes a file in ROOT: the next process finds everything, and goes on.

The calls are found by tracing one undisturbed run. Some of them in the ordinary run, all of them by `pytest -m slow`.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from faults.test_every_step_of_an_upload import CHANGING, can_trace, changes_a_file
from faults.upload_once import upload
from live.git.one_step import open_repository
from live.git.served import Served

from pywharf.model.names import ProjectName
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel

pytestmark = pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here: nobody can be killed at a call")

DRIVER = Path(__file__).with_name("one_step.py")
SAMPLE = 4


@dataclass
class Stage:
    """The repository, the ROOT of the one who dies, and what is known to be there."""

    served: Served
    known: dict[str, bytes] = field(default_factory=dict)  # by file name
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def environ(self) -> dict[str, str]:
        given = {"CONFIG": self.served.config(), "ADMIN_SECRET": self.served.admin_secret(), "TOKEN": self.served.writer}
        return {**os.environ, **given, "PYTHONHASHSEED": "0"}

    def open(self, root: str) -> Repository:
        return open_repository(self.served.folder / root, self.served.config(), self.served.admin_secret())

    def wheel(self) -> Path:
        made = make_wheel("demo", f"1.{next(self.numbers)}")
        path = self.served.folder / made.filename
        path.write_bytes(made.data)
        return path

    def publish(self, repository: Repository) -> Path:
        wheel = self.wheel()
        assert upload(repository, wheel, self.served.writer) == "ACK"
        self.known[wheel.name] = wheel.read_bytes()
        return wheel

    def run(self, trace: Path, *tracing: str, root: str, file: Path | None) -> str:
        command = ["strace", "-f", "-o", str(trace), *tracing, sys.executable, str(DRIVER), str(self.served.folder / root)]
        done = subprocess.run(
            [*command, *([str(file)] if file else [])], env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout

    def check(self, root: str, doubtful: Path | None, said: str) -> None:
        """A new process with the ROOT that the dead one left."""
        repository = self.open(root)
        try:
            repository.sync()
            assert self.known.keys() <= listed(repository)
            if doubtful is not None:
                visible = doubtful.name in listed(repository)
                assert visible or "ACK" not in said, "acknowledged, and lost"
                assert visible == (doubtful.name in self.served.files())
                assert upload(repository, doubtful, self.served.writer) == "ACK"
                self.known[doubtful.name] = doubtful.read_bytes()
            last = self.publish(repository)
            assert listed(repository) == self.served.files().keys() == self.known.keys()
            for name in {last.name, next(iter(self.known)), *([doubtful.name] if doubtful else [])}:
                file = repository.find_file(ProjectName("demo"), name)
                assert file is not None
                with repository.open_file(file) as body:
                    assert body.read() == self.known[name]
            repository.start()  # sweeps
        finally:
            repository.close()
        left = [path for path in (self.served.folder / root / "incoming").rglob("*") if path.is_file() and path.name != "lock"]
        assert not left


def listed(repository: Repository) -> set[str]:
    detail = repository.project(ProjectName("demo"))
    return {file.filename for file in detail.files} if detail else set()


def points_of(trace: Path) -> list[tuple[str, int]]:
    """Each call that changed a file after BEGIN, as its name and its number in the process."""
    found, seen, begun = [], dict.fromkeys(CHANGING, 0), False
    for line in trace.read_text().splitlines():
        match = re.match(r"\d+\s+(\w+)\((.*)", line)
        if not match or match[1] not in seen:
            continue
        call, rest = match[1], match[2]
        seen[call] += 1
        if call == "write" and rest.startswith("1, "):
            begun = "BEGIN" in rest
        elif begun and changes_a_file(call, rest):
            found.append((call, seen[call]))
    return found


@pytest.mark.parametrize(
    "sample", [pytest.param(SAMPLE, marks=pytest.mark.live), pytest.param(10**6, marks=pytest.mark.slow)], ids=["some", "all"]
)
@pytest.mark.parametrize("what", ["upload", "sync", "first-sync"])
def test_death_at_a_call_that_changes_a_file_loses_nothing(
    served: Served, tmp_path: Path, what: str, sample: int, capsys: pytest.CaptureFixture[str]
) -> None:
    stage, trace = Stage(served), tmp_path / "trace"
    others = stage.open("others")
    others.sync()
    roots: Callable[[int], str] = (lambda at: f"root{at}") if what == "first-sync" else (lambda at: "root")

    def prepared() -> Path | None:
        """Something to upload, or to fetch."""
        if what == "upload":
            return stage.wheel()
        others.sync()
        stage.publish(others)
        return None

    try:
        stage.publish(others)
        if what != "first-sync":
            stage.check(roots(0), None, "")
        doubtful = prepared()
        assert stage.run(trace, "-e", f"trace={','.join(CHANGING)}", root=roots(0), file=doubtful) == "BEGIN\nACK\n"
        if doubtful:
            stage.known[doubtful.name] = doubtful.read_bytes()
        points = points_of(trace)
        assert len(points) >= 10
        died = 0
        chosen = points[:: max(1, len(points) // sample)]
        for at, (call, nth) in enumerate(chosen, start=1):
            doubtful = prepared()
            said = stage.run(
                trace, "-e", f"trace=write,{call}", "-e", f"inject={call}:signal=KILL:when={nth}", root=roots(at), file=doubtful
            )
            died += "ACK" not in said
            assert "BEGIN" in said or what == "first-sync"
            stage.check(roots(at), doubtful, said)
        served.check_history()
    finally:
        others.close()
    with capsys.disabled():
        print(f"\nkilled at {died} of {len(points)} calls of {what} that change a file")
    assert died >= len(chosen) // 2
