"""Secrets that pywharf makes for itself: random keys, the initialise token, and fingerprints made with a key.

Each is made once, under a lock, and lives in a file that nobody but its owner can read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from pywharf.errors import LayoutUnusable
from pywharf.files import locked, write_whole

KEY_BYTES = 32
TOKEN_VARIABLE = "PYWHARF_INITIALIZE_TOKEN"  # noqa: S105 - the name of a variable, not a secret
_LARGEST = 4096  # bytes; no key or token is longer, and a special file may never end


def load_key(path: Path) -> bytes:
    """The 32 random bytes kept in `path`, made at the first call; every process and thread gets the same.

    Raises LayoutUnusable where the file can be read by others, or does not hold a key.
    """
    key = _load_or_make(path, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise LayoutUnusable(f"{path} does not hold {KEY_BYTES} bytes: remove it, and pywharf makes a new key (sessions end with it)")
    return key


def initialize_token(path: Path, environ: Mapping[str, str]) -> str:
    """The token that `POST /initialize/` asks for: PYWHARF_INITIALIZE_TOKEN where it is set, else the one kept in `path`.

    path: made at the first call. Raises LayoutUnusable where the file can be read by others, or does not hold a token.
    """
    given = environ.get(TOKEN_VARIABLE, "")
    if given:
        return given
    kept = _load_or_make(path, lambda: secrets.token_urlsafe(KEY_BYTES).encode() + b"\n")
    try:
        token = kept.decode().strip()
    except UnicodeDecodeError:
        token = ""
    if not token:
        raise LayoutUnusable(f"{path} does not hold a token: remove it, and pywharf makes a new one")
    return token


def fingerprint(key: bytes, text: str) -> bytes:
    """What a secret is remembered by: 32 bytes that tell nothing about `text` without the key (keyed BLAKE2b, RFC 7693)."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=32).digest()


def key_id(key: bytes, secret: str) -> str:
    """What the audit calls a secret: 12 hex digits, the same for the same secret, which tell nothing about it without the key."""
    return fingerprint(key, f"key id {secret}")[:6].hex()


def _load_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return _read_private(path)
    with locked(path.with_name(f".{path.name}.lock")):
        with contextlib.suppress(FileNotFoundError):  # another process was first
            return _read_private(path)
        write_whole(path, make())
        return _read_private(path)


def _read_private(path: Path) -> bytes:
    """Read a file that only its owner may read. Raises LayoutUnusable, FileNotFoundError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LayoutUnusable(f"{path} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise LayoutUnusable(f"{path} is not a file")
        if found.st_mode & 0o077:
            raise LayoutUnusable(
                f"{path} can be read by others than its owner: chmod 600 it, and make a new one if somebody may have read it"
            )
        return file.read(_LARGEST)
