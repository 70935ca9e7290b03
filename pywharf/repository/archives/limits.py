"""How much of an archive is read, whatever the archive says about itself, and how a refusal is worded.

An archive's own figures (sizes, counts) are claims: they may refuse an archive early, and never let more in. What a repository may
set is in `AdmissionRules`; what is here holds for all of them.
"""

from __future__ import annotations

from pywharf.backend.settings import AdmissionRules
from pywharf.errors import UploadRejected

MIB = 1024 * 1024

DEFAULT_RULES = AdmissionRules()

MAX_DIRECTORY_BYTES = 64 * MIB  # of a ZIP's central directory, which is read in one piece
MAX_NAME_BYTES = 64 * 1024  # of a member's name, where the format has no limit of its own
MAX_EXTENDED_HEADER_BYTES = MIB  # of one extended (PAX) header in a tar
READ_BYTES = 64 * 1024

RATIO_COUNTS_FROM = 64 * MIB  # inflated bytes: the ratio of a small archive says little. Real sdists stay under 20


def scan_limit(compressed_bytes: int, rules: AdmissionRules = DEFAULT_RULES) -> int:
    """How many bytes of an archive are inflated at most, in all: `max_ratio` times its size, at least 64 MiB, `max_inflated_bytes`."""
    return min(rules.max_inflated_bytes, max(RATIO_COUNTS_FROM, rules.max_ratio * compressed_bytes))


def refused(reason: str) -> UploadRejected:
    """The error for an archive that is not taken."""
    return UploadRejected("content", reason)


def inflates_too_far(limit: int) -> UploadRejected:
    """The error for an archive that inflates to more than `limit` bytes."""
    return refused(f"the archive inflates to more than the {limit} bytes that are taken of its size (max_inflated_bytes, max_ratio)")


def has_too_many_members(rules: AdmissionRules) -> UploadRejected:
    """The error for an archive of more than `max_members` members."""
    return refused(f"the archive has more than {rules.max_members} members (max_members)")
