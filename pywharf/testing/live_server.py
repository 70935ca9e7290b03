"""A pywharf server as a real process on a free port of this machine: for tests that speak to it as clients do.

Needs pytest for its fixtures only. In a conftest.py: `from pywharf.testing.live_server import live_server, live_server_options`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote, unquote, urlsplit

import pytest

from pywharf.testing.ports import hold_free_port

# Nothing leaves this machine unless a test asks for it, and one worker is enough for most.
_DEFAULT_OPTIONS = ("--host", "127.0.0.1", "--extra_index_url", "", "--workers", "1")

_LOGGED = re.compile(r"\d{4}-\d\d-\d\dT\S+Z [A-Z]+ \[\d+\] ")
_LISTENS = re.compile(_LOGGED.pattern + r"pywharf\.cli\.\w+: serving: ")  # the last that is told at a start
_WORKER = re.compile(r" a worker (?P<what>serves|ended)\b.*?: pid=(?P<pid>\d+)\b")
_ACCESS = re.compile(
    r" pywharf\.access: (?P<method>\S+) (?P<path>\S+) status=(?P<status>\d+) repository=(?P<repository>\S+) bytes=(?P<bytes>\d+) "
)


class LiveServerFailed(Exception):
    """The server did not start, or did not stop; the message holds what it printed."""


@dataclass(frozen=True)
class GeneratedRepository:
    """The repository that a server makes for itself on an empty ROOT, as its first lines tell it."""

    name: str
    read_secret: str
    write_secret: str


@dataclass(frozen=True)
class LoggedRequest:
    """One line of the access log."""

    method: str
    path: str  # without the query
    status: int
    repository: str  # "-" where the caller is not known
    bytes: int  # of the body sent


class LiveServer:
    """`pywharf server ROOT` in processes of its own: one that supervises, and its workers. Used in `with`, or by start() and stop().

    root: made where it is missing. options: further words of the command line, with absolute paths; they win over the
    defaults, which are 127.0.0.1, a free port, no extra index, and one worker. environ: of the processes; None: this one's.
    """

    def __init__(self, root: Path, *, options: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._port, self._held = hold_free_port()
        self.url = f"http://127.0.0.1:{self._port}/"  # the same in all its lives
        self._options = tuple(options)
        self._environ = dict(os.environ if environ is None else environ)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._life = 0  # where those of this life begin
        self._listens = False
        self._told = threading.Event()  # that it listens, or that nothing more will be told

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self, *, timeout: float = 60) -> None:
        """Start the process and return once it listens. Raises LiveServerFailed where it ends instead, or is not up in `timeout` seconds."""
        if self.running:
            raise LiveServerFailed("the server is running already")
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self._listens = False
        self._life = len(self._lines)
        self._told.clear()
        command = [sys.executable, "-m", "pywharf", "server", str(self.root.absolute()), *_DEFAULT_OPTIONS, "--port", str(self._port)]
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *self._options],
            cwd=self.root.parent,  # and not a checkout, from which `-m` would import
            env={**self._environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()
        self._told.wait(timeout)
        if not self._listens:
            self.kill()
            raise LiveServerFailed(f"`pywharf server` did not start (exit code {process.returncode}):\n{self.output}")

    def stop(self, *, timeout: float = 30) -> int:
        """Ask the process to end (SIGTERM), wait for it, return its exit code. Raises LiveServerFailed where it goes on."""
        process = self._running_process()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise LiveServerFailed(f"the server did not stop within {timeout} s:\n{self.output}") from error
        return self._ended(process)

    def kill(self) -> int:
        """End all its processes at once, as a crash of the machine does (SIGKILL). Returns the exit code."""
        process = self._running_process()
        if process.poll() is None:  # until then its number is nobody else's, that of the group neither
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return self._ended(process)

    def restart(self) -> None:
        """Stop where it runs, and start again on the same ROOT and port."""
        if self.running:
            self.stop()
        self.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process that supervises, and that signals are for."""
        return self._running_process().pid

    def worker_pids(self) -> list[int]:
        """The processes that answer requests, those first that began first; by its log, which is behind for a moment."""
        found: list[int] = []
        for line in self._lines[self._life :]:
            if match := _WORKER.search(line):
                if match["what"] == "serves":
                    found.append(int(match["pid"]))
                elif int(match["pid"]) in found:
                    found.remove(int(match["pid"]))
        return found

    def __enter__(self) -> LiveServer:
        try:
            self.start()
        except LiveServerFailed:
            self._held.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.running:
            self.stop()
        self._held.close()

    # --- what it tells ----------------------------------------------------------------------------------------------

    @property
    def output(self) -> str:
        """Everything that it wrote to stdout and stderr, in all its lives."""
        return "".join(self._lines)

    @property
    def printed_lines(self) -> list[str]:
        """What it told people, in all its lives: its output without the log."""
        return [line.rstrip("\n") for line in self._lines if not _LOGGED.match(line)]

    @property
    def generated(self) -> GeneratedRepository:
        """The repository it made for itself. Raises LiveServerFailed where it was started on a configuration."""
        commands = [line for line in self.printed_lines if "PIP_INDEX_URL=" in line or "TWINE_PASSWORD=" in line]
        words = [word for line in commands for word in shlex.split(line)]
        given = dict(word.split("=", 1) for word in words if "=" in word)
        if not {"PIP_INDEX_URL", "TWINE_PASSWORD"} <= given.keys():
            raise LiveServerFailed(f"the server did not print how to use a generated repository:\n{self.output}")
        reading = urlsplit(given["PIP_INDEX_URL"])
        return GeneratedRepository(unquote(reading.username or ""), unquote(reading.password or ""), given["TWINE_PASSWORD"])

    def index_url(self, repository: str = "", secret: str = "") -> str:
        """The address of the Simple API; with a repository and its secret inside where they are given."""
        if not repository:
            return f"{self.url}simple/"
        return f"http://{quote(repository, safe='')}:{quote(secret, safe='')}@{urlsplit(self.url).netloc}/simple/"

    def requests(self) -> list[LoggedRequest]:
        """The access log of all its lives. A request is in it a moment after its answer; all are once the server has stopped."""
        found = (_ACCESS.search(line) for line in self._log_lines())
        return [
            LoggedRequest(match["method"], match["path"], int(match["status"]), match["repository"], int(match["bytes"]))
            for match in found
            if match
        ]

    # --- within -----------------------------------------------------------------------------------------------------

    def _running_process(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise LiveServerFailed("the server was not started")
        return self._process

    def _ended(self, process: subprocess.Popen[str]) -> int:
        if self._reader:
            self._reader.join()
        return process.returncode

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._lines.append(line)
                if _LISTENS.match(line):
                    self._listens = True
                    self._told.set()
        self._told.set()  # a process that ended before is not waited for

    def _log_lines(self) -> list[str]:
        return [
            line
            for path in sorted((self.root / "log").glob("pywharf.log*"), reverse=True)
            for line in path.read_text(encoding="utf-8").splitlines()
        ]


@pytest.fixture
def live_server_options() -> Sequence[str]:
    """Further words for the command line of `live_server`; a test module or conftest.py may define its own."""
    return ()


@pytest.fixture
def live_server(tmp_path: Path, live_server_options: Sequence[str]) -> Iterator[LiveServer]:
    """A server of its own for one test, on an empty ROOT below tmp_path unless the options configure it."""
    with LiveServer(tmp_path / "root", options=live_server_options) as server:
        yield server
