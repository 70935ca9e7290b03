"""What happened to a repository's storage that no page shows and an operator has to know, such as a history that was replaced.

Kept in ROOT, so that it survives a restart and every process tells the same. It is told for 30 days, or until somebody who has seen
it removes the file. Beside it, for as long as there is one, a doubt whether the storage is the one that is meant.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pywharf.files import locked, write_whole

TOLD_FOR = 30 * 86400.0  # seconds
MOST = 10  # the newest
MAX_TEXT = 500  # characters

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """One thing that happened."""

    at: int  # Unix time, in whole seconds
    text: str  # one sentence without a final stop


class Notices:
    """The file ROOT/index/<repository>.notices. Shared between threads and processes."""

    def __init__(self, path: Path, lock: Path, repository: str) -> None:
        """lock: a file to hold while it is written."""
        self._path = path
        self._doubt = path.with_suffix(".doubt")
        self._lock = lock
        self._repository = repository

    def keep(self, text: str) -> None:
        """Tell it from now on, and the log once; the same again is nothing new. Raises OSError."""
        text = _CONTROL.sub(" ", text).strip()[:MAX_TEXT]
        with locked(self._lock):
            kept = self._events()
            if any(one.text == text for one in kept):
                return
            kept = (*kept, Notice(int(time.time()), text))[-MOST:]
            write_whole(self._path, json.dumps([[one.at, one.text] for one in kept]).encode())
        log.error("the storage was changed behind our back: repository=%s notice=%s", self._repository, text)

    def doubt(self, text: str) -> None:
        """Tell of a doubt until there is another, or none (""). Trouble with that is none: the next sync comes with it again."""
        text = _CONTROL.sub(" ", text).strip()[:MAX_TEXT]
        with contextlib.suppress(OSError):
            if text and text != self._doubted():
                write_whole(self._doubt, text.encode())
            elif not text:
                self._doubt.unlink(missing_ok=True)

    def forget(self) -> None:
        """Tell nothing of it any more: it is another storage's. Trouble with it is none."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def current(self) -> tuple[Notice, ...]:
        """What is to be told, the oldest first, a doubt last. A file that cannot be read tells nothing."""
        with contextlib.suppress(OSError):
            if doubt := self._doubted():
                return (*self._events(), Notice(int(self._doubt.stat().st_mtime), doubt))
        return self._events()

    def _events(self) -> tuple[Notice, ...]:
        try:
            kept = json.loads(self._path.read_bytes())
            found = [Notice(at, text) for at, text in kept if isinstance(at, int) and isinstance(text, str)]
        except (OSError, ValueError, TypeError):
            return ()
        now = time.time()
        return tuple(one for one in found if now - one.at < TOLD_FOR)

    def _doubted(self) -> str:
        try:
            return self._doubt.read_text(encoding="utf-8")[:MAX_TEXT]
        except (OSError, ValueError):
            return ""
