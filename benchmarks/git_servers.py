"""Server processes on one git host, and what the kernel knows of them: CPU and memory, read from /proc."""

from __future__ import annotations

import http.client
import re
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from process_cpu import cpu_of

from pywharf.backend.interface import Access
from pywharf.testing.distributions import Distribution
from pywharf.testing.git_server import GitServer
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, send_upload

NAME = "wheels"
OWNER = "acme"
POLL = 0.05  # seconds between two looks whether a page is there: each costs the server 2 ms


@dataclass
class Hosted:
    """One repository on the host, with a token that reads and one that writes."""

    host: GitServer
    repo: str
    folder: Path  # where servers' ROOTs are made
    roots: int = field(default=0)

    def __post_init__(self) -> None:
        self.host.create(self.path)
        self.reading = self.host.grant(self.path, Access.READ)
        self.writing = self.host.grant(self.path, Access.WRITE)

    @property
    def path(self) -> str:
        return f"{OWNER}/{self.repo}"

    def new_root(self) -> Path:
        self.roots += 1
        return self.folder / f"{self.repo}-{self.roots}"

    @contextmanager
    def server(self, root: Path, first_page: str) -> Iterator[MeasuredServer]:
        """A server on ROOT that has answered its first page, a project's."""
        config = f'[{NAME}]\ntype = "github"\nowner = "{OWNER}"\nrepo = "{self.repo}"\ngit_url = "{self.host.url_template}"\nmin_push_interval = 0\n'
        secret = f'[{NAME}]\ntype = "github"\nraw = "{self.reading}"\n'
        options = ["--config", config, "--admin_secret", secret, "--config_or_admin_secret_can_be_text"]
        live = LiveServer(root, options=options)
        git = cpu_of_children()
        began = time.perf_counter()
        with live:
            server = MeasuredServer(live, self)
            while server.get(f"/simple/{first_page}/", wanted=(200, 503))[0] != 200:
                time.sleep(POLL)
            server.started = time.perf_counter() - began
            server.cpu_at_start, server.git_at_start = server.cpu(), cpu_of_children() - git
            yield server

    def pushed(self) -> list[int]:
        """Bytes of each push so far."""
        return [
            request.received
            for request in self.host.requests
            if (request.repository, request.service, request.method) == (self.path, "git-receive-pack", "POST")
        ]


class MeasuredServer:
    """A running server, one connection to it, and its process."""

    started = 0.0  # seconds from its start to its first page
    cpu_at_start = 0.0  # seconds of its CPU until then
    git_at_start = 0.0  # seconds of git's CPU, at the host

    def __init__(self, live: LiveServer, hosted: Hosted) -> None:
        self._live = live
        self._reader, self._writer = basic_auth(NAME, hosted.reading), basic_auth(NAME, hosted.writing)
        self._connection = http.client.HTTPConnection(urlsplit(live.url).netloc, timeout=300)

    def get(self, path: str, *, wanted: tuple[int, ...] = (200,)) -> tuple[int, bytes]:
        """Status and body, as installers ask. Raises RuntimeError for a status that is not wanted."""
        headers = {"Authorization": self._reader, "Accept": "application/vnd.pypi.simple.v1+json, */*;q=0.1"}
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status not in wanted:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:300]!r}\n{self._live.output}")
        return answer.status, body

    def timed(self, path: str) -> float:
        """Seconds to get a page or a file."""
        began = time.perf_counter()
        self.get(path)
        return time.perf_counter() - began

    def upload(self, wheel: Distribution) -> float:
        """Seconds to upload."""
        began = time.perf_counter()
        status, text = send_upload(self._connection, self._writer, wheel)
        took = time.perf_counter() - began
        if status != 200:
            raise RuntimeError(f"upload of {wheel.filename}: {status} {text}\n{self._live.output}")
        return took

    # --- the process ------------------------------------------------------------------------------------------------

    def cpu(self) -> float:
        """Seconds of CPU so far, of the worker and of the process that supervises it, which reads the program."""
        return sum(map(cpu_of, (self._live.pid, *self._live.worker_pids())))

    def rss(self) -> float:
        """MiB."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """The greatest RSS since forget_peak(), or ever; MiB."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self._live.worker_pids()[0]}/clear_refs").write_text("5")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self._live.worker_pids()[0]}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"the kernel does not tell {name}")
        return int(found[1]) / 1024


def cpu_of_children() -> float:
    """Seconds of CPU of all processes that ended: git's, while no server does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
