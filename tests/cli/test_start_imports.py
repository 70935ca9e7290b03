"""A server can answer an installer before it has loaded what is for uploads and for people: decision 0033."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.any_python

LATER = ("pywharf.web.routes", "pywharf.web.pages", "pywharf.repository.admission", "pywharf.repository.archives", "packaging.requirements")
PROGRAM = """
import sys
import pywharf.cli.main, pywharf.cli.start, pywharf_file_system.storage
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_a_start_does_not_import_what_installers_can_do_without() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *LATER, "pywharf.web.simple"], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["pywharf.web.simple"]
