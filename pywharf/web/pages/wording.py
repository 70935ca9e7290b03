"""Sizes and times as people read them."""

from __future__ import annotations

from datetime import datetime, timezone

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # whatever the server's locale is


def size_words(size: int) -> str:
    """Bytes: 0 -> "0 B", 1536 -> "1.5 KiB"."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1023.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def day_words(time: datetime) -> str:
    """A day in UTC: "21 Nov 2026"."""
    at = time.astimezone(timezone.utc)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def time_words(time: datetime) -> str:
    """A minute in UTC: "21 Nov 2026, 10:11 UTC"."""
    return f"{day_words(time)}, {time.astimezone(timezone.utc):%H:%M} UTC"


def iso(time: datetime) -> str:
    """For the attribute `datetime`: "2026-11-21T10:11:12Z"."""
    return f"{time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def count_words(count: int, one: str, many: str = "") -> str:
    """Such as "1 file", "2 files", "10,000 files"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
