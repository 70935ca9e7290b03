"""Names that lead elsewhere, to a system, a library or a person that takes them for paths."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

_UP = (
    "../",
    "..\\",
    "..//",
    "./../",
    "x/../../",
    "....//",
    "..;/",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%2f",
    "..%5c",
    "%252e%252e%252f",
    "..%c0%af",
    "..%ef%bc%8f",
    "\uff0e\uff0e/",  # full width
    "..\uff0f",
    "..\u2215",  # division slash
    "..\u2044",  # fraction slash
    "\u2025/",  # two dot leader
    ".\u200b./",  # with a space of no width
    ".\u0000./",
    "..\u0000/",
)
_PLACES = (
    "/etc/passwd",
    "//etc/passwd",
    "\\\\server\\share",
    "C:\\Windows\\victim",
    "C:victim",
    "file:///etc/passwd",
    "~/victim",
    "~root/victim",
    "$HOME/victim",
    "${TMPDIR}/victim",
    "%TMPDIR%\\victim",
    "/proc/self/cwd/victim",
    "/dev/fd/0",
    "/dev/stdout",
    ".",
    "..",
    "...",
    "/",
    "\\",
    "./",
    ".git/hooks/victim",
    ".victim",
    "-rf",
    "--output=victim",
    "-",
    "CON",
    "nul.tar.gz",
    "aux-1.0.tar.gz",
    "victim:stream",
    "victim.",
    "victim ",
    " victim",
    "\tvictim",
    "victim\n",
    "a\nb",
    "a\rb",
    "a\r\nSet-Cookie: victim=1",
    "victim\0.tar.gz",
    "demo-1.0.tar.gz\0/../../victim",
    "demo-1.0.tar.gz/../../victim",
    "demo-1.0.tar.gz/victim",
    "demo-1.0\\victim.tar.gz",
    "`touch victim`",
    "$(touch victim)",
    "|touch victim",
    "victim; touch victim",
    "*",
    "?",
    "[a-z]",
    "{victim,other}",
    "victim'\"",
    '"; filename="../victim',
    "\u202egpj.victim",
    "\ufeffvictim",
    "\u212a",  # the Kelvin sign, which is "k" in lower case
    "\u0130",  # longer in lower case
    "\u00df",
    "u\u0308",
    "\U0001f4a9",
    "a" * 256,
    "a" * 70_000,
    "../" * 3000 + "victim",
    "journal.jsonl",
    "objects/00/victim",
    "packages/victim",
    "../packages/../../victim",
    "incoming/../journal.jsonl",
    "demo/../../journal.jsonl",
)


def hostile_names(targets: Sequence[Path], start: Path) -> list[str]:
    """At least 200 names.

    targets: files that are there, and that some of the names lead to, by their absolute path and from `start` and folders below it.
    """
    climbing = [up * depth + "victim" for up in _UP for depth in (1, 2, 3, 5, 12)]
    leading = [str(target) for target in targets]
    for target in targets:
        relative = _relative(target, start)
        leading += ["../" * below + relative for below in range(4)]
        leading += [f"{name}.tar.gz" for name in leading[-2:]]
    return list(dict.fromkeys(itertools.chain(climbing, leading, _PLACES)))


def _relative(target: Path, start: Path) -> str:
    shared = next(parent for parent in (start, *start.parents) if target.is_relative_to(parent))
    return "../" * len(start.relative_to(shared).parts) + str(target.relative_to(shared))
