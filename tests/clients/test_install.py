"""Every tool that installs, from a server with projects of every build backend and the build backends themselves."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pywharf.testing.live_server import LiveServer

from .projects import (
    ANY_PYTHON,
    BUILD_TAG,
    DEV_RELEASE,
    EPOCH,
    FLIT,
    LOCAL_VERSION,
    LONG,
    NEEDS_NORMALIZING,
    PRE_RELEASE,
    STABLE,
    Built,
    Project,
)
from .workplace import Ran, Workplace, versions_in

INSTALLERS = ["pip-oldest", "pip", "uv"]
# What is chosen where nobody asks for a pre-release, and a Python of today runs.
NEWEST_STABLE = (NEEDS_NORMALIZING, LONG, EPOCH, LOCAL_VERSION, ANY_PYTHON, FLIT, STABLE, BUILD_TAG)


Manager = Callable[[Workplace, LiveServer, list[str], Path], Ran]  # installs dependencies into a virtual environment


def readable(server: LiveServer) -> str:
    return server.index_url("local", server.generated.read_secret)


@pytest.mark.parametrize("installer", INSTALLERS)
def test_wheels_install_by_names_that_need_normalizing_with_epochs_local_versions_and_build_tags(
    stocked: LiveServer, workplace: Workplace, installer: str
) -> None:
    names = [project.name for project in NEWEST_STABLE if project is not NEEDS_NORMALIZING]

    installed = workplace.pip_install(installer, "DEMO-under.Score", *names, index=readable(stocked))

    assert versions_in(installed) == {project.normalized: project.version for project in NEWEST_STABLE}


def test_uv_and_pip_install_the_long_and_unicode_metadata_as_its_author_wrote_it(stocked: LiveServer, workplace: Workplace) -> None:
    installed = workplace.pip_install("pip", LONG.name, index=readable(stocked))

    (metadata,) = installed.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert text.endswith(LONG.readme)
    assert "Jürgen Łukasz 北京" in text


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_sdists_of_every_build_backend_install_with_the_backends_fetched_from_here_too(
    stocked: LiveServer, workplace: Workplace, installer: str
) -> None:
    projects = (NEEDS_NORMALIZING, EPOCH, FLIT, STABLE, BUILD_TAG)
    flags = [word for project in projects for word in ("--no-binary", project.normalized)]

    installed = workplace.pip_install(installer, *flags, *(project.name for project in projects), index=readable(stocked))

    assert versions_in(installed) == {project.normalized: project.version for project in projects}


@pytest.mark.parametrize("installer", INSTALLERS)
def test_pre_and_dev_releases_are_installed_only_when_they_are_asked_for(stocked: LiveServer, workplace: Workplace, installer: str) -> None:
    pre = ["--prerelease", "allow"] if installer == "uv" else ["--pre"]

    asked = versions_in(workplace.pip_install(installer, *pre, STABLE.name, BUILD_TAG.name, index=readable(stocked)))

    assert asked == {STABLE.normalized: PRE_RELEASE.version, BUILD_TAG.normalized: DEV_RELEASE.version}
    # That they are not chosen otherwise is seen above: NEWEST_STABLE.


@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_release_that_needs_another_python_is_not_chosen_and_cannot_be_forced(
    stocked: LiveServer, workplace: Workplace, installer: str
) -> None:
    installed = versions_in(workplace.pip_install(installer, ANY_PYTHON.name, index=readable(stocked)))
    refused = workplace.try_to_install(installer, f"{ANY_PYTHON.name}==2.0", index=readable(stocked)).fails()

    assert installed == {ANY_PYTHON.normalized: "1.0"}
    assert "2.0" in refused


@pytest.mark.parametrize("installer", INSTALLERS)
def test_required_hashes_are_found_and_a_wrong_one_stops_the_installation(
    stocked: LiveServer, workplace: Workplace, built: dict[Project, Built], installer: str
) -> None:
    digest = hashlib.sha256(built[LOCAL_VERSION].wheel.read_bytes()).hexdigest()
    right, wrong = workplace.folder / "right.txt", workplace.folder / "wrong.txt"
    right.write_text(f"local-demo==1.0+acme.1 --hash=sha256:{digest}\n")
    wrong.write_text(f"local-demo==1.0+acme.1 --hash=sha256:{'0' * 64}\n")

    installed = workplace.pip_install(installer, "--require-hashes", "-r", right, index=readable(stocked))
    shutil.rmtree(installed)
    refused = workplace.try_to_install(installer, "--require-hashes", "-r", wrong, index=readable(stocked)).fails()

    assert "hash" in refused.lower()
    assert not (installed / "local_demo.py").exists()


@pytest.mark.parametrize("pip", ["pip-oldest", "pip"])
def test_pip_downloads_the_bytes_that_were_uploaded(
    stocked: LiveServer, workplace: Workplace, built: dict[Project, Built], pip: str
) -> None:
    names = [f"{project.name}=={project.version}" for project in (EPOCH, LOCAL_VERSION, BUILD_TAG)]
    wheels = [built[project].wheel for project in (EPOCH, LOCAL_VERSION, BUILD_TAG, NEEDS_NORMALIZING)]

    workplace.tool(pip, "download", "--index-url", readable(stocked), "--dest", "here", *names).check()

    assert {file.name: file.read_bytes() for file in (workplace.folder / "here").iterdir()} == {
        wheel.name: wheel.read_bytes() for wheel in wheels
    }


def test_pip_lists_the_versions_of_a_project(stocked: LiveServer, workplace: Workplace) -> None:
    words = ["index", "versions", "--index-url", readable(stocked), STABLE.name]

    stable = workplace.tool("pip", *words).check().output
    all_versions = workplace.tool("pip", *words, "--pre").check().output

    assert "Available versions: 1.0\n" in stable
    assert "Available versions: 2.0rc1, 1.0\n" in all_versions


# --- tools that manage a project -----------------------------------------------------------------------------------


def app_of(dependencies: list[str], tables: str) -> str:
    return (
        f'[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10,<3.99"\ndependencies = {dependencies!r}\n\n{tables}'
    )  # fmt: skip


def with_poetry(workplace: Workplace, server: LiveServer, dependencies: list[str], environment: Path) -> Ran:
    """Lock and install an app by poetry into an active virtual environment."""
    source = f'[[tool.poetry.source]]\nname = "wharf"\nurl = "{server.index_url()}"\npriority = "primary"\n'
    (workplace.folder / "pyproject.toml").write_text(app_of(dependencies, f"[tool.poetry]\npackage-mode = false\n\n{source}"))
    shell = {
        "VIRTUAL_ENV": str(environment),
        "POETRY_HTTP_BASIC_WHARF_USERNAME": server.generated.name,
        "POETRY_HTTP_BASIC_WHARF_PASSWORD": server.generated.read_secret,
    }
    locked = workplace.tool("poetry", "lock", environ=shell)
    return workplace.tool("poetry", "install", environ=shell) if locked.code == 0 else locked


def with_pdm(workplace: Workplace, server: LiveServer, dependencies: list[str], environment: Path) -> Ran:
    """Lock and install an app by pdm into an active virtual environment."""
    source = f'[tool.pdm]\ndistribution = false\n\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{readable(server)}"\n'
    (workplace.folder / "pyproject.toml").write_text(app_of(dependencies, source))
    return workplace.tool("pdm", "install", environ={"VIRTUAL_ENV": str(environment)})


def with_uv(workplace: Workplace, server: LiveServer, dependencies: list[str], environment: Path) -> Ran:
    """Lock and install an app by uv into an active virtual environment."""
    source = f'[tool.uv]\npackage = false\n\n[[tool.uv.index]]\nname = "wharf"\nurl = "{server.index_url()}"\ndefault = true\n'
    (workplace.folder / "pyproject.toml").write_text(app_of(dependencies, source))
    shell = {
        "VIRTUAL_ENV": str(environment),
        "UV_INDEX_WHARF_USERNAME": server.generated.name,
        "UV_INDEX_WHARF_PASSWORD": server.generated.read_secret,
        "UV_NO_CONFIG": "0",  # pyproject.toml is this project's own
    }
    return workplace.tool("uv", "sync", "--active", "--no-managed-python", environ=shell)


@pytest.mark.parametrize("manager", [with_poetry, with_pdm, with_uv])
def test_a_project_tool_locks_and_installs_an_app_whose_source_is_here(stocked: LiveServer, workplace: Workplace, manager: Manager) -> None:
    environment = workplace.venv()
    dependencies = [f"{project.name}>=0" for project in NEWEST_STABLE if project is not LOCAL_VERSION]

    manager(workplace, stocked, [*dependencies, "local-demo==1.0+acme.1"], environment).check()

    assert versions_in(environment) == {project.normalized: project.version for project in NEWEST_STABLE}


def with_oldest_pip(workplace: Workplace, server: LiveServer, dependencies: list[str], environment: Path) -> Ran:
    words: list[str | Path] = ["install", "--index-url", readable(server), "--target", next(environment.glob("lib/python3*/site-packages"))]
    return workplace.tool("pip-oldest", *words, *dependencies)


@pytest.mark.parametrize("install", [with_oldest_pip, with_poetry, with_pdm, with_uv])
def test_sdists_without_wheels_are_built_with_the_build_backends_of_the_same_index(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], install: Manager
) -> None:
    ours = live_server.generated
    publish = ["publish", "--publish-url", live_server.index_url(), "--username", ours.name, "--password", ours.write_secret]
    backends = [wheel for wheel in workplace.toolbox.wheelhouse().iterdir() if wheel.name.startswith(("flit_core-", "poetry_core-"))]
    workplace.tool("uv", *publish, built[FLIT].sdist, built[STABLE].sdist, *backends).check()
    environment = workplace.venv()

    install(workplace, live_server, [FLIT.name, STABLE.name], environment).check()

    assert versions_in(environment) == {FLIT.normalized: FLIT.version, STABLE.normalized: STABLE.version}
