"""From one server through a git repository to another: uploaded by the real clients, read on the host by git, installed by the real clients."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from live.git.served import NAME, Served

from pywharf.testing.git_server import GitServer
from pywharf.testing.github_rest import GitHubRest, Person
from pywharf.testing.live_server import LiveServer

from .projects import BUILD_TAG, STABLE, Built, Project
from .toolbox import Toolbox
from .workplace import Workplace, versions_in

ADA = Person("ada", 42, "Ada Lovelace")
AUTHOR = "Ada Lovelace <42+ada@users.noreply.github.com>"


@dataclass
class Published:
    """The repository after the uploads."""

    served: Served
    uploads: Sequence[tuple[Project, Path]]  # in their order


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, toolbox: Toolbox, built: dict[Project, Built]) -> Iterator[Published]:
    """One project uploaded by twine and one by uv, wheel and sdist each, through a server that is gone afterwards."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path_factory.mktemp("git")
    work = Workplace(folder / "work", toolbox)
    with GitServer(folder / "host") as host, GitHubRest({}) as rest:
        served = Served(host, folder, {"api_url": rest.url})
        rest.users[served.writer] = ADA
        with served.server("uploads") as server:
            to = server.index_url()
            twine, uv = built[STABLE], built[BUILD_TAG]
            work.tool(
                "twine", "upload", "--non-interactive", "--repository-url", to, "--username", NAME, *twine.files,
                environ={"TWINE_PASSWORD": served.writer},
            ).check()  # fmt: skip
            for file in (*uv.files, *toolbox.wheelhouse().glob("poetry_core-*.whl")):
                work.tool(
                    "uv", "publish", "--publish-url", to, "--username", NAME, file, environ={"UV_PUBLISH_PASSWORD": served.writer}
                ).check()
        yield Published(served, [*((STABLE, file) for file in twine.files), *((BUILD_TAG, file) for file in uv.files)])


@pytest.fixture
def elsewhere(published: Published, tmp_path: Path) -> Iterator[tuple[LiveServer, str]]:
    """Another server, with nothing in its ROOT; and the address to install from it, by somebody who may read."""
    published.served.folder.joinpath("elsewhere").mkdir(exist_ok=True)
    with published.served.server(f"elsewhere/{tmp_path.name}") as server:
        yield server, server.index_url(NAME, published.served.reader)


@pytest.mark.parametrize("installer", ["pip", "pip-oldest", "uv"])
def test_what_twine_and_uv_uploaded_installs_from_a_server_that_starts_with_an_empty_root(
    elsewhere: tuple[LiveServer, str], workplace: Workplace, installer: str
) -> None:
    installed = workplace.pip_install(installer, STABLE.name, BUILD_TAG.name, index=elsewhere[1])

    assert versions_in(installed) == {STABLE.name: STABLE.version, BUILD_TAG.name: BUILD_TAG.version}


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_an_sdist_installs_from_there_with_the_build_backend_that_lies_beside_it(
    elsewhere: tuple[LiveServer, str], workplace: Workplace, installer: str
) -> None:
    installed = workplace.pip_install(installer, STABLE.name, "--no-binary", STABLE.name, index=elsewhere[1])

    assert versions_in(installed) == {STABLE.name: STABLE.version}


def test_the_history_says_who_published_what_in_a_single_line(published: Published) -> None:
    served = published.served
    subjects = served.check_history()
    authors = served.hosted.git("log", "--format=%an <%ae>").splitlines()

    # Clients choose the order of their files.
    promised = [f"Publish {project.name} {project.version}: {file.name}" for project, file in published.uploads]
    assert set(subjects[:2]) == set(promised[:2])
    assert set(subjects[2:4]) == set(promised[2:])
    assert set(authors) == {AUTHOR}
    assert "error" not in served.hosted.git("fsck", "--strict")


def test_the_tree_reads_as_the_reference_promises(published: Published) -> None:
    served = published.served

    def digits(text: str) -> str:
        return hashlib.sha1(text.encode()).hexdigest()[:2]

    for project, file in published.uploads:
        folder = f"packages/{digits(project.normalized)}/{project.normalized}"
        key = file.name.replace("-1.0", "-1")  # the normal form of its version
        [content] = served.contents([f"main:{folder}/{file.name}"])
        assert content == file.read_bytes()
        if file.suffix == ".whl":
            assert served.hosted.git("show", f"main:{folder}/{file.name}.metadata").startswith("Metadata-Version: ")
        record_path = f"{folder}/{key}.pywharf.jsonl"
        head, record = map(json.loads, served.hosted.git("show", f"main:{record_path}").splitlines())
        assert 1 <= head["serial"] <= len(served.hosted.subjects())
        assert hashlib.sha256(file.read_bytes()).hexdigest() in json.dumps(record)
    assert json.loads(served.hosted.git("show", "main:.pywharf/serial"))["serial"] == len(served.hosted.subjects())
