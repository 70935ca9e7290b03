"""The entry points of a wheel: installers make files of those that are scripts, called as entry_points.txt says.

Source: "Entry points specification" on packaging.python.org; GHSA-4gg8-gxpx-9rph (scripts that left their folder).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pywharf.repository.archives.limits import refused
from pywharf.repository.checks.candidate import Candidate, of_wheel
from pywharf.repository.checks.zip_names import folded

_SCRIPTS = ("console_scripts", "gui_scripts")
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_SCRIPT = re.compile(rf"{_MODULE}\s*:\s*{_MODULE}(?:\s*\[[\w\s,.-]*\])?")
_LONGEST_NAME = 200  # characters: it becomes a file's name


@of_wheel
def entry_points_can_be_installed(candidate: Candidate) -> None:
    """Scripts have a name of letters, digits, ".", "_" and "-", and call `module:attribute`; no other group becomes a file."""
    name = f"{candidate.dist_info}/entry_points.txt"
    for other in candidate.zip.names:
        if other != name and folded(other) == name.lower() and "/" in other:
            raise refused(f"{other!r} is the wheel's entry_points.txt on some systems and not on others")
    if name not in candidate.zip.names:
        return
    raw = candidate.zip.read(name)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(f"the wheel's entry_points.txt is not UTF-8 (byte {error.start})") from error
    called: dict[str, str] = {}
    for script, target in _scripts(text):
        if not _NAME.fullmatch(script) or len(script) > _LONGEST_NAME:
            raise refused(f"the script {script[:100]!r} in entry_points.txt cannot be a file's name: letters, digits, '.', '_' and '-'")
        if not _SCRIPT.fullmatch(target):
            raise refused(f"the script {script!r} in entry_points.txt calls {target[:100]!r}, which is not module:attribute")
        if called.setdefault(script, target) != target:
            raise refused(f"the script {script!r} is in entry_points.txt twice")


def _scripts(text: str) -> Iterator[tuple[str, str]]:
    """Name and target of each script. Raises UploadRejected for lines that pip and uv read in two ways."""
    group = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if raw[0].isspace():  # an entry of its own to pip, and the rest of the line before to uv
            raise refused(f"line {number} of the wheel's entry_points.txt is indented, which installers read in two ways")
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
            continue
        name, equals, target = line.partition("=")
        if not equals or not group:
            raise refused(f"line {number} of the wheel's entry_points.txt is neither [group] nor name = target in a group")
        if group.lower() in _SCRIPTS:
            yield name.strip(), target.strip()
