"""The real clients, each in a virtual environment of its own that is kept from one run of the tests to the next.

They are fetched by pip as this machine configures it. What lies in the folder is made anew after a week, so that "the
newest" stays the newest; without a network what is there goes on being used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pywharf.files import locked

# Found by trial: the oldest pip that installs a wheel on that Python. 19.2 imports on 3.10 as the first, 23.1 on 3.12.
OLDEST_PIP = "19.2.3" if sys.version_info < (3, 12) else "23.1"
BUILD_BACKENDS = ("setuptools", "hatchling", "flit-core", "poetry-core", "pdm-backend")
TOOLS: dict[str, Sequence[str]] = {
    "pip": ("pip",),
    "pip-oldest": (f"pip=={OLDEST_PIP}",),
    "uv": ("uv",),
    "twine": ("twine>=7",),
    "twine-6": ("twine>=6,<7",),
    "poetry": ("poetry>=2",),
    "pdm": ("pdm[locked]>=2",),  # with what it was released with: pdm 2.29 allows newer releases of hishel and breaks on them
    "hatch": ("hatch",),
    "flit": ("flit",),
    "builders": ("build", *BUILD_BACKENDS),
}
WEEK = 7 * 24 * 3600
NAME = f"clients-{sys.version_info[0]}.{sys.version_info[1]}"  # of the folder they are in
FOLDER = "PYWHARF_TEST_TOOLS"  # the environment variable that names the folder around it
OFFLINE = "PYWHARF_TEST_OFFLINE"  # set: what cannot be fetched is skipped instead of failing


Make = Callable[[Path, Sequence[str]], str]  # makes a place of requirements; returns what went wrong, or ""


class Toolbox:
    """The clients, made when they are first asked for. Several test processes may share one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def python(self, tool: str) -> Path:
        """The interpreter that has the tool; its commands lie beside it. Fails or skips the test where it cannot be had."""
        return self._made(tool) / "bin" / "python"

    def command(self, tool: str, name: str = "") -> Path:
        """The path of a tool's command."""
        return self.python(tool).with_name(name or tool)

    def wheelhouse(self) -> Path:
        """A folder with the wheels of the build backends and of everything they need."""
        return self._kept("wheelhouse", BUILD_BACKENDS, self._download)

    def _made(self, tool: str) -> Path:
        return self._kept(tool, TOOLS[tool], self._install)

    def _kept(self, name: str, requirements: Sequence[str], make: Make) -> Path:
        place = self.folder / name
        stamp = self.folder / f"{name}.stamp"
        recipe = f"{sys.version} {' '.join(requirements)}"
        if name != "pip":
            self.python("pip")  # fetches the others; before the lock, so that two locks are never held
        with locked(self.folder / f".{name}.lock"):
            known = stamp.exists() and stamp.read_text(encoding="utf-8") == recipe
            if known and time.time() - stamp.stat().st_mtime < WEEK:
                return place
            if not known:
                shutil.rmtree(place, ignore_errors=True)
            problem = make(place, requirements)
            if problem and not known:
                tell = pytest.skip if os.environ.get(OFFLINE) else pytest.fail
                tell(f"{name} cannot be fetched by pip ({problem}); {OFFLINE}=1 skips what needs it")
            stamp.write_text(recipe, encoding="utf-8")
        return place

    def _install(self, place: Path, requirements: Sequence[str]) -> str:
        """Returns what went wrong, or ""."""
        bootstrap = place.name == "pip"
        if not (place / "bin" / "python").exists():
            problem = run_quietly([sys.executable, "-m", "venv", *([] if bootstrap else ["--without-pip"]), str(place)])
            if problem:
                return problem
        pip = [str(place / "bin" / "python"), "-m", "pip"]
        if not bootstrap:
            pip = [str(self.folder / "pip" / "bin" / "python"), "-m", "pip", "--python", str(place / "bin" / "python")]
        # --no-compile: a tool compiles what it imports when it first runs, which is less than half of what it comes with.
        return run_quietly([*pip, "install", "-qq", "--no-compile", "--upgrade", "--upgrade-strategy", "eager", *requirements])

    def _download(self, place: Path, requirements: Sequence[str]) -> str:
        pip = str(self.folder / "pip" / "bin" / "python")
        return run_quietly([pip, "-m", "pip", "download", "-qq", "--only-binary", ":all:", "--dest", str(place), *requirements])


def run_quietly(command: Sequence[str]) -> str:
    """Run a command. Returns "", or the last line of what it said when it failed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return "" if done.returncode == 0 else (said[-1] if said else f"exit code {done.returncode}")
