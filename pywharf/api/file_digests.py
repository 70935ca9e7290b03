"""The size and digests of a file, taken while it goes by."""

from __future__ import annotations

import hashlib


class FileDigests:
    """The three digests that uploads are sent with, in one pass."""

    def __init__(self) -> None:
        self.size = 0  # bytes
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._blake2b_256 = hashlib.blake2b(digest_size=32)

    def update(self, piece: bytes) -> None:
        self.size += len(piece)
        self._sha256.update(piece)
        self._md5.update(piece)
        self._blake2b_256.update(piece)

    @property
    def sha256(self) -> str:
        """Lower-case hex, as the other two."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    @property
    def blake2b_256(self) -> str:
        return self._blake2b_256.hexdigest()
