"""The size and digests of a file, taken while it goes by."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Protocol

SHA256 = "sha256"
ALGORITHMS = (SHA256, "md5", "blake2b_256")  # as records and the JSON API call them
FIELDS: Mapping[str, str] = {"sha256_digest": SHA256, "md5_digest": "md5", "blake2_256_digest": "blake2b_256"}  # of an upload's form


class Hash(Protocol):
    """One digest in the making, as hashlib has them."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def new_digest(algorithm: str) -> Hash:
    """algorithm: of ALGORITHMS."""
    if algorithm == SHA256:
        return hashlib.sha256()
    return hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.blake2b(digest_size=32)


class FileDigests:
    """The digests that uploads are sent with, in one pass."""

    def __init__(self, algorithms: Collection[str] = ALGORITHMS) -> None:
        """algorithms: those that are wanted, of ALGORITHMS."""
        self.size = 0  # bytes
        self._digests = {algorithm: new_digest(algorithm) for algorithm in algorithms}

    def update(self, piece: bytes) -> None:
        self.size += len(piece)
        for digest in self._digests.values():
            digest.update(piece)

    @property
    def sha256(self) -> str:
        """Lower-case hex, as the other two; "" where it is not wanted."""
        return self._hexdigest(SHA256)

    @property
    def md5(self) -> str:
        return self._hexdigest("md5")

    @property
    def blake2b_256(self) -> str:
        return self._hexdigest("blake2b_256")

    def _hexdigest(self, algorithm: str) -> str:
        return self._digests[algorithm].hexdigest() if algorithm in self._digests else ""
