"""Whether a storage's disk may be written to: not after it failed to take what was written, until it was seen to take something again.

A system that could not write a page may forget that it has to, so that the next fsync says that all is well. After such an
error nothing more is committed before a probe went through: the journal's end is written once more, and a file made and made to last.

Kept as a file in the server's own place, for all its processes and through a restart, and in memory where that cannot be written either.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pywharf.errors import BackendUnavailable
from pywharf.files import PRIVATE_FILE, fsync_folder
from pywharf_file_system.journal import Journal

PAUSE = 5.0  # seconds between probes that failed
FAILED = "its disk failed to take what was written, so no change is taken until it was seen to work again"

log = logging.getLogger(__name__)


class DiskTrust:
    """One storage's, in one server's place. Shared between threads."""

    def __init__(self, storage: Path, journal: Journal, mark: Path) -> None:
        """mark: the file that says that the disk failed."""
        self._storage = storage
        self._journal = journal
        self._mark = mark
        self._guard = threading.Lock()
        self._failed = False  # as the mark says, where that could not be written
        self._probed = float("-inf")  # when a probe last failed; monotonic

    @property
    def doubt(self) -> str:
        """What an operator has to know; "" where the disk is trusted."""
        return FAILED if self._failed or self._mark.exists() else ""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Around what writes, or makes last: an error of the disk is remembered."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.EIO:
                self._lose()
            raise

    def check(self) -> None:
        """Raises BackendUnavailable where the disk failed and does not work again."""
        if not self.doubt:
            return
        with self._guard:
            if time.monotonic() - self._probed < PAUSE:
                raise BackendUnavailable(FAILED, retry_after=int(PAUSE))
            try:
                self._probe()
            except OSError as error:
                self._probed = time.monotonic()
                raise BackendUnavailable(FAILED, retry_after=int(PAUSE)) from error
            with contextlib.suppress(FileNotFoundError):
                self._mark.unlink()
                log.warning("the disk works again: a probe was written and lasts; run `pywharf verify` to see that nothing was lost")
            self._failed = False

    def _lose(self) -> None:
        if not self.doubt:
            log.error("%s: an input/output error; look at the system's log", FAILED)
        self._failed = True
        with contextlib.suppress(OSError):  # not to last: an fsync may be what fails
            os.close(os.open(self._mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE))

    def _probe(self) -> None:
        """Raises OSError."""
        if not self._storage.is_dir():
            return  # nothing was ever written there, or it is not mounted, which the change itself will find
        self._journal.write_end_again()
        path = self._storage / ".probe"
        probe = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            os.write(probe, os.urandom(4096))
            os.fsync(probe)
        finally:
            os.close(probe)
        os.unlink(path)
        fsync_folder(self._storage)
