"""What a ZIP archive is made of, from its first byte to its last: members, one directory, one end, and nothing else.

Readers find their way into an archive from either end. Where there is something before, between or behind the parts, one of them
can be shown another archive than the others.

Source: .ZIP File Format Specification (APPNOTE.TXT) 6.3.10, 4.3; CVE-2025-54368 and GHSA-pqhf-p39g-3x64 (what installers
disagreed about); the rules that PyPI announced for ZIP archives in August 2025.
"""

from __future__ import annotations

import itertools
import tarfile

from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.zip_directory import END64_SIGNATURE, END_SIGNATURE, UNSAID_16, UNSAID_32, EndRecord
from pywharf.repository.checks.candidate import Candidate, of_zip

_END64_BYTES = 56
_LOCATOR_BYTES = 20


@of_zip
def zip_can_be_read(candidate: Candidate) -> None:
    """Also where there are too many members, or too large a directory, to look at each."""
    _ = candidate.zip.directory


@of_zip
def zip_has_one_end(candidate: Candidate) -> None:
    """Readers look for the end record from the file's end on, and not all take the same one for it."""
    directory = candidate.zip.directory
    if directory.tail.count(END_SIGNATURE) > 1 or directory.tail.count(END64_SIGNATURE) > 1:
        raise refused("the archive has more than one end record")


@of_zip
def zip_has_no_comments(candidate: Candidate) -> None:
    """No build tool writes one; a comment is a place for a second archive."""
    directory = candidate.zip.directory
    if directory.comment_bytes or any(entry.comment_bytes for entry in directory.entries):
        raise refused("the archive, or one of its members, has a comment")


@of_zip
def zip_has_nothing_behind(candidate: Candidate) -> None:
    directory = candidate.zip.directory
    if directory.file_bytes > directory.end.end:
        raise refused(f"{directory.file_bytes - directory.end.end} bytes follow the end of the archive")


@of_zip
def zip_has_nothing_in_front(candidate: Candidate) -> None:
    directory = candidate.zip.directory
    first = min((entry.offset for entry in directory.entries), default=0)
    if directory.shift or first:
        raise refused("the archive does not begin with its first member")


@of_zip
def zip_ends_agree(candidate: Candidate) -> None:
    """The end records follow the directory at once, say the same, and name one part: there is nothing to choose between."""
    directory = candidate.zip.directory
    end, end64, locator = directory.end, directory.end64, directory.locator
    place = directory.stop
    if end64 and locator:
        if (locator.points_at, end64.offset, end64.end) != (place, place, place + _END64_BYTES) or locator.offset != end64.end:
            raise refused("the 64-bit end record of the archive is not where it has to be, or holds more than it has to")
        if (locator.part, locator.parts) != (0, 1) or not _agrees(end, end64):
            raise refused("the two end records of the archive disagree")
        place = locator.offset + _LOCATOR_BYTES
    if end.offset != place:
        raise refused("there is something between the directory of the archive and its end")
    part, directory_part, here, entries = (end64 or end).numbers
    if (part, directory_part) != (0, 0) or here != entries or any(entry.part not in (0, UNSAID_16) for entry in directory.entries):
        raise refused("the archive says that it is one part of several")


def _agrees(end: EndRecord, end64: EndRecord) -> bool:
    narrow = (*end.numbers, end.directory_bytes, end.directory_offset)
    wide = (*end64.numbers, end64.directory_bytes, end64.directory_offset)
    unsaid = (UNSAID_16,) * 4 + (UNSAID_32,) * 2
    return all(one in (other, blank) for one, other, blank in zip(narrow, wide, unsaid, strict=True))


@of_zip
def zip_members_lie_end_to_end(candidate: Candidate) -> None:
    """Each member begins where the one before it ends, and the directory where the last one does.

    So no two share data, as in the bombs of David Fifield (2019), and a reader that goes from header to header meets those members
    that the directory names and no others.
    """
    archive = candidate.zip
    ends = [0, *(member.end for member in archive.members)]
    starts = [*(member.entry.offset for member in archive.members), archive.directory.start]
    names = [*(member.entry.text for member in archive.members), "the directory"]
    for end, start, name in itertools.zip_longest(ends, starts, names):
        if start < end:
            raise refused(f"{name!r} begins inside what lies before it in the archive")
        if start > end:
            raise refused(f"there are {start - end} bytes before {name!r} that belong to nothing")


@of_zip
def zip_is_no_tar(candidate: Candidate) -> None:
    """A file that is also a tar archive holds something else for whoever takes it for that. Source: PyPI refuses both in one, too."""
    try:
        tarfile.TarInfo.frombuf(candidate.zip.begin(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return
    raise refused("the archive is a tar archive at the same time")


@of_zip
def zip_is_no_bomb(candidate: Candidate) -> None:
    """What all members say that they inflate to; none is inflated further than it says. Source: PyPI's limit of the ratio."""
    candidate.zip.refuse_bomb()


@of_zip
def zip_content_is_what_it_says(candidate: Candidate) -> None:
    """Every member is inflated: sizes, checksums and the end of the compressed data are right."""
    _ = candidate.zip.digests
