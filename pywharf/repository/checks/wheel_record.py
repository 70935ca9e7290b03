"""RECORD: the list of what is in a wheel, with the size and hash of each file. Installers write by it, and uninstall by it.

PyPI writes a mail where names are missing in it, and compares no hashes. Here it is complete and right, or the rule `record` says
otherwise; paths that lead out of the wheel are refused under any rule.

Source: "Binary distribution format" (PEP 427) and "Recording installed projects" (PEP 376, PEP 627); PEP 815 (no signatures beside
it); GHSA-pjjw-68hj-v9mw (what uninstalling removed).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter

from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.wheel import RecordRow
from pywharf.repository.checks.candidate import Candidate, of_wheel

_STRONG = ("sha256", "sha384", "sha512")
_NOT_LISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")  # of the .dist-info folder: they cannot hold their own hash
_DRIVE = re.compile(r"[A-Za-z]:")


@of_wheel
def record_can_be_read(candidate: Candidate) -> None:
    """There is one, in UTF-8, with three columns."""
    if not _has_record(candidate):
        candidate.object(candidate.rules.record, f"the wheel has no {candidate.dist_info}/RECORD (record)")
    _ = candidate.record


@of_wheel
def record_paths_stay_inside(candidate: Candidate) -> None:
    """Whoever uninstalls the wheel removes what RECORD names. Refused whatever the rule `record` says."""
    for row in candidate.record:
        parts = row.path.replace("\\", "/").split("/")
        if row.path.startswith(("/", "\\")) or _DRIVE.match(row.path) or ".." in parts or "\0" in row.path:
            raise refused(f"RECORD names {row.path[:200]!r}, which leads out of the wheel")


@of_wheel
def record_lists_every_file_once(candidate: Candidate) -> None:
    """Each file of the wheel has one row, and each row is that of a file, but for RECORD and its signatures."""
    if not _has_record(candidate):
        return  # that was told
    rows = Counter(row.path for row in candidate.record)
    exempt = _exempt(candidate)
    files = {entry.text for entry in candidate.zip.entries if not entry.is_folder}
    folders = {entry.text for entry in candidate.zip.entries if entry.is_folder}
    problems = [
        *(f"does not name {path!r}" for path in files - exempt - rows.keys()),
        *(f"names {path[:200]!r}, which is not in the wheel" for path in rows.keys() - files - folders - exempt),
        *(f"names {path[:200]!r} {count} times" for path, count in rows.items() if count > 1),
    ]
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        candidate.object(candidate.rules.record, f"RECORD {min(problems)}{more} (record)")


@of_wheel
def record_hashes_are_strong(candidate: Candidate) -> None:
    """sha256 or longer of its family; md5 and sha1 can be made to fit. Every file has one."""
    exempt = _exempt(candidate)
    for row in candidate.record:
        algorithm, equals, _ = row.hash.partition("=")
        if row.path in exempt or row.path.endswith("/"):
            continue
        if not equals or algorithm.lower() not in _STRONG:
            said = f"a hash by {algorithm[:40]!r}" if equals else "no hash"
            candidate.object(
                candidate.rules.record, f"RECORD has {said} for {row.path!r}; it has to be one by {', '.join(_STRONG)} (record)"
            )
            return


@of_wheel
def record_is_right(candidate: Candidate) -> None:
    """The sizes and hashes in RECORD are those of the files. A file that RECORD gives no size for is taken by its hash."""
    digests = candidate.zip.digests
    sizes = {entry.text: entry.size for entry in candidate.zip.entries}
    exempt = _exempt(candidate)
    for row in candidate.record:
        if row.path not in digests or row.path in exempt:
            continue
        if row.size and row.size != str(sizes[row.path]):
            what = f"says that {row.path!r} has {row.size[:40]} bytes, and it has {sizes[row.path]}"
        elif not _hash_is_right(candidate, row):
            what = f"has another hash for {row.path!r} than the file has"
        else:
            continue
        candidate.object(candidate.rules.record, f"RECORD {what} (record)")
        return


def _hash_is_right(candidate: Candidate, row: RecordRow) -> bool:
    algorithm, _, value = row.hash.partition("=")
    algorithm = algorithm.lower()
    if algorithm not in _STRONG:
        return True  # that was told
    try:
        said = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    found = candidate.zip.digests[row.path] if algorithm == "sha256" else candidate.zip.digest(row.path, algorithm)
    return said == found


def _has_record(candidate: Candidate) -> bool:
    return f"{candidate.dist_info}/RECORD" in candidate.zip.names


def _exempt(candidate: Candidate) -> set[str]:
    return {f"{candidate.dist_info}/{name}" for name in _NOT_LISTED}
