"""Which marks the tests of a file can have: those that `-m` leaves out whole are not imported, which takes longer than many tests.

Importing all files, with their assertions rewritten, takes each process half a minute on a fresh checkout; and tox starts a dozen processes.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

FOLDERS = {"clients": "clients", "browser": "browser", "plugins/github": "any_python"}  # nobody has to mark these tests
MARKS = ("any_python", "browser", "clients", "live", "slow")

_OF_THE_MODULE = re.compile(r"^pytestmark = (pytest\.mark\.\w+|\[.*\])$", re.MULTILINE)
_PLAIN = re.compile(r"\bpytest\.mark\.(\w+)(?![\w(])")


def of_folder(path: Path) -> set[str]:
    """The marks that every test in the file has, because of where it lies."""
    below = path.relative_to(Path(__file__).parent).as_posix() if path.is_relative_to(Path(__file__).parent) else ""
    return {mark for folder, mark in FOLDERS.items() if below.startswith(f"{folder}/")}


def may_be_chosen(path: Path, expression: str) -> bool:
    """Whether a test of the file may have marks that an expression such as "live and not slow" asks for. In doubt it may."""
    if not set(re.findall(r"\w+", expression)) <= {*MARKS, "and", "or", "not"}:
        return True
    text = path.read_text(encoding="utf-8")
    sure = of_folder(path).union(*(_PLAIN.findall(line) for line in _OF_THE_MODULE.findall(text)))
    unsure = [mark for mark in MARKS if mark not in sure and re.search(rf"\b{mark}\b", text)]
    for some in itertools.product((False, True), repeat=len(unsure)):
        has = {**dict.fromkeys(MARKS, False), **dict(zip(unsure, some, strict=True)), **dict.fromkeys(sure & {*MARKS}, True)}
        if eval(expression or "True", {}, has):  # of the words above and brackets
            return True
    return False
