"""The header fields of a request: how they are read, what is refused, and what WSGI makes of them.

A length said twice or with a sign, a folded or nameless line, a chunked body: two parties could read them differently, so they are refused.

Sources: RFC 9112, sections 3, 5 and 6; PEP 3333.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from pywharf.web.errors import RequestInvalid

MAX_HEADER_LINES = 200
# What may be kept with a connection that waits for its next request: installers and browsers send less than half of it, and ten thousand who
# send the most that is taken must not add up.
KEPT_BYTES = 2048
KEPT_FIELDS = 32
# Said once or not at all; of everything else the values are joined, as RFC 9110, 5.3 has it.
_SINGLE = {b"Authorization", b"Content-Length", b"Content-Type", b"Host", b"Transfer-Encoding", b"Expect", b"Range", b"If-Range", b"Origin"}
# What a client changes from one request to the next, and what says nothing about where a request ends or whom it is for.
_CHANGING = {b"If-None-Match", b"If-Modified-Since", b"Range", b"Referer", b"Accept", b"Cookie"}
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%-]*|\[[A-Za-z0-9:.%_~-]+\])(?::[0-9]*)?")


class Lines(Protocol):
    """What a head is read from."""

    def readline(self) -> bytes: ...


class Field(NamedTuple):
    """One line of a head, read and found good."""

    name: bytes  # in Cheroot's spelling; b"" for one that is left out
    value: bytes
    key: str  # the name in an environ
    text: str  # the value there


class Fields(NamedTuple):
    """The header fields of a request, read and found good. A client sends most of them with many requests of a connection."""

    block: bytes  # as they came
    lines: Mapping[bytes, Field]  # each as it came
    protocol: str  # of the request, and of its response
    by_name: Mapping[bytes, bytes]
    environ: Mapping[str, str]  # the same for WSGI
    is_last: bool  # whether the client wants no further request answered
    changing: Sequence[tuple[int, int, Field]]  # lines of the block that may say something else next time: where the value begins and ends

    def for_block(self, block: bytes, protocol: str) -> Fields | None:
        """The fields of a later request, where its block is this one, or where one line says something else that does not matter to its
        end: so come the conditional requests of a connection, each with the tag of another page. None where all has to be looked at.
        """
        if self.protocol != protocol:
            return None
        if self.block == block:
            return self
        longer = len(block) - len(self.block)
        for start, end, field in self.changing:
            there = end + longer  # where the value ends in the other block
            if there < start or not (block.endswith(self.block[end:]) and block.startswith(self.block[:start])):
                continue
            raw = block[start:there]
            if not _VALUE.fullmatch(raw):  # more lines than one, or a malformed one
                return None
            value = raw.strip(b" \t")
            by_name, environ = {**self.by_name, field.name: value}, {**self.environ, field.key: value.decode("latin-1")}
            return Fields(block, self.lines, protocol, by_name, environ, self.is_last, ())
        return None

    @property
    def are_few(self) -> bool:
        """Whether they may be kept for the next request."""
        return len(self.block) <= KEPT_BYTES and len(self.by_name) <= KEPT_FIELDS


def read_fields(lines: Lines, known: Mapping[bytes, Field] | None = None, read: dict[bytes, Field] | None = None) -> dict[bytes, bytes]:
    """Read header lines up to the empty one; names in Cheroot's spelling ("Content-Length"). Raises RequestInvalid.

    known: lines of an earlier request, which need not be looked at again. read: is given each line.
    A name with an underscore is left out: in a WSGI environ it would pass for the one with a hyphen.
    """
    known, read = known or {}, {} if read is None else read
    fields: dict[bytes, bytes] = {}
    for _ in range(MAX_HEADER_LINES):
        line = lines.readline()
        if line == b"\r\n":
            return fields
        field = read[line] = known.get(line) or _field(line)
        name, value = field.name, field.value
        if not name:
            continue
        if name in fields:
            if name in _SINGLE:
                raise RequestInvalid(f"The header field {name.decode()} comes more than once")
            value = fields[name] + (b"; " if name == b"Cookie" else b", ") + value
        fields[name] = value
    raise RequestInvalid("There are too many header lines")


def _field(line: bytes) -> Field:
    """Raises RequestInvalid."""
    if not line.endswith(b"\r\n"):
        raise RequestInvalid("A header line does not end with CRLF")
    raw, colon, value = line[:-2].partition(b":")
    spelled = _spelled(raw)
    if not colon or spelled is None or not _VALUE.fullmatch(value):
        raise RequestInvalid("A header line is malformed")
    value = value.strip(b" \t")
    return Field(spelled[0], value, spelled[1], value.decode("latin-1"))


@lru_cache(maxsize=256)  # of names, which are few and tell nothing
def _spelled(name: bytes) -> tuple[bytes, str] | None:
    """A name in Cheroot's spelling and in that of an environ; None for one that no field can have."""
    if not _NAME.fullmatch(name):
        return None
    return (b"" if b"_" in name else name.title()), environ_key(name.decode("ascii"))


def environ_key(name: str) -> str:
    """What a field is called in an environ (PEP 3333)."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def check_framing(fields: Mapping[bytes, bytes], protocol: str, max_body: int = 0) -> str:
    """The status to refuse a head with, because where its body ends or whom it is for is not certain; "" where all is well.

    max_body: bytes; 0 leaves that to the application.
    """
    if b"Transfer-Encoding" in fields:
        return "411 Length Required"
    if not _LENGTH.fullmatch(fields.get(b"Content-Length", b"0")):
        return "400 Malformed Content-Length"
    if max_body and int(fields.get(b"Content-Length", b"0")) > max_body:
        return "413 Content Too Large"
    if protocol == "HTTP/1.1" and b"Host" not in fields:
        return "400 Missing Host"
    if not _HOST.fullmatch(fields.get(b"Host", b"")):
        return "400 Malformed Host"
    return ""


def good_fields(block: bytes, protocol: str, by_name: Mapping[bytes, bytes], lines: Mapping[bytes, Field]) -> Fields:
    """What `read_fields` made of this block, and `check_framing` had nothing against. lines: what it has read."""
    options = {option.strip().lower() for option in by_name.get(b"Connection", b"").split(b",")}
    is_lasting = protocol == "HTTP/1.1" or b"keep-alive" in options
    environ = {}
    for field in lines.values():
        if field.name:
            value = by_name[field.name]
            environ[field.key] = field.text if value is field.value else value.decode("latin-1")  # else it was joined with others
    is_last = b"close" in options or not is_lasting
    return Fields(block, lines, protocol, by_name, environ, is_last, tuple(_changing(block, by_name, lines)))


def _changing(block: bytes, by_name: Mapping[bytes, bytes], lines: Mapping[bytes, Field]) -> Iterator[tuple[int, int, Field]]:
    for line, field in lines.items():
        if field.name in _CHANGING and by_name[field.name] is field.value:  # else it was joined with others
            start = block.find(line)
            if start == 0 or block[start - 2 : start] == b"\r\n":  # else it is the end of another line
                yield start + line.index(b":") + 1, start + len(line) - len(b"\r\n"), field
