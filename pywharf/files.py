"""Files that survive a crash: written whole or not at all, and locks that the kernel frees.

POSIX only. Nothing here knows what the files are for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def make_folder(folder: Path, *, lasting: bool = True) -> None:
    """Make `folder` and its missing parents, each 0700 whatever the umask, and make each new name last.

    lasting: False where nothing is lost that cannot be had again, should power loss take the new names. Raises FileExistsError where something that is no folder is in the way.
    """
    missing = []
    at = folder
    while not os.path.isdir(at):
        missing.append(at)
        if at == at.parent:
            os.stat(at)  # raises, and says why not even this can be looked at
        at = at.parent
    for one in reversed(missing):
        try:
            os.mkdir(one, PRIVATE_FOLDER)
        except FileExistsError:
            if not one.is_dir():
                raise
        else:
            one.chmod(PRIVATE_FOLDER)
            if lasting:
                fsync_folder(one.parent)


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` survive power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace `path` by `data`: after a crash at any moment it holds all of the old or all of the new.

    mode: of the new file, whatever the umask. Raises OSError, with the old content untouched and nothing left behind;
    only where the folder's own fsync failed, at the very end, is the new content there but not promised to survive.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    fsync_folder(path.parent)


def open_lock(path: Path) -> int:
    """Open (make) a lock file, never through a symbolic link; the caller closes the descriptor, which frees the lock."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock if nobody holds it; False where somebody does."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Give a lock back without closing its file."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock file `path`, against other processes and other threads alike.

    timeout: seconds to wait; None waits for ever. Raises TimeoutError. The kernel frees the lock of a dead process.
    """
    descriptor = open_lock(path)
    try:
        if timeout is None:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        else:
            end = time.monotonic() + timeout
            while not try_lock(descriptor, shared=shared):
                if time.monotonic() >= end:
                    raise TimeoutError(f"the lock {path.name} is held by another process")
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
