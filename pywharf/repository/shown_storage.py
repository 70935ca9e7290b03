"""Which storage the local index was filled from: a repository's name can be given to another one.

Kept beside the index. While it does not agree with the configuration, nothing is answered from the index, not even when
the new storage cannot be read: the old one's names and files are not for the new one's callers.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from pywharf.backend.settings import BackendConfig
from pywharf.files import write_whole

log = logging.getLogger(__name__)


class ShownStorage:
    """The file ROOT/index/<repository>.storage: a digest of the part of the configuration that says where the storage is."""

    def __init__(self, path: Path, config: BackendConfig) -> None:
        self._path = path
        self._place = _place(config)
        self.is_known = self._read() == self._place  # whether the index is known to be this storage's

    def remember(self) -> bool:
        """The index has been brought in step with this storage. Always True."""
        self.is_known = True
        try:
            write_whole(self._path, self._place)
        except OSError as error:  # the next start has to read the storage before it answers; nothing worse
            log.warning("cannot note which storage the index is of: reason=%s", error.strerror)
        return True

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""


def _place(config: BackendConfig) -> bytes:
    # What all backends have in common says nothing of where the storage is. A secret is written as asterisks.
    common = BackendConfig.model_fields.keys() - {"type"}
    return hashlib.sha256(config.model_dump_json(exclude=set(common)).encode()).hexdigest().encode()
