"""One line for each change, there when the change is acknowledged, whoever writes it and whatever happens to the file."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pywharf.errors import AuditUnavailable, NotRecorded
from pywharf.repository import audit as audit_module
from pywharf.repository.audit import Audit, Event, Requester

YANK = Event("yank", "local", "demo", "1.0", (("demo-1.0.tar.gz", "ab" * 32),), reason="broken")
SOMEBODY = Requester("192.0.2.1", "0123456789ab", "ci")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "local.jsonl"


@pytest.fixture
def audit(path: Path) -> Audit:
    return Audit(path, "repository local")


class Trouble:
    """A system call that fails while it is told to."""

    def __init__(self, real: Callable[..., Any], number: int) -> None:
        self.real = real
        self.number = number
        self.on = False
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.on:
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*arguments)


def troubled(monkeypatch: pytest.MonkeyPatch, name: str, number: int = errno.ENOSPC) -> Trouble:
    trouble = Trouble(getattr(os, name), number)
    monkeypatch.setattr(audit_module.os, name, trouble)
    return trouble


def test_a_line_says_who_changed_what(audit: Audit, path: Path) -> None:
    audit.check()
    audit.record(YANK, SOMEBODY)

    (line,) = lines(path)
    assert line.pop("time").endswith("Z")
    assert line == {
        "what": "yank",
        "result": "done",
        "repository": "local",
        "project": "demo",
        "version": "1.0",
        "reason": "broken",
        "files": [{"filename": "demo-1.0.tar.gz", "sha256": "ab" * 32}],
        "key_id": "0123456789ab",
        "label": "ci",
        "address": "192.0.2.1",
    }


def test_whatever_a_reason_holds_it_is_one_line_of_ascii(audit: Audit, path: Path) -> None:
    reason = 'größer\n{"what":"delete"}\r\x85\u2028"\\ \U0001f40d \ud800'
    audit.record(Event("yank", "local", reason=reason), SOMEBODY)

    (raw,) = path.read_bytes().splitlines()
    assert raw.isascii()
    assert json.loads(raw)["reason"] == reason


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_the_file_is_private_whatever_the_umask(audit: Audit, path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        audit.check()
        audit.record(YANK, SOMEBODY)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_checking_writes_nothing(audit: Audit, path: Path) -> None:
    audit.check()
    audit.check()

    assert path.read_bytes() == b""


def test_a_line_is_fsynced_before_it_is_recorded(audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, int]] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        real(descriptor)
        found = os.fstat(descriptor)
        synced.append((stat.S_ISDIR(found.st_mode), found.st_size if stat.S_ISREG(found.st_mode) else 0))

    audit.check()
    monkeypatch.setattr(audit_module.os, "fsync", watched)
    for _ in range(2):
        audit.record(YANK, SOMEBODY)
        assert (False, path.stat().st_size) in synced
    assert (True, 0) in synced  # the folder: its name was new


def test_many_threads_leave_one_whole_line_each_with_fewer_fsyncs_than_lines(
    audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = troubled(monkeypatch, "fsync")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: audit.record(Event("upload", version=str(number)), SOMEBODY), range(200)))

    assert sorted(int(line["version"]) for line in lines(path)) == list(range(200))
    assert trouble.calls <= 201  # one more for the folder


def test_every_line_was_fsynced_after_it_was_written_and_before_its_writer_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing an fsync may not leave anybody out."""
    audit, real = Audit(path, "repository local"), os.fsync
    lasting = 0

    def watched(descriptor: int) -> None:
        nonlocal lasting
        size = os.fstat(descriptor).st_size if stat.S_ISREG(os.fstat(descriptor).st_mode) else 0
        real(descriptor)
        lasting = max(lasting, size)

    monkeypatch.setattr(audit_module.os, "fsync", watched)

    def record(number: int) -> bool:
        audit.record(Event("upload", version=f"v{number:05}"), SOMEBODY)
        return path.read_bytes().index(b"v%05d" % number) < lasting

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(record, range(100)))


@pytest.mark.any_python
def test_lines_of_several_processes_never_mix(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pywharf.repository.audit import Audit, Event, Requester\n"
        "audit = Audit(Path(sys.argv[1]), 'x')\n"
        "for number in range(100): audit.record(Event('upload', reason='r' * 3000, version=f'{sys.argv[2]}.{number}'), Requester())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path), str(process)]) for process in range(3)]

    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert sorted(line["version"] for line in lines(path)) == sorted(f"{process}.{number}" for process in range(3) for number in range(100))


def test_a_line_that_a_crash_tore_spoils_no_other(audit: Audit, path: Path) -> None:
    audit.record(YANK, SOMEBODY)
    with path.open("ab") as file:
        file.write(b'{"time":"2026-')

    audit.record(YANK, SOMEBODY)

    first, torn, last = path.read_bytes().splitlines()
    assert torn == b'{"time":"2026-'
    assert json.loads(first)["what"] == json.loads(last)["what"] == "yank"


def test_a_file_that_was_renamed_is_followed_by_a_new_one(audit: Audit, path: Path) -> None:
    audit.record(YANK, SOMEBODY)
    path.rename(path.with_name("local.2026-11.jsonl"))
    audit.record(YANK, SOMEBODY)

    assert len(lines(path)) == len(lines(path.with_name("local.2026-11.jsonl"))) == 1


def test_a_file_that_has_the_number_of_one_that_is_gone_is_made_to_last_as_any_new_one(
    audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems give a removed file's inode to the next one; a file that was emptied in its place looks the same."""
    for _ in range(2):
        audit.record(YANK, SOMEBODY)
    os.truncate(path, 0)
    syncing = troubled(monkeypatch, "fsync")

    audit.record(YANK, SOMEBODY)

    assert syncing.calls == 2  # of the line, and of the folder with its name


def test_where_no_line_can_be_written_nothing_is_to_be_changed(audit: Audit, path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(AuditUnavailable, match="Nothing was changed: the audit of repository local cannot be written") as refused:
        audit.check()
    assert str(path) not in str(refused.value)


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("elsewhere"), os.mkfifo])
def test_something_else_under_its_name_is_never_written_to(audit: Audit, path: Path, make: Callable[[Path], object]) -> None:
    path.parent.mkdir()
    make(path)

    with pytest.raises(AuditUnavailable):
        audit.check()
    assert not path.with_name("elsewhere").exists()


def test_a_disk_that_is_all_but_full_is_noticed_before_the_change(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "SPARE", 1 << 62)

    with pytest.raises(AuditUnavailable, match="No space left on device"):
        audit.check()


def test_a_line_that_could_not_be_written_is_owed_and_comes_before_the_next_change(
    audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    audit.check()
    writing = troubled(monkeypatch, "write")
    writing.on = True

    with caplog.at_level(logging.ERROR), pytest.raises(NotRecorded, match="sending it again is safe"):
        audit.record(YANK, SOMEBODY)
    assert '"project":"demo"' in caplog.text  # it is kept where it can be
    with pytest.raises(AuditUnavailable):
        audit.check()
    assert path.read_bytes() == b""

    writing.on = False
    audit.check()
    audit.check()
    assert [line["project"] for line in lines(path)] == ["demo"]


def test_a_line_that_was_written_by_half_is_taken_back(audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit.record(YANK, SOMEBODY)
    before = path.read_bytes()
    real = os.write

    def by_half(descriptor: int, data: memoryview) -> int:
        if len(data) < 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:30])

    monkeypatch.setattr(audit_module.os, "write", by_half)
    with pytest.raises(NotRecorded):
        audit.record(YANK, SOMEBODY)

    assert path.read_bytes() == before


def test_a_line_whose_fsync_failed_is_told_and_not_written_twice(audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit.check()
    syncing = troubled(monkeypatch, "fsync", errno.EIO)
    syncing.on = True
    with pytest.raises(NotRecorded):
        audit.record(YANK, SOMEBODY)

    syncing.on = False
    audit.check()
    audit.record(YANK, SOMEBODY)
    assert len(lines(path)) == 2
