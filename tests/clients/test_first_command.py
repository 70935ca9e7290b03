"""The first thing a person does: one command, and then the lines that it prints, as they are."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from pywharf.testing.live_server import LiveServer

from .projects import LOCAL_VERSION, NEEDS_NORMALIZING, Built, Project
from .workplace import Workplace, versions_in


def line_that_runs(server: LiveServer, command: str) -> str:
    """The one printed line that runs this command, with variables in front of it."""
    (line,) = [line.strip() for line in server.printed_lines if re.match(rf"\s*[A-Z_]+=\S+ {command} ", line)]
    return line


@pytest.mark.parametrize(("upload", "install"), [("twine upload", "pip install"), ("uv publish", "uv pip install")])
def test_the_lines_that_the_first_start_prints_upload_and_install_a_package_as_they_are(
    live_server: LiveServer, workplace: Workplace, built: dict[Project, Built], upload: str, install: str
) -> None:
    (workplace.folder / "dist").mkdir()
    for project in (NEEDS_NORMALIZING, LOCAL_VERSION):
        for file in built[project].files:
            shutil.copy(file, workplace.folder / "dist")
    environment = workplace.folder / "venv"
    pip = [] if install.startswith("pip") else ["--without-pip"]
    workplace.run(sys.executable, "-m", "venv", *pip, environment).check()
    path = [environment / "bin", *(workplace.toolbox.command(tool).parent for tool in ("uv", "twine")), Path(os.defpath)]
    shell = {"PATH": os.pathsep.join(map(str, path)), "VIRTUAL_ENV": str(environment)}

    workplace.run("sh", "-c", line_that_runs(live_server, upload), environ=shell).check()
    workplace.run("sh", "-c", line_that_runs(live_server, install), environ=shell).check()

    found = versions_in(environment)
    assert found["demo-under-score"] == "1.0"
    assert found["local-demo"] == "1.0+acme.1"


def test_the_secrets_are_printed_once_and_kept_from_the_log(live_server: LiveServer) -> None:
    ours = live_server.generated
    before = len(live_server.printed_lines)

    live_server.restart()
    live_server.stop()

    assert not any(ours.write_secret in line or ours.read_secret in line for line in live_server.printed_lines[before:])
    log = (live_server.root / "log" / "pywharf.log").read_text(encoding="utf-8")
    assert "serving: " in log
    assert ours.write_secret not in log
    assert ours.read_secret not in log
