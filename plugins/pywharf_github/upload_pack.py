"""Reading from a git host: refs and packs, in one request each where the host speaks protocol 2 (gitprotocol-v2), else in two.

Nothing is negotiated: what we have is one commit that the host gave us, so wants, haves and "done" go out at once.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from pywharf_github.connections import USER_AGENT
from pywharf_github.packets import DELIMITER, FLUSH, NO_GIT, Packets, packet
from pywharf_github.refusals import HostUnavailable
from pywharf_github.transport import Answer, Transport

SERVICE = "git-upload-pack"
MAX_REFS = 16 * 1024**2  # bytes of refs
TRUSTED_FOR = 600.0  # seconds that a host's capabilities are taken for granted
V2 = "version=2"
AGENT = b"agent=" + USER_AGENT.encode("ascii")


@dataclass(frozen=True)
class Advertised:
    """What the host says of itself when asked."""

    capabilities: dict[bytes, bytes]  # by name, with what stands after "="
    refs: dict[bytes, bytes] | None  # None: protocol 2, where refs are asked for

    @property
    def filters(self) -> bool:
        """Whether bodies of files can be left out of a pack."""
        return b"filter" in (self.capabilities.get(b"fetch", b"").split(b" ") if self.refs is None else self.capabilities)


@dataclass(frozen=True)
class Wanted:
    """One pack to ask for. 40 hex digits for each object."""

    wants: Sequence[bytes]
    have: bytes | None = None
    shallow: Sequence[bytes] = ()  # commits whose parents we do not have
    only_the_newest: bool = False  # depth 1
    without_blobs: bool = False


@dataclass
class Pack:
    """A pack on its way. Good inside the `with` of fetch()."""

    chunks: Iterator[bytes]
    shallow: set[bytes] = field(default_factory=set)  # commits that came without their parents
    unshallow: set[bytes] = field(default_factory=set)


class UploadPack:
    """The reading half of a repository."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._host = transport.host

    def advertised(self) -> Advertised:
        """What the host can do, remembered for a while if it speaks protocol 2. Raises AccessDenied, HostUnavailable."""
        known = self._host.capabilities
        if known is not None and time.monotonic() < self._host.until:
            return Advertised(known, None)
        with self._transport.get(SERVICE, limit=MAX_REFS, protocol=V2) as answer:
            advertised = read_advertisement(Packets(answer, self._transport.clean), SERVICE)
        if advertised.capabilities.get(b"object-format", b"sha1") != b"sha1":
            raise HostUnavailable("the git repository names its objects by sha256, which pywharf does not speak; make one with sha1")
        if advertised.refs is None:
            self._host.capabilities, self._host.until = advertised.capabilities, time.monotonic() + TRUSTED_FOR
        return advertised

    def refs(self, prefix: bytes) -> dict[bytes, bytes]:
        """Refs by name, those that begin with `prefix`."""
        remembered = self._host.capabilities is not None
        try:
            return self._refs(prefix)
        except HostUnavailable as error:
            if not remembered or not error.reason.startswith(NO_GIT):
                raise
            return self._refs(prefix)  # it is another host than the one that was remembered: older, or behind another proxy

    def _refs(self, prefix: bytes) -> dict[bytes, bytes]:
        with self._mistakes_forgotten():
            advertised = self.advertised()
            refs = advertised.refs if advertised.refs is not None else self._listed(advertised, prefix)
            return {name: sha for name, sha in refs.items() if name.startswith(prefix)}

    @contextlib.contextmanager
    def fetch(self, wanted: Wanted, *, limit: int) -> Generator[Pack, None, None]:
        """Ask for a pack. limit: bytes of the whole answer. Raises ObjectsMissing, TooMuchSent, HostUnavailable, AccessDenied."""
        with self._mistakes_forgotten():
            advertised = self.advertised()
            newer = advertised.refs is None
            body = _request_v2(wanted, advertised) if newer else _request_v0(wanted, advertised)
            with self._transport.post(SERVICE, body, limit=limit, protocol=V2 if newer else "") as answer:
                yield self._begun_v2(answer) if newer else self._begun_v0(answer, wanted)

    @contextlib.contextmanager
    def _mistakes_forgotten(self) -> Generator[None, None, None]:
        try:
            yield
        except HostUnavailable:
            self._host.forget()  # another version of the host's software may answer now
            raise

    def _listed(self, advertised: Advertised, prefix: bytes) -> dict[bytes, bytes]:
        body = b"".join((packet(b"command=ls-refs\n"), *_about_us(advertised), DELIMITER, packet(b"ref-prefix ", prefix, b"\n"), FLUSH))
        refs = {}
        with self._transport.post(SERVICE, body, limit=MAX_REFS, protocol=V2) as answer:
            for line in Packets(answer, self._transport.clean).lines():
                sha, _, name = line.partition(b" ")
                refs[name.split(b" ")[0]] = checked(sha)
        return refs

    def _begun_v2(self, answer: Answer) -> Pack:
        packets = Packets(answer, self._transport.clean)
        pack = Pack(packets.data())
        section = packets.line()
        while section != b"packfile":
            if section not in (b"shallow-info", b"acknowledgments"):
                raise HostUnavailable(NO_GIT)
            for line in packets.lines():
                _note_shallow(line, pack)
            section = packets.line()
        return pack

    def _begun_v0(self, answer: Answer, wanted: Wanted) -> Pack:
        packets = Packets(answer, self._transport.clean)
        pack = Pack(packets.data())
        if wanted.only_the_newest:
            for line in packets.lines():
                _note_shallow(line, pack)
        line = packets.line() or b""
        if line != b"NAK" and not line.startswith(b"ACK "):
            raise HostUnavailable(NO_GIT)
        return pack


def read_advertisement(packets: Packets, service: str) -> Advertised:
    """What stands at the beginning of a service: capabilities, and in protocol 0 the refs. Raises HostUnavailable where it is not git's."""
    line = packets.line()
    if line == b"# service=" + service.encode("ascii"):
        if packets.line() is not None:
            raise HostUnavailable(NO_GIT)
        line = packets.line()
    elif line != b"version 2":
        raise HostUnavailable(NO_GIT)
    if line == b"version 2":
        return Advertised(_by_name(list(packets.lines())), None)
    if line is None:  # an empty repository of a host that says nothing at all
        return Advertised({}, {})
    first, _, capabilities = line.partition(b"\0")
    refs = {}
    for one in (first, *packets.lines()):
        sha, _, name = one.partition(b" ")
        if name != b"capabilities^{}" and not name.endswith(b"^{}") and sha != b"shallow":
            refs[name] = checked(sha)
    return Advertised(_by_name(capabilities.split(b" ")), refs)


def checked(sha: bytes) -> bytes:
    """An object's name as the host gave it. Raises HostUnavailable where it is none."""
    if len(sha) != 40 or not set(sha) <= set(b"0123456789abcdef"):
        raise HostUnavailable(NO_GIT)
    return sha


def _by_name(capabilities: list[bytes]) -> dict[bytes, bytes]:
    return {name: value for name, _, value in (capability.partition(b"=") for capability in capabilities) if name}


def _about_us(advertised: Advertised) -> list[bytes]:
    told = [packet(AGENT, b"\n")]
    return [*told, packet(b"object-format=sha1\n")] if b"object-format" in advertised.capabilities else told


def _request_v2(wanted: Wanted, advertised: Advertised) -> bytes:
    filtered = wanted.without_blobs and advertised.filters
    return b"".join(
        (
            packet(b"command=fetch\n"),
            *_about_us(advertised),
            DELIMITER,
            packet(b"no-progress\n"),
            *([packet(b"ofs-delta\n")] if wanted.without_blobs else []),
            *(packet(b"shallow ", sha, b"\n") for sha in wanted.shallow),
            *([packet(b"deepen 1\n")] if wanted.only_the_newest else []),
            *([packet(b"filter blob:none\n")] if filtered else []),
            *(packet(b"want ", sha, b"\n") for sha in wanted.wants),
            *([packet(b"have ", wanted.have, b"\n")] if wanted.have else []),
            packet(b"done\n"),
            FLUSH,
        )
    )


def _request_v0(wanted: Wanted, advertised: Advertised) -> bytes:
    filtered = wanted.without_blobs and advertised.filters
    names = [
        b"side-band-64k",
        b"no-progress",
        *([b"ofs-delta"] if wanted.without_blobs else []),
        b"shallow",
        *([b"filter"] if filtered else []),
    ]
    if b"side-band-64k" not in advertised.capabilities:
        raise HostUnavailable("the git host is too old: it offers no side-band-64k")
    offered = [name for name in names if name in advertised.capabilities]
    first, *others = wanted.wants
    return b"".join(
        (
            packet(b"want ", first, b" ", b" ".join([*offered, AGENT]), b"\n"),
            *(packet(b"want ", sha, b"\n") for sha in others),
            *(packet(b"shallow ", sha, b"\n") for sha in wanted.shallow),
            *([packet(b"deepen 1\n")] if wanted.only_the_newest else []),
            *([packet(b"filter blob:none\n")] if filtered else []),
            FLUSH,
            *([packet(b"have ", wanted.have, b"\n")] if wanted.have else []),
            packet(b"done\n"),
        )
    )


def _note_shallow(line: bytes, pack: Pack) -> None:
    kind, _, sha = line.partition(b" ")
    if kind == b"shallow":
        pack.shallow.add(checked(sha))
    elif kind == b"unshallow":
        pack.unshallow.add(checked(sha))
