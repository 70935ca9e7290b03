"""Which folder of an archive belongs to the distribution that the file's name promises."""

from __future__ import annotations

from pywharf.errors import InvalidName
from pywharf.model.names import DistributionName, parse_filename


def folder_is_of(name: DistributionName, folder: str) -> bool:
    """folder: "<project>-<version>" in any spelling: "Demo.Pkg-1.0.0" is the folder of demo_pkg-1.0."""
    try:
        found = parse_filename(f"{folder}.zip")  # a source distribution is named after its folder
    except InvalidName:
        return False
    return (found.project, found.version) == (name.project, name.version)
