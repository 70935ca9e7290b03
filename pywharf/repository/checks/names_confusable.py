"""Names that a person takes for one another: "acme-tools" and "acmetools", "pillow" and "pi11ow".

Source: PyPI's rule for the names of new projects, which leaves out ".", "_" and "-" and takes "l", "i" and "1", and "o" and "0", for one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pywharf.model.names import ProjectName, matches_a_pattern

_ALIKE = (("-", ""), ("l", "1"), ("i", "1"), ("o", "0"))

# How SQLite says it of the column `project`, in which names are normalised.
LOOK_IN_SQL = "replace(replace(replace(replace(project, '-', ''), 'l', '1'), 'i', '1'), 'o', '0')"


def look(name: str) -> str:
    """What a normalised name, or a pattern of such names, looks like: the same for all that look like it."""
    for letters, alike in _ALIKE:
        name = name.replace(letters, alike)
    return name


def private_pattern_like(project: ProjectName, patterns: Sequence[str]) -> str:
    """The pattern of private names that a name looks like without matching any; "" where there is none."""
    if matches_a_pattern(project, patterns):
        return ""
    return next((pattern for pattern in patterns if matches_a_pattern(look(project), [look(pattern)])), "")
