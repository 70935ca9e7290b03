"""The lines that pages show, run as they stand there by the real tools: copied, with the secret where the page says."""

from __future__ import annotations

import os
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from pywharf.testing.live_server import LiveServer

from .projects import LOCAL_VERSION, STABLE, Built, Project
from .workplace import Workplace, fetched, served_files, versions_in

NAVIGATES = "text/html,application/xhtml+xml,*/*;q=0.8"


def lines(server: LiveServer, path: str) -> list[str]:
    """What a page has to copy, as somebody who selects it gets it."""
    ours = server.generated
    page = fetched(server, path, ours.name, ours.read_secret, accept=NAVIGATES).decode()
    return [unescape(re.sub(r"<[^>]*>", "", code)).strip("\n") for code in re.findall(r'<code class="copy">(.*?)</code>', page, re.DOTALL)]


def line_for(server: LiveServer, path: str, command: str) -> str:
    (line,) = [line for line in lines(server, path) if line.partition(" ")[2].startswith(f"{command} ")]
    return line


def shell(workplace: Workplace) -> dict[str, str]:
    """The environment of somebody's shell: an active virtual environment, and the tools on PATH."""
    environment = workplace.venv()
    tools = [workplace.toolbox.command(tool).parent for tool in ("pip", "uv", "twine")]
    path = [*tools, environment / "bin", Path(os.defpath)]
    return {"PATH": os.pathsep.join(map(str, path)), "VIRTUAL_ENV": str(environment), "PIP_PYTHON": str(environment / "bin" / "python")}


@pytest.mark.parametrize(("upload", "install"), [("twine upload", "pip install"), ("uv publish", "uv pip install")])
def test_the_lines_of_the_pages_upload_and_install(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], upload: str, install: str
) -> None:
    ours, environ = live_server.generated, shell(workplace)
    (workplace.folder / "dist").mkdir()
    for project in (STABLE, LOCAL_VERSION):
        for file in built[project].files:
            shutil.copy(file, workplace.folder / "dist")

    first = workplace.run("sh", "-c", line_for(live_server, "", upload), environ={**environ, "PYWHARF_SECRET": ours.write_secret})
    assert len(served_files(live_server, STABLE.name)) == 2, first.check().output
    for path in (f"projects/{STABLE.normalized}/", f"projects/{LOCAL_VERSION.normalized}/{LOCAL_VERSION.version}/"):
        workplace.run("sh", "-c", line_for(live_server, path, install), environ={**environ, "PYWHARF_SECRET": ours.read_secret}).check()

    found = versions_in(workplace.folder / "venv")
    assert found[STABLE.normalized] == STABLE.version
    assert found[LOCAL_VERSION.normalized] == LOCAL_VERSION.version


def test_without_the_secret_in_its_variable_a_line_installs_nothing(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built]
) -> None:
    environ = shell(workplace)
    line = line_for(live_server, "", "uv pip install").replace(" PROJECT", f" {STABLE.name}")

    workplace.run("sh", "-c", line, environ=environ).fails()

    assert STABLE.normalized not in versions_in(workplace.folder / "venv")
