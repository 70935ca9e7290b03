"""Slows down guessing: wrong secrets are counted per client address.

Only wrong secrets count. A request without a secret, or with one that is remembered as right, never comes here. An address
is throttled once it has sent 60 wrong secrets within a minute; from then on one secret per second is still checked, so that
somebody behind the same address who has the right one gets through, and the rest is refused unasked.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from pywharf.web.errors import Throttled

LIMIT = 60  # wrong secrets
LEAST = 10  # of these, however many processes share the limit: people mistype, and tools repeat it


class _Address:
    """What is known of one address: when its wrong secrets came, and when a secret was last checked while throttled."""

    __slots__ = ("checked", "wrong")

    def __init__(self, limit: int) -> None:
        self.wrong: deque[float] = deque(maxlen=limit)
        self.checked = -math.inf


class Throttle:
    """Counts wrong secrets. Shared between threads; bounded: the addresses that were wrong longest ago are forgotten first.

    limit: wrong secrets within `window` seconds. interval: seconds between two checks while throttled.
    capacity: addresses remembered; the worst case is about 2 kB each. clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        window: float = 60.0,
        interval: float = 1.0,
        capacity: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._window = window
        self._interval = interval
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._addresses: OrderedDict[str, _Address] = OrderedDict()

    @classmethod
    def shared_by(cls, processes: int) -> Throttle:
        """The throttle of one of several processes that take connections from one queue, each of which counts for itself."""
        return cls(limit=max(LEAST, LIMIT // processes))

    def admit(self, peer: str) -> None:
        """Call before a secret that is not remembered is checked. Raises Throttled where it may not be checked now."""
        now = self._clock()
        with self._lock:
            address = self._addresses.get(network(peer))
            if address is None or not self._throttled(address, now):
                return
            if now - address.checked < self._interval:
                raise Throttled(self._retry_after(address, now))
            address.checked = now

    def wrong(self, peer: str) -> None:
        """Count a wrong secret. Raises Throttled where the address already was: the answer then does not tell that it was checked."""
        now = self._clock()
        key = network(peer)
        with self._lock:
            address = self._addresses.pop(key, None) or _Address(self._limit)
            self._addresses[key] = address
            while len(self._addresses) > self._capacity:
                self._addresses.popitem(last=False)
            throttled = self._throttled(address, now)
            address.wrong.append(now)
            if throttled:
                raise Throttled(self._retry_after(address, now))

    def _throttled(self, address: _Address, now: float) -> bool:
        return len(address.wrong) == self._limit and now - address.wrong[0] < self._window

    def _retry_after(self, address: _Address, now: float) -> int:
        return max(1, math.ceil(address.wrong[0] + self._window - now))


def network(peer: str) -> str:
    """The part of an address that is one party: all of an IPv4 address, the first 64 bits of an IPv6 one."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
