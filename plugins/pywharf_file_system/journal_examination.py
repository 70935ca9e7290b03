"""Looking a journal through for damage, and mending what can be known for certain.

A line's checksum says that the line is damaged; it also says what a line was of which one bit is another now, as disks and memory
damage them: of all the lines that differ in one bit, only one has that checksum. The same finds a newline that became something
else (two lines that look like one, or an end that looks unfinished) and a byte that became a newline. Nothing else is
ever changed, and nothing is removed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pywharf.backend.interface import Flaw
from pywharf_file_system.journal import end_of_lines, mark_at, unsealed

LONGEST_MENDED = 128 * 1024  # bytes of a line: trying all its bits takes a time that grows with the square

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC
_NEWLINE = 0x0A
_RESTORE = "restore the journal from a backup; files whose records are lost can be uploaded again, or adopted with `pywharf update_index`"


@dataclass(frozen=True)
class _Line:
    """A line whose checksum is wrong."""

    number: int  # from 1
    at: int  # byte where it begins
    raw: bytes  # with the newline at its end, where it has one


def examine_journal(path: Path, *, repair: bool) -> Iterator[Flaw]:
    """Every damaged line, and every place where lines are missing. It is held for writing only while a byte is mended. Raises OSError."""
    try:
        journal = os.open(path, (os.O_RDWR if repair else os.O_RDONLY) | _OPEN)
    except FileNotFoundError:
        return  # that nothing was ever stored, or that it is gone, is read_changes' to say
    try:
        fcntl.flock(journal, fcntl.LOCK_SH)
        size = os.fstat(journal).st_size
        end = end_of_lines(journal, size)
        tail = os.pread(journal, min(size - end, LONGEST_MENDED), end)
        fcntl.flock(journal, fcntl.LOCK_UN)
        damaged: list[_Line] = []  # one after the other, without a good line between
        number = 0
        with open(journal, "rb", closefd=False) as file:
            at = file.seek(0)
            while at < end:
                raw = file.readline()
                number += 1
                line = unsealed(raw)
                if line is None:
                    damaged.append(_Line(number, at, raw))
                else:
                    yield from _told(journal, damaged, repair)
                    if not damaged and number > 1 and line.get("after") != mark_at(journal, at):
                        yield Flaw(
                            f"{path.name}, line {number}", "it does not continue the line before: lines were changed or removed", _RESTORE
                        )
                    damaged = []
                at += len(raw)
        yield from _told(journal, damaged, repair)
        if tail:
            yield from _unfinished(journal, path.name, number + 1, end, tail, repair=repair)
    finally:
        os.close(journal)


def _told(journal: int, damaged: list[_Line], repair: bool) -> Iterator[Flaw]:
    """What is to be said of neighbouring damaged lines; each is mended where that is possible and wanted."""
    at = 0
    while at < len(damaged):
        line = damaged[at]
        following = damaged[at + 1] if at + 1 < len(damaged) else None
        fix = _one_bit(line) or (_parted(line, following) if following else None)
        where = f"journal.jsonl, line {line.number} (byte {line.at})"
        what = "it is damaged, and passed over: what it recorded is not known"
        if fix is None:
            yield Flaw(where, what, _RESTORE)
        elif not repair:
            yield Flaw(where, f"{what}; one bit of it is wrong, at byte {fix[0]}", "run this with --repair, which sets that bit right")
        else:
            _write_byte(journal, *fix)
            yield Flaw(where, f"one bit of it was wrong, at byte {fix[0]}", "nothing", mended=True)
        # A byte that became a newline makes two damaged lines of one, which are one finding.
        at += 2 if fix is not None and following is not None and fix[0] == line.at + len(line.raw) - 1 else 1


def _unfinished(journal: int, name: str, number: int, end: int, tail: bytes, *, repair: bool) -> Iterator[Flaw]:
    """What comes after the last newline: of a commit that died half-way, which was never made, or a line whose newline is damaged."""
    if unsealed(tail[:-1]) is None:
        return  # the next commit cuts it off
    where, at = f"{name}, line {number} (byte {end})", end + len(tail) - 1
    if repair:
        _write_byte(journal, at, _NEWLINE, only_at_end=True)
        yield Flaw(where, "the newline at its end was damaged", "nothing", mended=True)
    else:
        what = "the newline at its end is damaged: it looks unfinished, and the next change would cut it off"
        yield Flaw(where, what, "run this with --repair, before anybody uploads")


def _one_bit(line: _Line) -> tuple[int, int] | None:
    """Where in the journal one byte has to be another one, and which, so that the line is right; None where that would not do."""
    if len(line.raw) > LONGEST_MENDED:
        return None
    trial = bytearray(line.raw)
    for at in range(len(trial) - 1):  # not its newline, which is right, or else the next line were not apart
        found = trial[at]
        for bit in range(8):
            trial[at] = found ^ (1 << bit)
            if trial[at] == _NEWLINE:
                right = unsealed(bytes(trial[: at + 1])) is not None and unsealed(bytes(trial[at + 1 :])) is not None
            else:
                right = unsealed(bytes(trial)) is not None
            if right:
                return line.at + at, trial[at]
        trial[at] = found
    return None


def _parted(first: _Line, second: _Line) -> tuple[int, int] | None:
    """The same for one line that a byte which became a newline made into two."""
    for bit in range(8):
        byte = _NEWLINE ^ (1 << bit)
        if unsealed(first.raw[:-1] + bytes([byte]) + second.raw) is not None:
            return first.at + len(first.raw) - 1, byte
    return None


def _write_byte(journal: int, at: int, byte: int, *, only_at_end: bool = False) -> None:
    fcntl.flock(journal, fcntl.LOCK_EX)
    try:
        if only_at_end and os.fstat(journal).st_size != at + 1:
            return  # somebody has committed, or is about to, and cut it off
        os.pwrite(journal, bytes([byte]), at)
        os.fsync(journal)
    finally:
        fcntl.flock(journal, fcntl.LOCK_UN)
