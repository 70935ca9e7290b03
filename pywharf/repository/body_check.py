"""Whether a body in the storage is still what its record says: every byte of it is read."""

from __future__ import annotations

import contextlib

from pywharf.api.file_digests import FileDigests
from pywharf.backend.interface import Backend, FileRef
from pywharf.errors import BackendUnavailable, FileMissing

MISSING = "the storage does not hold it"
ANOTHER_DIGEST = "its bytes are not those that were stored: it has another sha256"

_PIECE = 1 << 20  # bytes read at a time


def what_is_wrong(backend: Backend, file: FileRef, digests: FileDigests | None = None) -> str:
    """What is wrong with a body, one clause; "" where it is whole.

    digests: new ones, to be filled. Raises BackendUnavailable where the storage itself cannot be asked.
    """
    digests = digests or FileDigests()
    with contextlib.ExitStack() as stack:
        try:
            body = stack.enter_context(backend.open_file(file))
            while piece := body.read(_PIECE):
                digests.update(piece)
        except FileMissing:
            return MISSING
        except (BackendUnavailable, OSError) as error:
            return _unreadable(backend, error)
    if digests.size != file.size:
        return f"it has {digests.size} bytes, and was stored with {file.size}"
    return "" if digests.sha256 == file.sha256 else ANOTHER_DIGEST


def _unreadable(backend: Backend, error: BackendUnavailable | OSError) -> str:
    backend.access()  # raises where it is not this body alone
    reason = error.reason if isinstance(error, BackendUnavailable) else error.strerror or type(error).__name__
    return f"it cannot be read ({reason})"
