from __future__ import annotations

import re

import pytest

from pywharf.web.forwarding import trusted_proxies


@pytest.mark.parametrize(
    ("text", "included", "not_included"),
    [
        ("", [], ["127.0.0.1", "", "unix", "nonsense"]),
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"], ["192.0.2.8", ""]),
        ("10.0.0.0/8 ,fd00::/8", ["10.255.0.1", "fd12::1"], ["11.0.0.1", "fe80::1", ""]),
        ("unix", ["", "unix"], ["127.0.0.1", "unix2"]),
        ("unix,::1", ["unix", "::1"], ["127.0.0.1"]),
    ],
)
def test_a_list_has_addresses_networks_and_the_word_for_unix_sockets(text: str, included: list[str], not_included: list[str]) -> None:
    trusted = trusted_proxies(text)

    assert [peer for peer in included if not trusted.include(peer)] == []
    assert [peer for peer in not_included if trusted.include(peer)] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10.0.0.0/8, proxy.example", "'proxy.example' is no address"),
        ("10.0.0.0/33", "'10.0.0.0/33' is no address"),
        ("10.0.0.1/8", "write 10.0.0.0/8 for all of it"),
        ("10.0.0.1:80", "'10.0.0.1:80' is no address"),
        ("fe80::1%eth0", "'fe80::1%eth0' is no address"),
        ("0.0.0.0/0", "'0.0.0.0/0' is everybody"),
        ("unix, ::/0", "'::/0' is everybody"),
        ("::ffff:10.0.0.0/104", "write it as IPv4"),
        ("10.0.0.1,", "comma"),
        (",", "comma"),
        ("UNIX", "'UNIX' is no address"),
    ],
)
def test_a_wrong_part_of_the_list_is_named(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        trusted_proxies(text)
