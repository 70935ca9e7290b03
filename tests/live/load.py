"""Uploaders and readers that keep a server busy, for tests of what becomes of their requests when its processes end.

What they did is a history, as `history.checker` reads it. What was not answered as it should have been is a failure, and told with its reason.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import select
import socket
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from history.recording import Event, Operation, Recorder, Result, Shown
from live.session import PATIENCE, Answered, Session

from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.uploads import basic_auth, upload_form

JSON = "application/vnd.pypi.simple.v1+json"
PIECES = 15  # of the body of a slow uploader
PAUSE = 0.1  # seconds between two of them
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
MISSING = 1000  # bytes of its body that a half upload never sends
_FILLER = random.Random(0).randbytes(1_000_000)


@dataclass
class Failure:
    """A request without a right answer."""

    what: str
    at: float  # monotonic: when it ended


class Load:
    """Fast and slow uploaders, readers, and half uploads: whole forms in requests that go on, and whose rest never comes."""

    def __init__(self, url: str, repository: str, read: str, write: str) -> None:
        self._address = urlsplit(url).netloc
        self._reader, self._writer = basic_auth(repository, read), basic_auth(repository, write)
        self.recorder = Recorder()
        self.failures: list[Failure] = []
        self.promised: list[str] = []  # uploads that were told to go on (100 Continue)
        self.kept: set[str] = set()  # of these, those that were answered 200
        self._sessions: list[Session] = []
        self.unreachable = 0  # attempts to connect while nobody listened
        self.half: set[str] = set()  # file names of half uploads
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sent: list[Distribution] = []

    def start(self, *, fast: int = 4, slow: int = 4, readers: int = 8, halves: int = 3) -> None:
        works = [self._upload_fast] * fast + [self._upload_slowly] * slow + [self._read] * readers + [self._send_half] * halves
        self._threads = [threading.Thread(target=self._work, args=(work, number), daemon=True) for number, work in enumerate(works)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Event]:
        """Let everybody finish; the history."""
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE * 2)
            assert not thread.is_alive(), "a client hangs"
        return self.recorder.take()

    def read_all(self) -> None:
        """Every page, and every file that was acknowledged, once."""
        session = self._session()
        with self._guard:
            sent = list(self._sent)
        for project in {*(wheel.filename.split("-")[0] for wheel in sent), *(name.split("-")[0] for name in self.half)}:
            self._read_page(session, project)
        for wheel in sent:
            self._download(session, wheel.filename.split("-")[0], wheel)
        session.close()

    # --- the clients ------------------------------------------------------------------------------------------------

    def _work(self, work: Callable[[int, int], None], number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            try:
                work(number, turn)
            except ConnectionRefusedError:
                with self._guard:
                    self.unreachable += 1
                time.sleep(0.05)

    def _upload_fast(self, number: int, turn: int) -> None:
        session = self._session()
        for at in range(turn * 20, turn * 20 + 20):
            if self._stop.is_set():
                break
            wheel = self._wheel(f"fast{number}", f"1.{at}", 300_000)
            body, content_type = upload_form(wheel)
            headers = {"Authorization": self._writer, "Content-Type": content_type}
            self._uploaded(wheel, partial(session.ask, "POST", "/simple/", headers, body))
        session.close()

    def _upload_slowly(self, number: int, turn: int) -> None:
        """Longer than a second, and only after the server said that it goes on."""
        wheel = self._wheel(f"slow{number}", f"1.{turn}", 600_000)
        with self._connect() as connection:
            body = self._begin(connection, wheel)
            if body is None:
                self._uploaded(wheel, partial(_answer, connection))
                return
            with self._guard:
                self.promised.append(wheel.filename)

            def rest() -> Answered:
                step = len(body) // PIECES + 1
                for start in range(0, len(body), step):
                    connection.sendall(body[start : start + step])
                    time.sleep(PAUSE)
                return _answer(connection)

            if self._uploaded(wheel, rest) == 200:
                with self._guard:
                    self.kept.add(wheel.filename)

    def _send_half(self, number: int, turn: int) -> None:
        """Everything that makes a form whole, but not all that was announced. Waits until the server has had enough."""
        wheel = make_wheel(f"half{number}", f"1.{turn}")
        with self._connect() as connection, suppress(OSError):
            body = self._begin(connection, wheel, more=MISSING)
            if body is not None:
                with self._guard:
                    self.half.add(wheel.filename)
                connection.sendall(body)
            while not self._stop.is_set():
                if select.select([connection], [], [], 0.1)[0]:
                    answer = connection.recv(65536)
                    assert not answer.startswith(b"HTTP/1.1 200"), answer
                    if not answer:
                        return

    def _read(self, number: int, turn: int) -> None:
        chance = random.Random(f"{number}:{turn}")
        session = self._session()
        for _ in range(50):
            with self._guard:
                wheel = chance.choice(self._sent) if self._sent else None
            if self._stop.is_set() or wheel is None:
                break
            project = wheel.filename.split("-")[0]
            if chance.random() < 0.5:
                self._read_page(session, project)
            else:
                self._download(session, project, wheel)
        session.close()
        time.sleep(0.01)

    # --- one request ------------------------------------------------------------------------------------------------

    def _read_page(self, session: Session, project: str) -> None:
        event = _event("page", project)
        headers = {"Authorization": self._reader, "Accept": JSON}
        answer = self._answered(event, partial(session.ask, "GET", f"/simple/{project}/", headers))
        if answer is not None and answer.status == 200:
            files = {file["filename"]: Shown(file["hashes"]["sha256"]) for file in json.loads(answer.body)["files"]}
            event = replace(event, files=self.recorder.page(files), serial=int(answer.headers["X-PyPI-Last-Serial"]))
        self._done(event, answer, may_be_missing=project.startswith("half"))

    def _download(self, session: Session, project: str, wheel: Distribution) -> None:
        event = replace(_event("download", project), filename=wheel.filename)
        headers = {"Authorization": self._reader}
        answer = self._answered(event, partial(session.ask, "GET", f"/simple/{project}/{wheel.filename}", headers))
        if answer is not None and answer.status == 200:
            event = replace(event, sha256=hashlib.sha256(answer.body).hexdigest())
        self._done(event, answer)

    def _uploaded(self, wheel: Distribution, send: Callable[[], Answered]) -> int:
        """The status of the answer; 0 where there is none, which is a failure."""
        sent = {"sha256": wheel.sha256, "metadata_sha256": hashlib.sha256(wheel.metadata).hexdigest()}
        event = replace(_event("upload", wheel.filename.split("-")[0]), filename=wheel.filename, **sent)
        answer = self._answered(event, send)
        self._done(event, answer)
        if answer is not None and answer.status == 200:
            with self._guard:
                self._sent.append(wheel)
        return 0 if answer is None else answer.status

    def _answered(self, event: Event, ask: Callable[[], Answered]) -> Answered | None:
        """None where there is no answer, and where nobody listens."""
        try:
            return ask()
        except ConnectionRefusedError:
            with self._guard:
                self.unreachable += 1
            time.sleep(0.05)
        except (OSError, http.client.HTTPException) as error:
            self._fail(event, repr(error))
        return None

    def _fail(self, event: Event, why: str) -> None:
        with self._guard:
            self.failures.append(Failure(f"{event.operation} of {event.filename or event.project}: {why}", time.monotonic()))

    def _done(self, event: Event, answer: Answered | None, *, may_be_missing: bool = False) -> None:
        status = 0 if answer is None else answer.status
        result: Result = "ok" if status == 200 else "unknown" if status in (0, 503) else "fail"
        self.recorder.add(replace(event, ended=time.monotonic(), status=status, result=result))
        if status not in (0, 200) and not (status == 404 and may_be_missing):
            self._fail(event, f"was answered {status}")

    def _session(self) -> Session:
        with self._guard:
            self._sessions.append(Session(self._address))
            return self._sessions[-1]

    @property
    def repeated(self) -> int:
        """How many requests were sent again, on a new connection."""
        return sum(session.repeated for session in self._sessions)

    def _wheel(self, project: str, version: str, size: int) -> Distribution:
        start = zlib.crc32(f"{project} {version}".encode()) % (len(_FILLER) - size)
        return make_wheel(project, version, files={"data.bin": _FILLER[start : start + size]})

    def _connect(self) -> socket.socket:
        host, _, port = self._address.partition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def _begin(self, connection: socket.socket, wheel: Distribution, *, more: int = 0) -> bytes | None:
        """Send the head of an upload; its body, once the server said that it goes on. None where it did not; the connection has its answer."""
        body, content_type = upload_form(wheel)
        lines = {
            "Host": self._address,
            "Authorization": self._writer,
            "Content-Type": content_type,
            "Content-Length": len(body) + more,
            "Expect": "100-continue",
        }
        head = "POST /simple/ HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        with suppress(OSError):
            connection.sendall(head.encode())
            if connection.recv(len(GO_ON), socket.MSG_PEEK | socket.MSG_WAITALL) == GO_ON:
                connection.recv(len(GO_ON))
                return body
        return None


def _event(operation: Operation, project: str) -> Event:
    began = time.monotonic()
    return Event(threading.get_ident(), operation, "ROOT", began, began, "unknown", project=project)


def _answer(connection: socket.socket) -> Answered:
    """What comes on a connection of one request."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return Answered(answer.status, answer.headers, answer.read())
