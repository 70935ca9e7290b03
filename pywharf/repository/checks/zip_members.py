"""What the headers of a ZIP archive say of each member: two of them, saying the same, about a file or folder that can be read.

Source: .ZIP File Format Specification (APPNOTE.TXT) 6.3.10, 4.3.7, 4.4 and 4.5; PEP 427 and PEP 517 (what is in a distribution);
CVE-2025-54368 and GHSA-pqhf-p39g-3x64 (what installers disagreed about).
"""

from __future__ import annotations

import stat

from pywharf.errors import UploadRejected
from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.zip_directory import UNSAID_16, UNSAID_32, ZIP64_FIELD, Entry, extra_fields
from pywharf.repository.archives.zip_local import SIZES_FOLLOW
from pywharf.repository.archives.zip_members import DEFLATED, ENCRYPTED, MOST_NEEDED, STORED, disagreement
from pywharf.repository.checks.candidate import Candidate, of_zip

# How hard deflate tried, sizes behind the data, names in UTF-8.
_KNOWN_FLAGS = 0x2 | 0x4 | SIZES_FOLLOW | 0x800
_DOS_FOLDER = 0x10
# Another name or comment for the member, and encryption.
_REFUSED_FIELDS = {0x7075: "another name", 0x6375: "another comment", 0x0017: "encryption", 0x9901: "encryption"}


@of_zip
def zip_members_are_files_or_folders(candidate: Candidate) -> None:
    """No links, devices or pipes: some installers make them, and what is written through a link lands elsewhere."""
    for entry in candidate.zip.entries:
        kind = stat.S_IFMT(entry.attributes >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refused(f"{entry.text!r} is a link or device; only files and folders are taken")
        says_folder = kind == stat.S_IFDIR or (kind == 0 and entry.attributes & _DOS_FOLDER)
        if bool(says_folder) != entry.is_folder and (says_folder or kind):
            raise refused(f"{entry.text!r} is a file by its name or its attributes, and a folder by the other")
        if entry.is_folder and (entry.size or entry.compressed_bytes > 2):
            raise refused(f"{entry.text!r} is a folder and has content")


@of_zip
def zip_members_are_not_encrypted(candidate: Candidate) -> None:
    for entry in candidate.zip.entries:
        if entry.flags & ENCRYPTED:
            raise refused(f"{entry.text!r} is encrypted")


@of_zip
def zip_members_can_be_inflated(candidate: Candidate) -> None:
    """Stored or deflated, by a version of the format that all installers know, without features that few readers have."""
    for entry in candidate.zip.entries:
        if entry.method not in (STORED, DEFLATED):
            raise refused(f"{entry.text!r} is compressed by method {entry.method}; installers know 0 (stored) and 8 (deflate)")
        if entry.needs & 0xFF > MOST_NEEDED or entry.flags & ~_KNOWN_FLAGS:
            raise refused(f"{entry.text!r} needs features of ZIP that not every installer has")


@of_zip
def zip_extra_fields_are_plain(candidate: Candidate) -> None:
    """No second name or encryption hidden in the extra fields, nothing twice, nothing damaged."""
    for member in candidate.zip.members:
        for extra in (member.entry.extra, member.header.extra if member.header else b""):
            if not extra:
                continue
            fields = extra_fields(extra)
            if fields is None:
                raise refused(f"the extra fields of {member.entry.text!r} are damaged")
            numbers = [number for number, _ in fields]
            if len(numbers) > len(set(numbers)):
                raise refused(f"an extra field of {member.entry.text!r} is there twice")
            for number in numbers:
                if number in _REFUSED_FIELDS:
                    raise refused(f"the extra fields of {member.entry.text!r} hold {_REFUSED_FIELDS[number]}")


@of_zip
def zip64_fields_agree(candidate: Candidate) -> None:
    """A 64-bit field is there where a number needs it and as long as it has to be; where none does, it says the same again."""
    for member in candidate.zip.members:
        entry, header = member.entry, member.header
        unsaid = entry.stated.count(UNSAID_32)
        if not _is_exact(entry.extra, (entry.size, entry.compressed_bytes, entry.offset), unsaid, _part_bytes(entry)):
            raise _disagrees(entry)
        if header is None:
            continue
        # A local header's field has both sizes, also where one of them would have fitted.
        unsaid = header.stated.count(UNSAID_32)
        if not _is_exact(header.extra, (header.size, header.compressed_bytes), 2 if unsaid else 0, 0):
            raise _disagrees(entry)


def _part_bytes(entry: Entry) -> int:
    return 4 if entry.part == UNSAID_16 else 0


def _is_exact(extra: bytes, numbers: tuple[int, ...], unsaid: int, part_bytes: int) -> bool:
    fields = [content for number, content in extra_fields(extra) or () if number == ZIP64_FIELD] if extra else []
    if not fields:
        return not unsaid and not part_bytes
    content = fields[0]
    if unsaid:
        return len(content) == 8 * unsaid + part_bytes and content[8 * unsaid :] == bytes(part_bytes)
    said = [int.from_bytes(content[at : at + 8], "little") for at in range(0, len(content), 8)]
    return len(content) % 8 == 0 and said == list(numbers[: len(said)])


def _disagrees(entry: Entry) -> UploadRejected:
    return refused(f"the 64-bit field of {entry.text!r} is missing, of another size than it has to be, or disagrees with the header")


@of_zip
def zip_headers_agree(candidate: Candidate) -> None:
    """What the directory says of a member is what its local header says."""
    for member in candidate.zip.members:
        if member.header is None:
            raise refused(f"there is no member where the directory of the archive says that {member.entry.text!r} is")
        if what := disagreement(member):
            raise refused(f"the directory of the archive and the header of {member.entry.text!r} disagree about its {what}")


@of_zip
def zip_descriptors_agree(candidate: Candidate) -> None:
    """Sizes that stand behind the data are those of the directory, and the end of the data can be found without them.

    Writers that cannot go back in their output leave them there. PyPI takes none since August 2025; older wheels have them.
    """
    for member in candidate.zip.members:
        entry = member.entry
        if not entry.flags & SIZES_FOLLOW:
            continue
        if entry.method == STORED and entry.size:
            raise refused(f"the size of {entry.text!r} stands behind its data, which is stored: whoever reads on cannot find its end")
        if member.descriptor != (entry.crc, entry.compressed_bytes, entry.size):
            raise refused(f"what stands behind the data of {entry.text!r} disagrees with the directory of the archive")
