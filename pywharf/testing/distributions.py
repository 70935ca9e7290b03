"""Tiny, valid wheels and source distributions, made in memory: for tests of whatever takes uploads.

The same arguments give the same bytes. Nothing is checked on purpose, so that a test can also make a file that an
index has to refuse: a version that is none, a header twice, a file name that disagrees with its metadata.

Sources: "Binary distribution format", "Source distribution format" and "Core metadata" on packaging.python.org.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name, canonicalize_version

Contents = Mapping[str, "str | bytes"]  # by path inside the archive, with "/"; text is written as UTF-8

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that ZIP can write
# Copies the wheel that lies beside it, so that an installer can build the sdist without fetching a build backend.
_IN_TREE_BACKEND = '''\
"""Builds this project by handing out the wheel that lies here."""
import pathlib
import shutil


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    (wheel,) = pathlib.Path(__file__).parent.glob("*.whl")
    shutil.copy(wheel, wheel_directory)
    return wheel.name
'''
_PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "in_tree_backend"\nbackend-path = ["."]\n'


@dataclass(frozen=True)
class Distribution:
    """A distribution file in memory."""

    filename: str
    data: bytes
    metadata: bytes  # the METADATA or PKG-INFO inside, byte for byte

    @property
    def sha256(self) -> str:
        """64 lower-case hex digits."""
        return hashlib.sha256(self.data).hexdigest()


def make_wheel(
    name: str,
    version: str,
    *,
    files: Contents | None = None,
    tag: str = "py3-none-any",
    build: str | None = None,
    metadata_version: str = "2.1",
    requires_python: str | None = None,
    requires_dist: Iterable[str] = (),
    extra_headers: Iterable[tuple[str, str]] = (),
    description: str = "",
    filename: str | None = None,
) -> Distribution:
    """Make a wheel that installers take, RECORD included.

    name, version: as the core metadata spells them; the file name has them normalised.
    files: what is installed; None: one module that says its version.
    build: a build tag, e.g. "1" or "2_linux". extra_headers: further core metadata, e.g. ("Summary", "Größe").
    filename: the whole file name where another spelling is wanted; the .dist-info folder follows it.
    """
    stem = f"{_escaped(name)}-{_version(version)}"
    if filename is None:
        filename = "-".join([stem, *([build] if build else []), tag]) + ".whl"
    else:
        stem = "-".join(filename.removesuffix(".whl").split("-")[:2])
    metadata = _core_metadata(name, version, metadata_version, requires_python, requires_dist, extra_headers, description)
    wheel = ["Wheel-Version: 1.0", "Generator: pywharf.testing", "Root-Is-Purelib: true", *([f"Build: {build}"] if build else [])]
    members = {
        **_encoded(_default_files(name, version) if files is None else files),
        f"{stem}.dist-info/METADATA": metadata,
        f"{stem}.dist-info/WHEEL": "\n".join([*wheel, *(f"Tag: {one}" for one in _expanded(tag)), ""]).encode(),
    }
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{_csv(path)},sha256={_record_digest(data)},{len(data)}\n" for path, data in members.items()]
    members[record] = "".join([*lines, f"{_csv(record)},,\n"]).encode()
    return Distribution(filename, _zip(members), metadata)


def make_sdist(
    name: str,
    version: str,
    *,
    suffix: str = ".tar.gz",
    files: Contents | None = None,
    metadata_version: str = "2.1",
    requires_python: str | None = None,
    requires_dist: Iterable[str] = (),
    extra_headers: Iterable[tuple[str, str]] = (),
    description: str = "",
    filename: str | None = None,
) -> Distribution:
    """Make a source distribution with PKG-INFO, which installers can build without a network.

    suffix: ".tar.gz" or ".zip". filename: the whole file name where another spelling is wanted; the top folder follows it.
    files: what the sdist holds and the wheel built from it installs. The rest is as in make_wheel().
    """
    if filename is None:
        filename = f"{_escaped(name)}-{_version(version)}{suffix}"
    top = filename.removesuffix(suffix)
    headers = tuple(extra_headers)
    requirements = tuple(requires_dist)
    contents = _default_files(name, version) if files is None else files
    wheel = make_wheel(
        name,
        version,
        files=contents,
        requires_python=requires_python,
        requires_dist=requirements,
        # A wheel's metadata is final: what was dynamic in the sdist is known by now.
        extra_headers=[header for header in headers if header[0].lower() != "dynamic"],
        metadata_version=metadata_version,
        description=description,
    )
    metadata = _core_metadata(name, version, metadata_version, requires_python, requirements, headers, description)
    members = {
        f"{top}/PKG-INFO": metadata,
        f"{top}/pyproject.toml": _PYPROJECT.encode(),
        f"{top}/in_tree_backend.py": _IN_TREE_BACKEND.encode(),
        f"{top}/{wheel.filename}": wheel.data,
        **{f"{top}/{path}": data for path, data in _encoded(contents).items()},
    }
    return Distribution(filename, _zip(members) if suffix == ".zip" else _tar_gz(members), metadata)


def _core_metadata(
    name: str,
    version: str,
    metadata_version: str,
    requires_python: str | None,
    requires_dist: Iterable[str],
    extra_headers: Iterable[tuple[str, str]],
    description: str,
) -> bytes:
    headers = [("Metadata-Version", metadata_version), ("Name", name), ("Version", version)]
    if requires_python is not None:
        headers.append(("Requires-Python", requires_python))
    headers += [("Requires-Dist", requirement) for requirement in requires_dist]
    headers += extra_headers
    return ("".join(f"{header}: {value}\n" for header, value in headers) + (f"\n{description}" if description else "")).encode()


def _default_files(name: str, version: str) -> Contents:
    return {f"{_escaped(name).replace('.', '_')}.py": f"__version__ = {version!r}\n"}


def _escaped(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")


def _version(version: str) -> str:
    return canonicalize_version(version, strip_trailing_zero=False).replace("-", "_")


def _expanded(tag: str) -> list[str]:
    """The single tags of a compressed tag set: "py2.py3-none-any" names two."""
    parts = tag.split("-")
    if len(parts) != 3:
        return [tag]
    pythons, abis, platforms = (part.split(".") for part in parts)
    return [f"{python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]


def _encoded(files: Contents) -> dict[str, bytes]:
    return {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}


def _record_digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _csv(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"\n') else path


def _zip(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in members.items():
            info = zipfile.ZipInfo(path, date_time=_EPOCH)  # stored, not deflated: the bytes do not hang on a version of zlib
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return out.getvalue()


def _tar_gz(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path, data in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
