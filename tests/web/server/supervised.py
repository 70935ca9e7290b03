"""A small server with workers, as a process of its own: `python supervised.py FOLDER NUMBER DRAIN`.

It says where it listens in FOLDER/address. Files in FOLDER make it misbehave: what is in `prepare_fails` and `work_fails` is why; where
there is `work_dies`, a worker ends without a word; where there is `deaf`, one does not hear that it is to stop.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pywharf.errors import ConfigInvalid, WharfError
from pywharf.web.server.forked import Parent
from pywharf.web.server.listening import listen, shown
from pywharf.web.server.run import serve
from pywharf.web.server.supervisor import supervise

FOLDER = Path(sys.argv[1])


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Tells the worker's number, as soon as it may."""
    if environ["PATH_INFO"] == "/wait":
        (FOLDER / "entered").touch()
        while not (FOLDER / "go_on").exists():
            time.sleep(0.01)
    told = len(os.listdir("/dev/fd")) if environ["PATH_INFO"] == "/descriptors" else os.getpid()
    start_response("200 OK", [("Content-Length", str(len(str(told))))])
    return [str(told).encode()]


def fail_as_told(name: str) -> None:
    path = FOLDER / name
    if path.exists():
        raise ConfigInvalid(name, path.read_text())


class Job:
    def prepare(self, again: bool) -> None:
        fail_as_told("prepare_fails")

    def open(self) -> None:
        self.listener = listen("127.0.0.1", 0)

    def work(self, parent: Parent) -> None:
        fail_as_told("work_fails")
        if (FOLDER / "work_dies").exists():
            os._exit(9)
        if (FOLDER / "deaf").exists():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            parent.ready()
            time.sleep(60)
        options = {"numthreads": 4, "shutdown_timeout": 5}
        serve(app, self.listener, options=options, on_ready=lambda _: parent.ready(number=os.getpid()), supervisor=parent.channel)

    def serving(self, told: Mapping[str, Any]) -> None:
        with (FOLDER / "address").open("a") as file:
            file.write(f"{shown(self.listener)}\n")

    def close(self) -> None:
        self.listener.close()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="[%(process)d] %(message)s")
    try:
        supervise(Job(), number=int(sys.argv[2]), drain=float(sys.argv[3]))
    except WharfError as error:
        sys.exit(f"error: {error}")
