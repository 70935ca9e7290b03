"""The legacy upload: a multipart/form-data body taken apart while it arrives.

The file goes to the caller's sink piece by piece, which takes its digests on the way, and the few text fields that
anybody reads are kept. Everything else passes by: counted, and refused where it is no text, but never held.

Nothing here looks into the file, and nothing here decides whether it may be stored: that is `repository/admission.py`.
`check_form` asks only whether the form is complete and agrees with the bytes that were received.

Sources: RFC 7578 (multipart/form-data); PyPI's description of its upload API ("legacy": there is no standard).
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from multipart import MultipartError, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]  # one module has no py.typed

from pywharf.api.file_digests import SHA256
from pywharf.api.upload_parts import UTF_8_NAMES, FileSink, Parts
from pywharf.errors import FileTooLarge, UploadRejected
from pywharf.model.names import Kind

MIB = 1024 * 1024
CHUNK_BYTES = 256 * 1024
MAX_PART_HEADER_BYTES = 4096  # one line of a part's header
MAX_PART_HEADERS = 8

_BOUNDARY = re.compile(r"[\x20-\x7e]{0,199}[\x21-\x7e]")


@dataclass(frozen=True)
class UploadForm:
    """An upload as it was received: the text of its fields, and what was measured while its file went by."""

    fields: Mapping[str, tuple[str, ...]]  # those of upload_parts.KEPT_FIELDS that were sent, values in order
    filename: str  # as sent
    size: int  # bytes
    sha256: str  # this and the next two: lower-case hex, of the bytes received
    md5: str = ""  # this and the next: "" where it was not taken, since the form did not send it
    blake2b_256: str = ""

    def one(self, name: str) -> str:
        """A field that has one value, "" where it is absent; raises UploadRejected where it came with several different ones."""
        values = self.fields.get(name, ())
        if len(values) > 1 and len(set(values)) > 1:
            raise UploadRejected(name, "it was sent more than once, with different values")
        return values[0] if values else ""


@dataclass(frozen=True)
class UploadLimits:
    """How much one upload may send."""

    max_file_bytes: int
    max_form_bytes: int = 16 * MIB  # everything but the file: fields, other parts, headers and boundaries together
    max_parts: int = 10_000


def parse_upload(
    read: Callable[[int], bytes],
    content_type: str,
    content_length: int,
    sink: FileSink,
    limits: UploadLimits,
) -> UploadForm:
    """Receive one upload.

    read: gives up to so many bytes of the body, b"" at its end; never asked for more than content_length together.
    content_type, content_length: of the request.
    sink: gets the file (the part "content") in order; when this function raises, what it got is worth nothing.

    Fields may come in any order, the file first too. Digests are taken that were sent, and sha256 always; on the way where they
    came before the file, else afterwards. Raises FileTooLarge as soon as the file passes `max_file_bytes` (the byte
    too many is not written), and before anything is read where content_length alone shows it; UploadRejected where the body
    is not one well-formed form with one file in it. What `read` and `write` raise passes through.
    """
    if content_length > limits.max_file_bytes + limits.max_form_bytes:
        raise FileTooLarge(limits.max_file_bytes)
    parser = PushMultipartParser(
        _boundary(content_type),
        content_length=content_length,
        max_header_size=MAX_PART_HEADER_BYTES,
        max_header_count=MAX_PART_HEADERS,
        max_segment_count=limits.max_parts,
        strict=True,
    )
    parts = Parts(sink, limits.max_file_bytes)
    received = 0
    try:
        for chunk in _chunks(read, content_length):
            for event in parser.parse(chunk):
                parts.take(event)
            received += len(chunk)
            if received - parts.file.size > limits.max_form_bytes:
                raise UploadRejected("body", f"the form around the file has more than {limits.max_form_bytes} bytes")
        parser.close()
    except MultipartError as error:
        # Only the library's own words: further arguments quote what was sent.
        reason = f"it is not well-formed multipart/form-data: {error.args[0] if error.args else 'broken'}"
        raise UploadRejected("body", reason) from error
    if parts.file.filename is None:
        raise UploadRejected("content", "it is missing: the file is sent as the part 'content'")
    return UploadForm(
        fields={name: tuple(values) for name, values in parts.fields.items()},
        filename=parts.file.filename,
        size=parts.file.size,
        **{algorithm: sink.digest(algorithm) for algorithm in {SHA256, *parts.digests_told}},
    )


def check_form(form: UploadForm) -> None:
    """Refuse a form that is incomplete or was not filled in for the bytes that came with it: UploadRejected, naming the field.

    Every digest that was sent must be right, and one must have been sent. Hex in either case; md5 also as base64,
    as PyPI's description asks.
    """
    if form.one(":action") != "file_upload":
        raise UploadRejected(":action", "it must be 'file_upload'; nothing else is offered here")
    if form.one("protocol_version") not in ("", "1"):
        raise UploadRejected("protocol_version", "only version 1 of the upload protocol is spoken here")
    for name in ("name", "version", "filetype", "metadata_version"):
        if not form.one(name).strip():
            raise UploadRejected(name, "it is missing")
    if form.one("filetype") not in get_args(Kind):
        raise UploadRejected("filetype", "it must be 'bdist_wheel' or 'sdist'; other distributions are not taken (PEP 527, PEP 715)")
    _check_digests(form)


def _check_digests(form: UploadForm) -> None:
    md5 = bytes.fromhex(form.md5)
    right = {
        "sha256_digest": [form.sha256],
        "blake2_256_digest": [form.blake2b_256],
        "md5_digest": [form.md5, *(encode(md5).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode))],
    }
    sent = {name: value for name in right if (value := form.one(name).strip())}
    if not sent:
        raise UploadRejected("sha256_digest", "no digest was sent: one of sha256_digest, blake2_256_digest and md5_digest is needed")
    for name, value in sent.items():
        spellings = [value.lower(), value.rstrip("=")] if name == "md5_digest" else [value.lower()]
        if not any(hmac.compare_digest(a.encode(), b.encode()) for a in spellings for b in right[name]):
            raise UploadRejected(name, "the file received has another digest: it was damaged on its way, or the field is wrong")


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise UploadRejected("body", "an upload is sent as multipart/form-data")
    if options.get("charset", "").lower() not in UTF_8_NAMES:
        raise UploadRejected("body", "an upload is sent as UTF-8")
    boundary: str = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise UploadRejected("body", "its Content-Type names no usable boundary")
    return boundary


def _chunks(read: Callable[[int], bytes], content_length: int) -> Iterator[bytes]:
    """The body in pieces, the two hyphens that close it in a piece of their own.

    The parser, being strict, refuses any piece that follows the end of the form, but does not look at what follows it within one piece.
    So the last piece is made one that a well-formed body must still need.
    """
    left = content_length
    end = b""
    while left > 0:
        chunk = read(min(CHUNK_BYTES, left))
        if not chunk:
            raise UploadRejected("body", f"only {content_length - left} of {content_length} bytes arrived")
        left -= len(chunk)
        if left < 4:  # else the end is still to come, and the piece goes on as it is, without a copy
            end += chunk
        else:
            yield chunk
    if len(end) > 4:
        yield end[:-4]
        end = end[-4:]
    if end.endswith(b"--\r\n"):
        yield end
    elif end.endswith(b"--"):
        if end[:-2]:
            yield end[:-2]
        yield end[-2:]
    else:
        raise UploadRejected("body", "it does not end where its form ends")
