"""Running a command line in a process of its own, and the types of what the fixtures give."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
Install = Callable[..., Path]


def environment(site: Path | None = None, **variables: str) -> dict[str, str]:
    """The environment of a process that finds pywharf where these tests do, and the distributions in `site`."""
    path = os.pathsep.join([*([str(site)] if site else []), *(entry for entry in sys.path if entry)])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, **variables}


def process(*words: str, site: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python words...` to its end."""
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment(site, **variables), timeout=60, check=False
    )
