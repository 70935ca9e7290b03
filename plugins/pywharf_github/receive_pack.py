"""Writing to a git host: moving refs from where they were seen to where they shall be, with the objects the host lacks.

The host moves a ref only from the value that is sent as the old one, and here that is always the one the change was built on: not, as
in a plain push, whatever the host advertised a moment ago.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.pack import PackChunkGenerator, UnpackedObject

from pywharf_github.packets import FLUSH, Packets, packet, read_packet
from pywharf_github.refusals import HostUnavailable, PushMoved, PushRefused, PushUnanswered, TooMuchGiven
from pywharf_github.transport import Transport
from pywharf_github.upload_pack import AGENT, MAX_REFS, Advertised, UploadPack, read_advertisement

SERVICE = "git-receive-pack"
NO_OBJECT = b"0" * 40
MAX_REPORT = 1024**2  # bytes
SENT_WHOLE = 1024**2  # bytes; larger bodies go in chunks, which some hosts do not like for small ones
PIECE = 64 * 1024  # bytes of a chunk


class ReceivePack:
    """The writing half of a repository."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def advertised(self) -> Advertised:
        """Every ref, and what the host can do. Raises AccessDenied("write"), HostUnavailable."""
        with self._transport.get(SERVICE, limit=MAX_REFS) as answer:
            return read_advertisement(Packets(answer, self._transport.clean), SERVICE)

    def push(
        self,
        ref: bytes | None,
        expected: bytes | None,
        new: bytes,
        objects: Sequence[UnpackedObject],
        *,
        delete: Sequence[bytes] = (),
    ) -> None:
        """Move `ref` (None: none) from `expected` to `new`, and remove the refs in `delete` that are there. See GitRemote.push."""
        advertised = self.advertised()
        refs = advertised.refs or {}
        commands = {name: (refs[name], NO_OBJECT) for name in delete if name in refs and name != ref}
        if ref is not None:
            if refs.get(ref) != expected:
                raise PushMoved(refs.get(ref))
            if commands and b"atomic" not in advertised.capabilities:
                commands = {}  # the sweep removes them: better than half a change
            commands = {ref: (expected or NO_OBJECT, new), **commands}
        if not commands:
            return
        report, told = self._send(advertised, commands, objects if ref is not None else None)
        failed = _failure(report, commands)
        if failed is None:
            return
        tip = expected if ref is None else UploadPack(self._transport).refs(ref).get(ref)
        refusal = PushRefused(self._transport.clean(failed)[:300], self._transport.clean(told))
        if ref is not None and (tip != expected or refusal.in_each_others_way):
            raise PushMoved(tip)
        raise refusal

    def _send(
        self, advertised: Advertised, commands: Mapping[bytes, tuple[bytes, bytes]], objects: Sequence[UnpackedObject] | None
    ) -> tuple[list[bytes], bytes]:
        """The lines of the host's report, and what it told besides."""
        body = _Body(_commands(advertised, commands), objects)
        try:
            with self._transport.post(SERVICE, body.whole() or body, limit=MAX_REPORT) as answer:
                packets = Packets(answer, self._transport.clean)
                banded = b"side-band-64k" in advertised.capabilities
                report = _lines(b"".join(packets.data())) if banded else list(packets.lines())
        except TooMuchGiven as error:
            raise PushRefused(error.reason, too_large=True) from error
        except HostUnavailable as error:
            if error.refused or not body.is_sent:
                raise
            raise PushUnanswered(f"{error.reason}, after everything was sent", retry_after=error.retry_after) from error
        if not any(line.startswith(b"unpack ") for line in report):
            raise PushUnanswered("the git host does not say what became of the push")
        return report, bytes(packets.told)


class _Body:
    """The body of a push, made while it is sent; knows whether all of it was."""

    def __init__(self, commands: bytes, objects: Sequence[UnpackedObject] | None) -> None:
        self._pieces = self._made(commands, objects)
        self._begun: list[bytes] = []
        self.is_sent = False

    def whole(self) -> bytes | None:
        """All of it, where it is small."""
        size = 0
        for piece in self._pieces:
            self._begun.append(piece)
            size += len(piece)
            if size > SENT_WHOLE:
                return None
        self.is_sent = True  # or will be, for all that can be known
        return b"".join(self._begun)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._begun
        yield from self._pieces
        self.is_sent = True

    @staticmethod
    def _made(commands: bytes, objects: Sequence[UnpackedObject] | None) -> Iterator[bytes]:
        collected = bytearray(commands)
        if objects is not None:
            for chunk in PackChunkGenerator(DEFAULT_OBJECT_FORMAT, num_records=len(objects), records=iter(objects)):
                collected += chunk
                if len(collected) >= PIECE:
                    yield bytes(collected)
                    collected.clear()
        if collected:
            yield bytes(collected)


def _commands(advertised: Advertised, commands: Mapping[bytes, tuple[bytes, bytes]]) -> bytes:
    wanted = [b"report-status", b"side-band-64k", b"quiet", *([b"atomic"] if len(commands) > 1 else [])]
    offered = [name for name in wanted if name in advertised.capabilities]
    if b"object-format" in advertised.capabilities:
        offered.append(b"object-format=sha1")
    if b"report-status" not in offered:
        raise HostUnavailable("the git host is too old: it does not report what becomes of a push")
    if any(new == NO_OBJECT for _, new in commands.values()) and b"delete-refs" not in advertised.capabilities:
        raise PushRefused("the git host lets nobody remove refs")
    lines = [b"%s %s %s" % (old, new, name) for name, (old, new) in commands.items()]
    lines[0] += b"\0 " + b" ".join([*offered, AGENT])
    return b"".join((*(packet(line) for line in lines), FLUSH))


def _lines(report: bytes) -> list[bytes]:
    read = io.BytesIO(report).read
    return [line.removesuffix(b"\n") for line in iter(lambda: read_packet(read), None)]


def _failure(report: list[bytes], commands: Mapping[bytes, tuple[bytes, bytes]]) -> bytes | None:
    """The host's words for what failed; None where everything was done. Raises PushUnanswered where it says nothing of a ref."""
    unpacked = next(line.removeprefix(b"unpack ") for line in report if line.startswith(b"unpack "))
    failed = {name: reason for name, _, reason in (line[3:].partition(b" ") for line in report if line.startswith(b"ng "))}
    done = {line[3:] for line in report if line.startswith(b"ok ")}
    reasons = [failed[name] for name in commands if name in failed]
    if unpacked != b"ok":
        return b"; ".join((*dict.fromkeys(reasons), unpacked))
    if reasons:
        # Of an atomic push all refs fail, and one of them for a reason of its own.
        own = [reason for reason in reasons if not reason.startswith(b"atomic ")]
        return (own or reasons)[0]
    if not done >= set(commands):
        raise PushUnanswered("the git host does not say what became of the push")
    return None
