"""A folder for one run's own files, on the disk that the repository's index is on; gone at the end, also that of a run that was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pywharf.files import open_lock, try_lock

LOCK = "lock"
YOUNG = 60.0  # seconds in which a folder may not have its lock yet


@contextlib.contextmanager
def scratch_folder(place: Path, prefix: str) -> Iterator[Path]:
    """A new empty folder in `place`. What runs left there that are gone, as their locks tell, is removed before. Raises OSError."""
    for leftover in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            _remove_if_left(leftover)
    with tempfile.TemporaryDirectory(dir=place, prefix=prefix) as folder:
        descriptor = open_lock(Path(folder) / LOCK)
        try:
            try_lock(descriptor)
            yield Path(folder)
        finally:
            os.close(descriptor)


def _remove_if_left(folder: Path) -> None:
    if folder.is_symlink() or time.time() - folder.stat().st_mtime < YOUNG:
        return
    descriptor = open_lock(folder / LOCK)
    try:
        if try_lock(descriptor):
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)
