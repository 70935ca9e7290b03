from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.errors import Throttled
from pywharf.web.throttle import Throttle, network

from .conftest import Clock


def wrong(throttle: Throttle, peer: str, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(Throttled):
            throttle.wrong(peer)


def is_throttled(throttle: Throttle, peer: str) -> bool:
    """Whether two in the same moment are not both let through."""
    try:
        throttle.admit(peer)
        throttle.admit(peer)
    except Throttled:
        return True
    return False


def test_up_to_the_limit_nobody_is_throttled(clock: Clock) -> None:
    throttle = Throttle(clock=clock)

    wrong(throttle, "192.0.2.1", 59)
    assert not is_throttled(throttle, "192.0.2.1")

    wrong(throttle, "192.0.2.1", 1)
    assert is_throttled(throttle, "192.0.2.1")


def test_a_minute_later_it_is_over(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    wrong(throttle, "192.0.2.1", 60)

    clock.now += 59.9
    assert is_throttled(throttle, "192.0.2.1")
    clock.now += 0.2
    assert not is_throttled(throttle, "192.0.2.1")


def test_wrong_secrets_that_come_slowly_never_throttle(clock: Clock) -> None:
    throttle = Throttle(clock=clock)

    for _ in range(200):
        clock.now += 1.02
        throttle.admit("192.0.2.1")
        throttle.wrong("192.0.2.1")


def test_retry_after_says_when_the_oldest_is_forgotten(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    wrong(throttle, "192.0.2.1", 60)
    clock.now += 20.5
    throttle.admit("192.0.2.1")

    with pytest.raises(Throttled) as refused:
        throttle.admit("192.0.2.1")

    assert refused.value.retry_after == 40


def test_an_ipv6_network_is_one_party(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    for number in range(60):
        wrong(throttle, f"2001:db8:1:2::{number:x}", 1)

    assert is_throttled(throttle, "2001:db8:1:2:ffff::1")
    assert not is_throttled(throttle, "2001:db8:1:3::1")


def test_an_ipv4_address_is_the_same_in_ipv6(clock: Clock) -> None:
    assert network("::ffff:192.0.2.1") == network("192.0.2.1")
    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("fe80::1%eth0") == network("fe80::2")


def test_memory_is_bounded_and_the_busiest_guesser_stays_known(clock: Clock) -> None:
    throttle = Throttle(clock=clock, capacity=100)
    for number in range(1000):
        wrong(throttle, "192.0.2.1", 1)
        wrong(throttle, f"198.51.{number // 250}.{number % 250}", 1)

    assert is_throttled(throttle, "192.0.2.1")
    assert len(throttle._addresses) == 100


@given(st.text())
def test_any_address_can_be_counted(peer: str) -> None:
    throttle = Throttle(limit=1)
    wrong(throttle, peer, 2)
    assert is_throttled(throttle, peer)
