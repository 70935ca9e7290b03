"""The core metadata file of a distribution file of any kind."""

from __future__ import annotations

from pathlib import Path

from pywharf.model.names import DistributionName
from pywharf.repository.archives.sdist import read_tar_metadata, read_zip_metadata
from pywharf.repository.archives.wheel import read_wheel_metadata


def read_core_metadata(path: Path, name: DistributionName) -> bytes:
    """The bytes of METADATA or PKG-INFO, exactly as they are in the archive.

    path: where the file lies, under any name; name: the name it has as a distribution.
    Nothing is extracted, and little is read. Raises UploadRejected("content", ...), whatever bytes are in the file.
    """
    if name.kind == "bdist_wheel":
        return read_wheel_metadata(path, name)
    if name.filename.endswith(".zip"):
        return read_zip_metadata(path, name)
    return read_tar_metadata(path, name)
