"""The benchmark of the git backend runs, and prints the table that the documentation shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("git") is None, reason="needs git")]


def measured(text: str) -> list[str]:
    """What each line of the table is about, without the numbers, which differ with the size."""
    return [re.sub(r"[\d,]+", "N", line.split("|")[1].strip()) for line in text.splitlines() if re.match(r"\| \S[^|]* \| \*\*", line)]


def test_a_small_run_measures_all_that_the_documentation_shows(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/git_repository.py", "--files", "50", "--quick", "--folder", str(tmp_path)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr
    shown = (ROOT / "docs/explanation/figures-git.md").read_text(encoding="utf-8")
    assert measured(done.stdout) == measured(shown)
    assert list(tmp_path.iterdir()) == []
