"""Two servers with a ROOT each on one storage, and the life of a release as both see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from repository.making import DEMO, download, upload

from pywharf.api.negotiation import PageFormat
from pywharf.api.simple import render_project
from pywharf.backend.interface import BackendPlugin
from pywharf.config import RepositorySettings, ServerSettings
from pywharf.errors import AccessDenied, FileConflict, FileMissing, ProjectClosed
from pywharf.layout import Layout
from pywharf.repository.repository import Repository
from pywharf.testing.distributions import make_sdist, make_wheel

WHEEL, SDIST, OTHER = make_wheel("demo", "1.0"), make_sdist("demo", "1.0", metadata_version="2.2"), make_wheel("demo", "2.0")


@contextmanager
def two_servers(folder: Path, plugin: BackendPlugin, config: Any, secret: Any) -> Iterator[tuple[Repository, Repository]]:
    """They look for each other's changes when they are told to, not on time."""
    with ExitStack() as stack:
        servers = []
        for name in ("here", "there"):
            layout = Layout(folder / name)
            layout.prepare()
            repository = Repository(RepositorySettings("wheels", plugin, config, secret), layout, ServerSettings())
            stack.callback(repository.close)
            repository.sync()
            servers.append(repository)
        yield servers[0], servers[1]


def page(repository: Repository) -> dict[str, Any]:
    detail = repository.project(DEMO)
    assert detail is not None
    found: dict[str, Any] = json.loads(render_project(detail, PageFormat.JSON_V1))
    return found


def serials(repository: Repository) -> int:
    return int(page(repository)["meta"]["_last-serial"])


def live_and_let_die(here: Repository, there: Repository, writer: str, reader: str) -> None:
    """Everything that may happen to a release, each seen by another server after its sync, and by a rebuilt one."""
    for distribution in (WHEEL, SDIST, OTHER):
        upload(here, distribution, writer)
    there.sync()
    ref = there.find_file(DEMO, WHEEL.filename)
    assert ref is not None

    with pytest.raises(AccessDenied):
        here.releases.delete(reader, "demo", version="1.0")
    here.releases.yank(writer, "demo", version="1.0", reason="broken on 3.12, größer als gedacht")
    _agree(here, there)
    assert {file["filename"]: file["yanked"] for file in page(there)["files"]} == {
        WHEEL.filename: "broken on 3.12, größer als gedacht",
        SDIST.filename: "broken on 3.12, größer als gedacht",
        OTHER.filename: False,
    }
    assert download(there, WHEEL.filename) == WHEEL.data

    there.releases.unyank(writer, "demo", filename=WHEEL.filename)
    there.releases.set_status(writer, "demo", "quarantined", "looked into")
    _agree(there, here)
    assert (page(here)["files"], page(here)["project-status"]) == ([], {"status": "quarantined", "reason": "looked into"})
    assert download(here, WHEEL.filename) is None
    assert here.releases.set_status(writer, "demo", "archived").before.status == "quarantined"
    with pytest.raises(ProjectClosed):  # exact on a server that has not heard of it
        upload(there, make_wheel("demo", "3.0"), writer)
    here.releases.set_status(writer, "demo", "active")

    here.releases.delete(writer, "demo", version="1.0", reason="holds a password")
    with pytest.raises(FileConflict, match="it was deleted"):
        upload(there, WHEEL, writer)
    _agree(here, there)
    assert [file["filename"] for file in page(there)["files"]] == [OTHER.filename]
    for server in (here, there):
        assert download(server, WHEEL.filename) is None
        assert download(server, f"{WHEEL.filename}.metadata") is None
        with pytest.raises(FileMissing):
            server.open_file(ref)
        assert download(server, OTHER.filename) == OTHER.data
    assert there.releases.delete(writer, "demo", version="1.0").changed == ()
    before = page(there)
    there.mend()
    assert page(there) == before
    assert there.releases.delete(None, "demo", filename=OTHER.filename).changed  # the server's own right
    here.sync()
    assert page(here)["versions"] == []
    assert not here.may_leave(DEMO)


def _agree(changed: Repository, other: Repository) -> None:
    other.sync()
    assert page(other) == page(changed)
