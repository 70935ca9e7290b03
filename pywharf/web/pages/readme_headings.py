"""A README's headings as those of a part of a page: below the page's own, and without gaps, as whoever jumps from one to the next needs."""

from __future__ import annotations

import re

HIGHEST = 3  # level of a README's headings: it stands below a heading of the page

_HEADING = re.compile(r"<(/?)h([1-6])(?=[ >])")


def below_the_page(readme: str) -> str:
    """readme: HTML that was cleaned, and so is well-formed. Nothing but the digit of a tag is changed."""
    ranks = sorted({found[2] for found in _HEADING.finditer(readme)})
    level = HIGHEST - 1

    def placed(found: re.Match[str]) -> str:
        nonlocal level
        if not found[1]:
            level = min(HIGHEST + ranks.index(found[2]), level + 1, 6)
        return f"<{found[1]}h{level}"

    return _HEADING.sub(placed, readme)
