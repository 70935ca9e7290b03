"""Wheels to refuse for what is wrong with the ZIP archive that they are."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from .case import CorpusCase
from .zips import FILE, FOLDER, STORED, UNSAID, UTF8, Frame, Piece, archive, deflated, extra_field, wheel, zip64

WHEEL = "demo-1.0-py3-none-any.whl"
ZEROS = bytes(1 << 20)

Make = Callable[[], bytes]


def refused(rule: str, name: str, make: Make, *, filename: str = WHEEL, **rules: Any) -> CorpusCase:
    return CorpusCase(name, filename, make, rule, accepted=False, rules=rules or None)


def framed(**frame: Any) -> Make:
    """An honest wheel with something wrong around its members."""
    return lambda: archive(wheel(), Frame(**frame))


def holding(*more: Piece, **frame: Any) -> Make:
    """A wheel with these members too."""
    return lambda: archive(wheel(*more), Frame(**frame))


def changed(**changes: Any) -> Make:
    """A wheel with something wrong about one of its members, in the middle of the file."""
    return lambda: archive(wheel(changed={"METADATA": changes}))


def beyond(offset: int) -> Make:
    """A large wheel, which is not held in memory, one of whose members is said to be out of any file system's reach."""
    there = {"entry": {"offset": UNSAID}, "entry_extra": zip64(offset)}
    return lambda: archive(wheel(Piece("zeros.bin", ZEROS, STORED), changed={"METADATA": there}))


def plain() -> bytes:
    return archive(wheel())


def in_a_script() -> bytes:
    return b"#!/bin/sh\nexec something\n"


def a_tar_too() -> bytes:
    """The header of the first member is at the same time one of tar, whose checksum is right."""
    first = Piece("a.py", b"", STORED, local_extra=extra_field(0x6666, b"\0" * 110 + b" " * 8 + b"\0" * 356))
    checksum = b"%06o\0 " % sum(archive([first])[:512])
    return archive([first.with_(local_extra=first.local_extra.replace(b" " * 8, checksum)), *wheel()])


def quoted() -> list[Piece]:
    """The data of one member holds the header and data of the next: both are right, and both inflate the same bytes."""
    inner = Piece("b.py", b"print('inner')\n", STORED)
    hidden = archive([inner])[: 30 + 4 + len(inner.data)]
    outer = Piece("a.py", hidden, STORED)
    return [outer, inner.with_(entry={"offset": 30 + 4}, packed=b"", before=b"")]


def overlapping() -> bytes:
    outer, inner = quoted()
    data = archive([outer, *wheel()])
    # The directory gets one more entry that points into the first member.
    extra = archive([inner])
    entry = bytearray(extra[extra.index(b"PK\x01\x02") : extra.index(b"PK\x05\x06")])
    entry[20:24] = struct.pack("<L", len(inner.data))
    end = data.rindex(b"PK\x05\x06")
    _, _, _, here, entries, size, offset, _ = struct.unpack("<4s4H2LH", data[end:])
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, here + 1, entries + 1, size + len(entry), offset, 0)
    return data[:end] + bytes(entry) + tail


def bomb() -> bytes:
    """10 GiB in 10 MiB."""
    packed = deflated(ZEROS * 16)
    return archive(wheel(*(Piece(f"{at}.bin", b"", packed=packed, local=BOMB, entry=BOMB) for at in range(640))))


BOMB = {"size": len(ZEROS) * 16}

ZIPS = [
    refused("zip_can_be_read", "no-zip", lambda: b"this is no archive"),
    refused("zip_can_be_read", "cut-off", lambda: plain()[:-30]),
    refused("zip_can_be_read", "directory-outside-of-the-file", framed(end={"offset": 1 << 30, "size": 1 << 20})),
    refused("zip_can_be_read", "fewer-entries-than-said", framed(end={"entries": 9, "here": 9})),
    refused("zip_can_be_read", "more-entries-than-said", framed(end={"entries": 1, "here": 1})),
    refused("zip_can_be_read", "entries-cut-off", framed(end={"size": 100})),
    refused("zip_can_be_read", "too-many-members", holding(*(Piece(f"{at}", b"") for at in range(100))), max_members=100),
    refused("zip_can_be_read", "64-bit-end-not-where-it-is-said", framed(end64={}, extensible=b"x" * 90, locator={"at": 3})),
    refused("zip_has_one_end", "archive-in-the-comment", lambda: archive(wheel(), Frame(comment=archive([])))),
    refused("zip_has_one_end", "end-record-between", lambda: archive(wheel(), Frame(between=archive([])))),
    refused("zip_has_one_end", "second-64-bit-end", lambda: archive(wheel(), Frame(end64={}, between=b"PK\x06\x06" + bytes(52)))),
    refused("zip_has_no_comments", "comment-of-the-archive", framed(comment=b"made by hand")),
    refused("zip_has_no_comments", "comment-of-a-member", changed(comment=b"made by hand")),
    refused("zip_has_nothing_behind", "bytes-behind-the-end", framed(tail=b"\n")),
    refused("zip_has_nothing_behind", "signature-behind-the-end", framed(tail=b"PK\x03\x04" + bytes(40))),
    refused("zip_has_nothing_in_front", "script-in-front", framed(prefix=in_a_script())),
    refused("zip_has_nothing_in_front", "script-in-front-that-is-counted", framed(prefix=in_a_script(), counts_prefix=True)),
    refused("zip_has_nothing_in_front", "directory-elsewhere-than-said", framed(end={"offset": 1 << 30})),
    refused("zip_ends_agree", "gap-before-the-end", framed(between=b"something else")),
    refused("zip_ends_agree", "second-part-of-two", framed(end={"part": 1, "directory_part": 1})),
    refused("zip_ends_agree", "entries-in-another-part", framed(end={"here": 1})),
    refused("zip_ends_agree", "member-in-another-part", changed(entry={"part": 3})),
    refused("zip_ends_agree", "64-bit-end-counts-otherwise", framed(end64={}, end={"entries": 2})),
    refused("zip_ends_agree", "64-bit-end-with-more-in-it", framed(end64={}, extensible=b"x" * 8)),
    refused("zip_ends_agree", "64-bit-end-longer-than-it-says", framed(end64={"length": 44}, extensible=b"x" * 8)),
    refused("zip_ends_agree", "64-bit-end-pointed-past", framed(end64={}, locator={"at": 0})),
    refused("zip_ends_agree", "64-bit-end-of-two-parts", framed(end64={}, locator={"parts": 2})),
    refused("zip_is_no_tar", "tar-at-the-same-time", a_tar_too),
    refused("zip_is_no_bomb", "10-gib-in-10-mib", bomb),
    refused("zip_is_no_bomb", "too-many-bytes", holding(Piece("a.bin", bytes(10_000))), max_inflated_bytes=10_000),
    refused("zip_is_no_bomb", "says-that-it-inflates-to-terabytes", changed(entry={"size": UNSAID}, entry_extra=zip64(1 << 42))),
    refused("zip_names_are_utf8", "latin-1-name", holding(Piece("caf\u00e9.py".encode("latin-1"), flags=0))),
    refused("zip_names_are_utf8", "utf-8-name-that-is-not-marked", holding(Piece("caf\u00e9.py", flags=0))),
    refused("zip_names_are_utf8", "name-marked-as-utf-8-that-is-not", holding(Piece(b"caf\xe9.py", flags=UTF8))),
    refused("zip_names_are_plain", "name-with-a-nul", holding(Piece("a.py\0.txt"))),
    refused("zip_names_are_plain", "name-with-a-backslash", holding(Piece("..\\..\\a.py"))),
    refused("zip_names_are_plain", "name-with-a-line-end", holding(Piece("a\n.py"))),
    refused("zip_names_are_plain", "name-with-an-escape", holding(Piece("a\x1b[2J.py"))),
    refused("zip_names_are_plain", "name-that-is-shown-backwards", holding(Piece("a\u202eyp.exe"))),
    refused("zip_names_are_plain", "too-long-a-name", holding(Piece("a" * 300))),
    refused("zip_names_stay_inside", "absolute-name", holding(Piece("/etc/cron.d/a"))),
    refused("zip_names_stay_inside", "name-of-a-parent", holding(Piece("demo/../../a.py"))),
    refused("zip_names_stay_inside", "name-with-a-drive", holding(Piece("C:a.py"))),
    refused("zip_names_stay_inside", "name-with-a-dot", holding(Piece("demo/./a.py"))),
    refused("zip_names_stay_inside", "name-with-an-empty-part", holding(Piece("demo//a.py"))),
    refused("zip_names_stay_inside", "empty-name", holding(Piece(""))),
    refused("zip_names_are_unique", "name-twice", holding(Piece("a.py", b"one"), Piece("a.py", b"two"))),
    refused("zip_names_are_unique", "file-and-folder-of-one-name", holding(Piece("a", b"x"), Piece("a/", attributes=FOLDER))),
    refused("zip_names_are_unique", "file-that-is-a-folder", holding(Piece("a/b.py", b"x"), Piece("a", b"x"))),
    refused("zip_names_do_not_collide", "names-in-two-cases", holding(Piece("Demo.py", b"another"))),
    refused("zip_names_do_not_collide", "folders-in-two-cases", holding(Piece("a/x.py"), Piece("A/y.py"))),
    refused("zip_names_do_not_collide", "two-forms-of-unicode-in-a-wheel", holding(Piece("\u00fc.py"), Piece("u\u0308.py"))),
    refused("zip_names_do_not_collide", "names-that-fold-to-one", holding(Piece("stra\u00dfe.py"), Piece("STRASSE.py"))),
    refused("zip_members_are_files_or_folders", "symbolic-link", holding(Piece("a.py", b"/etc/passwd", attributes=0o120777 << 16))),
    refused("zip_members_are_files_or_folders", "device", holding(Piece("a.py", attributes=0o020666 << 16))),
    refused("zip_members_are_files_or_folders", "pipe", holding(Piece("a.py", attributes=0o010666 << 16))),
    refused("zip_members_are_files_or_folders", "folder-with-content", holding(Piece("a/", b"content", attributes=FOLDER))),
    refused("zip_members_are_files_or_folders", "folder-named-like-a-file", holding(Piece("a", attributes=FOLDER))),
    refused("zip_members_are_files_or_folders", "file-named-like-a-folder-in-a-wheel", holding(Piece("a/", attributes=FILE))),
    refused("zip_members_are_not_encrypted", "encrypted", changed(flags=0x1)),
    refused("zip_members_are_not_encrypted", "strongly-encrypted", changed(flags=0x40)),
    refused("zip_members_are_not_encrypted", "directory-masked", changed(flags=0x2000)),
    refused("zip_members_can_be_inflated", "bzip2", changed(method=12)),
    refused("zip_members_can_be_inflated", "lzma", changed(method=14)),
    refused("zip_members_can_be_inflated", "unknown-method", changed(method=99)),
    refused("zip_members_can_be_inflated", "made-for-a-later-zip", changed(entry={"needs": 99})),
    refused("zip_members_can_be_inflated", "patch-of-another-file", changed(flags=0x20)),
    refused("zip_extra_fields_are_plain", "another-name", changed(entry_extra=extra_field(0x7075, b"\x01" + bytes(4) + b"other.py"))),
    refused(
        "zip_extra_fields_are_plain", "another-name-before-the-data", changed(local_extra=extra_field(0x7075, b"\x01" + bytes(4) + b"x"))
    ),
    refused("zip_extra_fields_are_plain", "extra-field-twice", changed(entry_extra=zip64() * 2)),
    refused("zip_extra_fields_are_plain", "extra-field-cut-off", changed(entry_extra=extra_field(0x5455, b"12345")[:-1])),
    refused("zip_extra_fields_are_plain", "extra-field-of-encryption", changed(local_extra=extra_field(0x9901, bytes(7)))),
    refused("zip64_fields_agree", "64-bit-field-missing", changed(local={"size": UNSAID, "compressed": UNSAID})),
    refused("zip64_fields_agree", "64-bit-field-too-short", changed(local={"size": UNSAID, "compressed": UNSAID}, local_extra=zip64(9))),
    refused("zip64_fields_agree", "64-bit-field-too-long", changed(entry={"size": UNSAID}, entry_extra=zip64(47, 99, 99))),
    refused("zip64_fields_agree", "64-bit-field-that-nothing-needs-and-lies", changed(entry_extra=zip64(1))),
    refused("zip64_fields_agree", "64-bit-field-before-the-data-that-lies", changed(local_extra=zip64(1, 2))),
    refused("zip_headers_agree", "another-name-in-the-header", changed(local_name="demo-1.0.dist-info/metadata")),
    refused("zip_headers_agree", "another-method-in-the-header", changed(local={"method": STORED})),
    refused("zip_headers_agree", "other-flags-in-the-header", changed(local={"flags": UTF8})),
    refused("zip_headers_agree", "encrypted-in-the-header", changed(local={"flags": 1})),
    refused("zip_headers_agree", "another-checksum-in-the-header", changed(local={"crc": 1})),
    refused("zip_headers_agree", "another-size-in-the-header", changed(local={"size": 1})),
    refused("zip_headers_agree", "another-compressed-size-in-the-header", changed(local={"compressed": 1})),
    refused("zip_headers_agree", "no-member-where-it-is-said", changed(entry={"offset": 3})),
    refused("zip_headers_agree", "no-member-where-no-file-reaches", beyond(1 << 50)),
    refused("zip_headers_agree", "no-member-where-no-number-reaches", beyond((1 << 64) - 1)),
    refused("zip_descriptors_agree", "stored-with-its-size-behind", changed(method=STORED, descriptor="<4s3L")),
    refused("zip_descriptors_agree", "size-behind-that-lies", changed(descriptor="<4s3L", described={"size": 1})),
    refused("zip_descriptors_agree", "checksum-behind-that-lies", changed(descriptor="<4s3L", described={"crc": 1})),
    refused("zip_descriptors_agree", "size-behind-without-a-signature", changed(descriptor="<3L")),
    refused("zip_descriptors_agree", "size-behind-of-64-bits-unsaid", changed(descriptor="<4sL2Q")),
    refused("zip_members_lie_end_to_end", "member-inside-another", overlapping),
    refused("zip_members_lie_end_to_end", "member-that-the-directory-does-not-list", holding(Piece("a.py", b"hidden", is_listed=False))),
    refused("zip_members_lie_end_to_end", "gap-between-members", changed(before=b"something else")),
    refused("zip_content_is_what_it_says", "wrong-checksum-of-a-module", holding(Piece("a.py", b"x", local={"crc": 1}, entry={"crc": 1}))),
    refused(
        "zip_content_is_what_it_says",
        "inflates-to-more-than-it-says",
        holding(Piece("a.py", ZEROS, local={"size": 9}, entry={"size": 9})),
    ),
    refused("zip_content_is_what_it_says", "data-behind-the-compressed-data", holding(Piece("a.py", b"x", packed=deflated(b"x") + b"y"))),
    refused("zip_content_is_what_it_says", "compressed-data-cut-off", holding(Piece("a.py", b"x" * 50, packed=deflated(b"x" * 50)[:-1]))),
    refused("zip_content_is_what_it_says", "compressed-data-damaged", holding(Piece("a.py", b"x", packed=b"\xff" * 9))),
    refused(
        "zip_content_is_what_it_says",
        "stored-in-more-bytes-than-it-has",
        holding(Piece("a.py", b"x", STORED, packed=b"xy")),
    ),
]
