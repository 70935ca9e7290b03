"""A source distribution is one archive, which every installer takes for the same one.

Source: POSIX.1-2017, pax (tar); RFC 1952 (gzip); "Source distribution format" on packaging.python.org.
"""

from __future__ import annotations

import io
import struct
from typing import IO

from pywharf.repository.archives.limits import refused
from pywharf.repository.checks.candidate import Candidate, of_tar

_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP_END_SIGNATURE, _ZIP_ENTRY_SIGNATURE = b"PK\x05\x06", b"PK\x01\x02"
_ZIP_TAIL_BYTES = _ZIP_END.size + 0xFFFF  # the end record and the longest comment
_SAID_ELSEWHERE = (0xFFFF, 0xFFFFFFFF)  # "see the 64-bit record"


@of_tar
def tar_is_no_zip(candidate: Candidate) -> None:
    """Some installers look at the bytes before the name: a .tar.gz that is a ZIP archive too is unpacked as one, with other files."""
    with candidate.path.open("rb") as file:
        if _has_zip_directory(file):
            raise refused("the .tar.gz archive ends in bytes of a ZIP archive, and some installers would unpack that; build it again")


@of_tar
def tar_is_read_one_way(candidate: Candidate) -> None:
    """Damage, sizes and names that readers understand in different ways, and more than the limits allow: see `archives/tar_members.py`."""
    _ = candidate.source_tree


@of_tar
def tar_has_nothing_behind(candidate: Candidate) -> None:
    """What follows the end mark, or the first gzip member, is part of the archive for some readers. Padding with NULs is for none."""
    if candidate.source_tree.follows:
        raise refused(f"{candidate.source_tree.follows}, which some readers would unpack")


def _has_zip_directory(file: IO[bytes]) -> bool:
    """Whether a reader that looks for a ZIP archive's end record finds one that it can use."""
    start = file.seek(max(0, file.seek(0, io.SEEK_END) - _ZIP_TAIL_BYTES))
    tail = file.read(_ZIP_TAIL_BYTES)
    at = tail.rfind(_ZIP_END_SIGNATURE)
    while at >= 0:
        end = tail[at : at + _ZIP_END.size]
        if len(end) == _ZIP_END.size:
            entries, directory_bytes, directory_offset = _ZIP_END.unpack(end)[4:7]
            file.seek(max(0, start + at - directory_bytes))
            if (
                entries == directory_bytes == 0
                or any(number in _SAID_ELSEWHERE for number in (entries, directory_bytes, directory_offset))
                or file.read(len(_ZIP_ENTRY_SIGNATURE)) == _ZIP_ENTRY_SIGNATURE
            ):
                return True
        at = tail.rfind(_ZIP_END_SIGNATURE, 0, at)
    return False
