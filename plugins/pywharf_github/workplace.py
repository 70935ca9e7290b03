"""What all instances of one repository in a process share: the mirror, the cached files, the turn to push."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import ClassVar, TypeAlias

from pywharf.files import make_folder
from pywharf_github.cache import FileCache
from pywharf_github.config import GitHubConfig
from pywharf_github.mirror import Mirror
from pywharf_github.turn import PushTurn

_Which: TypeAlias = tuple[int, str, int, float]  # process, folder, cache_max_bytes, min_push_interval


class Workplace:
    """One branch's place under a server's ROOT. Taken by each backend instance, and closed when the last one gives it back."""

    _all: ClassVar[dict[_Which, Workplace]] = {}
    _guard = threading.Lock()

    def __init__(self, which: _Which, workdir: Path, folder: Path, config: GitHubConfig) -> None:
        self._which = which
        self._users = 0
        self.folder = folder
        self.mirror = Mirror(folder)
        self.files = FileCache(workdir / "files", config.cache_max_bytes)
        self.turn = PushTurn(folder / "push.lock", config.min_push_interval)

    @classmethod
    def take(cls, workdir: Path, config: GitHubConfig) -> Workplace:
        # A repository's name can be given to another branch later: what is remembered of a branch is kept apart from the other's.
        branch = hashlib.sha256(config.remote_url.encode() + b"\0" + config.ref).hexdigest()[:16]
        folder = workdir / branch
        which = (os.getpid(), str(folder), config.cache_max_bytes, config.min_push_interval)
        with cls._guard:
            place = cls._all.get(which)
            if place is None:
                place = cls._all[which] = cls(which, workdir, folder, config)
            place._users += 1
            return place

    def prepare(self) -> None:
        make_folder(self.folder)

    def give_back(self) -> None:
        with self._guard:
            self._users -= 1
            if self._users:
                return
            self._all.pop(self._which, None)
        self.mirror.close()
