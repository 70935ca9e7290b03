"""The log: one line for each event, on stderr and in ROOT/log/pywharf.log, without a secret in it.

Everything that leaves goes through one formatter, tracebacks included: secrets out first, control characters escaped
then, cut last. The file is shared by every process on one ROOT: each appends whole lines, whoever finds it full turns
it over under a lock, the others notice and reopen.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import os
import re
import select
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

from pywharf.files import PRIVATE_FILE, locked
from pywharf.log_gathering import Gathering, Sink

FILE_NAME = "pywharf.log"
MAX_FILE_BYTES = 10 * 1024**2
KEPT_FILES = 5  # pywharf.log.1 (the newest) to pywharf.log.5
MAX_LINE_BYTES = 8 * 1024  # with its line feed
HIDDEN = "***"

_WHOLE_WORDS_BELOW = 8  # a shorter secret ("foo") is only hidden where it stands alone, not inside other words
_CUT = b" ...(cut)"

# Control characters, line separators and those that turn the writing direction round.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_USERINFO = re.compile(r"(://)[^/\s]*@")
_HEADER = re.compile(r"""(authorization['"]?\s*[:=,]\s*b?['"]?)(?:[a-z]+\s+)?[^\s'",;]+""", re.IGNORECASE)
_COOKIE = re.compile(r"""(cookie['"]?\s*[:=,]\s*b?['"]?)[^'"\r\n]+""", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic\s+)([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer\s+)(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{8,}=*", re.IGNORECASE)

_spellings: set[str] = set()
_looked_for: tuple[str, ...] = ()  # the same, for who reads it without the guard
_remembered: re.Pattern[str] | None = None
_installed: list[Gathering] = []
_pid = os.getpid()  # of whoever writes; asked for once, since every line tells it
_guard = threading.Lock()


def remember_secret(text: str) -> None:
    """Never let this text, nor the usual spellings of it, into the log from now on."""
    global _looked_for, _remembered
    spellings = {text, quote(text, safe=""), quote(text), quote_plus(text), repr(text)[1:-1]} - {""} if text else set()
    with _guard:
        if spellings <= _spellings:
            return
        _spellings.update(spellings)
        # Longest first, so that no secret is hidden by halves where another one begins like it.
        _looked_for = tuple(_spellings)
        _remembered = re.compile("|".join(_pattern(one) for one in sorted(_spellings, key=len, reverse=True)))


def redact(text: str) -> str:
    """The text without remembered secrets, without what stands before "@" in a URL, without Authorization and cookies."""
    # Nearly every line has nothing of all this, and a look for a word is much cheaper than an expression.
    if _remembered is not None and any(spelling in text for spelling in _looked_for):
        text = _remembered.sub(HIDDEN, text)
    if "@" in text:
        text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    lower = text.lower()
    if "authorization" in lower:
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
    if "cookie" in lower:
        text = _COOKIE.sub(rf"\1{HIDDEN}", text)
    if "basic" in lower:
        text = _BASIC.sub(_hide_basic, text)
    if "bearer" in lower:
        text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return text


def printable(text: str) -> str:
    """The text on one line, with nothing in it that moves a terminal's cursor or forges a second line."""
    return text if text.isprintable() else _UNPRINTABLE.sub(_escape, text)


def set_up(log_folder: Path | None, debug: bool, *, stderr_level: int = logging.INFO) -> None:
    """Send every event to stderr, and to a file in `log_folder` (which exists) where one is given.

    debug: developers' events too, on both. stderr_level: of what stderr shows otherwise. Calling it again replaces
    what the last call set up. Errors that end a thread or the process go the same way, so that their tracebacks pass the
    formatter as well.
    """
    formatter = OneLine()
    sinks: list[Sink] = [StandardError(logging.DEBUG if debug else stderr_level)]
    if log_folder is not None:
        sinks.append(SharedFile(log_folder / FILE_NAME))
    root = logging.getLogger()
    for handler in _installed:
        root.removeHandler(handler)
        handler.close()
    _installed[:] = [Gathering(sinks)]
    for handler in _installed:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("pywharf").setLevel(logging.DEBUG if debug else logging.INFO)
    # No line tells these, so nobody has to find them out for each event.
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    setattr(logging, "logAsyncioTasks", False)  # noqa: B010 - Python 3.12 and later
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


class OneLine(logging.Formatter):
    """A record as one line that is safe to keep and to show; made once, for however many sinks."""

    _second: tuple[int, str] = (0, "")  # of the clock, and how it is written

    def format(self, record: logging.LogRecord) -> str:
        line: str | None = record.__dict__.get("_line")
        if line is None:
            line = record.__dict__["_line"] = self._line(record)
        return line

    def _line(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, LookupError) as error:  # a mistake in a log call loses its facts, not the event
            message = f"{record.msg} (log call in {record.module}:{record.lineno} does not fit: {type(error).__name__})"
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        if record.stack_info:
            message = f"{message}\n{record.stack_info}"
        second, at = self._second
        if second != int(record.created):
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            self._second = (int(record.created), at)
        line = f"{at}.{int(record.msecs):03d}Z {record.levelname} [{_pid}] {record.name}: {message}"
        return _cut(printable(redact(line)))


class StandardError:
    """Writes to whatever sys.stderr is at that moment. level: of what it is told."""

    def __init__(self, level: int) -> None:
        self.level = level

    def write(self, lines: Sequence[str]) -> None:
        """A closed stderr stops nobody; and logging's own report would show the record unredacted."""
        stream = sys.stderr
        if stream is not None:  # as in a process that was started without one
            with contextlib.suppress(OSError, ValueError):
                for text in _pieces(lines):
                    stream.write(text)
                    stream.flush()

    def close(self) -> None:
        """It is not ours to close."""


class SharedFile:
    """Appends to one file that several processes share, and turns it over when it is full.

    path: its folder exists. max_bytes: the file is turned over once it holds as many. kept: how many older files stay.
    """

    level = logging.NOTSET

    def __init__(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES, kept: int = KEPT_FILES) -> None:
        self._path = path
        self._address = str(path)
        self._max_bytes = max_bytes
        self._kept = kept
        self._descriptor = -1
        self._opened = (-1, -1)  # device and number of the file behind the descriptor
        self._reopen()

    def write(self, lines: Sequence[str]) -> None:
        """A full disk stops nobody: stderr still has the event."""
        text = "".join(lines).encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            found = self._current()
            if found is not None and found.st_size >= self._max_bytes:
                self._turn_over()
                found = self._current()
            if found is None:
                self._reopen()
            os.write(self._descriptor, text)  # in one call, in append mode: lines of several processes never mix

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
        self._descriptor, self._opened = -1, (-1, -1)

    def _current(self) -> os.stat_result | None:
        """The open file's status, or None where its name now leads elsewhere."""
        try:
            named = os.lstat(self._address)
        except OSError:
            return None
        # No other file gets the number of ours, to whatever name it may lead, while we have it open.
        return named if (named.st_dev, named.st_ino) == self._opened else None

    def _reopen(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
        os.fchmod(descriptor, PRIVATE_FILE)
        found = os.fstat(descriptor)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._opened = descriptor, (found.st_dev, found.st_ino)

    def _turn_over(self) -> None:
        try:
            with locked(self._path.with_name(f".{self._path.name}.lock"), timeout=1):
                found = self._current()
                if found is None or found.st_size < self._max_bytes:
                    return  # another process did it while this one waited
                for number in range(self._kept, 0, -1):
                    older = self._path.with_name(f"{self._path.name}.{number}")
                    newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(newer, older)
        except TimeoutError:
            return  # somebody is at it, and slow: a file that grows a little is better than a server that waits


def _pieces(lines: Sequence[str]) -> Iterator[str]:
    """The lines together, in pieces of whole lines that a pipe takes at once: those of several processes do not mix in it."""
    piece = ""
    for line in lines:
        if piece and len(piece) + len(line) > select.PIPE_BUF // 4:  # characters, of 4 bytes at most
            yield piece
            piece = ""
        piece += line
    yield piece


def _pattern(spelling: str) -> str:
    escaped = re.escape(spelling)
    return rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])" if len(spelling) < _WHOLE_WORDS_BELOW else escaped


def _hide_basic(match: re.Match[str]) -> str:
    """Hide base64 of "user:secret" after "Basic", and leave the English word alone."""
    text = match.group(2).rstrip("=")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return match.group(0)
    return match.group(1) + HIDDEN if b":" in decoded else match.group(0)


def _escape(match: re.Match[str]) -> str:
    character = match.group(0)
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _cut(line: str) -> str:
    if len(line) * 4 < MAX_LINE_BYTES:
        return line
    encoded = line.encode("utf-8", "backslashreplace")
    if len(encoded) < MAX_LINE_BYTES:
        return line
    return (encoded[: MAX_LINE_BYTES - 1 - len(_CUT)].decode("utf-8", "ignore").encode() + _CUT).decode()


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger(__name__).critical("unexpected error, please report it: %s", kind.__name__, exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread else "unknown"
        logging.getLogger(__name__).error(
            "thread ended by an unexpected error: thread=%s", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )


def _forked() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_forked)
