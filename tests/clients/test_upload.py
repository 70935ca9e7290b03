"""Every tool that uploads, with files of every build backend; and what happens when a file is there already."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pywharf.testing.distributions import make_wheel
from pywharf.testing.live_server import LiveServer

from .projects import ANY_PYTHON, BUILD_TAG, EPOCH, FLIT, LONG, NEEDS_NORMALIZING, PRE_RELEASE, PROJECTS, STABLE, Built, Project
from .workplace import Ran, Workplace, served_files, versions_in

Upload = Callable[[Workplace, LiveServer, Built], Ran]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def by_twine(workplace: Workplace, server: LiveServer, *files: Path, tool: str = "twine", more: Sequence[str] = ()) -> Ran:
    ours = server.generated
    words = ["upload", "--non-interactive", "--repository-url", server.index_url(), "--username", ours.name, *more]
    return workplace.tool(tool, *words, *files, environ={"TWINE_PASSWORD": ours.write_secret})


def by_uv(workplace: Workplace, server: LiveServer, *files: Path, check_url: str = "") -> Ran:
    ours = server.generated
    words = ["publish", "--publish-url", server.index_url(), "--username", ours.name]
    more = ["--check-url", check_url] if check_url else []
    return workplace.tool("uv", *words, *more, *files, environ={"UV_PUBLISH_PASSWORD": ours.write_secret})


def source_of(workplace: Workplace, built: Built) -> Path:
    """The project's source with dist/ filled, as it is after building; made once."""
    place = workplace.folder / f"{built.project.normalized}-{built.project.version}"
    if not place.exists():
        built.project.write(workplace.folder)
        (place / "dist").mkdir()
        for file in built.files:
            shutil.copy(file, place / "dist")
    return place


def by_poetry(workplace: Workplace, server: LiveServer, built: Built, *words: str) -> Ran:
    shell = {
        "POETRY_REPOSITORIES_WHARF_URL": server.index_url(),
        "POETRY_HTTP_BASIC_WHARF_USERNAME": server.generated.name,
        "POETRY_HTTP_BASIC_WHARF_PASSWORD": server.generated.write_secret,
    }
    return workplace.tool("poetry", "publish", "--repository", "wharf", *words, cwd=source_of(workplace, built), environ=shell)


def by_pdm(workplace: Workplace, server: LiveServer, built: Built, *words: str) -> Ran:
    ours = server.generated
    options = ["publish", "--no-build", "--repository", server.index_url(), *words]
    shell = {"PDM_PUBLISH_USERNAME": ours.name, "PDM_PUBLISH_PASSWORD": ours.write_secret}
    return workplace.tool("pdm", *options, cwd=source_of(workplace, built), environ=shell)


def by_hatch(workplace: Workplace, server: LiveServer, built: Built) -> Ran:
    ours = server.generated
    options = ["publish", "--no-prompt", "--repo", server.index_url(), "--user", ours.name]
    return workplace.tool("hatch", *options, cwd=source_of(workplace, built), environ={"HATCH_INDEX_AUTH": ours.write_secret})


def by_flit(workplace: Workplace, server: LiveServer, built: Built) -> Ran:
    """flit builds itself what it publishes."""
    ours = server.generated
    shell = {"FLIT_INDEX_URL": server.index_url(), "FLIT_USERNAME": ours.name, "FLIT_PASSWORD": ours.write_secret}
    return workplace.tool("flit", "publish", cwd=source_of(workplace, built), environ=shell)


@pytest.mark.parametrize("tool", ["twine", "twine-6"])
def test_twine_uploads_the_files_of_every_build_backend(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], tool: str
) -> None:
    # twine 6 cannot read the Metadata-Version 2.5 that hatchling and flit write today.
    projects = PROJECTS if tool == "twine" else (NEEDS_NORMALIZING, LONG, STABLE, PRE_RELEASE, BUILD_TAG)

    by_twine(workplace, live_server, *(file for project in projects for file in built[project].files), tool=tool).check()

    for project in projects:
        served = served_files(live_server, project.name)
        assert {file.name: sha256(file) for file in built[project].files}.items() <= served.items()


def test_uv_publish_uploads_the_files_of_every_build_backend(stocked: LiveServer, built: dict[Project, Built]) -> None:
    for project in PROJECTS:
        served = served_files(stocked, project.name)
        assert {file.name: sha256(file) for file in built[project].files}.items() <= served.items()


@pytest.mark.parametrize(
    ("publish", "project"),
    [
        pytest.param(by_poetry, STABLE, id="poetry"),
        pytest.param(by_pdm, BUILD_TAG, id="pdm"),
        pytest.param(by_hatch, ANY_PYTHON, id="hatch"),
    ],
)
def test_a_project_tool_publishes_what_it_has_built(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], publish: Upload, project: Project
) -> None:
    publish(workplace, live_server, built[project]).check()

    assert served_files(live_server, project.name) == {file.name: sha256(file) for file in built[project].files}
    installed = workplace.pip_install("pip", project.name, index=live_server.index_url("local", live_server.generated.read_secret))
    assert versions_in(installed) == {project.normalized: project.version}


def test_flit_builds_and_publishes_a_wheel_and_an_sdist(live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]) -> None:
    by_flit(workplace, live_server, built[FLIT]).check()

    assert set(served_files(live_server, FLIT.name)) == {file.name for file in built[FLIT].files}
    installed = workplace.pip_install("pip", FLIT.name, index=live_server.index_url("local", live_server.generated.read_secret))
    assert versions_in(installed) == {FLIT.normalized: FLIT.version}


# --- a file that is there already ----------------------------------------------------------------------------------


def other_bytes(folder: Path, project: Project) -> Path:
    """A wheel of the same name that holds something else."""
    wheel = make_wheel(project.name, project.version, files={"surprise.py": "x = 1\n"}, extra_headers=[("Summary", "another")])
    folder.mkdir(exist_ok=True)
    file = folder / wheel.filename
    file.write_bytes(wheel.data)
    return file


@pytest.mark.parametrize("upload", [by_twine, by_uv])
def test_the_same_file_again_is_welcome_and_other_bytes_under_its_name_are_not(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], upload: Callable[..., Ran]
) -> None:
    wheel = built[STABLE].wheel
    upload(workplace, live_server, wheel).check()

    upload(workplace, live_server, wheel).check()
    refused = upload(workplace, live_server, other_bytes(workplace.folder / "other", STABLE)).fails()

    assert "409" in refused
    assert "File already exists" in refused
    assert served_files(live_server, STABLE.name) == {wheel.name: sha256(wheel)}


@pytest.mark.parametrize(
    ("publish", "project", "said"),
    [
        pytest.param(by_poetry, STABLE, "File already exists", id="poetry"),
        pytest.param(by_pdm, BUILD_TAG, "409 Conflict", id="pdm"),  # httpx shows no server's own reason phrase
    ],
)
def test_a_project_tool_skips_what_exists_where_it_is_told_to_and_fails_otherwise(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], publish: Callable[..., Ran], project: Project, said: str
) -> None:
    publish(workplace, live_server, built[project]).check()
    # The same bytes are no conflict; only other ones under the same name are.
    other = other_bytes(workplace.folder / "other", project)
    (source_of(workplace, built[project]) / "dist" / built[project].wheel.name).write_bytes(other.read_bytes())

    refused = publish(workplace, live_server, built[project]).fails()
    publish(workplace, live_server, built[project], "--skip-existing").check()

    assert said in refused
    assert served_files(live_server, project.name) == {file.name: sha256(file) for file in built[project].files}


# twine refuses --skip-existing for every index but PyPI before it asks it; its rule for skipping can be asked all the same.
TWINE_SKIPS = """
import sys
from twine.commands.upload import skip_upload
from twine.package import PackageFile
from twine.repository import Repository

url, user, secret, *files = sys.argv[1:]
repository = Repository(url, user, secret)
for file in files:
    package = PackageFile.from_filename(file, comment=None)
    answer = repository.upload(package)
    print("answer", answer.status_code, skip_upload(answer, True, package))
"""


@pytest.mark.parametrize("tool", ["twine", "twine-6"])
def test_twine_would_skip_a_file_whose_name_is_taken_by_other_bytes(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], tool: str
) -> None:
    ours = live_server.generated
    files = [built[STABLE].wheel, built[STABLE].wheel, other_bytes(workplace.folder / "other", STABLE)]
    python = workplace.toolbox.python(tool)

    said = workplace.run(python, "-c", TWINE_SKIPS, live_server.index_url(), ours.name, ours.write_secret, *files).check().output

    assert [line for line in said.splitlines() if line.startswith("answer")] == ["answer 200 False", "answer 200 False", "answer 409 True"]


def test_uv_publish_with_a_check_url_uploads_only_what_is_missing(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]
) -> None:
    readable = live_server.index_url("local", live_server.generated.read_secret)
    by_uv(workplace, live_server, *built[EPOCH].files, check_url=readable).check()

    said = by_uv(workplace, live_server, *built[EPOCH].files, *built[STABLE].files, check_url=readable).check().output

    assert said.count("already exists, skipping") == 2
    assert set(served_files(live_server, STABLE.name)) == {file.name for file in built[STABLE].files}
    live_server.stop()
    assert len([request for request in live_server.requests() if request.method == "POST"]) == 4


def test_uv_publish_with_a_check_url_tells_of_a_local_file_that_differs(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]
) -> None:
    readable = live_server.index_url("local", live_server.generated.read_secret)
    by_uv(workplace, live_server, built[STABLE].wheel).check()

    refused = by_uv(workplace, live_server, other_bytes(workplace.folder / "other", STABLE), check_url=readable).fails()

    assert "Local file and index file do not match" in refused
