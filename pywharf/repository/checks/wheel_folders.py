"""What a wheel tells installers about itself, beside its core metadata: where, in which version of the format, for whom.

Source: "Binary distribution format" (PEP 427, PEP 491), "Platform compatibility tags" (PEP 425).
"""

from __future__ import annotations

import re
from math import prod

from packaging.tags import Tag, parse_tag

from pywharf.repository.archives.limits import refused
from pywharf.repository.archives.top_folder import folder_is_of
from pywharf.repository.checks.candidate import Candidate, of_wheel

_DATA_SUFFIX = ".data"
_DATA_FOLDERS = ("data", "headers", "platlib", "purelib", "scripts")
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")
_MOST_TAGS = 50_000  # single ones: "py2.py3-none-any" are two


@of_wheel
def wheel_has_one_dist_info(candidate: Candidate) -> None:
    """One folder named after the project and version of the file: installers take the first that they find, and not all the same."""
    _ = candidate.dist_info


@of_wheel
def wheel_version_is_known(candidate: Candidate) -> None:
    """Installers stop at a major version of the wheel format that they do not know, and take any minor one."""
    values = _wheel_headers(candidate, "wheel-version")
    match = _VERSION.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise refused("the wheel's WHEEL file says no Wheel-Version, such as 1.0, or several")
    if match[1] != "1":
        raise refused(f"the wheel is of version {values[0]} of the format, which no installer knows; 1.0 is the one in use")


@of_wheel
def wheel_tags_agree_with_filename(candidate: Candidate) -> None:
    """Installers choose by the file's name; what WHEEL says was true when the wheel was built. Compared as sets of single tags."""
    only = "-".join(candidate.name.filename.removesuffix(".whl").split("-")[-3:])
    tags = set(_wheel_headers(candidate, "tag"))
    if "." not in only and tags == {only}:
        return  # as most are
    named = _expanded(only)
    built: set[Tag] = set()
    for tag in tags:
        if tag.count("-") != 2 or len(tag) > 200:
            raise refused(f"the wheel's WHEEL file gives the tag {tag[:100]!r}, which is none: it has three parts")
        built |= _expanded(tag)
        if len(built) > _MOST_TAGS:
            raise refused(f"the wheel's WHEEL file gives more than {_MOST_TAGS} tags")
    covering = {one: _covering(one) & built for one in named}
    only_named = [one for one, by in covering.items() if not by]
    only_built = built.difference(*covering.values())
    if only_named:
        told = f"WHEEL does not have the tag {min(map(str, only_named))[:100]!r} that the file's name has"
    elif only_built:
        told = f"the file's name does not have the tag {min(map(str, only_built))[:100]!r} that WHEEL has"
    else:
        return
    raise refused(f"{told}; `wheel tags` renames a wheel and what is in it")


def _covering(tag: Tag) -> set[Tag]:
    """The tags that say as much or more: what runs with any ABI or on any platform may be offered to one alone, as playwright does."""
    interpreter, abi, platform = tag.interpreter, tag.abi, tag.platform
    return {Tag(interpreter, one, other) for one in (abi, "none") for other in (platform, "any")}


@of_wheel
def wheel_data_folder_is_known(candidate: Candidate) -> None:
    """`<name>-<version>.data` holds folders that installers know where to put: anything else stops them half-way."""
    folders = set()
    for name in candidate.zip.names:
        top, _, rest = name.partition("/")
        if not top.casefold().endswith(_DATA_SUFFIX):
            continue
        folders.add(top)
        if not top.endswith(_DATA_SUFFIX) or not folder_is_of(candidate.name, top[: -len(_DATA_SUFFIX)]):
            raise refused(f"the folder {top!r} is not that of the data of this project and version")
        key, slash, _ = rest.partition("/")
        if rest and (key not in _DATA_FOLDERS or not slash):
            raise refused(f"{name!r} is in none of the folders that a wheel's data may have: {', '.join(_DATA_FOLDERS)}")
    if len(folders) > 1:
        raise refused(f"the wheel has {len(folders)} folders of data")


def _wheel_headers(candidate: Candidate, header: str) -> list[str]:
    """The values of a header of WHEEL. Raises UploadRejected where there is no such file, or it is not UTF-8."""
    try:
        text = candidate.wheel_file.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(f"the wheel's WHEEL file is not UTF-8 (byte {error.start})") from error
    pairs = (line.partition(":") for line in text.splitlines())
    return [value.strip() for name, colon, value in pairs if colon and name.strip().lower() == header]


def _expanded(tag: str) -> set[Tag]:
    if prod(part.count(".") + 1 for part in tag.split("-")) > _MOST_TAGS:
        raise refused(f"a tag of the wheel stands for more than {_MOST_TAGS} tags")
    return set(parse_tag(tag))
