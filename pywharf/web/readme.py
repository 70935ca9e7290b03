"""A project's README as HTML that is safe to show: rendered once, in a process of its own, and kept.

What cannot be rendered in time, or at all, is shown as it was written. Nothing of a README is ever fetched: images are replaced by
their description.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import logging
import math
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from pywharf.own_process import environment

MOST_RENDERED = 256 * 1024  # characters; of a longer one the beginning is shown, as text
PATIENCE = 4.0  # seconds for one README, and to wait for others before it
START_PATIENCE = 20.0  # seconds for the process to be there
KEPT_BYTES = 16 * 1024 * 1024
AGAIN_AFTER = 600.0  # seconds until what could not be rendered in time is tried again

_KINDS = {"text/markdown": "md", "text/x-rst": "rst", "": "rst"}  # no type means reStructuredText, says the core metadata specification
_MOST_ANSWER = 4 * 1024 * 1024  # bytes
_OVERHEAD = 200  # bytes that a kept one costs besides its text, roughly

log = logging.getLogger(__name__)


class Readmes:
    """Renders READMEs, each once. Shared between threads; of several processes each has its own."""

    def __init__(
        self,
        *,
        patience: float = PATIENCE,
        start_patience: float = START_PATIENCE,
        kept_bytes: int = KEPT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """patience, start_patience: seconds. clock: seconds, monotonic."""
        self._patience = patience
        self._start_patience = start_patience
        self._kept_bytes = kept_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[str, float]] = OrderedDict()  # with the time until which it is
        self._bytes = 0
        self._guard = threading.Lock()
        self._turn = threading.Lock()  # the process answers one question at a time
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def html(self, text: str, content_type: str) -> str:
        """HTML for a description. content_type: of the core metadata, "" where it says none. Never raises for what is in the text."""
        kind = _KINDS.get(content_type.partition(";")[0].strip().lower(), "plain")
        if len(text) > MOST_RENDERED:
            shortened = text[:MOST_RENDERED]
            return f"{_as_text(shortened)}<p>It is longer than what is shown here; the file has all of it.</p>"
        if kind == "plain" or not text.strip():
            return _as_text(text)
        key = hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "surrogatepass")).digest()
        shown = self._find(key)
        if shown is not None:
            return shown
        if not self._turn.acquire(timeout=self._patience):
            return _as_text(text)  # not kept: it is no fault of this one
        try:
            shown = self._find(key)  # somebody else asked for it meanwhile
            return self._make(key, text, kind) if shown is None else shown
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    # --- what is kept -----------------------------------------------------------------------------------------------

    def _find(self, key: bytes) -> str | None:
        with self._guard:
            shown, until = self._kept.get(key, ("", -math.inf))
            if until <= self._clock():
                return None
            self._kept.move_to_end(key)
            return shown

    def _keep(self, key: bytes, shown: str, until: float) -> None:
        with self._guard:
            before = self._kept.pop(key, None)
            if before is not None:
                self._bytes -= len(before[0]) + _OVERHEAD
            self._kept[key] = shown, until
            self._bytes += len(shown) + _OVERHEAD
            while self._bytes > self._kept_bytes and self._kept:
                _, (oldest, _) = self._kept.popitem(last=False)
                self._bytes -= len(oldest) + _OVERHEAD

    def _make(self, key: bytes, text: str, kind: str) -> str:
        try:
            made = self._render(text, kind)
        except (OSError, ValueError) as error:
            log.warning("a README is shown as it is written: reason=%s", error)
            self._end()
            shown = _as_text(text)
            self._keep(key, shown, self._clock() + AGAIN_AFTER)
            return shown
        shown = made or _as_text(text)
        self._keep(key, shown, math.inf)
        return shown

    # --- the process ------------------------------------------------------------------------------------------------

    def _render(self, text: str, kind: str) -> str | None:
        """None: it cannot be rendered. Raises OSError, ValueError where there was no telling answer in time."""
        question = json.dumps({"text": text, "kind": kind}).encode("ascii") + b"\n"
        if self._is_running():
            try:
                return self._answer(question)
            except BrokenPipeError:
                self._end()  # it had ended by itself, as it does when it is not needed for a while
        self._start()
        return self._answer(question)

    def _answer(self, question: bytes) -> str | None:
        made = json.loads(self._exchange(question, self._patience))["html"]
        return made if isinstance(made, str) else None

    def _exchange(self, question: bytes, patience: float) -> bytes:
        """Send a line, if any, and read one. Raises TimeoutError, BrokenPipeError where the process ended, ValueError for too long a line."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for the type checker
        to, back = process.stdin.fileno(), process.stdout.fileno()
        end = time.monotonic() + patience
        answer, sent = bytearray(), 0
        with selectors.DefaultSelector() as selector:
            if question:
                selector.register(to, selectors.EVENT_WRITE)
            selector.register(back, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                left = end - time.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    raise TimeoutError(f"it takes more than {patience:g} seconds")
                for key, _ in ready:
                    if key.fd == to:
                        with contextlib.suppress(BlockingIOError):
                            sent += os.write(to, question[sent : sent + 65536])
                        if sent == len(question):
                            selector.unregister(to)
                        continue
                    piece = os.read(back, 65536)
                    answer += piece
                    if not piece:
                        raise BrokenPipeError("the process that renders ended")
                    if len(answer) > _MOST_ANSWER:
                        raise ValueError("it becomes too large")
        return bytes(answer)

    def _is_running(self) -> bool:
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return True
        self._end()
        return False

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, on a module of ours
            [sys.executable, "-m", f"{__package__}.readme_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment(), "DOCUTILSCONFIG": ""},  # no settings from files: they could allow what is not
            cwd="/",
            start_new_session=True,
        )
        self._owner = os.getpid()
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        os.set_blocking(self._process.stdin.fileno(), False)
        self._exchange(b"", self._start_patience)

    def _end(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            with contextlib.suppress(BrokenPipeError), self._process:
                pass
        self._process = None


def _as_text(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>" if text.strip() else ""
