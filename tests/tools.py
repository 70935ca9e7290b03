"""Fetch what `clients` and `browser` use, so that their tests need not wait for it: python -m tests.tools FOLDER.

FOLDER is tox's own, `.tox`. What cannot be fetched is left to the tests, which say so.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.browser.axe import axe_source
from tests.clients.toolbox import NAME, TOOLS, Toolbox


def main(folder: Path) -> None:
    axe_source(folder / "axe")
    toolbox = Toolbox(folder / NAME)
    toolbox.wheelhouse()
    for tool in TOOLS:
        toolbox.python(tool)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
