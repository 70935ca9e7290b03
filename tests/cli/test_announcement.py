"""What is told of where the server is."""

from __future__ import annotations

import pytest

from pywharf.cli.announcement import Address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (Address("0.0.0.0", 8888), "http://127.0.0.1:8888/"),
        (Address("::1", 8888, is_tls=True), "https://[::1]:8888/"),
        (Address("0.0.0.0", 8888, public_url="https://wharf.example/packages"), "https://wharf.example/packages/"),
    ],
)
def test_clients_are_sent_where_they_can_reach_it(address: Address, shown: str) -> None:
    assert address.base_url == shown


@pytest.mark.parametrize(
    ("address", "is_open"),
    [(Address("0.0.0.0", 1), True), (Address("127.0.0.1", 1), False), (Address("0.0.0.0", 1, unix_socket="/run/wharf"), False)],
)
def test_who_else_can_reach_it_is_known(address: Address, is_open: bool) -> None:
    assert address.is_open is is_open
