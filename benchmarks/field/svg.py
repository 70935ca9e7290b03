"""Bar charts as SVG, written by hand: nothing to install, and text stays text. Bars have a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from benchmarks.field.kinds import TITLES, Kind
from benchmarks.field.results import with_unit

WIDTH, LEFT, RIGHT = 720, 230, 110  # px: of all, of the names, of the values
ROW, TOP = 26, 44
# Readable on white and on black, since pages are read on both; pywharf's own bars stand out.
OWN, OTHER, TEXT = "#2f6fdf", "#8a94a6", "#6b7280"


def bar_chart(kind: Kind, values: Mapping[str, float], about: str) -> str:
    """One bar for each server, the best first. values: by the server's name, all above 0. Raises ValueError for no value at all."""
    shown = sorted(((value, server) for server, value in values.items() if value > 0), reverse=kind.more_is_better)
    if not shown:
        raise ValueError(f"nothing to draw for {kind.name}")
    height = TOP + ROW * len(shown) + 24
    better = "more is better" if kind.more_is_better else "less is better"
    title = f"{kind.title.replace('`', '')} ({'per second' if kind.unit == '/s' else kind.unit}; {better})"
    box = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
        f'<text x="8" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    low = 10 ** math.floor(math.log10(min(value for value, _ in shown)) - 0.3)
    high = max(value for value, _ in shown)
    for number, (value, server) in enumerate(shown):
        y = TOP + ROW * number
        length = _length(value, low, high)
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(TITLES.get(server, server))}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{ROW - 8}" rx="2" fill="{OWN if server.startswith("pywharf") else OTHER}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{escape(with_unit(value, kind))}</text>',
        ]
    lines += [f'<text x="8" y="{height - 8}" font-size="11">{escape(about)}; logarithmic scale</text>', "</svg>"]
    return "\n".join(lines) + "\n"


def _length(value: float, low: float, high: float) -> float:
    """Pixels of a bar: none at `low`, all of the room at `high`."""
    room = WIDTH - LEFT - RIGHT
    return room if high <= low else room * math.log(value / low) / math.log(high / low)
