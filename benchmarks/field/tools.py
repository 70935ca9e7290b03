"""What the comparison needs beside pywharf: peers in environments of their own, and nginx and wrk from the system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

READER, WRITER, PASSWORD = "reader", "writer", "password-of-root"
PEERS = {
    "pypiserver": ("pypiserver", "passlib"),
    "devpi-server": ("devpi-server",),
    "simple-repository-server": ("simple-repository-server",),
}
CLIENTS = ("pip", "uv")
SYSTEM = ("nginx", "wrk", "git", "strace")  # the columns and rows of those that are missing are left out
HINT = "on Debian: apt-get install nginx-light wrk git strace"


@dataclass(frozen=True)
class Tools:
    """The environments below a folder, and what is missing in the system."""

    folder: Path
    missing: tuple[str, ...] = ()

    def peer(self, name: str, program: str) -> str:
        """The path of a peer's program, installed on first use by pip, as pip is configured here. Raises CalledProcessError."""
        return self._program(name, PEERS[name], program)

    def client(self, program: str) -> str:
        """The path of pip or uv."""
        return self._program("clients", CLIENTS, program)

    def version(self, name: str) -> str:
        """Of a peer, a client, nginx, wrk or git; "" where it cannot be told."""
        if name in SYSTEM:
            told = subprocess.run([name, "--version" if name == "git" else "-v"], capture_output=True, text=True, check=False)
            found = re.search(r"(?:nginx/|debian/)?(\d+\.[\w.+-]+)", told.stderr + told.stdout)
            return found[1] if found else ""
        python = self.folder / ("clients" if name in CLIENTS else name) / "bin" / "python"
        code = f"import importlib.metadata as m; print(m.version({name!r}))"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()

    def _program(self, folder: str, packages: Sequence[str], program: str) -> str:
        place = self.folder / folder
        installed = place / ".installed"
        if not installed.exists():
            shutil.rmtree(place, ignore_errors=True)
            print(f"installing {', '.join(packages)}", file=sys.stderr)
            venv.create(place, with_pip=True)
            pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--upgrade"]
            subprocess.run([*pip, *packages], check=True, stdout=sys.stderr)
            installed.touch()
        return str((place / "bin" / program).absolute())


def find_tools(folder: Path) -> Tools:
    """The tools; nginx is also looked for where systems keep it for root."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return Tools(folder, tuple(name for name in SYSTEM if shutil.which(name) is None))
