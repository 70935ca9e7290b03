"""A running server with releases in it, and the commands that change them, run in both ways: over HTTP and on its ROOT."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cli.running import Run
from click.testing import Result

from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth, upload_form

READER, WRITER = "reader-0123456789", "writer-0123456789"
CONFIG = f'[Local]\ntype = "file_system"\nread_secret = "{READER}"\nwrite_secret = {{raw = "{WRITER}", label = "ci"}}\n'


@dataclass
class Shop:
    """A running server, and one project in it that no other test uses, with a wheel and an sdist of 1.0 and a wheel of 2.0."""

    server: LiveServer
    project: str

    def __post_init__(self) -> None:
        self.wheel, self.sdist = make_wheel(self.project, "1.0"), make_sdist(self.project, "1.0", metadata_version="2.2")
        self.later = make_wheel(self.project, "2.0")
        for distribution in (self.wheel, self.sdist, self.later):
            assert self.upload(distribution) == 200

    def upload(self, distribution: Distribution) -> int:
        body, content_type = upload_form(distribution)
        try:
            self._ask("simple/", body, content_type)
        except HTTPError as error:
            with error:
                return error.code
        return 200

    def page(self) -> Any:
        return json.loads(self._ask(f"simple/{self.project}/"))

    def yanked(self) -> dict[str, object]:
        """By file name: the reason, True where it has none, or False."""
        return {file["filename"]: file["yanked"] for file in self.page()["files"]}

    def audited(self) -> dict[str, Any]:
        """The newest line of the audit."""
        line: dict[str, Any] = json.loads((self.server.root / "audit" / "local.jsonl").read_text().splitlines()[-1])
        return line

    def _ask(self, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        headers = {"Accept": "application/vnd.pypi.simple.v1+json", "Authorization": basic_auth("local", WRITER)}
        if content_type:
            headers["Content-Type"] = content_type
        with urlopen(Request(self.server.url + path, body, headers), timeout=60) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("served")
    config = folder / "config.toml"
    config.write_text(CONFIG)
    with LiveServer(folder / "root", options=["--config", str(config)]) as server:
        yield server


@pytest.fixture
def shop(server: LiveServer) -> Shop:
    return Shop(server, f"demo-{secrets.token_hex(4)}")


class Command:
    """Runs commands in one of the two ways."""

    def __init__(self, run: Run, server: LiveServer, way: str) -> None:
        self._run = run
        self.way = way
        self._server = server
        self.where = ["--url", server.url, "--secret_env", "NEEDLE"] if way == "url" else ["--root", str(server.root)]

    def __call__(self, *words: str, secret: str | None = None) -> Result:
        """secret: that the command has; None: one that may write, or with --root the server's own right."""
        where = self.where if secret is None or self.way == "url" else [*self.where, "--secret_env", "NEEDLE"]
        result = self._run(*words, *where, env={"NEEDLE": secret or WRITER})
        log = (self._server.root / "log" / "pywharf.log").read_text()
        for one in {READER, WRITER, secret} - {None}:
            assert str(one) not in result.stdout + result.stderr + log
        return result

    def done(self, *words: str, secret: str | None = None) -> list[str]:
        """What it prints when it succeeds."""
        result = self(*words, secret=secret)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout.splitlines()

    def refused(self, *words: str, code: int = 1, secret: str | None = None) -> str:
        """The one line that it says when it does not."""
        result = self(*words, secret=secret)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1), result.output
        return result.stderr


@pytest.fixture(params=["url", "root"])
def command(request: pytest.FixtureRequest, run: Run, server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return Command(run, server, request.param)
