"""Git's packets (gitprotocol-common), read from an answer: lines, bands, and the errors among them.

Not dulwich's reader: that one writes what it reads to the debug log, and a host can say anything, the token too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pywharf_github.refusals import HostUnavailable, ObjectsMissing
from pywharf_github.transport import Answer

FLUSH = b"0000"
DELIMITER = b"0001"
NO_GIT = "the git host answers with something that is not git's"
MAX_TOLD = 8192  # bytes of progress that are kept

_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_DATA, _PROGRESS, _FATAL = 1, 2, 3


class Packets:
    """The packets of one answer, in order."""

    def __init__(self, answer: Answer, clean: Callable[[str | bytes], str]) -> None:
        self._read = answer.read
        self._clean = clean
        self.told = bytearray()  # what came on the progress band, bounded

    def line(self) -> bytes | None:
        """The next packet without its line end; None: a flush or delimiter packet. Raises HostUnavailable, ObjectsMissing."""
        packet = self._packet()
        if packet is None:
            return None
        if packet.startswith(b"ERR "):
            self._refused(packet[4:])
        return packet.removesuffix(b"\n")

    def lines(self) -> Iterator[bytes]:
        """The lines up to the next flush or delimiter packet."""
        while (line := self.line()) is not None:
            yield line

    def data(self) -> Iterator[bytes]:
        """What comes on the data band, up to the flush packet."""
        while (packet := self._packet()) is not None:
            band = packet[0] if packet else 0
            if band == _DATA:
                yield packet[1:]
            elif band == _PROGRESS:
                self.told += packet[1 : 1 + max(0, MAX_TOLD - len(self.told))]
            elif band == _FATAL or packet.startswith(b"ERR "):
                self._refused(packet[1:] if band == _FATAL else packet[4:])
            else:
                raise HostUnavailable(NO_GIT)

    def _packet(self) -> bytes | None:
        return read_packet(self._read)

    def _refused(self, words: bytes) -> None:
        told = self._clean(words)
        if "not our ref" in told or "not a valid object" in told or "unable to parse object" in told:
            raise ObjectsMissing(told)
        raise HostUnavailable(f"the git host says: {told[:300]}")


def packet(*parts: bytes) -> bytes:
    """One packet out of its parts."""
    content = b"".join(parts)
    return b"%04x%s" % (len(content) + 4, content)


def read_packet(read: Callable[[int], bytes]) -> bytes | None:
    """The next packet; None: a flush or delimiter packet. Raises HostUnavailable where there is none, or only a part of one."""
    head = read(4)
    size = int(head, 16) if _LENGTH.fullmatch(head) else -1
    if size in (0, 1):
        return None
    content = read(size - 4) if size >= 4 else b""
    if size < 4 or len(content) != size - 4:
        raise HostUnavailable(f"{NO_GIT}, or broke off in the middle")
    return content
