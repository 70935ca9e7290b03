"""Yank, status and deletion as installers meet them, from the server where it was done and from another one after its sync."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from live.git.served import NAME, Served

from pywharf.testing.distributions import make_wheel
from pywharf.testing.git_server import GitServer
from pywharf.testing.live_server import LiveServer
from pywharf.testing.uploads import basic_auth

from .toolbox import Toolbox
from .workplace import Workplace, fetched, versions_in

READER, WRITER = "reader-0123456789", "writer-0123456789"


@dataclass
class Shop:
    """A storage with two releases of `demo` and one of `other`, and two servers on it."""

    here: LiveServer
    there: LiveServer
    reader: str
    writer: str

    def manage(self, project: str, what: str, **said: str) -> None:
        """Change something here, and wait until both have it."""
        body = json.dumps(said).encode()
        request = Request(f"{self.here.url}manage/{project}/{what}", body, {"Content-Type": "application/json"})
        request.add_header("Authorization", basic_auth(NAME, self.writer))
        with urlopen(request, timeout=60) as answer:
            assert answer.status == 200
        end = time.monotonic() + 60
        while self._page(self.there, project) != self._page(self.here, project):
            assert time.monotonic() < end, "the other server does not follow"
            time.sleep(0.1)

    def _page(self, server: LiveServer, project: str) -> bytes:
        try:
            return fetched(server, f"simple/{project}/", NAME, self.reader)
        except HTTPError as error:  # it has not heard of it
            return str(error).encode()


@pytest.fixture(params=["folder", "git"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, toolbox: Toolbox) -> Iterator[Shop]:
    with ExitStack() as stack:
        if request.param == "git":
            if shutil.which("git") is None:
                pytest.skip("needs git")
            served = Served(stack.enter_context(GitServer(tmp_path / "host")), tmp_path, {"sync_index_interval": 1})
            here, there = (stack.enter_context(served.server(name)) for name in ("here", "there"))
            shop = Shop(here, there, served.reader, served.writer)
        else:
            config = tmp_path / "config.toml"
            table = {"type": "file_system", "path": str(tmp_path / "storage"), "read_secret": READER, "write_secret": WRITER}
            config.write_text(f"[{NAME}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()))
            servers = [LiveServer(tmp_path / name, options=["--config", str(config)]) for name in ("here", "there")]
            here, there = (stack.enter_context(server) for server in servers)
            shop = Shop(here, there, READER, WRITER)
        files = []
        for wheel in (make_wheel("demo", "1.0"), make_wheel("demo", "2.0"), make_wheel("other", "1.0")):
            files.append(tmp_path / wheel.filename)
            files[-1].write_bytes(wheel.data)
        publish = ["publish", "--publish-url", here.index_url(), "--username", NAME, "--password", shop.writer]
        Workplace(tmp_path / "uploads", toolbox).tool("uv", *publish, *files).check()
        yield shop


def test_installers_keep_to_what_was_said_of_a_release_on_another_server(shop: Shop, tmp_path: Path, toolbox: Toolbox) -> None:
    places = iter(range(1000))

    def installs(*words: str, told: str = "") -> dict[str, str] | None:
        """What pip and uv install from the other server; None where both refuse. told: what both say."""
        answers = []
        for installer in ("pip", "uv"):
            work = Workplace(tmp_path / f"work{next(places)}", toolbox)  # with a cache of its own
            ran = work.try_to_install(installer, *words, index=shop.there.index_url(NAME, shop.reader))
            assert told in ran.output
            answers.append(versions_in(work.folder / "installed") if ran.code == 0 else None)
        assert answers[0] == answers[1]
        return answers[0]

    shop.manage("demo", "yank", version="2.0", reason="broken on 3.12")
    assert installs("demo") == {"demo": "1.0"}
    assert installs("demo==2.0", told="broken on 3.12") == {"demo": "2.0"}

    shop.manage("demo", "unyank", version="2.0")
    shop.manage("demo", "status", status="deprecated", reason="use other")
    assert installs("demo", "other") == {"demo": "2.0", "other": "1.0"}

    shop.manage("other", "status", status="quarantined", reason="looked into")
    assert installs("other") is None
    shop.manage("other", "status", status="archived")
    assert installs("other") == {"other": "1.0"}

    shop.manage("demo", "delete", version="2.0", reason="holds a password")
    assert installs("demo") == {"demo": "1.0"}
    assert installs("demo==2.0") is None
