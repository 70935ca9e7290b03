"""The builds of one local index on disk: each has a name of its own, and the index is a link to one of them.

So nobody opens one half made or without the names; and nobody gets the old database with the new one's log and locks, which
have their names from it: that can end in SIGBUS. A build is shown by one rename, and with it all others are gone.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class IndexBuilds:
    """Those of the index at `path`. What changes a link or removes a build is called with the sync lock held."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def shown(self) -> str | None:
        """What tells the build that is shown from any other; None where there is none."""
        try:
            return f"{os.readlink(self._path)} {os.stat(self._path).st_ino}"
        except OSError:
            return None

    def make(self) -> Path:
        """A new, empty file for a build that is not shown yet, and private. Raises OSError."""
        new = self._path.with_name(f"{self._path.stem}@{secrets.token_hex(8)}{self._path.suffix}")
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return new

    def show(self, new: Path) -> None:
        """Put a build in place of the one that is shown, and remove all others. Raises OSError."""
        link = new.with_name(f"{new.name}.link")
        os.symlink(new.name, link)
        os.rename(link, self._path)
        self.sweep()

    def discard(self, build: Path) -> None:
        """Remove a build, unless it is shown by now. Raises OSError."""
        if self._link() != build.name:
            remove(build)

    def sweep(self) -> None:
        """Remove every build but the one that is shown: those before it, and what somebody left behind who died. Raises OSError."""
        shown = self._link()
        beginning = f"{self._path.stem}@"
        for name in os.listdir(self._path.parent):
            if name.startswith(beginning) and not (shown and name.startswith(shown)):
                remove(self._path.with_name(name))

    def _link(self) -> str:
        """The name of the build that is shown, "" where none is. Raises OSError."""
        try:
            return os.readlink(self._path)
        except FileNotFoundError:
            return ""


def remove(build: Path) -> None:
    """Remove a build that nobody shows, with SQLite's files beside it, as far as they are there. Raises OSError."""
    for ending in ("", "-wal", "-shm", "-journal"):
        build.with_name(f"{build.name}{ending}").unlink(missing_ok=True)
