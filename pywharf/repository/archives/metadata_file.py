"""The core metadata file of a distribution file of any kind."""

from __future__ import annotations

from pathlib import Path

from pywharf.backend.settings import AdmissionRules
from pywharf.model.names import DistributionName
from pywharf.repository.archives.limits import DEFAULT_RULES
from pywharf.repository.archives.sdist import read_sdist_metadata
from pywharf.repository.archives.wheel import read_wheel_metadata


def read_core_metadata(path: Path, name: DistributionName, rules: AdmissionRules = DEFAULT_RULES) -> bytes:
    """The bytes of METADATA or PKG-INFO, exactly as they are in the archive.

    path: where the file lies, under any name; name: the name it has as a distribution.
    Nothing is extracted, and little is read. Raises UploadRejected("content", ...), whatever bytes are in the file.
    """
    if name.kind == "bdist_wheel":
        return read_wheel_metadata(path, name, rules)
    return read_sdist_metadata(path, name, rules)
