"""Where a client runs: a home of its own, and an environment that names no index but those a test names."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from urllib.request import Request, urlopen

from packaging.utils import canonicalize_name

from pywharf.testing.live_server import LiveServer

from .toolbox import Toolbox

NOWHERE = "http://127.0.0.1:9"  # nobody listens on this port: a client that asks anybody but us fails, and tells whom


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    command: str
    code: int
    output: str  # stdout and stderr, mixed as they came

    def check(self) -> Ran:
        """This, where the command succeeded; else the test fails and shows what it said."""
        assert self.code == 0, f"{self.command}\nended with {self.code}:\n{self.output}"
        return self

    def fails(self) -> str:
        """What it said, where the command failed in order; else the test fails."""
        assert self.code > 0, f"{self.command}\nended with {self.code}, and was to fail:\n{self.output}"
        assert "Traceback" not in self.output, f"{self.command}\nended with {self.code}:\n{self.output}"
        return self.output


class Workplace:
    """A folder to work in, with a home, caches and virtual environments of its own."""

    def __init__(self, folder: Path, toolbox: Toolbox) -> None:
        self.folder = folder
        self.toolbox = toolbox
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.environ = {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "COLUMNS": "300",  # messages are not wrapped
            "NO_COLOR": "1",
            "HTTP_PROXY": NOWHERE,
            "HTTPS_PROXY": NOWHERE,
            "ALL_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "POETRY_NO_INTERACTION": "1",
            "POETRY_KEYRING_ENABLED": "false",
            "PDM_CHECK_UPDATE": "0",
            "PDM_NON_INTERACTIVE": "1",
        }

    def run(self, *command: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None, timeout: float = 180) -> Ran:
        """Run a command. environ: more variables."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.folder,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Ran(shlex.join(map(str, command)), done.returncode, done.stdout)

    def tool(self, tool: str, *words: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> Ran:
        """Run a client: "pip-oldest", "twine-6", "uv", ... ."""
        command: list[str | Path] = [self.toolbox.command(tool, tool.partition("-")[0])]
        if tool.startswith("pip"):
            command = [self.toolbox.python(tool), "-m", "pip"]  # a script's first line can be too long for the kernel
        return self.run(*command, *words, cwd=cwd, environ=environ)

    def pip_install(self, pip: str, *words: str | Path, index: str) -> Path:
        """Install by "pip", "pip-oldest" or "uv" into a folder of its own, and return that."""
        return self.checked_install(self.try_to_install(pip, *words, index=index))

    def try_to_install(self, pip: str, *words: str | Path, index: str) -> Ran:
        """The same, where it may fail."""
        where: list[str | Path] = ["--index-url", index, "--target", self.folder / "installed"]
        if pip == "uv":
            return self.tool("uv", "pip", "install", "--python", sys.executable, *where, *words)
        return self.tool(pip, "install", *where, *words)

    def checked_install(self, ran: Ran) -> Path:
        ran.check()
        return self.folder / "installed"

    def venv(self) -> Path:
        """A new virtual environment without pip, for clients that install into the active one."""
        self.run(sys.executable, "-m", "venv", "--without-pip", self.folder / "venv").check()
        return self.folder / "venv"


def versions_in(folder: Path) -> dict[str, str]:
    """What is installed in a folder or a virtual environment: versions by normalised project name."""
    places = list(folder.glob("lib/python3*/site-packages")) or [folder]
    found = distributions(path=[str(place) for place in places])
    return {canonicalize_name(one.metadata["Name"]): one.version for one in found}


def served_files(server: LiveServer, project: str) -> dict[str, str]:
    """The sha256 of each file on the project's page of the generated repository, by filename; empty where there is no page."""
    ours = server.generated
    page = json.loads(fetched(server, f"simple/{canonicalize_name(project)}/", ours.name, ours.read_secret))
    return {file["filename"]: file["hashes"]["sha256"] for file in page["files"]}


def fetched(server: LiveServer, path: str, user: str, secret: str, *, accept: str = "application/vnd.pypi.simple.v1+json") -> bytes:
    """The body of an answer that is no error."""
    credentials = base64.b64encode(f"{user}:{secret}".encode()).decode()
    request = Request(server.url + path, headers={"Authorization": f"Basic {credentials}", "Accept": accept})
    with urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
    return body
