"""The corpus through the door: each archive to refuse is answered 400 and leaves nothing, each to take is listed as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository.corpus.case import CorpusCase
from repository.corpus.sdists import SDISTS
from repository.corpus.wheels import WHEELS

from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.model.names import parse_filename
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import Distribution
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

from .client import Answer, Client, basic

pytestmark = pytest.mark.any_python

CONFIG = '[local]\ntype = "file_system"\nwrite_secret = "write"\n'
PLAIN = [case for case in (*WHEELS, *SDISTS) if case.rules is None]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.prepare()
    return layout


def serve(layout: Layout, config: str = CONFIG) -> Iterator[App]:
    replace(layout, StoredConfig(config, ""))
    settings = ServerSettings(extra_index_url="")
    wharf = Wharf(layout, settings)
    wharf.start()
    yield make_app(wharf, settings)
    wharf.close()


@pytest.fixture
def app(layout: Layout) -> Iterator[App]:
    yield from serve(layout)


@pytest.fixture
def lenient(layout: Layout) -> Iterator[App]:
    yield from serve(layout, CONFIG + '[local.admission]\nrecord = "warn"\n')


def upload(app: App, case: CorpusCase, data: bytes) -> Answer:
    body, content_type = upload_form(Distribution(case.filename, data, b""))
    return Client(app, basic("local", "write")).send("POST", "/legacy/", {"Content-Type": content_type}, body=body)


def stored(folder: Path) -> set[str]:
    """What lies in ROOT and is neither derived nor a lock."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and {"objects", "packages", "incoming", "staging"} & set(path.parts) and "lock" not in path.name
    }


def test_each_archive_to_refuse_is_400_and_nothing_of_it_stays(app: App, layout: Layout) -> None:
    before = stored(layout.root)

    for case in (case for case in PLAIN if not case.accepted):
        answer = upload(app, case, case.make())
        assert answer.status == 400, case.name
        assert answer.text.startswith("content: "), case.name
        assert stored(layout.root) == before, case.name

    assert (
        json.loads(Client(app, basic("local", "write")).get("/simple/", {"Accept": "application/vnd.pypi.simple.v1+json"}).body)["projects"]
        == []
    )


def test_each_archive_to_take_is_listed_as_it_is(app: App, layout: Layout) -> None:
    client = Client(app, basic("local", "write"))
    seen: set[str] = set()

    for case in (case for case in PLAIN if case.accepted):
        name = parse_filename(case.filename)
        if name.key in seen:  # many of the source distributions are of one release, which has one
            continue
        seen.add(name.key)
        data = case.make()
        answer = upload(app, case, data)
        assert answer.status == 200, f"{case.name}: {answer.text}"
        assert "Warning" not in answer.text
        assert client.get(f"/simple/{name.project}/{case.filename}").body == data

    assert len(seen) > 12
    assert len(stored(layout.root)) > len(seen)


def test_a_warning_is_in_the_answer_and_in_the_log(lenient: App, caplog: pytest.LogCaptureFixture) -> None:
    case = next(case for case in WHEELS if case.name == "record-incomplete-and-warned-of")

    answer = upload(lenient, case, case.make())

    assert answer.status == 200
    assert "is published. Warning: RECORD does not name 'demo.py' (record)" in answer.text
    assert "RECORD does not name 'demo.py'" in caplog.text
