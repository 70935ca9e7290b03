"""PKG-INFO out of a source distribution, .tar.gz or .zip.

Source: "Source distribution format" (PEP 517, PEP 625, PEP 643): one folder `<name>-<version>` at the top, PKG-INFO in it.
"""

from __future__ import annotations

from pathlib import Path

from pywharf.model.names import DistributionName
from pywharf.repository.archives.gzip_stream import GzipStream
from pywharf.repository.archives.limits import MAX_METADATA_BYTES, refused
from pywharf.repository.archives.tar_members import TarMembers
from pywharf.repository.archives.top_folder import TopFolder
from pywharf.repository.archives.zip_members import open_zip

_FILE = "PKG-INFO"


def read_tar_metadata(path: Path, name: DistributionName) -> bytes:
    """The bytes of PKG-INFO in a .tar.gz, exactly. Raises UploadRejected.

    What comes after PKG-INFO is inflated to its end, though not looked at here: an archive that was cut off, as by an upload or a
    copy that is still under way, may not take the name of the whole one.
    """
    with path.open("rb") as file:
        stream = GzipStream(file, path.stat().st_size)
        members, folder = TarMembers(stream), TopFolder(name)
        while (member := members.next()) is not None:
            if folder.inside(member.name) == _FILE:
                if not member.regular:
                    raise refused(f"{_FILE} is no plain file")
                metadata = members.data(MAX_METADATA_BYTES)
                stream.skip_to_end()
                return metadata
    raise refused(f"the source distribution has no {_FILE} in its top folder")


def read_zip_metadata(path: Path, name: DistributionName) -> bytes:
    """The bytes of PKG-INFO in a .zip, exactly. Raises UploadRejected."""
    with open_zip(path) as members:
        folder = TopFolder(name)
        found = [member for member in members.names if folder.inside(member) == _FILE]
        if len(found) != 1:
            raise refused(f"a source distribution has one {_FILE} in its top folder; this one has {len(found)}")
        return members.read(found[0])
