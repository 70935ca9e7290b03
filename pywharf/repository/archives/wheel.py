"""The folder in a wheel that tells of it, with METADATA and RECORD.

Source: "Binary distribution format" (PEP 427): a wheel has one `<name>-<version>.dist-info` folder at its top.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from pywharf.backend.settings import AdmissionRules
from pywharf.model.names import DistributionName
from pywharf.repository.archives.limits import DEFAULT_RULES, has_too_many_members, refused
from pywharf.repository.archives.top_folder import folder_is_of
from pywharf.repository.archives.zip_members import ZipArchive

_SUFFIX = ".dist-info"


class RecordRow(NamedTuple):
    """One row of RECORD, as it is written."""

    path: str
    hash: str  # "sha256=<base64>", or ""
    size: str  # a number, or ""


def dist_info_folder(archive: ZipArchive, name: DistributionName) -> str:
    """The name of the wheel's .dist-info folder. Raises UploadRejected where it has none, several, or that of something else."""
    folders = {top for member in archive.names if (top := member.partition("/")[0]).casefold().endswith(_SUFFIX)}
    if len(folders) != 1:
        raise refused(f"a wheel has one {_SUFFIX} folder at its top; this one has {len(folders)}")
    folder = folders.pop()
    if not folder.endswith(_SUFFIX) or not folder_is_of(name, folder[: -len(_SUFFIX)]):
        raise refused(f"the wheel's {_SUFFIX} folder is named after another project or version than the file")
    return folder


def read_record(archive: ZipArchive, folder: str, rules: AdmissionRules) -> tuple[RecordRow, ...]:
    """The rows of RECORD; none where it is missing. folder: as dist_info_folder() gives it. Raises UploadRejected where it cannot be read."""
    name = f"{folder}/RECORD"
    if name not in archive.names:
        return ()
    try:
        text = archive.read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(f"the wheel's RECORD is not UTF-8 (byte {error.start})") from error
    rows: list[RecordRow] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            if not row:
                continue
            if len(row) != 3:
                raise refused(f"a row of the wheel's RECORD has {len(row)} columns; it has three: path, hash and size")
            if len(rows) == rules.max_members:
                raise has_too_many_members(rules)
            rows.append(RecordRow(*row))
    except csv.Error as error:
        raise refused("the wheel's RECORD is not a table of comma-separated values") from error
    return tuple(rows)


def read_wheel_metadata(path: Path, name: DistributionName, rules: AdmissionRules = DEFAULT_RULES) -> bytes:
    """The bytes of METADATA, exactly. Raises UploadRejected."""
    with ZipArchive(path, rules) as archive:
        return archive.read(f"{dist_info_folder(archive, name)}/METADATA")
