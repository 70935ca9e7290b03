"""When a local index was last in step with its storage: the mtime of a file beside it, so that every process says the same."""

from __future__ import annotations

import os
from pathlib import Path

from pywharf.files import locked


class SyncMark:
    """The file ROOT/index/<repository>.synced. Shared between threads and processes."""

    def __init__(self, path: Path, lock: Path) -> None:
        """lock: a file to hold while it is moved on."""
        self.path = path
        self._lock = lock

    def at(self) -> float | None:
        """Unix time of the last completed sync, by any process; None where there was none."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return None

    def note(self, at: float) -> None:
        """Keep `at` as the time of the last sync, in whole seconds, never going back even if the clock does. Raises OSError."""
        found = self.at()
        if found is not None and int(at) <= int(found):
            return
        with locked(self._lock):
            found = self.at()
            if found is None:
                # Shown when it has its time: until then it would say now, and go back.
                new = self.path.with_name(f".{self.path.name}.new")
                os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
                os.utime(new, (int(at), int(at)))
                os.rename(new, self.path)
            elif int(at) > int(found):
                os.utime(self.path, (int(at), int(at)))
