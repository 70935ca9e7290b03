"""How much of an archive is read, whatever the archive says about itself, and how a refusal is worded.

An archive's own figures (sizes, counts) are claims: they may refuse an archive early, and never let more in.
"""

from __future__ import annotations

from pywharf.errors import UploadRejected

MIB = 1024 * 1024

MAX_METADATA_BYTES = 16 * MIB  # of METADATA or PKG-INFO, inflated
MAX_MEMBERS = 100_000
MAX_DIRECTORY_BYTES = 32 * MIB  # of a ZIP's central directory
MAX_NAME_BYTES = 64 * 1024  # of a member's name, where the format has no limit of its own
MAX_EXTENDED_HEADER_BYTES = MIB  # of one extended (PAX) header in a tar
READ_BYTES = 64 * 1024

MAX_RATIO = 50  # inflated to compressed: PyPI's limit; real sdists stay under 20
_ALWAYS_SCANNED_BYTES = 64 * MIB  # the ratio of a small archive says little
_NEVER_SCANNED_BYTES = 8 * 1024 * MIB


def scan_limit(compressed_bytes: int) -> int:
    """How many bytes of a compressed tar are inflated at most.

    50 times its size, with a floor of 64 MiB and a ceiling of 8 GiB (or twice its size, for archives larger than 4 GiB).
    """
    return max(_ALWAYS_SCANNED_BYTES, 2 * compressed_bytes, min(MAX_RATIO * compressed_bytes, _NEVER_SCANNED_BYTES))


def refused(reason: str) -> UploadRejected:
    """The error for an archive that is not taken."""
    return UploadRejected("content", reason)
