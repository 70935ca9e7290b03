"""Two server processes on one ROOT, and a browser that meets now this one and now that one."""

from __future__ import annotations

import base64
import http.client
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest

from pywharf.keys import initialize_token
from pywharf.testing.live_server import LiveServer

pytestmark = pytest.mark.live

READ, WRITE = "the-secret-that-reads/+9", "the-secret-that-writes/+9"
CONFIG = '[local]\ntype = "file_system"\nread_secret = "{read}"\nwrite_secret = "{write}"\n'
NAVIGATES = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}


class Visitor:
    """One cookie jar, whichever server is asked."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.shown = ""

    def ask(
        self, server: LiveServer, method: str, target: str, fields: Mapping[str, str] | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        sent = {**NAVIGATES, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        body = None
        if fields is not None:
            body = urlencode(fields)
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": server.url.rstrip("/"), **headers}
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        self.shown = answer.read().decode("utf-8", "replace")
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        connection.close()
        return answer

    def log_in(self, server: LiveServer, secret: str) -> http.client.HTTPResponse:
        self.ask(server, "GET", "/login/?next=/simple/")
        (token,) = re.findall('name="form_token" value="([^"]*)"', self.shown)
        return self.ask(
            server, "POST", "/login/", {"pkg_repo_name": "local", "pkg_repo_secret_raw": secret, "form_token": token, "next": "/simple/"}
        )

    def status(self, server: LiveServer, target: str = "/simple/") -> int:
        return self.ask(server, "GET", target).status

    def copy(self) -> Visitor:
        other = Visitor()
        other.cookies = dict(self.cookies)
        return other


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[LiveServer]]:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(read=READ, write=WRITE))
    options = ("--config", str(config), "--debug")
    with LiveServer(tmp_path / "root", options=options) as one, LiveServer(tmp_path / "root", options=options) as two:
        yield [one, two]


def test_a_session_is_one_for_all_processes_and_ends_in_all_of_them(servers: list[LiveServer], tmp_path: Path) -> None:
    one, two = servers
    visitor = Visitor()
    assert visitor.log_in(one, "wrong-wrong-wrong").status == 401
    answer = visitor.log_in(one, READ)
    assert (answer.status, answer.headers["Location"]) == (303, "../simple/")
    assert [visitor.status(server) for server in servers] == [200, 200]
    copy = visitor.copy()

    assert visitor.ask(two, "GET", "/logout/", **{"Sec-Fetch-Site": "none"}).status == 303
    assert [copy.status(server) for server in servers] == [303, 303]
    assert copy.ask(one, "GET", "/simple/", **{"Sec-Fetch-Mode": "cors"}).status == 401

    # initialised with the very same configuration
    visitor.log_in(two, WRITE)
    assert [visitor.status(server) for server in servers] == [200, 200]
    token = initialize_token(tmp_path / "root" / "initialize_token", {})
    text = CONFIG.format(read=READ, write=WRITE)
    assert initialize(one, token, text) == 200
    assert [visitor.status(server) for server in servers] == [303, 303]

    # initialised with another one, and back: nothing comes back
    visitor.log_in(two, WRITE)
    copy = visitor.copy()
    for secret in ("another-secret", READ):
        assert initialize(one, token, CONFIG.format(read=secret, write=WRITE)) == 200
    assert [copy.status(server) for server in servers] == [303, 303]


def initialize(server: LiveServer, token: str, config: str) -> int:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    body = urlencode({"config": config, "admin_secret": ""})
    connection.request(
        "POST", "/initialize/", body, {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_after_a_restart_the_session_is_still_there_unless_the_secret_changed(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    visitor = Visitor()
    statuses = []
    for read in (READ, READ, "another-secret"):
        config.write_text(CONFIG.format(read=read, write=WRITE))
        with LiveServer(tmp_path / "root", options=("--config", str(config))) as server:
            if not visitor.cookies:
                visitor.log_in(server, READ)
            statuses.append(visitor.status(server))

    assert statuses == [200, 200, 303]


def test_nothing_that_opens_anything_is_left_on_the_disk_or_in_the_log(servers: list[LiveServer], tmp_path: Path) -> None:
    visitor = Visitor()
    needles = [READ, WRITE, "wrong-wrong-wrong"]
    visitor.log_in(servers[0], "wrong-wrong-wrong")
    for secret in (READ, WRITE):
        visitor.log_in(servers[0], secret)
        needles += visitor.cookies.values()
        for server in servers:
            for target in ("/", "/simple/", "/nothing", "/projects/", "/simple/?" + urlencode({"x": "y"})):
                visitor.ask(server, "GET", target)
                assert not [needle for needle in needles if needle in visitor.shown]
        visitor.ask(servers[1], "GET", "/logout/", **{"Sec-Fetch-Site": "none"})

    root = tmp_path / "root"
    told = {
        path: path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path not in (root / "config.toml", root / "admin_secret.toml")
    }
    assert {root / "sessions.sqlite", root / "sessions.sqlite-wal", root / "log" / "pywharf.log"} <= set(told)
    assert b"status=303" in told[root / "log" / "pywharf.log"]
    for needle in needles:
        raw = needle.encode()
        for spelling in (
            raw,
            quote(needle, safe="").encode(),
            base64.b64encode(raw)[:-3],
            base64.urlsafe_b64encode(raw)[:-3],
            raw.hex().encode(),
        ):
            assert [path.name for path, content in told.items() if spelling in content] == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in told if path.name.startswith("sessions.sqlite")} == {0o600}
