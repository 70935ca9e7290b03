"""What a proxy may say, and that nobody else may. What follows from it is in test_behind_a_proxy.py."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pywharf.web.forwarding import NOBODY, TrustedProxies, put_right, trusted_proxies
from pywharf.web.request import Request

PROXY, CLIENT, LIAR = "10.0.0.1", "198.51.100.7", "203.0.113.9"
TRUSTED = trusted_proxies("10.0.0.0/8, fd00::/8, unix")
LIES = {
    "X-Forwarded-For": LIAR,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded": f"for={LIAR}",
    "Forwarded": f"for={LIAR};proto=https;host=evil.example",
    "X-Real-IP": LIAR,
    "Via": "1.1 evil",
}


def environ(headers: dict[str, str], peer: str = PROXY) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": peer,
        "HTTP_HOST": "wharf.example",
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


def seen(headers: dict[str, str], peer: str = PROXY, trusted: TrustedProxies = TRUSTED) -> Request:
    return Request(environ(headers, peer), trusted)


# --- who is not believed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [NOBODY, TRUSTED])
@pytest.mark.parametrize("header", [*LIES, "all"])
def test_of_somebody_who_is_no_proxy_nothing_is_believed(header: str, trusted: TrustedProxies) -> None:
    before = environ({}, LIAR)
    after = environ(LIES if header == "all" else {header: LIES[header]}, LIAR)

    way = put_right(after, trusted)

    assert after == before
    assert (way.was_forwarded, way.by_trusted, way.scheme_is_known) == (True, False, False)


def test_who_comes_directly_was_not_forwarded() -> None:
    way = put_right(environ({}, LIAR), TRUSTED)

    assert (way.was_forwarded, way.by_trusted, way.scheme_is_known) == (False, False, True)


def test_a_trusted_proxy_that_says_nothing_still_forwards() -> None:
    request = seen({})

    assert (request.was_forwarded, request.is_from_trusted_proxy, request.scheme_is_known) == (True, True, False)
    assert (request.peer, request.scheme, request.header("Host"), request.script_name) == (PROXY, "http", "wharf.example", "")


def test_what_libraries_would_believe_is_gone_from_a_trusted_proxys_request_too() -> None:
    headers = environ({**LIES, "X-Script-Name": "/evil", "Proxy": "evil"}) | {"REMOTE_USER": "admin", "AUTH_TYPE": "x"}

    put_right(headers, TRUSTED)

    assert set(headers) == set(environ({}))


# --- the client's address --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (CLIENT, CLIENT),
        (f"{LIAR}, {CLIENT}", CLIENT),
        (f"127.0.0.1, {CLIENT}, 10.0.0.3,10.9.9.9", CLIENT),
        (f"garbage, <script>, {CLIENT}, fd00::7", CLIENT),
        (f"{LIAR}, unknown, 10.0.0.3", "10.0.0.3"),  # the last good one
        (f"{LIAR}, garbage", PROXY),
        (f"{LIAR},", PROXY),
        ("", PROXY),
        (" , ", PROXY),
        ("10.0.0.5, 10.0.0.6", "10.0.0.5"),  # somebody on the proxies' own network
        (f"{CLIENT}:50123", CLIENT),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[2001:DB8:0::7]", "2001:db8::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{LIAR}, fe80::1%eth0", PROXY),
        (f"{LIAR}, 1.2.3", PROXY),
        (f"{LIAR}, 1.2.3.4.5", PROXY),
        (f"{LIAR}, 256.1.1.1", PROXY),
        (f"{LIAR}, 1::2::3", PROXY),
        (f"{LIAR}\x00, {CLIENT}", CLIENT),
        (f"{LIAR}, " + ", ".join(["10.0.0.2"] * 19), LIAR),
        (f"{LIAR}, " + ", ".join(["10.0.0.2"] * 20), "10.0.0.2"),
        (f"{LIAR}, " * 5000 + CLIENT, CLIENT),
        ("x" * 30_000 + f", {CLIENT}", CLIENT),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_no_trusted_proxy(chain: str, address: str) -> None:
    assert seen({"X-Forwarded-For": chain}).peer == address


def test_a_unix_sockets_peer_is_believed_where_the_list_says_so() -> None:
    for peer in ("unix", ""):
        assert seen({"X-Forwarded-For": CLIENT}, peer).peer == CLIENT
        assert seen({"X-Forwarded-For": CLIENT}, peer, trusted_proxies("10.0.0.0/8")).peer == peer
        assert seen({"X-Forwarded-For": "unix"}, peer).peer == peer


# --- scheme, host, prefix --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "scheme", "is_known"),
    [
        ("https", "https", True),
        ("HTTPS", "https", True),
        ("http", "http", True),
        ("https, http", "http", True),  # the last hop's word
        ("http, https", "https", True),
        ("wss", "http", False),
        ("https;", "http", False),
        ("", "http", False),
        ("https,", "http", False),
        ("javascript", "http", False),
    ],
)
def test_the_scheme_is_the_last_hops_word_or_unknown(said: str, scheme: str, is_known: bool) -> None:
    request = seen({"X-Forwarded-Proto": said})

    assert (request.scheme, request.scheme_is_known) == (scheme, is_known)


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ({"X-Forwarded-Host": "packages.example"}, "packages.example"),
        ({"X-Forwarded-Host": "packages.example:8443"}, "packages.example:8443"),
        ({"X-Forwarded-Host": "packages.example:443"}, "packages.example"),
        ({"X-Forwarded-Host": "packages.example:80"}, "packages.example:80"),
        ({"X-Forwarded-Host": "evil.example, packages.example"}, "packages.example"),
        ({"X-Forwarded-Host": "packages.example", "X-Forwarded-Port": "8443"}, "packages.example:8443"),
        ({"X-Forwarded-Host": "packages.example", "X-Forwarded-Port": "443"}, "packages.example"),
        ({"X-Forwarded-Host": "packages.example:1", "X-Forwarded-Port": "8443"}, "packages.example:1"),
        ({"X-Forwarded-Host": "[2001:db8::1]", "X-Forwarded-Port": "8443"}, "[2001:db8::1]:8443"),
        ({"X-Forwarded-Port": "8443"}, "wharf.example:8443"),
        ({"X-Forwarded-Port": "0"}, "wharf.example"),
        ({"X-Forwarded-Port": "65536"}, "wharf.example"),
        ({"X-Forwarded-Port": "8443, x"}, "wharf.example"),
        ({"X-Forwarded-Host": "user@packages.example"}, "wharf.example"),
        ({"X-Forwarded-Host": "packages.example/path"}, "wharf.example"),
        ({"X-Forwarded-Host": 'x"><script>'}, "wharf.example"),
        ({"X-Forwarded-Host": ""}, "wharf.example"),
        ({"X-Forwarded-Host": "pack\u00e4ges.example"}, "wharf.example"),
    ],
)
def test_the_host_is_what_the_client_asked_for_as_browsers_write_it(said: dict[str, str], host: str) -> None:
    assert seen({"X-Forwarded-Proto": "https", **said}).header("Host") == host


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        ("/wharf", "/wharf"),
        ("/wharf/", "/wharf"),
        ("/team/wharf-2", "/team/wharf-2"),
        ("/a, /wharf", "/wharf"),
        ("/", ""),
        ("", ""),
        ("wharf", ""),
        ("//evil.example", ""),
        ("/wharf//x", ""),
        ("/wharf/../x", ""),
        ("/./wharf", ""),
        ("/%2e%2e", ""),
        ("/wh arf", ""),
        ("\\evil.example", ""),
        ("https://evil.example/", ""),
        ("/" + "x" * 200, ""),
    ],
)
def test_a_prefix_is_a_plain_path(said: str, prefix: str) -> None:
    assert seen({"X-Forwarded-Prefix": said}).script_name == prefix


def test_a_prefix_stands_before_the_one_that_the_application_is_mounted_at() -> None:
    mounted = environ({"X-Forwarded-Prefix": "/outer"}) | {"SCRIPT_NAME": "/inner"}

    assert Request(mounted, TRUSTED).script_name == "/outer/inner"


# --- the standard's header -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "address", "scheme", "host"),
    [
        (f"for={CLIENT};proto=https;host=packages.example", CLIENT, "https", "packages.example"),
        (f"For={CLIENT}; Proto=HTTPS ;by=10.0.0.1", CLIENT, "https", "wharf.example"),
        ('for="[2001:db8::7]:4711";host="packages.example:8443"', "2001:db8::7", "http", "packages.example:8443"),
        (f"for={LIAR};proto=http, for={CLIENT};proto=https, for=10.0.0.2;proto=http", CLIENT, "https", "wharf.example"),
        ("for=unknown;proto=https", PROXY, "https", "wharf.example"),
        ("for=_hidden, for=10.0.0.2;proto=https", "10.0.0.2", "https", "wharf.example"),
        ("proto=https", PROXY, "https", "wharf.example"),
        (f'for={LIAR};x=", for={CLIENT};proto=https', CLIENT, "https", "wharf.example"),  # a quote does not swallow the next hop
        (f"for={LIAR}, for={CLIENT};for={LIAR}", PROXY, "http", "wharf.example"),
        (f"for={LIAR}, garbage", PROXY, "http", "wharf.example"),
        (f"for={LIAR}, for={CLIENT};host=a/b", PROXY, "http", "wharf.example"),
        (f'for={LIAR}, for={CLIENT};proto=ftp;host="a/b"', CLIENT, "http", "wharf.example"),
        ("", PROXY, "http", "wharf.example"),
    ],
)
def test_the_standards_header_says_the_same(value: str, address: str, scheme: str, host: str) -> None:
    request = seen({"Forwarded": value})

    assert (request.peer, request.scheme, request.header("Host")) == (address, scheme, host)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"])
def test_where_both_families_come_the_standards_says_nothing(header: str) -> None:
    request = seen({header: "", "Forwarded": f"for={LIAR};proto=https;host=evil.example"})

    assert (request.peer, request.scheme, request.header("Host")) == (PROXY, "http", "wharf.example")


def test_other_headers_of_proxies_are_never_read() -> None:
    request = seen({"X-Real-IP": LIAR, "Via": f"1.1 {LIAR}", "X-Forwarded": f"for={LIAR}", "X-Forwarded-Server": "evil.example"})

    assert (request.peer, request.header("X-Real-IP"), request.header("Via")) == (PROXY, None, None)


# --- anything --------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        ",",
        ";",
        "=",
        '"',
        "\\",
        " ",
        ":",
        "[",
        "]",
        "for",
        "proto",
        "host",
        "https",
        "10.0.0.2",
        CLIENT,
        "2001:db8::1",
        "::",
        "%",
        "/",
        "..",
        ".",
    ]
)
VALUES = st.one_of(st.text(st.characters(max_codepoint=255)), st.lists(PIECES, max_size=40).map("".join))


@given(st.dictionaries(st.sampled_from([*LIES, "Host"]), VALUES), st.sampled_from([PROXY, "fd00::1", "unix", LIAR]))
@example({"X-Forwarded-For": "\u00b2.1.1.1"}, PROXY)
@example({"X-Forwarded-For": "[1.2.3.4]"}, PROXY)
def test_whatever_comes_what_is_believed_is_an_address_a_scheme_and_a_path(headers: dict[str, str], peer: str) -> None:
    values = environ(headers, peer)
    host = values["HTTP_HOST"]

    way = put_right(values, TRUSTED)

    assert values["REMOTE_ADDR"] == peer or str(ipaddress.ip_address(values["REMOTE_ADDR"])) == values["REMOTE_ADDR"]
    assert values["wsgi.url_scheme"] in ("http", "https")
    assert re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", values["SCRIPT_NAME"])
    assert values["HTTP_HOST"] == host or re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", values["HTTP_HOST"])
    assert way.was_forwarded or not set(headers) - {"Host"}
    assert not [name for name in values if "FORWARDED" in name or name in ("HTTP_VIA", "HTTP_X_REAL_IP")]
    if peer == LIAR:
        assert values["REMOTE_ADDR"] == LIAR
        assert values["HTTP_HOST"] == host
