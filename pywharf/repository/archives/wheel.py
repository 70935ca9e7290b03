"""METADATA out of a wheel.

Source: "Binary distribution format" (PEP 427): a wheel has one `<name>-<version>.dist-info` folder at its top, METADATA in it.
"""

from __future__ import annotations

from pathlib import Path

from pywharf.model.names import DistributionName
from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.top_folder import folder_is_of
from pywharf.repository.archives.zip_members import open_zip

_SUFFIX = ".dist-info"


def read_wheel_metadata(path: Path, name: DistributionName) -> bytes:
    """The bytes of METADATA, exactly. Raises UploadRejected."""
    with open_zip(path) as members:
        folders = {top for member in members.names if (top := member.partition("/")[0]).endswith(_SUFFIX)}
        if len(folders) != 1:
            raise refused(f"a wheel has one {_SUFFIX} folder at its top; this one has {len(folders)}")
        folder = folders.pop()
        if not folder_is_of(name, folder[: -len(_SUFFIX)]):
            raise refused(f"the wheel's {_SUFFIX} folder is named after another project or version than the file")
        return members.read(f"{folder}/METADATA")
