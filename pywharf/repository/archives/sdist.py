"""What a source distribution holds, .tar.gz or .zip: its members in their order, PKG-INFO, and how it ends.

Source: "Source distribution format" (PEP 517, PEP 625, PEP 643): one folder `<name>-<version>` at the top, PKG-INFO in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pywharf.backend.settings import AdmissionRules
from pywharf.model.names import DistributionName
from pywharf.repository.archives.gzip_stream import GzipStream
from pywharf.repository.archives.limits import DEFAULT_RULES, refused
from pywharf.repository.archives.tar_members import TarMember, TarMembers
from pywharf.repository.archives.top_folder import folder_is_of
from pywharf.repository.archives.zip_members import ZipArchive

PKG_INFO = "PKG-INFO"


@dataclass(frozen=True)
class SourceTree:
    """A source distribution as one that unpacks it sees it. Nothing in here has been checked but that readers agree about it."""

    members: tuple[TarMember, ...]
    pkg_info: bytes | None  # of the first plain file of that name in a folder named after the file; None where there is none
    follows: str = ""  # what comes after the archive's end, in words; "" where nothing does

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The path of each member, in their order, as it is unpacked: "./demo-1.0//x/" is "demo-1.0/x", "./" is ""."""
        return tuple(plain_path(member.name) for member in self.members)

    @property
    def metadata(self) -> bytes:
        """The bytes of PKG-INFO. Raises UploadRejected where there is none."""
        if self.pkg_info is None:
            raise refused(
                f"a source distribution has a plain file {PKG_INFO} in the one folder at its top, named after the project and version"
            )
        return self.pkg_info


def plain_path(name: str) -> str:
    """A path without what changes nothing: "./", "//" and a slash at its end. ".." stays."""
    if not name.endswith("/") and "//" not in name and "./" not in name and name not in (".", "") and not name.endswith("/."):
        return name.lstrip("/")
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def tar_source_tree(path: Path, name: DistributionName, rules: AdmissionRules = DEFAULT_RULES) -> SourceTree:
    """Walk through a .tar.gz, to its last byte and within limits.

    An archive that was cut off, as by an upload or a copy that is still under way, may not take the name of the whole one.
    Raises UploadRejected where it cannot be read, or readers would disagree about what is in it.
    """
    with path.open("rb") as file:
        stream = GzipStream(file, path.stat().st_size, rules)
        walk = TarMembers(stream, rules)
        members: list[TarMember] = []
        pkg_info = None
        while (member := walk.next()) is not None:
            members.append(member)
            if pkg_info is None and member.kind == "file" and _is_pkg_info(name, member.name):
                pkg_info = walk.data(rules.max_metadata_bytes)
        if not stream.rest_is_zero():
            follows = "data follows the end mark of its tar archive"
        elif not stream.nothing_follows():
            follows = "data follows its gzip stream"
        else:
            follows = ""
        return SourceTree(tuple(members), pkg_info, follows)


def zip_source_tree(archive: ZipArchive, name: DistributionName) -> SourceTree:
    """What a .zip holds, by its directory. Raises UploadRejected where that, or PKG-INFO, cannot be read."""
    members = tuple(TarMember(member, "folder" if member.endswith("/") else "file", 0) for member in archive.names)
    found = next((member for member in archive.names if _is_pkg_info(name, member)), None)
    return SourceTree(members, None if found is None else archive.read(found))


def _is_pkg_info(name: DistributionName, member: str) -> bool:
    if not member.endswith(PKG_INFO):
        return False
    folder, _, file = plain_path(member).partition("/")
    return file == PKG_INFO and folder_is_of(name, folder)


def read_sdist_metadata(path: Path, name: DistributionName, rules: AdmissionRules = DEFAULT_RULES) -> bytes:
    """The bytes of PKG-INFO, exactly. Raises UploadRejected."""
    if name.filename.endswith(".zip"):
        with ZipArchive(path, rules) as archive:
            return zip_source_tree(archive, name).metadata
    return tar_source_tree(path, name, rules).metadata


def parents(path: str) -> Iterator[str]:
    """The folders that a path lies in, the innermost last: "a", "a/b" of "a/b/c"."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
