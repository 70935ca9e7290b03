"""What tox cannot be told in tox.ini: where Pythons are that pyenv keeps, and which Python measures.

tox loads this file by itself. pyenv's shims only start the versions that are switched on, so the folders of all
installed ones go to the end of PATH. Where there is no pyenv, nothing changes: missing Pythons are skipped by name.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

TESTED = [(3, 10), (3, 11), (3, 12), (3, 13)]


def pyenv_folders() -> list[str]:
    """The folders of pyenv's tested Pythons, the newest patch release of each first."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found = []
    for folder in versions.glob("3.*/bin"):
        number = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", folder.parent.name)
        if number and tuple(map(int, number.groups()[:2])) in TESTED:
            found.append((tuple(map(int, number.groups())), str(folder)))
    return [folder for _, folder in sorted(found, reverse=True)]


os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *pyenv_folders()])

OURS = f"py{sys.version_info[0]}{sys.version_info[1]}"

# On a machine whose only Python is newer than those tested, the tests run on that one.
if sys.version_info[:2] not in TESTED:
    os.environ["PYWHARF_NEWER_PYTHON"] = OURS

# Measuring what the tests reach is done once. From 3.12 on the interpreter itself reports lines, at next to no cost; before, it
# takes half as long again.
MEASURING = next((version for version in reversed(TESTED[2:]) if shutil.which(f"python{version[0]}.{version[1]}")), None)
if MEASURING:
    os.environ["PYWHARF_COVERAGE_CORE"] = "sysmon"
PYTHON = f"py{MEASURING[0]}{MEASURING[1]}" if MEASURING else OURS
os.environ[f"PYWHARF_MEASURE_{PYTHON}"] = "--cov --cov-report="

# The Python that measures runs everything, and looks for random examples at length; the others are there for what differs between
# Pythons. They have little to wait for, and so no use for more processes than this machine has cores. To have pytest rewrite all
# assertions takes each of these as long as a sixth of the tests: what fails shows its local variables instead.
LEFT_OUT = '-n 2 --assert=plain --showlocals -m "not any_python and not clients and not live and not browser and not slow"'
for version in TESTED:
    name = f"py{version[0]}{version[1]}"
    if name != PYTHON:
        os.environ.setdefault(f"PYWHARF_EXAMPLES_{name}", "20")
        os.environ[f"PYWHARF_LEFT_OUT_{name}"] = LEFT_OUT
