"""The web layer over the real thing: a wharf on a folder, driven through WSGI."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pywharf.config import ServerSettings
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

from .client import Answer, Client, basic

CONFIG = '[local]\ntype = "file_system"\nread_secret = "read"\nwrite_secret = "write"\nprivate_names = ["acme-*"]\n'
OTHER = '[Second]\ntype = "file_system"\nread_secret = "r2"\nwrite_secret = "w2"\n\n[local]\ntype = "file_system"\nread_secret = "new"\nwrite_secret = "neww"\n'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    return layout


@pytest.fixture
def app(layout: Layout) -> Iterator[App]:
    settings = ServerSettings(extra_index_url="https://extra.example/simple/")
    wharf = Wharf(layout, settings)
    wharf.start()
    yield make_app(wharf, settings)
    wharf.close()


def reader(app: App) -> Client:
    return Client(app, basic("local", "read"))


def upload(app: App, distribution: Distribution, auth: str = basic("local", "write")) -> Answer:
    body, content_type = upload_form(distribution)
    return Client(app, auth).send("POST", "/legacy/", {"Content-Type": content_type}, body=body)


def initialize(app: App, config: str, admin_secret: str = "", **more: Any) -> Answer:
    return Client(app, None, "127.0.0.1").send("POST", "/initialize/", body=f"config={config}&admin_secret={admin_secret}".encode(), **more)


def test_what_was_uploaded_is_in_the_next_page_and_is_what_is_downloaded(app: App) -> None:
    wheel, sdist = make_wheel("Demo.Pkg", "1.0"), make_sdist("Demo.Pkg", "1.0", metadata_version="2.2")

    assert reader(app).get("/simple/demo-pkg/").status == 302
    for distribution in (wheel, sdist):
        assert upload(app, distribution).status == 200
        page = json.loads(reader(app).get("/simple/demo-pkg/", {"Accept": "application/vnd.pypi.simple.v1+json"}).body)
        (entry,) = [file for file in page["files"] if file["filename"] == distribution.filename]
        address = reader(app).follow("/simple/demo-pkg/", entry["url"])
        assert entry["hashes"]["sha256"] == distribution.sha256
        assert reader(app).get(address).body == distribution.data
        assert reader(app).get(f"{address}.metadata").body == distribution.metadata
        assert reader(app).get(address, {"Range": "bytes=10-19"}).body == distribution.data[10:20]
    assert json.loads(reader(app).get("/pypi/demo-pkg/json").body)["info"]["name"] == "Demo.Pkg"
    assert "demo-pkg" in reader(app).get("/simple/").text


def test_a_file_is_written_once(app: App) -> None:
    wheel, other = make_wheel("demo", "1.0"), make_wheel("demo", "1.0", files={"demo.py": "other = 1"})

    answers = [upload(app, wheel), upload(app, wheel), upload(app, Distribution(wheel.filename, other.data, other.metadata))]

    assert [answer.status for answer in answers] == [200, 200, 409]
    assert answers[2].reason.startswith("File already exists")


def test_a_refused_upload_leaves_nothing_behind(app: App, layout: Layout) -> None:
    wheel = make_wheel("demo", "1.0")

    assert upload(app, Distribution(wheel.filename, wheel.data[:-30], b"")).status == 400
    assert upload(app, wheel, basic("local", "read")).status == 403
    assert upload(app, wheel, basic("local", "wrong")).status == 401

    assert reader(app).get("/simple/demo/").status == 302
    assert [path for path in layout.root.rglob("*") if path.is_file() and path.stat().st_size == len(wheel.data) - 30] == []


def test_a_private_name_never_leaves_whether_it_is_there_or_not(app: App) -> None:
    assert reader(app).get("/simple/acme-secret/").status == 404


def test_another_configuration_is_served_from_one_request_to_the_next(app: App, layout: Layout) -> None:
    wheel = make_wheel("demo", "1.0", files={"data.bin": bytes(range(256)) * 4096})
    upload(app, wheel)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/simple/demo/{wheel.filename}", "HTTP_AUTHORIZATION": basic("local", "read")}
    in_flight = app(environ, lambda *_: print)

    layout.unclaimed.touch()
    assert initialize(app, OTHER).status == 401  # somebody has used it
    token = initialize_token(layout.initialize_token, {})
    assert initialize(app, OTHER, HTTP_AUTHORIZATION=f"Bearer {token}").status == 200

    assert b"".join(in_flight) == wheel.data
    in_flight.close()
    assert [
        Client(app, basic(user, secret)).get("/simple/").status for user, secret in [("local", "read"), ("local", "new"), ("second", "r2")]
    ] == [401, 200, 200]
    assert Client(app, basic("local", "new")).get("/simple/demo/").status == 200  # the packages stay


@pytest.mark.parametrize(
    "config",
    [
        "not toml",
        "[local]\ntype = 'nothing-installed'\n",
        "[local]\ntype = 'file_system'\nread_secret = 'r'\nwrite_secret = {env = 'PATH'}\n",
        "[local]\ntype = 'file_system'\nread_secret = 'r'\nwrite_secret = 'w'\npath = '/etc'\n",
        "[local]\ntype = 'file_system'\nread_secret = 'r'\nwrite_secret = 'w'\nnovelty = 1\n",
        "['../x']\ntype = 'file_system'\nread_secret = 'r'\nwrite_secret = 'w'\n",
        "[a]\ntype = 'file_system'\nread_secret = 'r'\nwrite_secret = 'w'\n[A]\ntype = 'file_system'\nread_secret = 'r'\nwrite_secret = 'w'\n",
        "/etc/passwd",
    ],
)
def test_a_configuration_that_cannot_be_used_changes_nothing(app: App, layout: Layout, config: str) -> None:
    layout.unclaimed.touch()
    before = {path: path.read_bytes() for path in (layout.config, layout.admin_secret) if path.exists()}

    answer = initialize(app, config)

    assert answer.status == 400
    assert answer.text.startswith("config")
    assert {path: path.read_bytes() for path in before} == before
    assert reader(app).get("/simple/").status == 200


def test_health_and_mtime_of_a_running_wharf(app: App) -> None:
    assert json.loads(Client(app, None).get("/health/").body) == {"status": "ok"}
    end = time.monotonic() + 30
    while reader(app).get("/index_mtime/").status == 503 and time.monotonic() < end:  # its first moments
        time.sleep(0.01)
    assert abs(int(reader(app).get("/index_mtime/").text) - time.time()) < 10
