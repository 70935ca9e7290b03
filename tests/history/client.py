"""One client: random uploads and reads, one after the other, over connections that are kept; each is recorded."""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from urllib.parse import urlsplit

from pywharf.testing.uploads import basic_auth, upload_form

from . import reading
from .recording import Event, Operation, Recorder
from .workload import Board, Kind, Recipe

TIMEOUT = 60.0  # seconds for one read or write
PAGES_KEPT = 100
WEIGHTS = {
    "new": 30, "again": 6, "rival": 6, "refused": 4,
    "page": 22, "projects": 6, "download": 10, "in_parts": 5, "metadata": 6, "head": 5,
}  # fmt: skip


@dataclass(frozen=True)
class Door:
    """A server that can be asked now."""

    root: str
    url: str


@dataclass(frozen=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Page:
    """A page as it was got."""

    form: str
    etag: str
    body: bytes


class Silent(Exception):
    """No answer, or half of one. sent: whether the request may have arrived."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


class Client:
    """doors: the servers of this moment."""

    def __init__(
        self, number: int, seed: int, board: Board, recorder: Recorder, doors: Callable[[], Sequence[Door]], secrets: tuple[str, str]
    ) -> None:
        self.number = number
        self._chance = random.Random(f"{seed}:{number}")
        self._board = board
        self._recorder = recorder
        self._doors = doors
        read, write = secrets
        self._reader, self._writer = basic_auth("local", read), basic_auth("local", write)
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._pages: dict[tuple[str, str], Page] = {}  # by path and form; of any server, since an ETag is the content's

    def work(self, stop: threading.Event, pause: float) -> None:
        """Until `stop`. pause: seconds between two operations, at most."""
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        while not stop.is_set():
            try:
                self.turn(self._chance.choices(names, weights)[0])
            except Silent:
                time.sleep(0.02)  # nobody is there
            time.sleep(self._chance.random() * pause)
        self.close()

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def turn(self, what: str) -> None:
        """Raises Silent where no server was reached."""
        if what in ("new", "refused"):
            kind: Kind | None = "refused" if what == "refused" else None
            self.upload(self.door(), self._board.new(self._chance, kind))
            return
        recipe = self._board.rival(self._chance) if what == "rival" else self._board.earlier(self._chance)
        if recipe is None:
            return
        if what in ("again", "rival"):
            self.upload(self.door(), recipe)
        elif what == "page":
            self.page(self.door(), recipe.project)
        elif what == "projects":
            self.projects(self.door())
        elif what == "in_parts":
            self.download_in_parts(recipe)
        else:
            {"download": self.download, "metadata": self.metadata, "head": self.head}[what](self.door(), recipe)

    # --- operations -------------------------------------------------------------------------------------------------

    def upload(self, door: Door, recipe: Recipe) -> Event:
        made = recipe.make()
        body, content_type = upload_form(made)
        event = self._event("upload", door, recipe)
        event = replace(
            event, sha256=made.sha256, metadata_sha256=hashlib.sha256(made.metadata).hexdigest(), is_valid=recipe.kind != "refused"
        )
        headers = {"Authorization": self._writer, "Content-Type": content_type}
        return self._ask(event, door, "POST", "/simple/", headers, body)[0]

    def page(self, door: Door, project: str) -> Event:
        event = replace(self._event("page", door), project=project)
        event, page = self._page(event, door, f"/simple/{project}/")
        try:
            event = event if page is None else replace(event, files=self._recorder.page(reading.files_on(page.body, page.form)))
        except ValueError as error:
            event = replace(event, fault=str(error))
        return self._record(event)

    def projects(self, door: Door) -> Event:
        event, page = self._page(self._event("projects", door), door, "/simple/")
        try:
            event = event if page is None else replace(event, projects=self._recorder.list_of(reading.projects_on(page.body, page.form)))
        except ValueError as error:
            event = replace(event, fault=str(error))
        return self._record(event)

    def download(self, door: Door, recipe: Recipe) -> Event:
        return self._file(self._event("download", door, recipe), door, "GET", {})[0]

    def head(self, door: Door, recipe: Recipe) -> Event:
        """The content is told by the ETag."""
        return self._file(self._event("head", door, recipe), door, "HEAD", {})[0]

    def download_in_parts(self, recipe: Recipe) -> None:
        """The beginning from one server, the rest from another, as an installer that resumes."""
        door, at = self.door(), self._chance.choice((1, 200, 600))  # bytes; no file is smaller
        event, first = self._file(self._event("head", door, recipe), door, "GET", {"Range": f"bytes=0-{at - 1}"})
        if first is None or first.status != 206:
            return
        door = self.door()
        headers = {"Range": f"bytes={at}-", "If-Range": first.headers["ETag"]}
        event = self._event("download", door, recipe)
        event, rest = self._ask(event, door, "GET", self._path(event), {"Authorization": self._reader, **headers}, record=False)
        if rest is not None and rest.status in (200, 206):
            whole = first.body + rest.body if rest.status == 206 else rest.body
            event = replace(event, sha256=hashlib.sha256(whole).hexdigest())
        self._record(event)

    def metadata(self, door: Door, recipe: Recipe) -> Event:
        event = self._event("metadata", door, recipe)
        path = f"{self._path(event)}.metadata"
        event, answer = self._ask(event, door, "GET", path, {"Authorization": self._reader}, record=False)
        if answer is not None and answer.status == 200:
            event = replace(event, metadata_sha256=hashlib.sha256(answer.body).hexdigest())
        return self._record(event)

    # --- within -----------------------------------------------------------------------------------------------------

    def door(self) -> Door:
        doors = self._doors()
        if not doors:
            raise Silent(sent=False)
        return self._chance.choice(doors)

    def _page(self, event: Event, door: Door, path: str) -> tuple[Event, Page | None]:
        """A page in one of the two forms; often one that was got before, with the question whether it is still the same."""
        form = self._chance.choice((reading.HTML, reading.JSON))
        headers = {"Authorization": self._reader, "Accept": form}
        had = self._pages.get((path, form)) if self._chance.random() < 0.5 else None
        if had is not None:
            headers["If-None-Match"] = had.etag
        event, answer = self._ask(event, door, "GET", path, headers, record=False)
        if answer is None or answer.status not in (200, 304):
            return event, None
        told = answer.headers.get("X-PyPI-Last-Serial")
        event = replace(event, serial=None if told is None else int(told))
        if answer.status == 200:
            if len(self._pages) > PAGES_KEPT:
                self._pages.clear()
            had = self._pages[path, form] = Page(form, answer.headers["ETag"], answer.body)
        return event, had

    def _event(self, operation: Operation, door: Door, recipe: Recipe | None = None) -> Event:
        began = time.monotonic()
        event = Event(self.number, operation, door.root, began, began, "unknown")
        return event if recipe is None else replace(event, project=recipe.project, filename=recipe.filename)

    def _path(self, event: Event) -> str:
        return f"/simple/{event.project}/{event.filename}"

    def _file(self, event: Event, door: Door, method: str, headers: Mapping[str, str]) -> tuple[Event, Answer | None]:
        """A file, or its beginning: what was received whole is hashed, of anything else the ETag tells."""
        event, answer = self._ask(event, door, method, self._path(event), {"Authorization": self._reader, **headers}, record=False)
        if answer is not None and answer.status in (200, 206):
            told = (answer.headers["ETag"] or "").strip('"').removeprefix("sha256:")
            is_whole = answer.status == 200 and method == "GET"
            event = replace(event, sha256=hashlib.sha256(answer.body).hexdigest() if is_whole else told)
        return self._record(event), answer

    def _ask(
        self,
        event: Event,
        door: Door,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        record: bool = True,
    ) -> tuple[Event, Answer | None]:
        """The event with its end and result. Raises Silent where no server was reached."""
        event = replace(event, began=time.monotonic())
        try:
            answer = self._exchange(door, method, path, headers, body)
        except Silent as silent:
            if not silent.sent:
                raise
            answer = None
        event = replace(event, ended=time.monotonic())
        if answer is not None:
            result = "ok" if answer.status in (200, 206, 304) else "unknown" if answer.status == 503 else "fail"
            event = replace(event, status=answer.status, result=result)
        return (self._record(event) if record else event), answer

    def _exchange(self, door: Door, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        connection = self._connections.get(door.url)
        if connection is None:
            connection = self._connections[door.url] = http.client.HTTPConnection(urlsplit(door.url).netloc, timeout=TIMEOUT)
        try:
            if connection.sock is None:
                connection.connect()
        except OSError:
            self._forget(door)
            raise Silent(sent=False) from None
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self._forget(door)
            raise Silent(sent=True) from None

    def _forget(self, door: Door) -> None:
        self._connections.pop(door.url).close()

    def _record(self, event: Event) -> Event:
        self._recorder.add(event)
        return event
