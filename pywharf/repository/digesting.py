"""Digests of a file that goes by, each taken in a thread of its own once there is much of it: so that receiving and hashing overlap.

hashlib lets other threads run while it works on a large piece. Whoever hands over pieces faster than they are hashed waits, so that no
more than a few MiB are held. A small file is hashed by whoever asks for its digest, and needs no thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from pywharf.api.file_digests import Hash, new_digest
from pywharf.errors import BackendUnavailable

BATCH = 1 << 20  # bytes handed over at a time; a file with fewer has no thread
DEPTH = 2  # batches that wait, or are worked on


class Digesting:
    """The digests of one file. Used by one thread, and closed at the end."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        """algorithms: of `api.file_digests.ALGORITHMS`."""
        self._digests = {algorithm: new_digest(algorithm) for algorithm in algorithms}
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._waiting: deque[list[Future[None]]] = deque()

    def update(self, piece: bytes) -> None:
        """The next piece, which is kept until it was hashed. Raises BackendUnavailable where no thread can be had."""
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= BATCH:
            self._hand_over()

    def takes(self, algorithm: str) -> bool:
        return algorithm in self._digests

    def hexdigest(self, algorithm: str) -> str:
        """Lower-case hex, of all pieces so far. Raises KeyError for an algorithm that is not taken."""
        if self._threads:
            self._hand_over()
            self._wait(0)
        else:
            for digest in self._digests.values():
                _update(digest, self._gathered)
            self._gathered, self._gathered_bytes = [], 0
        return self._digests[algorithm].hexdigest()

    def close(self) -> None:
        """End the threads."""
        for thread in self._threads.values():
            thread.shutdown(cancel_futures=True)
        self._threads.clear()

    def __enter__(self) -> Digesting:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _hand_over(self) -> None:
        self._wait(DEPTH - 1)
        batch, self._gathered, self._gathered_bytes = self._gathered, [], 0
        try:
            self._waiting.append([self._thread(name).submit(_update, digest, batch) for name, digest in self._digests.items()])
        except RuntimeError as error:
            raise BackendUnavailable("no thread can be started to receive it", retry_after=30) from error

    def _wait(self, most: int) -> None:
        """Until at most so many batches are left."""
        while len(self._waiting) > most:
            for done in self._waiting.popleft():
                done.result()

    def _thread(self, algorithm: str) -> ThreadPoolExecutor:
        """One for each digest: what one thread was given first, it does first."""
        if algorithm not in self._threads:
            self._threads[algorithm] = ThreadPoolExecutor(1, thread_name_prefix=algorithm)
        return self._threads[algorithm]


def _update(digest: Hash, pieces: list[bytes]) -> None:
    for piece in pieces:
        digest.update(piece)
