"""What a proxy says about a client, and of which proxies it is believed.

A client can send every one of these headers itself. So they are taken off each request, and what they say counts only where the
connection comes from a proxy that the operator trusts (`--trusted_proxies`). Then the request is put right once, here, before anybody
looks at it: the client's address, the scheme and the host that it used, the prefix that the proxy took off its path.

Of two families of headers one is believed: X-Forwarded-* where any of it that is known here comes, else Forwarded. Lists are read from
their end, which the proxy wrote that speaks to us; what stands before may be the client's own. Whatever is malformed says nothing.

Sources: RFC 7239 (Forwarded); X-Forwarded-* as nginx, Caddy, Traefik and HAProxy are documented to write them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from pywharf.web.headers import HOST

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

UNIX = "unix"  # the word for whoever connects to a unix socket
MOST_HOPS = 20  # proxies one behind the other; what is further away is not looked at
MOST_PREFIX = 200  # characters

_SPEAKS_FOR_OTHERS = re.compile(r"HTTP_(?:FORWARDED|X_FORWARDED(?:_.*)?|X_REAL_IP|VIA)")
_BEGINNINGS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")  # of what that finds: sooner looked for
_MADE_UP = frozenset({"REMOTE_USER", "AUTH_TYPE", "HTTP_X_SCRIPT_NAME", "HTTP_PROXY"})  # believed by libraries, set by nobody we trust
_FOR, _PROTO, _HOST, _PORT, _PREFIX = (f"HTTP_X_FORWARDED_{name}" for name in ("FOR", "PROTO", "HOST", "PORT", "PREFIX"))
_FAMILY = frozenset({_FOR, _PROTO, _HOST, _PORT, _PREFIX})
_V4 = re.compile(r"([0-9.]{7,15})(?::[0-9]{1,5})?")
_V6 = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})")
_PORT_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_STEPS = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")  # of a prefix: what no two parties spell differently
_PAIR = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:\"([^\"\\,;]*)\"|([!#$%&'*+.^_`|~0-9A-Za-z:\[\]-]*))")
_USUAL = {"http": ":80", "https": ":443"}  # a port that nobody writes


@dataclass(frozen=True)
class TrustedProxies:
    """Who is believed. Nobody, unless told."""

    networks: Sequence[Network] = ()
    unix: bool = False

    def include(self, peer: str) -> bool:
        """peer: the address of a connection or of a hop. A unix socket's other end has none: other WSGI servers leave it empty."""
        if peer in ("", UNIX):
            return self.unix
        if not self.networks:
            return False
        try:
            address = _parsed(peer)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


NOBODY = TrustedProxies()


@dataclass(frozen=True)
class Way:
    """How a request came here."""

    was_forwarded: bool  # perhaps by somebody unknown; then it says nothing that its connection comes from this machine
    by_trusted: bool = False  # a trusted proxy handed it to us
    scheme_is_known: bool = True  # False: there was a proxy, and who knows what the client spoke to it


_STRAIGHT = Way(False)
_BY_A_STRANGER = Way(True, scheme_is_known=False)


def trusted_proxies(text: str) -> TrustedProxies:
    """Read a list such as "10.0.0.0/8, fd00::/8, 192.0.2.7, unix"; "" trusts nobody. Raises ValueError, which names the wrong part."""
    networks: list[Network] = []
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    for part in parts:
        if part == UNIX:
            continue
        if not part:
            raise ValueError("has a comma with nothing behind or before it")
        networks.append(_network(part))
    return TrustedProxies(tuple(networks), UNIX in parts)


def put_right(environ: WSGIEnvironment, trusted: TrustedProxies) -> Way:
    """Take off what speaks for others, and where it is believed write it where WSGI has it. Raises nothing, whatever came."""
    speaking = _speaking_for_others(tuple(environ))
    said = {name: str(environ.pop(name)) for name in speaking}
    if not _MADE_UP.isdisjoint(environ):
        for name in _MADE_UP:
            environ.pop(name, None)
    peer = environ.get("REMOTE_ADDR", "")
    if not trusted.include(peer):
        return _BY_A_STRANGER if said else _STRAIGHT
    told = _by_family(said, trusted) if _FAMILY & said.keys() else _by_standard(said.get("HTTP_FORWARDED", ""), trusted)
    scheme = told.scheme or environ.get("wsgi.url_scheme", "http")
    if told.client:
        environ["REMOTE_ADDR"] = told.client
    environ["wsgi.url_scheme"] = scheme
    host = _host(told.host or environ.get("HTTP_HOST", ""), told.port, scheme)
    if host and (told.host or told.port):
        environ["HTTP_HOST"] = host
    if told.prefix:
        environ["SCRIPT_NAME"] = told.prefix + environ.get("SCRIPT_NAME", "")
    return Way(True, by_trusted=True, scheme_is_known=bool(told.scheme))


@lru_cache(maxsize=64)  # the same few clients send the same few fields
def _speaking_for_others(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name.startswith(_BEGINNINGS) and _SPEAKS_FOR_OTHERS.fullmatch(name)]


@dataclass(frozen=True)
class _Told:
    """What a trusted proxy says; "" where it says nothing that can be right."""

    client: str = ""
    scheme: str = ""
    host: str = ""
    port: str = ""
    prefix: str = ""


def _by_family(said: Mapping[str, str], trusted: TrustedProxies) -> _Told:
    hops = [_address(hop) for hop in _from_the_end(said.get(_FOR, ""))]
    reached = _reached(hops, trusted)
    prefix = _last(said, _PREFIX).rstrip("/")
    steps = prefix.split("/")
    good = len(prefix) <= MOST_PREFIX and _STEPS.fullmatch(prefix) and "." not in steps and ".." not in steps
    return _Told(
        hops[reached] if reached >= 0 else "",
        _scheme(_last(said, _PROTO)),
        _last(said, _HOST),
        _last(said, _PORT),
        prefix if good else "",
    )


def _by_standard(forwarded: str, trusted: TrustedProxies) -> _Told:
    """Scheme and host are those of the hop that the client spoke to: it is the one that wrote down the client's address."""
    hops = [_element(hop) for hop in _from_the_end(forwarded)]
    reached = _reached([_address(hop.get("for", "")) for hop in hops], trusted)
    if reached < 0:
        first = hops[0] if hops else {}
        return _Told(scheme=_scheme(first.get("proto", "")), host=first.get("host", ""))
    hop = hops[reached]
    return _Told(_address(hop["for"]), _scheme(hop.get("proto", "")), hop.get("host", ""))


def _reached(hops: Sequence[str], trusted: TrustedProxies) -> int:
    """Which hop is the client: the first, from our end, that is no trusted proxy; the last good one before one that is no address.

    -1 where not even the nearest is an address: then the peer itself is all that is known.
    """
    reached = -1
    for number, hop in enumerate(hops):
        if not hop:
            break
        reached = number
        if not trusted.include(hop):
            break
    return reached


def _from_the_end(value: str) -> list[str]:
    """The items of a list, the last first, and no more of them than are looked at."""
    return [item.strip(" \t") for item in reversed(value.rsplit(",", MOST_HOPS))][:MOST_HOPS] if value else []


def _last(said: Mapping[str, str], name: str) -> str:
    return said.get(name, "").rpartition(",")[2].strip(" \t")


def _element(text: str) -> dict[str, str]:
    """One hop of Forwarded, its names in lower case; nothing where any of it is malformed or comes twice."""
    found: dict[str, str] = {}
    for pair in text.split(";", 10):
        match = _PAIR.fullmatch(pair.strip(" \t"))
        name = match.group(1).lower() if match else ""
        if match is None or name in found:
            return {}
        found[name] = match.group(2) or match.group(3) or ""
    return found


def _address(hop: str) -> str:
    """The address of a hop, a port behind it left out; "" where it has none, as with "unknown" and names that hide it."""
    match = _V4.fullmatch(hop) or _V6.fullmatch(hop)
    if match is None:
        return ""
    try:
        return str(_parsed(next(group for group in match.groups() if group)))
    except ValueError:
        return ""


def _parsed(text: str) -> Address:
    """An address; one of IPv4 in the clothes of IPv6, as a socket for both has it, without them. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _scheme(text: str) -> str:
    return text.lower() if text.lower() in _USUAL else ""


def _host(host: str, port: str, scheme: str) -> str:
    """The host with its port, as a browser would write it; "" where it can be none."""
    host = host.strip(" \t")
    if not HOST.fullmatch(host):
        return ""
    if not re.search(r":[0-9]+\Z", host) and _PORT_NUMBER.fullmatch(port) and int(port) < 65536:
        host = f"{host}:{port}"
    return host.removesuffix(_USUAL.get(scheme, ":"))


def _network(part: str) -> Network:
    shown = repr(part[:60])
    try:
        network = ipaddress.ip_network("" if "%" in part else part, strict=False)
    except ValueError:
        raise ValueError(f"{shown} is no address, no network such as 10.0.0.0/8 or fd00::/8, and not the word {UNIX!r}") from None
    if "/" in part and network.network_address != ipaddress.ip_address(part.partition("/")[0]):
        raise ValueError(f"{shown} is one address in a network: write {network} for all of it, or leave out what begins with '/'")
    if not network.prefixlen:
        raise ValueError(f"{shown} is everybody, and anybody could say what they like: name the proxies' addresses or networks")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{shown} is IPv4 written as IPv6: write it as IPv4")
    return network
