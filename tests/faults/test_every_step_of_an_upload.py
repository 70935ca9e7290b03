"""Kill the server, fill its disk, break its disk: at every system call of one upload that changes a file.

The calls are found by tracing one upload; then the upload is run again for each of them and each fault, on a fresh copy
of ROOT, and what is left is looked at by another process's eyes. `pytest -s` prints the number of points.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from faults.upload_once import open_repository, upload

from pywharf.model.names import ProjectName
from pywharf.model.record import DistributionRecord
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_wheel

CHANGING = (
    "openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat", "utimensat", "sendfile", "copy_file_range",
)  # fmt: skip
DRIVER = Path(__file__).with_name("upload_once.py")
ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0"}  # the same calls in every run
# At each call a kill and an error. The others are handled as that error is: in the ordinary run each comes at every fourth call.
OTHERS = ("error=ENOSPC", "error=EROFS")
FAULTS = [
    *(pytest.param(fault, 0, 1, id=fault, marks=pytest.mark.live) for fault in ("signal=KILL", "error=EIO")),
    *(pytest.param(fault, 2 * at, 4, id=f"{fault}-some", marks=pytest.mark.live) for at, fault in enumerate(OTHERS)),
    *(pytest.param(fault, 0, 1, id=f"{fault}-all", marks=pytest.mark.slow) for fault in OTHERS),
]
WORKERS = 2
PATIENCE = 60  # seconds for one upload, and for a tracer to take hold of it


@dataclass(frozen=True)
class Point:
    """The `nth` call of `call` in the process, which is one of the upload's."""

    call: str
    nth: int
    line: str


def changes_a_file(call: str, line: str) -> bool:
    return call != "openat" or "O_CREAT" in line or "O_TRUNC" in line


class Uploader:
    """A process that has imported everything, and forks one for each upload."""

    def __init__(self) -> None:
        command = [sys.executable, str(DRIVER)]
        self._driver = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def upload(self, root: Path, file: Path, *tracing: str) -> str:
        """What the upload of `file` into `root` said. tracing: the words for strace; without any, nobody looks on."""
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        output = root.with_name(f"{root.name}.said")
        self._driver.stdin.write(json.dumps([str(root), str(file), str(output)]) + "\n")
        self._driver.stdin.flush()
        pid = int(self._driver.stdout.readline())
        tracer = subprocess.Popen(["strace", "-f", "-p", str(pid), *tracing], stderr=subprocess.PIPE, text=True) if tracing else None
        try:
            if tracer:
                wait_until_traced(pid, tracer)
            os.kill(pid, signal.SIGCONT)
            if tracer:
                tracer.communicate(timeout=PATIENCE)
        finally:
            if tracer and tracer.poll() is None:
                tracer.kill()
                os.kill(pid, signal.SIGKILL)
                tracer.communicate()
        assert self._driver.stdout.readline(), "the process that forks has ended"
        return output.read_text()

    def close(self) -> None:
        self._driver.communicate(timeout=PATIENCE)


def wait_until_traced(pid: int, tracer: subprocess.Popen[str]) -> None:
    """Until then the process is stopped, so that its first call is counted too."""
    end = time.monotonic() + PATIENCE
    while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
        assert tracer.poll() is None, f"strace ended: {tracer.communicate()[1]}"
        assert time.monotonic() < end, "strace does not take hold of the process"
        time.sleep(0.002)


def can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-e", "trace=mkdir", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here: the faults cannot be injected")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three wheels: one that is there before, the one whose upload is disturbed, and one uploaded after."""
    folder = tmp_path_factory.mktemp("wheels")
    paths = []
    for name in ("before", "disturbed", "after"):
        wheel = make_wheel(name, "1.0", files={f"{name}.py": "x = 1"})
        path = folder / wheel.filename
        path.write_bytes(wheel.data)
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def uploaders() -> Iterator[SimpleQueue[Uploader]]:
    """One for each thread."""
    idle: SimpleQueue[Uploader] = SimpleQueue()
    with ExitStack() as until_all_have_ended:
        for _ in range(WORKERS):
            idle.put(uploader := Uploader())
            until_all_have_ended.callback(uploader.close)
        yield idle


def upload_by(uploaders: SimpleQueue[Uploader], root: Path, file: Path, *tracing: str) -> str:
    uploader = uploaders.get()
    try:
        return uploader.upload(root, file, *tracing)
    finally:
        uploaders.put(uploader)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path], uploaders: SimpleQueue[Uploader]) -> Path:
    """A ROOT in which `before` is."""
    root = tmp_path_factory.mktemp("template") / "root"
    assert upload_by(uploaders, root, wheels[0]) == "BEGIN\nACK\n"
    # The time of the last sync is written when its second is over: in the future, it is not, and all runs make the same calls.
    ahead = time.time() + 86400
    os.utime(root / "index" / "local.synced", (ahead, ahead))
    return root


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory, template: Path, wheels: list[Path], uploaders: SimpleQueue[Uploader]) -> list[Point]:
    """Every call of an undisturbed upload that changes a file."""
    folder = tmp_path_factory.mktemp("trace")
    root, trace = folder / "root", folder / "trace"
    shutil.copytree(template, root, symlinks=True)
    assert upload_by(uploaders, root, wheels[1], "-o", str(trace), "-e", f"trace={','.join(CHANGING)}") == "BEGIN\nACK\n"
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
            found.append(Point(call, seen[call], line))
    assert len(found) >= 12, found
    return found


@pytest.mark.parametrize(("fault", "first", "step"), FAULTS)
def test_a_fault_at_any_step_loses_nothing_acknowledged_and_shows_nothing_refused(
    fault: str, first: int, step: int, points: list[Point], template: Path, wheels: list[Path], uploaders: SimpleQueue[Uploader],
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def disturb(at: int) -> tuple[Point, str, str]:
        point, root, trace = points[at], tmp_path / f"root{at}", tmp_path / f"trace{at}"
        shutil.copytree(template, root, symlinks=True)
        tracing = ("-o", str(trace), "-e", f"trace=write,{point.call}", "-e", f"inject={point.call}:{fault}:when={point.nth}")
        output = upload_by(uploaders, root, wheels[1], *tracing)
        _, begun, upload_trace = trace.read_text().partition("BEGIN")
        assert begun, f"{point}: the fault came before the upload"
        calls = [line for line in upload_trace.splitlines() if f"{point.call}(" in line]
        met = calls[-1] if "KILL" in fault else next((line for line in calls if "(INJECTED)" in line), "nothing")
        assert changes_a_file(point.call, met), f"{point}: another call was met: {met}"
        said = output.replace("BEGIN\n", "").strip()
        died = "an error that is none of pywharf's own" if not said and "KILL" not in fault else ""
        return point, said, died or look_at(root, said, wheels)

    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(disturb, range(first, len(points), step)))

    wrong = [f"{point.call} #{point.nth} ({point.line[:100]}): said {said!r}: {verdict}" for point, said, verdict in results if verdict]
    said = [said.split(" ")[0] or "died" for _, said, _ in results]
    with capsys.disabled():
        print(f"\n{fault}: {len(results)} points; " + ", ".join(f"{word} {said.count(word)}" for word in sorted(set(said))))
    assert not wrong, "\n".join(wrong)


def look_at(root: Path, said: str, wheels: list[Path]) -> str:
    """What is wrong with ROOT after the driver said `said`; "" if nothing is."""
    before, disturbed, after = wheels
    with_fresh_eyes = open_repository(root)
    try:
        if not listed(with_fresh_eyes, before):
            return "the file uploaded before is gone or damaged"
        visible = listed(with_fresh_eyes, disturbed)
        if said == "ACK" and not visible:
            return "acknowledged, and not there"
        recorded = done_in_audit(root, disturbed)
        if recorded != 1 if said == "ACK" else recorded > visible:
            return f"{recorded} lines in the audit"
        if upload(with_fresh_eyes, after) != "ACK":
            return "the next upload fails"
        if listed(with_fresh_eyes, disturbed) != visible:
            return "the next upload changed whether it is visible"
        if said.startswith("REFUSED") and visible:
            return "refused, and visible"
        if upload(with_fresh_eyes, disturbed) != "ACK":
            return "sending it again fails"
        if not listed(with_fresh_eyes, disturbed):
            return "sent again, and not there"
        with_fresh_eyes.start()
        with_fresh_eyes.stop()
        left = [path for folder in root.rglob("staging") for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
        left += [path for path in (root / "incoming").rglob("*") if path.is_file() and path.name != "lock"]
        return f"left behind: {left}" if left else ""
    finally:
        with_fresh_eyes.close()


def done_in_audit(root: Path, wheel: Path) -> int:
    """How many whole lines of the audit say that the wheel was uploaded."""
    lines = [line for path in (root / "audit").glob("*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]
    done = [line for line in map(json.loads, filter(is_whole, lines)) if line["result"] == "done"]
    return sum({"filename": wheel.name, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()} in line["files"] for line in done)


def is_whole(line: bytes) -> bool:
    return line.endswith(b"}")


def listed(repository: Repository, wheel: Path) -> bool:
    """Whether the wheel is listed; what is listed must be whole and right, also after building the index from nothing."""
    project = ProjectName(wheel.name.split("-")[0])
    detail = repository.project(project)
    if detail is None or not detail.files:
        return False
    [record] = detail.files
    assert isinstance(record, DistributionRecord)
    file = repository.find_file(project, record.filename)
    side = repository.find_file(project, f"{record.filename}.metadata")
    assert file is not None
    assert side is not None
    with repository.open_file(file) as body:
        assert body.read() == wheel.read_bytes(), "half a file is visible"
    with repository.open_file(side) as body:
        assert body.read().startswith(b"Metadata-Version")
    return True
