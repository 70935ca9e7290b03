"""axe-core, which looks at a page as somebody would who cannot see it well, or at all. It comes from npm, outside of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pywharf.files import locked

if TYPE_CHECKING:
    from playwright.sync_api import Page

PACKAGE = "axe-core"
RANGE = ">=4.10.3 <5"
WEEK = 7 * 24 * 3600


class AxeMissing(Exception):
    """It cannot be had; the message says why."""


def axe_source(folder: Path) -> str:
    """The script, which is kept in a folder and fetched anew after a week. Raises AxeMissing."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "node_modules" / PACKAGE / "axe.min.js"
    with locked(folder / ".lock"):
        if not script.exists() or time.time() - script.stat().st_mtime > WEEK:
            problem = _fetch(folder)
            if script.exists():
                os.utime(script)  # without a network what is there goes on being used
            elif problem:
                raise AxeMissing(problem)
    return script.read_text(encoding="utf-8")


def _fetch(folder: Path) -> str:
    """Returns what went wrong, or ""."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed, so axe-core cannot be fetched"
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), f"{PACKAGE}@{RANGE}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"npm could not fetch axe-core: {error}"
    return "" if done.returncode == 0 else f"npm could not fetch axe-core: {done.stderr.strip()[-500:]}"


def violations(page: Page, source: str, *, only: Sequence[str] = ()) -> list[str]:
    """What axe finds wrong with the page as it is shown now; each in a line, which begins with the rule. only: the rules to go by, or all."""
    # Said over the debugger's wire, so that the page's policy, which lets no script run, stays as it is.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source)
    options = {"resultTypes": ["violations"], **({"runOnly": list(only)} if only else {})}
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:300]} {node.get('failureSummary', '')}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
