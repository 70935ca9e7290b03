"""What a process of our own interpreter, on a module of ours, is given of this one's environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

# What Python itself may need to start. There are secrets in the rest.
_NEEDED = ("PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def environment(further: Iterable[str] = ()) -> dict[str, str]:
    """The environment for it, in which it finds the modules that this process finds. further: variables that it may need, too."""
    folders = [os.path.abspath(folder) for folder in sys.path if folder]
    ours = str(Path(__file__).absolute().parents[1])
    if ours not in folders:  # else in its place: what is installed beside us must not hide modules of Python's own
        folders.insert(0, ours)
    given = {name: os.environ[name] for name in (*_NEEDED, *further) if name in os.environ}
    return {**given, "PYTHONPATH": os.pathsep.join(folders), "PYTHONDONTWRITEBYTECODE": "1"}
