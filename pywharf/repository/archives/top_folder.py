"""Which folder of an archive belongs to the distribution that the file's name promises."""

from __future__ import annotations

from pywharf.errors import InvalidName
from pywharf.model.names import DistributionName, parse_filename
from pywharf.repository.archives.limits import refused


def folder_is_of(name: DistributionName, folder: str) -> bool:
    """folder: "<project>-<version>" in any spelling: "Demo.Pkg-1.0.0" is the folder of demo_pkg-1.0."""
    try:
        found = parse_filename(f"{folder}.zip")  # a source distribution is named after its folder
    except InvalidName:
        return False
    return (found.project, found.version) == (name.project, name.version)


class TopFolder:
    """The one folder that a source distribution has at its top, in the spelling of the first member."""

    def __init__(self, name: DistributionName) -> None:
        self._name = name
        self._folder: str | None = None

    def inside(self, member: str) -> str:
        """A member's path inside the folder, "" for the folder itself. Raises UploadRejected where it lies elsewhere."""
        parts = [part for part in member.split("/") if part not in ("", ".")]
        if member.startswith("/") or ".." in parts:
            raise refused("the path of a member leads out of the archive")
        if not parts:
            return ""
        if self._folder is None and folder_is_of(self._name, parts[0]):
            self._folder = parts[0]
        if parts[0] != self._folder:
            raise refused("a source distribution has one folder at its top, named after the project and version in the file's name")
        return "/".join(parts[1:])
