"""Yank, unyank, delete and status over HTTP, with all that lies below: who may, what is taken, and what is shown afterwards."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pywharf.config import ServerSettings
from pywharf.keys import initialize_token, key_id, load_key
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import Distribution, make_sdist, make_wheel
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App, make_app
from pywharf.web.manage import MAX_BODY
from pywharf.wharf import Wharf

from .client import Answer, Client, Unreadable, basic

pytestmark = pytest.mark.any_python

CONFIG = """
[local]
type = "file_system"
read_secret = "read"
write_secret = {raw = "write", label = "ci"}

[other]
type = "file_system"
read_secret = "other-read"
write_secret = "other-write"
"""
WHEEL, SDIST, OTHER = make_wheel("demo", "1.0"), make_sdist("demo", "1.0", metadata_version="2.2"), make_wheel("demo", "2.0")
JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def serving(layout: Layout) -> Iterator[App]:
    """A server whose repository has two releases of one project: 1.0 as wheel and sdist, 2.0 as wheel."""
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    settings = ServerSettings(extra_index_url="https://extra.example/simple/")
    wharf = Wharf(layout, settings)
    wharf.start()
    app = make_app(wharf, settings)
    for distribution in (WHEEL, SDIST, OTHER):
        assert upload(app, distribution).status == 200
    yield app
    app.close()
    wharf.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "root")


@pytest.fixture
def app(layout: Layout) -> Iterator[App]:
    with serving(layout) as app:
        yield app


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One server for all tests that are refused, and so leave it as it was."""
    with serving(Layout(tmp_path_factory.mktemp("refusing") / "root")) as app:
        yield app


@pytest.fixture
def second(app: App, layout: Layout) -> Iterator[App]:
    """Another process on the same ROOT, as far as that can be had in one."""
    wharf = Wharf(layout, ServerSettings())
    wharf.start()
    yield make_app(wharf, ServerSettings())
    wharf.close()


def upload(app: App, distribution: Distribution) -> Answer:
    body, content_type = upload_form(distribution)
    return Client(app, basic("local", "write")).send("POST", "/legacy/", {"Content-Type": content_type}, body=body)


def manage(app: App, what: str, said: Any, project: str = "demo", auth: str | None = basic("local", "write"), **headers: str) -> Answer:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Client(app, auth).send("POST", f"/manage/{project}/{what}", {**JSON, **headers}, body=body)


def done(app: App, what: str, said: Any) -> dict[str, Any]:
    answer = manage(app, what, said)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def page(app: App, project: str = "demo") -> dict[str, Any]:
    answer = Client(app, basic("local", "read")).get(f"/simple/{project}/", {"Accept": "application/vnd.pypi.simple.v1+json"})
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def yanked(app: App) -> dict[str, str | bool]:
    return {file["filename"]: file["yanked"] for file in page(app)["files"]}


def statuses(app: App, *targets: str) -> list[int]:
    return [Client(app, basic("local", "read")).get(target).status for target in targets]


def audited(layout: Layout, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (layout.audit / f"{name}.jsonl").read_text().splitlines()]


# --- what it does ---------------------------------------------------------------------------------------------------


def test_a_release_is_yanked_and_unyanked(app: App, second: App) -> None:
    both = sorted((WHEEL.filename, SDIST.filename))

    assert done(app, "yank", {"version": "1.0", "reason": 'broken on 3.12 & <"others">'}) == {
        "project": "demo",
        "changed": both,
        "unchanged": [],
    }
    for server in (app, second):
        assert yanked(server) == {**dict.fromkeys(both, 'broken on 3.12 & <"others">'), OTHER.filename: False}
    html = Client(app, basic("local", "read")).get("/simple/demo/", {"Accept": "text/html"}).text
    assert 'data-yanked="broken on 3.12 &amp; &lt;&quot;others&quot;&gt;"' in html
    assert done(app, "yank", {"version": "1.0", "reason": 'broken on 3.12 & <"others">'})["unchanged"] == both
    assert done(app, "unyank", {"filename": WHEEL.filename})["changed"] == [WHEEL.filename]
    assert yanked(second)[WHEEL.filename] is False
    urls = json.loads(Client(app, basic("local", "read")).get("/pypi/demo/1.0/json").body)["urls"]
    assert {file["filename"]: file["yanked"] for file in urls} == {WHEEL.filename: False, SDIST.filename: True}


def test_a_deleted_release_is_nowhere_any_more_and_its_name_stays_taken(app: App, second: App) -> None:
    targets = [f"/simple/demo/{WHEEL.filename}", f"/simple/demo/{WHEEL.filename}.metadata", f"/simple/demo/{SDIST.filename}"]
    targets += ["/pypi/demo/1.0/json"]
    assert statuses(second, *targets) == [200] * 4  # and in its caches

    assert done(app, "delete", {"version": "1.0", "reason": "holds a password"})["changed"] == sorted((WHEEL.filename, SDIST.filename))

    for server in (app, second):
        assert statuses(server, *targets) == [404] * 4
        assert page(server)["versions"] == ["2.0"]
    answer = upload(app, WHEEL)
    assert (answer.status, answer.reason[:19]) == (409, "File already exists")
    assert done(app, "delete", {"version": "1.0"})["changed"] == []


def test_a_project_whose_files_are_all_deleted_never_leaves(app: App) -> None:
    for version in ("1.0", "2.0"):
        done(app, "delete", {"version": version})

    assert page(app)["files"] == []
    assert statuses(app, "/simple/demo/", "/pypi/demo/json", "/simple/unknown-project/") == [200, 404, 302]
    assert "demo" not in Client(app, basic("local", "read")).get("/simple/").text


def test_a_quarantined_project_serves_nothing_until_it_is_active_again(app: App, second: App) -> None:
    targets = [f"/simple/demo/{WHEEL.filename}", f"/simple/demo/{WHEEL.filename}.metadata", "/pypi/demo/json", "/pypi/demo/1.0/json"]
    assert statuses(second, *targets) == [200] * 4

    assert done(app, "status", {"status": "quarantined", "reason": "looked into"}) == {
        "project": "demo",
        "status": "quarantined",
        "reason": "looked into",
        "was": {"status": "active", "reason": ""},
        "changed": True,
    }
    for server in (app, second):
        assert statuses(server, *targets) == [404] * 4
        assert (page(server)["files"], page(server)["project-status"]["status"]) == ([], "quarantined")
    answer = upload(app, make_wheel("demo", "3.0"))
    assert (answer.status, "quarantined" in answer.reason) == (403, True)

    assert done(app, "status", {"status": "active"})["was"] == {"status": "quarantined", "reason": "looked into"}
    assert done(app, "status", {"status": "active"})["changed"] is False
    assert statuses(second, *targets) == [200] * 4
    assert upload(app, make_wheel("demo", "3.0")).status == 200


def test_the_status_can_be_asked_for(app: App) -> None:
    reader = Client(app, basic("local", "read"))
    done(app, "status", {"status": "deprecated", "reason": "use demo2"})

    assert json.loads(reader.get("/manage/demo/status").body) == {"project": "demo", "status": "deprecated", "reason": "use demo2"}
    answer = reader.get("/manage/Demo/status")
    assert (answer.status, reader.follow("/manage/Demo/status", answer.headers["location"])) == (301, "/manage/demo/status")
    assert [reader.get(f"/manage/{project}/status").status for project in ("nothing", "-")] == [404, 404]


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "secret", "changes", "asks"),
    [
        # yank, unyank, delete and status each; and asking for the status
        (None, None, 401, 401),
        ("local", "wrong", 401, 401),
        ("nobody", "write", 401, 401),
        ("other", "write", 401, 401),
        ("local", "other-write", 401, 401),
        ("local", "read", 403, 200),
        ("other", "other-read", 403, 404),
        ("other", "other-write", 404, 404),  # of another repository: nothing of this one, not even that it is there
        ("LOCAL", "write", 200, 200),
        ("local", "write", 200, 200),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_who_may_do_what(app: App, layout: Layout, user: str | None, secret: str | None, changes: int, asks: int, slash: str) -> None:
    auth = basic(user, secret) if user and secret else None
    before = len(audited(layout, "local"))

    answers = [manage(app, what + slash, {"version": "1.0"}, auth=auth) for what in ("yank", "unyank", "delete")]
    answers.append(manage(app, f"status{slash}", {"status": "archived"}, auth=auth))

    assert [answer.status for answer in answers] == [changes] * 4
    assert Client(app, auth).get("/manage/demo/status").status == asks
    assert len(audited(layout, "local")) - before == (4 if changes == 200 else 0)
    if changes != 200:
        assert set(yanked(app).values()) == {False}


@pytest.mark.parametrize("auth", [None, basic("local", "wrong"), basic("local", "read")])
@pytest.mark.parametrize("what", ["yank", "unyank", "delete", "status"])
def test_nothing_is_read_of_who_may_not(refusing: App, what: str, auth: str | None) -> None:
    answer = Client(refusing, auth).send("POST", f"/manage/demo/{what}", JSON, body=Unreadable(), length=10)

    assert answer.status in (401, 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_changes_is_a_post(refusing: App, method: str) -> None:
    answer = Client(refusing, basic("local", "write")).send(method, "/manage/demo/delete")

    assert (answer.status, answer.headers["allow"]) == (405, "POST")


# --- what is taken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sentence", "field"),
    [
        (b"", "The body is not JSON in UTF-8", None),
        (b'{"version":', "The body is not JSON in UTF-8", None),
        (b'{"version":"1.0"}\xff', "The body is not JSON in UTF-8", None),
        (b"[" * 60_000, "The body is not JSON in UTF-8", None),
        (b'["version"]', "The body is not a JSON object", None),
        (b'"version"', "The body is not a JSON object", None),
        (b"{}", "version: give either version, for all files of a release, or filename, for one file", "version"),
        (b'{"version":"1.0","filename":"demo-1.0.tar.gz"}', "version: give either", "version"),
        (
            b'{"version":"1.0","reasn":"x"}',
            "reasn: there is no such key here; there are version, filename, reason",
            "reasn",
        ),
        (b'{"version":"1.0","version":"2.0"}', "version: is there twice", "version"),
        (b'{"version":1.0}', "version: has to be text", "version"),
        (b'{"version":"1.0","reason":null}', "reason: has to be text", "reason"),
        (b'{"version":"1.0","reason":"a\\nb"}', "reason: holds U+000A; a reason is one line", "reason"),
        (b'{"version":"1.0","reason":"\\ud800"}', "reason: holds U+D800", "reason"),
        (b'{"version":"one"}', "version: 'one' is no version", "version"),
        (b'{"version":"1.%s"}' % (b"1" * 5000), "version: '1.1111", "version"),  # more digits than Python makes a number of
        (b'{"filename":"../../etc/passwd"}', "filename: ", "filename"),
    ],
)
@pytest.mark.parametrize("what", ["yank", "unyank", "delete"])
def test_a_body_that_says_something_else_is_refused_by_name(
    refusing: App, what: str, body: bytes, sentence: str, field: str | None
) -> None:
    answer = manage(refusing, what, body, Accept="application/json")

    problem = json.loads(answer.body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert problem["detail"].startswith(sentence)
    assert problem.get("field") == field
    assert set(yanked(refusing).values()) == {False}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "status: is missing"),
        ({"status": "retired"}, "status: 'retired' is none of active, archived, quarantined, deprecated"),
        ({"status": "archived", "version": "1.0"}, "version: there is no such key here; there are status, reason"),
    ],
)
def test_a_status_that_is_none_is_refused(refusing: App, said: dict[str, str], sentence: str) -> None:
    answer = manage(refusing, "status", said)

    assert (answer.status, answer.text, answer.reason) == (400, sentence, sentence)


@pytest.mark.parametrize(
    ("what", "project", "said", "status"),
    [
        ("yank", "nothing", {"version": "1.0"}, 404),
        ("delete", "demo", {"version": "9.9"}, 404),
        ("unyank", "demo", {"filename": "demo-9.9.tar.gz"}, 404),
        ("status", "nothing", {"status": "archived"}, 404),
        ("status", "..", {"status": "archived"}, 400),
        ("yank", "d%20emo", {"version": "1.0"}, 400),
    ],
)
def test_what_is_not_there_is_told(refusing: App, what: str, project: str, said: dict[str, str], status: int) -> None:
    assert manage(refusing, what, said, project).status == status


def test_a_project_may_be_spelled_in_any_way(app: App) -> None:
    assert json.loads(manage(app, "yank", {"version": "1.0"}, "DEMO").body)["project"] == "demo"


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"]
)
def test_a_body_that_a_web_page_could_send_unasked_is_not_even_read(refusing: App, kind: str) -> None:
    client = Client(refusing, basic("local", "write"))
    answer = client.send("POST", "/manage/demo/delete", {"Content-Type": kind}, body=Unreadable(), length=10)

    assert answer.status == 415
    assert manage(refusing, "delete", {"version": "9.9"}, **{"Content-Type": "Application/JSON; charset=utf-8"}).status == 404


def test_the_longest_body_has_64_kib_and_a_longer_one_is_not_read(app: App) -> None:
    said = b'{"version":"1.0"}'.ljust(MAX_BODY)
    client = Client(app, basic("local", "write"))

    assert manage(app, "yank", said).status == 200
    assert client.send("POST", "/manage/demo/yank", JSON, body=Unreadable(), length=MAX_BODY + 1).status == 413
    assert client.send("POST", "/manage/demo/yank", JSON, body=Unreadable(), length="").status == 411
    assert client.send("POST", "/manage/demo/unyank", JSON, body=b'{"version":"1.0"}', length=100).status == 400  # cut short
    assert yanked(app)[WHEEL.filename] is True


# --- the audit ------------------------------------------------------------------------------------------------------


def test_the_audit_says_who_without_the_secret(app: App, layout: Layout) -> None:
    manage(app, "yank", {"version": "1.0", "reason": "broken"})
    token = initialize_token(layout.initialize_token, {})
    body = f"config={CONFIG}&admin_secret=".encode()
    Client(app, None, "192.0.2.9").send("POST", "/initialize/", {"Authorization": f"Bearer {token}"}, body=body)

    line = audited(layout, "local")[-1]
    assert (line["what"], line["label"], line["address"], line["reason"]) == ("yank", "ci", "192.0.2.1", "broken")
    assert line["key_id"] == key_id(load_key(layout.keys / "secrets"), "write")
    (initialised,) = audited(layout, "_server")
    assert (initialised["what"], initialised["repositories"], initialised["label"]) == (
        "initialize",
        ["local", "other"],
        "initialize_token",
    )
    assert initialised["address"] == "192.0.2.9"
    for path in layout.audit.glob("*.jsonl"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert token not in path.read_text()
        assert '"write"' not in path.read_text()


def test_without_an_audit_an_upload_and_a_change_are_503_and_nothing_happens(app: App, layout: Layout) -> None:
    (layout.audit / "local.jsonl").unlink()
    (layout.audit / "local.jsonl").mkdir()

    answers = [upload(app, make_wheel("demo", "3.0")), manage(app, "delete", {"version": "1.0"})]

    assert [(answer.status, answer.headers["retry-after"]) for answer in answers] == [(503, "30")] * 2
    assert all(answer.text.startswith("Nothing was changed: the audit of repository local cannot be written") for answer in answers)
    assert all(str(layout.root) not in answer.text for answer in answers)
    assert sorted(yanked(app)) == sorted((WHEEL.filename, SDIST.filename, OTHER.filename))
