"""Pages and small files, asked for by wrk as installers ask for them."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.field.corpora import WIDE, File
from benchmarks.field.kinds import Measure
from benchmarks.field.processes import Failed
from benchmarks.field.servers import BROWSER, PIP, PLAIN, Live
from benchmarks.field.wrk import Request, run

SLOW = 0.1  # seconds for one answer from which on wrk would count next to nothing
LONG = 0.4  # seconds for one answer from which on it is not waited for twice where once will do


class Pages:
    """The requests for each kind, found out once for each server, and their measuring."""

    def __init__(self, files: Sequence[File], work: Path, seconds: int) -> None:
        self._files = files
        self._work = work
        self._seconds = seconds
        self._known: dict[tuple[str, str], tuple[Sequence[Request], float, int]] = {}  # requests, seconds for one, bytes of one

    def measure(self, live: Live, kind: str) -> Measure | None:
        """None where the server has nothing of that kind, which stderr is told."""
        if (live.server.name, kind) not in self._known:
            self._known[live.server.name, kind] = self._find_out(live, kind)
        requests, took, size = self._known[live.server.name, kind]
        if not requests:
            return None
        cpu = live.running.cpu()
        if took > SLOW:
            return Measure(1 / _ask(live, requests[0]).seconds, live.running.cpu() - cpu, size)
        load = run(requests, live.port, self._seconds, self._work)
        if load.errors:
            raise Failed(f"{live.server.name}, {kind}: {load.errors} errors of {load.requests} requests")
        return Measure(load.rate, (live.running.cpu() - cpu) / max(1, load.requests), size)

    def size(self, live: Live, kind: str) -> int:
        """Bytes of an answer's body, on average, as it is sent."""
        sizes = [len(live.get(request.path, request.headers)[2]) for request in self._requests(live, kind, self._files)[:20]]
        return round(statistics.mean(sizes)) if sizes else 0

    def _find_out(self, live: Live, kind: str) -> tuple[Sequence[Request], float, int]:
        """Each request is sent once, so that what is measured is warm; to a server that is slow only one is."""
        try:
            few = self._requests(live, kind, self._files[:1])
            if not few:
                return (), 0.0, 0
            answers = [_ask(live, few[0])]
            if answers[0].seconds < LONG:
                answers += [_ask(live, few[0]) for _ in range(2)]  # each of two workers makes its page once
            took = min(answer.seconds for answer in answers)
            requests = few
            if took <= SLOW:
                requests = self._requests(live, kind, self._files)
                answers = [_ask(live, request) for request in requests]
            for answer in answers:
                if answer.status != (304 if kind == "not_modified" else 200):
                    raise Failed(f"{live.server.name}: {answer.status} for {answer.path}")
        except Failed as error:
            print(f"left out: {kind}: {error}", file=sys.stderr)
            return (), 0.0, 0
        return requests, took, round(statistics.mean(answer.size for answer in answers))

    def _requests(self, live: Live, kind: str, files: Sequence[File]) -> list[Request]:
        if not live.server.simple:
            return self._constant(live, kind)
        found: dict[str, Callable[[], list[Request]]] = {
            "project": lambda: [_request(live, live.page(file.project), PIP) for file in files],
            "root": lambda: [_request(live, live.server.simple, PIP)],
            "wide": lambda: [_request(live, live.page(WIDE), PIP)],
            "metadata": lambda: [_request(live, self._path(live, file) + ".metadata", PLAIN) for file in files if live.server.metadata],
            "not_modified": lambda: _conditional(live, [live.page(file.project) for file in files]),
            "wheel": lambda: [_request(live, self._path(live, file), PLAIN) for file in files],
            "search": lambda: [_request(live, f"/projects/?q={file.project}", BROWSER) for file in files],
        }
        return found[kind]()

    def _path(self, live: Live, file: File) -> str:
        return live.file(file.project, file.filename)

    def _constant(self, live: Live, kind: str) -> list[Request]:
        prefix = "/auth" if live.server.reader else ""
        path = f"{prefix}/{'project' if kind == 'not_modified' else kind}"
        if kind == "not_modified":
            return _conditional(live, [path]) if prefix else []
        return [_request(live, path, PIP)]


@dataclass(frozen=True)
class _Answer:
    path: str
    status: int
    size: int  # bytes of the body
    seconds: float


def _ask(live: Live, request: Request) -> _Answer:
    began = time.perf_counter()
    status, _, body = live.get(request.path, request.headers)
    return _Answer(request.path, status, len(body), time.perf_counter() - began)


def _request(live: Live, path: str, headers: dict[str, str]) -> Request:
    return Request(path, {**headers, **live.server.reading})


def _conditional(live: Live, paths: Sequence[str]) -> list[Request]:
    """The same again from a client that has the page. Empty where the server gives no ETag."""
    requests = []
    for path in paths:
        tag = live.get(path, PIP)[1]["ETag"]
        if not tag:
            return []
        requests.append(_request(live, path, {**PIP, "If-None-Match": tag}))
    return requests
