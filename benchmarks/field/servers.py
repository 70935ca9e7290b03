"""The servers that are compared: how each is started, where its pages are, who may read and who may upload."""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote, urljoin

from benchmarks.field.filling import INDEX
from benchmarks.field.processes import Failed, Running
from benchmarks.field.tools import PASSWORD, READER, WRITER, Tools
from pywharf.testing.ports import hold_free_port
from pywharf.testing.uploads import basic_auth

BARE = Path(__file__).with_name("bare.py")
# What pip 26 sends for a page; the bytes of an answer depend on it.
PIP = {
    "User-Agent": 'pip/26.0 {"ci":null,"implementation":{"name":"CPython","version":"3.11.7"},"installer":{"name":"pip","version":"26.0"}}',
    "Accept-Encoding": "gzip, deflate",
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Connection": "keep-alive",
    "Cache-Control": "max-age=0",
}
BROWSER = {
    "User-Agent": "Mozilla/5.0",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "text/html,application/xhtml+xml",
    "Connection": "keep-alive",
}
PLAIN = {"User-Agent": PIP["User-Agent"], "Accept-Encoding": "identity", "Accept": "*/*", "Connection": "keep-alive"}
NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type application/octet-stream;
types {{ text/html html; }}
client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
server {{ listen 127.0.0.1:{port}; root {site}; index index.html; }} }}
"""


@dataclass(frozen=True)
class Server:
    """One column of the table. Paths begin with "/"."""

    name: str
    command: Callable[[int], list[str]]  # for a port
    simple: str = "/simple/"  # the list of projects; "" where there is none
    upload: str = ""  # where uploads go; "" where there are none
    reader: tuple[str, str] | None = None  # who may read, where one has to say so
    writer: tuple[str, str] | None = None
    login: str = ""  # where the writer gets a token to be shown in place of the password, as this server's own client does
    metadata: bool = False  # whether it serves .metadata
    pip: bool = True  # whether pip and uv are to be timed with it
    pace: float = 0.0  # seconds that it lets pass between two groups of uploads
    first: str = ""  # what is asked for until it is there; "" is a project's page

    @property
    def reading(self) -> dict[str, str]:
        return {"Authorization": basic_auth(*self.reader)} if self.reader else {}


@dataclass
class Live:
    """A server that runs, and one connection to it for questions that are not measured."""

    server: Server
    running: Running
    port: int
    writing: dict[str, str] = field(default_factory=dict)  # headers of an upload
    _links: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", path, headers={**self.server.reading, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def page(self, project: str) -> str:
        return f"{self.server.simple}{project}/"

    def file(self, project: str, filename: str) -> str:
        """The path of a file, as the project's page links to it. Raises Failed."""
        if project not in self._links:
            status, _, body = self.get(self.page(project), {"Accept": "text/html;q=1, application/vnd.pypi.simple.v1+html"})
            if status != 200:
                raise Failed(f"{self.server.name}: {status} for the page of {project}")
            hrefs = (unescape(href).partition("#")[0] for href in re.findall(r'href="([^"]+)"', body.decode()))
            self._links[project] = {unquote(href.rpartition("/")[2]): urljoin(self.page(project), href) for href in hrefs}
        try:
            found = self._links[project][filename]
        except KeyError:
            raise Failed(f"{self.server.name} does not list {filename}") from None
        return re.sub(r"^http://[^/]+", "", found)

    def index_url(self) -> str:
        """For pip and uv."""
        who = ":".join(quote(word, safe="") for word in self.server.reader) + "@" if self.server.reader else ""
        return f"http://{who}127.0.0.1:{self.port}{self.server.simple}"


def start(server: Server, work: Path, project: str) -> Live:
    """Start a server and wait for its first answer, the page of a project. Raises Failed."""
    port, held = hold_free_port()
    try:
        first = server.first or f"{server.simple}{project}/"
        running = Running(server.name, server.command(port), port, first, server.reading, work / f"{server.name}.log", cwd=work)
    finally:
        held.close()
    live = Live(server, running, port)
    try:
        live.writing = {"Authorization": basic_auth(*_logged_in(server, port))} if server.writer else {}
    except BaseException:
        running.stop()
        raise
    return live


def _logged_in(server: Server, port: int) -> tuple[str, str]:
    """What the writer shows with each upload: checking a password can take longer than all the rest."""
    assert server.writer is not None
    if not server.login:
        return server.writer
    user, password = server.writer
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", server.login, json.dumps({"user": user, "password": password}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    if answer.status != 200:
        raise Failed(f"{server.name}: {answer.status} for a login")
    return user, json.loads(told)["result"]["password"]


def pywharf(
    name: str,
    root: Path,
    workers: int,
    *,
    reader: tuple[str, str] = ("local", READER),
    writer: tuple[str, str] = ("local", WRITER),
    pace: float = 0.0,
) -> Server:
    def command(port: int) -> list[str]:
        words = ["--host", "127.0.0.1", "--extra_index_url", "", "--workers", str(workers), "--port", str(port)]
        return [sys.executable, "-m", "pywharf", "server", str(root.absolute()), *words]

    return Server(name, command, upload="/simple/", reader=reader, writer=writer, metadata=True, pace=pace)


def bottle(sizes: Mapping[str, int], *, auth: bool) -> Server:
    """sizes: bytes of the constant answer for each kind."""
    words = [f"{kind}={size}" for kind, size in sizes.items()]
    first = "/auth/project" if auth else "/project"
    who = ("local", READER) if auth else None
    name = "bottle-auth" if auth else "bottle"
    return Server(name, lambda port: [sys.executable, str(BARE), str(port), *words], simple="", reader=who, pip=False, first=first)


def nginx(site: Path, work: Path) -> Server:
    def command(port: int) -> list[str]:
        folder = (work / "nginx").absolute()
        folder.mkdir(exist_ok=True)
        for path in (folder, *site.absolute().parents):
            if path.stat().st_mode & 0o005 != 0o005:
                user = "user root;\n"  # where only root can go: its workers would not find the site
                break
        else:
            user = ""
        (folder / "nginx.conf").write_text(user + NGINX.format(folder=folder, port=port, site=site.absolute()))
        return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]

    return Server("nginx", command, metadata=True)


def pypiserver(tools: Tools, folder: Path) -> Server:
    program = tools.peer("pypiserver", "pypi-server")

    def command(port: int) -> list[str]:
        return [program, "run", "-p", str(port), "-i", "127.0.0.1", "-P", ".", "-a", ".", "--disable-fallback", str(folder.absolute())]

    return Server("pypiserver", command, upload="/", pip=False)


def devpi(tools: Tools, folder: Path) -> Server:
    program = tools.peer("devpi-server", "devpi-server")

    def command(port: int) -> list[str]:
        return [program, "--serverdir", str(folder.absolute()), "--host", "127.0.0.1", "--port", str(port), "--offline-mode"]

    return Server("devpi", command, simple=f"/{INDEX}/+simple/", upload=f"/{INDEX}/", writer=("root", PASSWORD), login="/+login")


def simple_repository_server(tools: Tools, folder: Path) -> Server:
    program = tools.peer("simple-repository-server", "simple-repository-server")
    return Server(
        "simple-repository-server",
        lambda port: [program, "--host", "127.0.0.1", "--port", str(port), str(folder.absolute())],
        metadata=True,
    )
