"""How long the bytes of a body or of a response may take: never for ever, however they drip."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Three bounds, of which the first that is reached counts. All times are of one monotonic clock, in seconds."""

    silence: float  # without any byte
    grace: float  # before the rate counts
    rate: float  # bytes a second, from the beginning on; 0: any
    longest: float  # for all of it

    def end(self, began: float, moved: int, last: float) -> float:
        """Until when the next byte has to flow, where `moved` bytes have flowed since `began`, the last of them at `last`."""
        slowest = began + self.grace + moved / self.rate if self.rate else math.inf
        return min(last + self.silence, slowest, began + self.longest)
