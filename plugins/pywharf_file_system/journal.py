"""The journal of a storage: one line for each commit, and nothing is committed but by its line.

A line is a JSON object, a space, a checksum of that object, a newline. It holds its serial, the mark of everything before
it, the project and the documents. The first line holds no documents, only what makes this storage another than all
others. Lines are appended under an exclusive lock and fsynced; readers hold the lock shared while they find the end, so
they never see a line that may still be taken back. A cursor is the offset behind a line and the mark there.

What a crash leaves behind has no newline at its end: readers stop before it, the next commit cuts it off. A line whose
checksum is wrong was damaged later: it is left where it is, skipped, and told in the log.

Nothing here knows what documents or bodies are. OSError is for the caller to translate.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pywharf.backend.interface import Change, Changes, Cursor, Entry
from pywharf.errors import BackendUnavailable, Moved
from pywharf.files import PRIVATE_FILE, fsync_folder

FORMAT = 1
BEGINNING = Cursor("0:")  # of the log: before its first line
JOURNAL_LOST = "its journal is gone, empty or unreadable, although the storage was filled: mount the folder, or restore it from a backup"

_CHECKSUM = 16  # hex digits
_END = 1 << 18  # bytes: more than what was written since the last fsync that went well
_BLOCK = 8192  # bytes read at a time when looking backwards for a newline
_BEGIN = re.compile(rb'\{"serial":([0-9]{1,18}),')
_CURSOR = re.compile(r"([0-9]{1,18}):([0-9a-f]{16}|)")
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

log = logging.getLogger(__name__)


class Journal:
    """The journal at one path. Holds nothing open between calls; any number of instances, threads and processes share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reported: set[int] = set()  # where damaged lines begin that the log was told of

    def begin(self, prepare: Callable[[bool], None]) -> None:
        """Make the journal where there is none.

        prepare: called before anybody can append to it, with whether there are commits in it already.
        """
        with self._locked(os.O_RDWR | os.O_CREAT | os.O_APPEND) as journal:
            end = end_of_lines(journal, os.fstat(journal).st_size)
            if not end:
                os.ftruncate(journal, 0)
                os.fchmod(journal, PRIVATE_FILE)
                self._write(journal, 0, _sealed({"serial": 0, "format": FORMAT, "storage": secrets.token_hex(16)}))
                fsync_folder(self._path.parent)
            prepare(bool(end) and _next_serial(journal, end) > 1)

    def append(self, change: Change, after: Cursor, prepare: Callable[[], None]) -> None:
        """Commit: when this returns the line survives power loss, when it raises there is none.

        prepare: called under the lock, before the line is written. Raises Moved, BackendUnavailable.
        """
        with self._locked(os.O_RDWR | os.O_APPEND) as journal:
            size = os.fstat(journal).st_size
            end = end_of_lines(journal, size)
            if not end:
                raise BackendUnavailable(JOURNAL_LOST)
            start = _position(journal, end, after)
            if start is None:
                raise Moved("the storage's past does not hold this cursor")
            if start < end:
                _refuse_if_disturbed(journal, start, end, change)
            content = {
                "serial": _next_serial(journal, end),
                "after": after.partition(":")[2] if start == end else mark_at(journal, end),
                "project": change.project,
                "documents": {key: document.decode() for key, document in change.documents.items()},
            }
            prepare()
            if size != end:
                os.ftruncate(journal, end)  # what a writer left behind that died half-way
            self._write(journal, end, _sealed(content))

    def read(self, after: Cursor | None) -> Changes | None:
        """What came after the cursor; None where nothing was ever begun."""
        try:
            journal = os.open(self._path, os.O_RDONLY | _OPEN)
        except FileNotFoundError:
            return None
        try:
            size = os.fstat(journal).st_size
            if after is not None and size and _position(journal, size, after) == size:
                return Changes(False, iter(()), after)
            fcntl.flock(journal, fcntl.LOCK_SH)
            os.fsync(journal)  # the writer may have died before its own fsync: what is shown has to last
            end = end_of_lines(journal, os.fstat(journal).st_size)
            if not end:
                return None
            start = None if after is None else _position(journal, end, after)
            if not start:
                _next_serial(journal, end)  # raises where not one line can be read: that is no empty storage
            mark = mark_at(journal, end)
            few = os.pread(journal, end - start, start) if start and end - start <= _END else None
        finally:
            os.close(journal)
        entries = self._read_again(start or 0, end, mark) if few is None else self._entries(io.BytesIO(few), start or 0, end)
        return Changes(start is None, entries, Cursor(f"{end}:{mark}"))

    def write_end_again(self) -> None:
        """Write what is at the end in its place once more, and fsync: pages that the system wrongly believes to be on the disk get there."""
        with contextlib.suppress(BackendUnavailable), self._locked(os.O_RDWR) as journal:  # there may be none yet
            size = os.fstat(journal).st_size
            start = max(0, size - _END)
            os.pwrite(journal, os.pread(journal, size - start, start), start)
            os.fsync(journal)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep everybody from committing."""
        with self._locked(os.O_RDWR):
            yield

    @contextlib.contextmanager
    def _locked(self, flags: int) -> Iterator[int]:
        try:
            journal = os.open(self._path, flags | _OPEN, PRIVATE_FILE)
        except FileNotFoundError as error:
            raise BackendUnavailable(JOURNAL_LOST) from error
        try:
            fcntl.flock(journal, fcntl.LOCK_EX)
            yield journal
        finally:
            os.close(journal)

    def _read_again(self, start: int, end: int, mark: str) -> Iterator[Entry]:
        """Of a journal that is read for long: without the lock, and without a descriptor before somebody begins."""
        # With a size said, Python does not ask whether it is a terminal.
        with open(os.open(self._path, os.O_RDONLY | _OPEN), "rb", io.DEFAULT_BUFFER_SIZE) as file:
            if mark_at(file.fileno(), end) != mark:
                raise BackendUnavailable("its journal was replaced while it was being read")
            file.seek(start)
            yield from self._entries(file, start, end)

    def _entries(self, file: BinaryIO, start: int, end: int) -> Iterator[Entry]:
        """file: read from byte `start` of the journal on."""
        for at, line in _lines(file, start, end):
            if line is not None:
                for key, document in line.get("documents", {}).items():
                    yield Entry(line["project"], key, line["serial"], document.encode())
            elif at not in self._reported:
                self._reported.add(at)
                log.warning("damaged line in the journal, skipped: byte=%d", at)

    @staticmethod
    def _write(journal: int, end: int, line: bytes) -> None:
        """Append at `end`, and fsync: the commit point. Whatever goes wrong, the line is taken back."""
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(journal, rest) :]
            # Not fdatasync, which not every system has: the file grew, so its size has to be written either way.
            os.fsync(journal)
        except BaseException:
            _take_back(journal, end)
            raise


def _refuse_if_disturbed(journal: int, start: int, end: int, change: Change) -> None:
    with open(journal, "rb", closefd=False) as file:
        file.seek(start)
        for _, line in _lines(file, start, end):
            # Of a damaged line nobody can say whom it disturbs. The reader goes past it, and the next try does not meet it.
            if line is None or any(change.disturbed_by(line["project"], key) for key in line.get("documents", ())):
                raise Moved(change.project)


def _take_back(journal: int, end: int) -> None:
    try:
        os.ftruncate(journal, end)
        os.fsync(journal)
    except OSError as error:
        log.error("a refused line cannot be taken out of the journal: byte=%d reason=%s", end, error.strerror)


def _lines(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Where each line begins, and what it says; None where it is damaged. file: read from byte `start` on."""
    while start < end:
        raw = file.readline()
        if not raw:
            raise BackendUnavailable("its journal was shortened while it was being read")
        yield start, unsealed(raw)
        start += len(raw)


def _sealed(content: dict[str, Any]) -> bytes:
    text = _as_json(content).encode()
    return b"%s %s\n" % (text, _checksum(text).encode())


def unsealed(raw: bytes) -> dict[str, Any] | None:
    """What a line says; None where its checksum is wrong. Raises BackendUnavailable for another format."""
    text = _text_of(raw)
    return None if text is None else _content(text)


def _serial_of(raw: bytes) -> int | None:
    """The same of the serial alone, which stands at the begin of a line as we write it."""
    text = _text_of(raw)
    if text is None:
        return None
    begin = _BEGIN.match(text) if b'"format"' not in text else None
    return int(begin[1] if begin else _content(text)["serial"])


def _text_of(raw: bytes) -> bytes | None:
    text, _, checksum = raw.rstrip(b"\n").rpartition(b" ")
    return text if checksum == _checksum(text).encode() else None


def _content(text: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text.decode())
    if line.get("format", FORMAT) != FORMAT:
        raise BackendUnavailable(f"it was made by another version of pywharf (format {line['format']}, this one knows {FORMAT})")
    return line


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_CHECKSUM // 2).hexdigest()


def end_of_lines(journal: int, before: int) -> int:
    """The offset behind the last newline before `before`; 0 where there is none."""
    while before:
        start = max(0, before - _BLOCK)
        newline = os.pread(journal, before - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        before = start
    return 0


def _next_serial(journal: int, end: int) -> int:
    """The serial of a line appended at `end`. A damaged line had one too."""
    serial = 1
    while end:
        block = os.pread(journal, min(_BLOCK, end), max(0, end - _BLOCK))
        begin = block.rfind(b"\n", 0, -1) + 1  # of the last line, where all of it is in the block
        start = end - len(block) + begin if begin else end_of_lines(journal, end - 1)
        found = _serial_of(block[begin:] if begin else os.pread(journal, end - start, start))
        if found is not None:
            return found + serial
        serial += 1
        end = start
    raise BackendUnavailable(JOURNAL_LOST)


def mark_at(journal: int, offset: int) -> str:
    """Stands for all that lies before `offset`: the checksum there covers the mark before it, and so on."""
    length = min(offset, _CHECKSUM + 1)
    return _checksum(os.pread(journal, length, offset - length)) if offset else ""


def offset_of(cursor: Cursor | None) -> int | None:
    """How much of a journal the cursor has seen, in bytes; None where it is no cursor of a journal."""
    found = _CURSOR.fullmatch(cursor or "")
    return int(found[1]) if found else None


def _position(journal: int, end: int, cursor: Cursor) -> int | None:
    """The offset that the cursor stands for; None where this journal does not continue what the cursor has seen."""
    offset = offset_of(cursor)
    if offset is None or offset > end or cursor != f"{offset}:{mark_at(journal, offset)}":
        return None
    return offset
