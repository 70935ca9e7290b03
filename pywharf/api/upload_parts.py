"""The parts of an upload's form, one after the other: which is the file, which is text to keep, which only passes by.

Fed with the events of `multipart.PushMultipartParser` by `api/upload.py`. The file is handed on, never held.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection
from typing import Protocol

from multipart import MultipartSegment, parse_options_header  # type: ignore[import-untyped]  # one module has no py.typed

from pywharf.api.file_digests import FIELDS, SHA256
from pywharf.errors import FileTooLarge, UploadRejected

FILE_FIELD = "content"
KEPT_FIELDS = frozenset(
    ":action protocol_version filetype pyversion metadata_version name version requires_python requires_dist attestations"
    " md5_digest sha256_digest blake2_256_digest".split()
)
MAX_KEPT_BYTES = 4 * 1024 * 1024  # those together; thousands of Requires-Dist are some 100 KiB

UTF_8_NAMES = frozenset(("", "utf-8", "utf8", "us-ascii", "ascii"))  # "" where none is named
_Utf8Decoder = codecs.getincrementaldecoder("utf-8")
_AS_IT_IS = frozenset(("", "binary", "8bit", "7bit"))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # all but tab and line ends, which folded headers carry
_HEADER_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class FileSink(Protocol):
    """Where the file of an upload goes, and who takes its digests."""

    def expect(self, algorithms: Collection[str]) -> None:
        """Called once, before the first piece. algorithms: of the digests that will be asked for, as far as that is known by then."""

    def write(self, piece: bytes, /) -> object:
        """The next piece. When this raises, what was written is worth nothing."""

    def digest(self, algorithm: str) -> str:
        """Lower-case hex, of all that was written; also by an algorithm of `file_digests.ALGORITHMS` that was not expected."""


class Parts:
    """What has been received so far of one form."""

    def __init__(self, sink: FileSink, max_file_bytes: int) -> None:
        self.file = ReceivedFile(sink, max_file_bytes)
        self.fields: dict[str, list[str]] = {}  # those of KEPT_FIELDS
        self._kept_bytes = 0
        self._part: _Part = _Ignored()

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """One event of the parser: a part's header, a piece of its content, or its end (None)."""
        if isinstance(event, MultipartSegment):
            self._part = self._begin(event)
        elif event is None:
            self._part.end()
        else:
            self._part.take(bytes(event))

    @property
    def digests_told(self) -> set[str]:
        """The algorithms of the digests that came so far."""
        return {algorithm for field, algorithm in FIELDS.items() if any(value.strip() for value in self.fields.get(field, ()))}

    def keep(self, name: str, value: str, size: int) -> None:
        self._kept_bytes += size
        if self._kept_bytes > MAX_KEPT_BYTES:
            raise UploadRejected(name, f"the fields that are read have more than {MAX_KEPT_BYTES} bytes together")
        self.fields.setdefault(name, []).append(value)

    def _begin(self, segment: MultipartSegment) -> _Part:
        headers: dict[str, str] = {}
        for name, value in segment.headerlist:
            if name in headers or _HEADER_CONTROL.search(value):
                raise UploadRejected("body", "the header of a part has a control character or says something twice")
            headers[name] = value
        if headers.get("Content-Length", "0").strip("0123456789"):
            raise UploadRejected("body", "the Content-Length of a part is no number")
        if segment.name == FILE_FIELD:
            self.file.begin(segment.filename, headers, self.digests_told)
            return self.file
        if segment.filename is not None:
            return _Ignored()
        kept = segment.name in KEPT_FIELDS
        label = segment.name if kept else "body"  # a name that is not ours is not repeated to anybody
        if "Content-Type" in headers:
            _, options = parse_options_header(headers["Content-Type"])
            if options.get("charset", "").lower() not in UTF_8_NAMES:
                raise UploadRejected(label, "a text field is sent as UTF-8")
        _refuse_encoding(label, headers)
        return _KeptText(label, self.keep) if kept else _PassingText()


class _Part(Protocol):
    def take(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


class ReceivedFile:
    """The part with the distribution file: counted, handed on."""

    def __init__(self, sink: FileSink, max_bytes: int) -> None:
        self.filename: str | None = None  # None until the part has begun
        self.size = 0  # bytes
        self._sink = sink
        self._max_bytes = max_bytes

    def begin(self, filename: str | None, headers: dict[str, str], digests_told: set[str]) -> None:
        if self.filename is not None:
            raise UploadRejected(FILE_FIELD, "an upload has one file; it was sent more than once")
        # The parser makes a file's name of a DOS path, and of an escaped quote; what was sent is refused instead.
        if not filename or "\\" in headers["Content-Disposition"]:
            raise UploadRejected(FILE_FIELD, "the part has no file name, or one with a backslash")
        _refuse_encoding(FILE_FIELD, headers)
        self.filename = filename
        self._sink.expect({SHA256, *digests_told})

    def take(self, piece: bytes) -> None:
        if self.size + len(piece) > self._max_bytes:
            raise FileTooLarge(self._max_bytes)
        self.size += len(piece)
        self._sink.write(piece)

    def end(self) -> None:
        pass


class _KeptText:
    """A field that somebody reads."""

    def __init__(self, name: str, keep: Callable[[str, str, int], None]) -> None:
        self._name = name
        self._keep = keep
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MAX_KEPT_BYTES:
            raise UploadRejected(self._name, f"it has more than {MAX_KEPT_BYTES} bytes")
        self._pieces.append(piece)

    def end(self) -> None:
        try:
            value = b"".join(self._pieces).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UploadRejected(self._name, "it is not UTF-8") from error
        if _CONTROL.search(value):
            raise UploadRejected(self._name, "it holds a control character")
        self._keep(self._name, value, self._size)


class _PassingText:
    """A field that nobody reads: it must be text, and is not held."""

    def __init__(self) -> None:
        self._decoder = _Utf8Decoder()

    def take(self, piece: bytes, final: bool = False) -> None:
        if b"\0" in piece:
            raise UploadRejected("body", "a text field holds a NUL")
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            raise UploadRejected("body", "a text field is not UTF-8") from error

    def end(self) -> None:
        self.take(b"", final=True)


class _Ignored:
    """A file that nobody asked for."""

    def take(self, piece: bytes) -> None:
        pass

    def end(self) -> None:
        pass


def _refuse_encoding(label: str, headers: dict[str, str]) -> None:
    if "Content-Transfer-Encoding" in headers and headers["Content-Transfer-Encoding"].strip().lower() not in _AS_IT_IS:
        raise UploadRejected(label, "a part is sent as it is, without a transfer encoding (RFC 7578)")
