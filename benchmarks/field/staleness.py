"""How long a server does not show what was uploaded to another one on the same storage: two ROOTs, default settings.

It looks for changes every sync_index_interval, and at once where it is asked for a project that it has not heard of, though
not twice a second. So a new project is one thing, and a further file of a project that it has is another.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from benchmarks.field import clients
from benchmarks.field.kinds import Measure
from benchmarks.field.servers import Live, Server, start

INTERVAL = 1.0  # seconds, the most that a new project takes


class Beside:
    """The other server, on an empty ROOT, that has read the storage and answered its first page."""

    def __init__(self, live: Live, server: Server, work: Path, project: str) -> None:
        """live: where the uploads go. project: one that is there."""
        self.live = live
        self.other = start(server, work, project)
        self._project = project
        self._thread: threading.Thread | None = None
        self._found: list[float] = []
        self._error: Exception | None = None

    def new_project(self, phase: float) -> Measure:
        """Seconds from an upload's answer. phase: when in the interval that began with the last look the upload is made, from 0 to 1."""
        time.sleep(phase * INTERVAL)
        return Measure(clients.seconds_until_shown(self.other, clients.upload_one(self.live), patient=True))

    def known_project(self) -> Measure:
        """The same for one more file of a project, uploaded when the other server has just looked: it cannot take longer."""
        self.watch()
        return self.watched()

    def watch(self) -> None:
        """Upload, and wait in a thread until it is shown: where the interval is a minute, other things are measured meanwhile."""
        uploaded = clients.upload_one(self.live, into=self._project)

        def wait() -> None:
            try:
                self._found.append(clients.seconds_until_shown(self.other, uploaded, patient=True))
            except Exception as error:
                self._error = error

        self._thread = threading.Thread(target=wait, daemon=True)
        self._thread.start()

    def watched(self) -> Measure:
        """What watch() found, once it has. Raises Failed."""
        assert self._thread is not None
        self._thread.join()
        if self._error is not None:
            raise self._error
        return Measure(self._found.pop())

    def stop(self) -> None:
        self.other.running.stop()
