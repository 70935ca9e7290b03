"""The project names that a repository has ever had: one line each, only ever appended.

Not derived from anything, so part of a backup: a name in here is never sent to the extra index again, even after its
files, its repository's history or the local index are gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pywharf.files import fsync_folder, make_folder


class NamesSeen:
    """The file ROOT/names/<repository>."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, names: Iterable[str]) -> None:
        """Append names, lasting when this returns. A name may come twice. Raises OSError."""
        new = not self.path.exists()
        if new:
            make_folder(self.path.parent)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "r+b", buffering=0) as file:
            # What a crash tore gets its line end now; the torn name was never listed.
            size = os.fstat(descriptor).st_size
            whole = not size or os.pread(descriptor, 1, size - 1) == b"\n"
            rest = memoryview((b"" if whole else b"\n") + b"".join(name.encode("ascii") + b"\n" for name in names))
            while rest:
                rest = rest[file.write(rest) or 0 :]
            os.fsync(descriptor)
        if new:
            fsync_folder(self.path.parent)

    def size(self) -> int:
        """How long the file is, in bytes. Raises OSError."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, start: int = 0) -> Iterator[tuple[str, int]]:
        """Every whole line that begins at byte `start` or later: its name, and the byte where the next one begins.

        A line that is torn, or being written at this moment, is not given. Raises OSError.
        """
        try:
            file = open(self.path, "rb")  # noqa: SIM115 - closed below; only its absence is no error
        except FileNotFoundError:
            return
        with file:
            at = file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                at += len(line)
                yield line.decode("ascii", "replace").strip(), at
