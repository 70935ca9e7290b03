"""One upload or one sync of a github repository, in one thread, with marks that a tracer can see: run by test_every_step_over_git.py.

python one_step.py ROOT [FILE] prints BEGIN, then ACK, or what went wrong. CONFIG, ADMIN_SECRET and TOKEN are in the environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from faults.upload_once import upload

from pywharf.config import ServerSettings, parse
from pywharf.layout import Layout
from pywharf.repository.repository import Repository


def open_repository(root: Path, config: str, admin_secret: str) -> Repository:
    layout = Layout(root)
    layout.prepare()
    [settings] = parse(config, admin_secret).values()
    return Repository(settings, layout, ServerSettings())


def main(root: str, *files: str) -> None:
    repository = open_repository(Path(root), os.environ["CONFIG"], os.environ["ADMIN_SECRET"])
    if files:
        repository.sync()
    os.write(1, b"BEGIN\n")
    for file in files:
        os.write(1, upload(repository, Path(file), os.environ["TOKEN"]).encode() + b"\n")
    if not files:
        repository.sync()
        os.write(1, b"ACK\n")
    os._exit(0)  # what happens at the end of a process is neither


if __name__ == "__main__":
    main(*sys.argv[1:])
