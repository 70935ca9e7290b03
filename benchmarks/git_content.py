"""What a repository on a git host holds after years of uploads, made in seconds: real wheels, real records, the plugin's own layout.

A commit for each project goes through `git fast-import`; a last one writes `.pywharf/serial`, as the newest upload would have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from pywharf_github import tree
from pywharf_github.commits import COMMITTER
from pywharf_github.sidecar import Body, SerialFile, Sidecar

from pywharf.model.names import parse_filename
from pywharf.model.record import DistributionRecord, Sha256, SideFile, to_json
from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.git_server import GitServer

BEGAN = 1_700_000_000  # Unix time of the first upload; one a minute since

Placed = tuple[tree.Path, bytes]  # where a file lies, and its content


class Released(Protocol):
    """A project and its releases, a wheel each."""

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> int: ...

    def wheel(self, number: int) -> Distribution:
        """Requires Python 3.8, and has the summary that the records have."""


@dataclass(frozen=True)
class Project:
    """A project with so many releases, a wheel each: 1.0, 1.1, ..."""

    name: str
    files: int

    def wheel(self, number: int) -> Distribution:
        summary = ("Summary", "A small wheel to measure with.")
        return make_wheel(self.name, f"1.{number}", requires_python=">=3.8", requires_dist=["idna>=3"], extra_headers=[summary])


def many_projects(files: int, each: int) -> list[Project]:
    """Projects of `each` files, `files` in all."""
    return [Project(f"project{at // each:05}", min(each, files - at)) for at in range(0, files, each)]


def fill(host: GitServer, repository: str, projects: Sequence[Released]) -> None:
    """Make the repository's branch hold the projects, and be packed as hosts keep it."""
    stream = bytearray()
    serial = 0
    for project in projects:
        _begin_commit(stream, serial, f"Publish {project.name}")
        for path, content in _placed(project, serial):
            stream += b"M 100644 inline %s\ndata %d\n%s\n" % (b"/".join(path), len(content), content)
        serial += project.files
    host.git(repository, "fast-import", "--quiet", given=bytes(stream))
    packages = host.git(repository, "rev-parse", "main:packages").strip()
    last = bytearray()
    _begin_commit(last, serial, "Publish the last of them", upon=b"refs/heads/main^0")
    content = SerialFile(serial, packages).encode()
    last += b"M 100644 inline %s\ndata %d\n%s\n" % (b"/".join(tree.SERIAL_PATH), len(content), content)
    host.git(repository, "fast-import", "--quiet", given=bytes(last))
    repack(host, repository)


def repack(host: GitServer, repository: str) -> None:
    """What hosts do once in a while."""
    host.git(repository, "repack", "-a", "-d", "-q")


def _begin_commit(stream: bytearray, serial: int, message: str, *, upon: bytes = b"") -> None:
    said = f"{message}\n\nSerial: {serial}\n".encode()
    stream += b"commit refs/heads/main\ncommitter %s %d +0000\ndata %d\n%s\n" % (COMMITTER.encode(), BEGAN + 60 * serial, len(said), said)
    stream += b"from %s\n" % upon if upon else b""


def _placed(project: Released, serial: int) -> Iterator[Placed]:
    """The files of a project, where the plugin would have put them one upload after the other."""
    root: bytes | None = None
    trees: dict[bytes, tree.Items] = {}
    for number in range(project.files):
        wheel = project.wheel(number)
        record, key = _record(project.name, wheel, serial + number)
        files = {wheel.filename: _body(wheel.data), f"{wheel.filename}.metadata": _body(wheel.metadata)}
        sidecar = Sidecar(serial + number + 1, to_json(record), files).encode(project.name, key)
        placed = [
            (tree.place_body(trees.__getitem__, root, project.name, wheel.filename), wheel.data),
            (tree.place_body(trees.__getitem__, root, project.name, f"{wheel.filename}.metadata"), wheel.metadata),
            (tree.find_sidecar(trees.__getitem__, root, project.name, key)[0], sidecar),
        ]
        yield from placed
        if 3 * project.files > tree.WIDE:  # else the folder's width decides nothing
            root, made = tree.edited(trees.__getitem__, root, {path: (tree.FILE_MODE, _blob_id(content)) for path, content in placed})
            trees.update({bytes(one.id): tree.items(one.as_raw_string()) for one in made})


def _record(project: str, wheel: Distribution, minute: int) -> tuple[DistributionRecord, str]:
    name = parse_filename(wheel.filename)
    metadata = SideFile(f"{wheel.filename}.metadata", Sha256(hashlib.sha256(wheel.metadata).hexdigest()), len(wheel.metadata))
    record = DistributionRecord(
        wheel.filename, name.kind, project, str(name.version), Sha256(wheel.sha256), len(wheel.data),
        datetime.fromtimestamp(BEGAN + 60 * minute, timezone.utc),
        requires_python=">=3.8", metadata=metadata, summary="A small wheel to measure with.",
        digests={"md5": hashlib.md5(wheel.data).hexdigest(), "blake2b_256": hashlib.blake2b(wheel.data, digest_size=32).hexdigest()},
    )  # fmt: skip
    return record, name.key


def _body(content: bytes) -> Body:
    return Body(_blob_id(content).decode(), hashlib.sha256(content).hexdigest(), len(content))


def _blob_id(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest().encode()
