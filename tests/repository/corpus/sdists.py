"""Source distributions to refuse and to take."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

from pywharf.testing.distributions import make_sdist, make_wheel

from .case import CorpusCase
from .tars import END, TOP, altered, contents, deflated_zeros, extended, header, link, member, named, packed, padded, sdist, tar

POSIX = tarfile.USTAR_FORMAT
TAR, ZIP, OLD = "demo-1.0.tar.gz", "demo-1.0.zip", "Demo.Pkg-1.0.tar.gz"
INFO = f"{TOP}/PKG-INFO"

Make = Callable[[], bytes]


def refused(rule: str, name: str, make: Make, *, filename: str = TAR, **rules: Any) -> CorpusCase:
    return CorpusCase(name, filename, make, rule, accepted=False, rules=rules or None)


def taken(rule: str, name: str, make: Make, *, filename: str = TAR, **rules: Any) -> CorpusCase:
    return CorpusCase(name, filename, make, rule, accepted=True, rules=rules or None)


def zipped(without: str = "", more: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (*contents(), *((name, b"") for name in more)):
            if name != without:
                info = zipfile.ZipInfo(name)
                info.external_attr = 0o40755 << 16 | 0x10 if info.is_dir() else 0o100644 << 16
                archive.writestr(info, data)
    return out.getvalue()


def cut(data: bytes, count: int) -> bytes:
    return data[:-count]


def long_name(name: bytes) -> bytes:
    return member("././@LongLink", name + b"\0", kind=tarfile.GNUTYPE_LONGNAME)


def rewritten(format_: int, **attributes: Any) -> bytes:
    """As `tarfile` writes it, with a name that needs the format's own way of telling long ones."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        long = "ü" * 30 if format_ == tarfile.USTAR_FORMAT else "ü" * 110
        for name, data in (*contents(), (f"{TOP}/{'folder/' * 12}{long}", b"x" * 5000)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def posix(before: bytes) -> bytes:
    """An sdist with a file of five bytes after `before`; all headers are of POSIX, as uv wants them all of one kind."""
    return sdist(before, member(f"{TOP}/x", b"12345", format_=POSIX), format_=POSIX)


def in_git_archive() -> bytes:
    return packed(extended(b"comment=0123456789abcdef", kind=tarfile.XGLTYPE) + tar(format_=POSIX))


REFUSED = [
    refused("tar_is_no_zip", "zip-behind-the-gzip-stream", lambda: sdist() + make_wheel("demo", "1.0").data),
    refused("tar_is_no_zip", "zip-in-a-stored-block", lambda: packed(tar(member(f"{TOP}/x.whl", make_wheel("demo", "1.0").data)), 0)),
    refused("tar_is_no_zip", "end-of-an-empty-zip", lambda: sdist() + b"PK\5\6" + bytes(18)),
    refused("tar_is_no_zip", "end-of-a-64-bit-zip", lambda: sdist() + b"PK\5\6" + bytes(4) + b"\xff" * 12 + bytes(2)),
    refused("tar_is_read_one_way", "no-gzip", lambda: tar(end=bytes(70_000))),
    refused("tar_is_read_one_way", "gzip-cut-off", lambda: cut(sdist(), 9)),
    refused("tar_is_read_one_way", "gzip-checksum", lambda: cut(sdist(), 8) + bytes(4) + sdist()[-4:]),
    refused("tar_is_read_one_way", "tar-cut-off-in-a-member", lambda: packed(tar(header(f"{TOP}/x", size=5000), end=b""))),
    refused("tar_is_read_one_way", "tar-cut-off-in-a-header", lambda: packed(tar(member(f"{TOP}/x")[:300], end=b""))),
    refused("tar_is_read_one_way", "header-checksum", lambda: sdist(b"x" + member(f"{TOP}/x")[1:])),
    refused("tar_is_read_one_way", "header-without-a-member", lambda: sdist(long_name(f"{TOP}/x".encode()))),
    refused("tar_is_read_one_way", "gnu-sparse", lambda: sdist(header(f"{TOP}/x", kind=tarfile.GNUTYPE_SPARSE))),
    refused("tar_is_read_one_way", "pax-sparse", lambda: sdist(extended(b"GNU.sparse.major=1", b"GNU.sparse.minor=0"), named(["x"]))),
    refused("tar_is_read_one_way", "star-sparse", lambda: sdist(extended(b"SCHILY.realsize=1024"), named(["x"]))),
    refused(
        "tar_is_read_one_way",
        "pax-size-larger-than-ustar-size",
        lambda: sdist(extended(b"size=1024"), named(["x"]), member(f"{TOP}/hidden", b"a second archive lies in what readers of PAX skip")),
    ),
    refused("tar_is_read_one_way", "pax-size-smaller-than-ustar-size", lambda: sdist(extended(b"size=0"), member(f"{TOP}/x", b"x" * 512))),
    refused("tar_is_read_one_way", "pax-size-twice", lambda: sdist(extended(b"size=1", b"size=0"), named(["x"]))),
    refused("tar_is_read_one_way", "pax-size-no-number", lambda: sdist(extended(b"size=0x0"), named(["x"]))),
    refused("tar_is_read_one_way", "pax-path-twice", lambda: sdist(extended(b"path=demo-1.0/a", b"path=demo-1.0/b"), named(["x"]))),
    refused("tar_is_read_one_way", "pax-target-of-a-file", lambda: sdist(extended(b"linkpath=PKG-INFO"), named(["x"]))),
    refused("tar_is_read_one_way", "pax-path-for-all", lambda: sdist(extended(b"path=demo-1.0/a", kind=tarfile.XGLTYPE), named(["x"]))),
    refused(
        "tar_is_read_one_way",
        "pax-global-header-in-between",
        lambda: sdist(extended(b"path=demo-1.0/a"), extended(b"comment=x", kind=tarfile.XGLTYPE), named(["x"])),
    ),
    refused("tar_is_read_one_way", "pax-record-cut-off", lambda: sdist(member("h", b"99 path=x\n", kind=tarfile.XHDTYPE), named(["x"]))),
    refused(
        "tar_is_read_one_way",
        "pax-records-behind-a-nul",
        lambda: sdist(member("h", b"9 a=bcd\n\0\x0017 path=demo-1.0/a\n", kind=tarfile.XHDTYPE), named(["x"])),
    ),
    refused(
        "tar_is_read_one_way",
        "gnu-long-name-and-pax-path",
        lambda: sdist(long_name(f"{TOP}/a".encode()), extended(b"path=demo-1.0/b"), named(["x"])),
    ),
    refused("tar_is_read_one_way", "gnu-long-name-with-a-nul", lambda: sdist(long_name(f"{TOP}/a\0/b".encode()), named(["x"]))),
    refused("tar_is_read_one_way", "gnu-magic-with-a-ustar-prefix", lambda: sdist(altered(member("x"), 345, f"{TOP}/hidden\0".encode()))),
    refused("tar_is_read_one_way", "size-with-an-underscore", lambda: sdist(altered(member(f"{TOP}/x"), 124, b"0000000_000\0"))),
    refused("tar_is_read_one_way", "negative-size", lambda: sdist(header(f"{TOP}/x", size=-512))),
    refused("tar_is_read_one_way", "folder-with-data", lambda: sdist(member(f"{TOP}/x", b"x" * 512, kind=tarfile.DIRTYPE))),
    refused("tar_is_read_one_way", "link-with-data", lambda: sdist(member(f"{TOP}/x", b"x" * 512, kind=tarfile.SYMTYPE))),
    refused("tar_is_read_one_way", "file-named-like-a-folder", lambda: sdist(extended(b"path=demo-1.0/x/"), named(["x"]))),
    refused("tar_is_read_one_way", "too-many-members", lambda: sdist(named(map(str, range(100)))), max_members=100),
    refused("tar_is_read_one_way", "too-large-metadata", sdist, max_metadata_bytes=10),
    refused("tar_is_read_one_way", "inflates-too-far", lambda: deflated_zeros(128 << 20, tar(header(f"{TOP}/x", size=60 << 20), end=b""))),
    refused("tar_is_read_one_way", "inflates-too-far-behind-the-end-mark", lambda: deflated_zeros(128 << 20, tar())),
    refused("tar_is_read_one_way", "says-that-it-inflates-too-far", lambda: sdist(header(f"{TOP}/x", size=2**33 - 1))),
    refused("tar_is_read_one_way", "too-many-bytes", lambda: sdist(member(f"{TOP}/x", bytes(10_000))), max_inflated_bytes=10_000),
    refused("tar_is_read_one_way", "long-names-without-end", lambda: sdist(b"".join(_long_names(300)))),
    refused("tar_has_nothing_behind", "second-gzip-member", lambda: packed(tar(end=b"")) + packed(named(["x"]) + END)),
    refused("tar_has_nothing_behind", "second-gzip-member-that-is-empty", lambda: sdist() + packed(b"")),
    refused("tar_has_nothing_behind", "second-tar", lambda: packed(tar() + tar())),
    refused("tar_has_nothing_behind", "member-behind-one-block-of-nuls", lambda: packed(tar(bytes(512), named(["x"])))),
    refused("tar_has_nothing_behind", "byte-behind-the-end-mark", lambda: packed(tar() + bytes(8000) + b"x")),
    refused("tar_has_nothing_behind", "byte-behind-the-gzip-stream", lambda: sdist() + b"\n"),
    refused("tar_names_are_plain", "absolute-path", lambda: sdist(member("/demo-1.0/x"))),
    refused("tar_names_are_plain", "path-of-a-parent", lambda: sdist(named(["../../x"]))),
    refused("tar_names_are_plain", "path-with-a-parent-that-stays", lambda: sdist(named(["a/../x"]))),
    refused("tar_names_are_plain", "path-with-a-backslash", lambda: sdist(named(["..\\..\\x"]))),
    refused("tar_names_are_plain", "path-with-a-line-end", lambda: sdist(named(["a\nb"]))),
    refused("tar_names_are_plain", "path-with-a-nul", lambda: sdist(extended(b"path=demo-1.0/a\0b"), named(["x"]))),
    refused("tar_names_are_plain", "path-that-is-shown-backwards", lambda: sdist(named(["\u202egpj.exe"]))),
    refused("tar_names_are_plain", "empty-path", lambda: sdist(extended(b"path="), named(["x"]))),
    refused("tar_names_are_plain", "too-deep", lambda: sdist(named(["a/" * 200 + "x"]))),
    refused("tar_names_are_plain", "too-long-a-path", lambda: sdist(named(["a" * 5000]))),
    refused("tar_members_are_files_folders_and_links", "character-device", lambda: sdist(header(f"{TOP}/x", kind=tarfile.CHRTYPE))),
    refused("tar_members_are_files_folders_and_links", "block-device", lambda: sdist(header(f"{TOP}/x", kind=tarfile.BLKTYPE))),
    refused("tar_members_are_files_folders_and_links", "fifo", lambda: sdist(header(f"{TOP}/x", kind=tarfile.FIFOTYPE))),
    refused("tar_members_are_files_folders_and_links", "part-of-a-volume", lambda: sdist(member(f"{TOP}/x", b"x", kind=b"M"))),
    refused("tar_members_are_files_folders_and_links", "unknown-kind", lambda: sdist(member(f"{TOP}/x", b"x", kind=b"Z"))),
    refused("tar_names_are_unique", "file-twice", lambda: sdist(member(INFO, b"another"))),
    refused("tar_names_are_unique", "file-twice-spelled-otherwise", lambda: sdist(member(f"./{TOP}/.//PKG-INFO", b"another"))),
    refused("tar_names_are_unique", "file-that-is-a-folder", lambda: sdist(named(["a/b", "a"]))),
    refused("tar_names_are_unique", "file-and-folder", lambda: sdist(named(["a"]), header(f"{TOP}/a", kind=tarfile.DIRTYPE))),
    refused("tar_names_are_unique", "file-behind-a-link", lambda: sdist(link(f"{TOP}/a", "b"), named(["a/x"]))),
    refused("tar_names_do_not_collide", "two-cases", lambda: sdist(member(f"{TOP}/pkg-info", b"another"))),
    refused("tar_names_do_not_collide", "two-forms-of-unicode", lambda: sdist(named(["\u00fc", "u\u0308"]))),
    refused("tar_names_do_not_collide", "file-in-the-place-of-a-folder", lambda: sdist(named(["Docs/x", "docs"]))),
    refused("tar_links_stay_inside", "absolute-link", lambda: sdist(link(f"{TOP}/x", "/etc/passwd"))),
    refused("tar_links_stay_inside", "link-to-a-parent", lambda: sdist(link(f"{TOP}/x", "../../secrets"))),
    refused("tar_links_stay_inside", "link-beside-the-top-folder", lambda: sdist(link(f"{TOP}/x", "../demo-2.0/x"))),
    refused("tar_links_stay_inside", "link-to-a-drive", lambda: sdist(link(f"{TOP}/x", "C:/Windows"))),
    refused("tar_links_stay_inside", "link-with-backslashes", lambda: sdist(link(f"{TOP}/x", "..\\..\\secrets"))),
    refused("tar_links_stay_inside", "link-to-nothing", lambda: sdist(link(f"{TOP}/x", ""))),
    refused(
        "tar_links_stay_inside",
        "link-out-by-way-of-another",  # each for itself stays inside, to one who only counts dots
        lambda: sdist(named(["a/b/file"]), link(f"{TOP}/a/b/up", "../.."), link(f"{TOP}/out", "a/b/up/../x")),
    ),
    refused("tar_links_stay_inside", "links-in-a-circle", lambda: sdist(link(f"{TOP}/a", "b"), link(f"{TOP}/b", "a"))),
    refused("tar_links_stay_inside", "hard-link-out", lambda: sdist(link(f"{TOP}/x", "../../etc/passwd", tarfile.LNKTYPE))),
    refused("tar_links_stay_inside", "absolute-hard-link", lambda: sdist(link(f"{TOP}/x", f"/{INFO}", tarfile.LNKTYPE))),
    refused(
        "tar_links_stay_inside", "hard-link-to-what-comes-later", lambda: sdist(link(f"{TOP}/x", f"{TOP}/y", tarfile.LNKTYPE), named("y"))
    ),
    refused(
        "tar_links_stay_inside",
        "hard-link-to-a-link",
        lambda: sdist(link(f"{TOP}/y", "PKG-INFO"), link(f"{TOP}/x", f"{TOP}/y", tarfile.LNKTYPE)),
    ),
    refused("sdist_has_one_top_folder", "second-top-folder", lambda: sdist(member("other/x"))),
    refused("sdist_has_one_top_folder", "top-folder-in-two-spellings", lambda: sdist(member("demo-1.0.0/x"))),
    refused("sdist_has_one_top_folder", "file-at-the-top", lambda: sdist(member("setup.py"))),
    refused("sdist_has_one_top_folder", "folder-of-another-project", lambda: make_sdist("other", "1.0").data),
    refused("sdist_has_one_top_folder", "folder-of-another-version", lambda: make_sdist("demo", "1.1").data),
    refused("sdist_has_one_top_folder", "top-folder-that-is-a-link", lambda: packed(link(TOP, "a") + END)),
    refused("sdist_has_one_top_folder", "second-top-folder-in-a-zip", lambda: zipped(more=("other/x",)), filename=ZIP),
    refused("sdist_has_pkg_info_once", "no-pkg-info", lambda: sdist(without=INFO)),
    refused("sdist_has_pkg_info_once", "pkg-info-further-down", lambda: sdist(named(["demo.egg-info/PKG-INFO"]), without=INFO)),
    refused("sdist_has_pkg_info_once", "pkg-info-that-is-a-link", lambda: sdist(named("y"), link(INFO, "y"), without=INFO)),
    refused("sdist_has_pkg_info_once", "pkg-info-that-is-a-folder", lambda: sdist(header(INFO, kind=tarfile.DIRTYPE), without=INFO)),
    refused("sdist_has_pkg_info_once", "no-pkg-info-in-a-zip", lambda: zipped(without=INFO), filename=ZIP),
    refused("sdist_has_pkg_info_once", "empty-archive", lambda: packed(END)),
]


def _long_names(count: int) -> list[bytes]:
    """Members whose names take 19 MB together, and a few kilobytes compressed."""
    return [long_name(f"{TOP}/{at}/{'x' * 64_000}".encode()) + header(f"{TOP}/x") for at in range(count)]


ACCEPTED = [
    taken("tar_is_read_one_way", "sdist", sdist),
    taken("tar_is_read_one_way", "sdist-ustar", lambda: rewritten(tarfile.USTAR_FORMAT)),
    taken("tar_is_read_one_way", "sdist-gnu", lambda: rewritten(tarfile.GNU_FORMAT)),
    taken("tar_is_read_one_way", "sdist-pax-with-fractions-of-seconds", lambda: rewritten(tarfile.PAX_FORMAT, mtime=1.5)),
    taken("tar_is_read_one_way", "sdist-of-git-archive", in_git_archive),
    taken("tar_is_read_one_way", "sdist-with-attributes", lambda: posix(extended(b"SCHILY.xattr.user.a=\0\1", b"atime=1.5"))),
    taken("tar_is_read_one_way", "sdist-whose-pax-and-ustar-sizes-agree", lambda: posix(extended(b"size=5"))),
    taken("tar_is_read_one_way", "sdist-of-old-files", lambda: sdist(member(f"{TOP}/x", b"x", kind=tarfile.AREGTYPE))),
    taken("tar_is_read_one_way", "sdist-that-compresses-well", lambda: sdist(member(f"{TOP}/x", bytes(20 << 20)))),
    taken("tar_is_read_one_way", "sdist-with-odd-modes", lambda: sdist(member(f"{TOP}/x", b"x", mode=0o6777, uid=7, uname="somebody"))),
    taken("tar_is_no_zip", "sdist-with-a-wheel-inside", lambda: sdist(member(f"{TOP}/vendor/x.whl", make_wheel("demo", "1.0").data * 3))),
    taken("tar_has_nothing_behind", "sdist-filled-up-to-a-tape-block", lambda: packed((data := tar()) + bytes(-len(data) % 10240 + 10240))),
    taken("tar_has_nothing_behind", "sdist-with-nuls-behind-the-gzip-stream", lambda: padded(sdist())),
    taken("tar_names_are_plain", "sdist-with-spaces-and-signs", lambda: sdist(named(["a b", "e~", "..f", "*?", "g..", "%2e%2e"]))),
    taken(
        "tar_names_are_unique",
        "sdist-with-folders-named-twice",
        lambda: sdist(*[header(f"{TOP}/{name}", kind=tarfile.DIRTYPE) for name in ("", "a", "a/b", "a/", "a")], named(["a/b/x"])),
    ),
    taken("tar_names_do_not_collide", "sdist-for-linux-alone", lambda: sdist(named(["xt_mark.h", "xt_MARK.h"])), colliding_names="warn"),
    taken(
        "tar_names_do_not_collide",
        "sdist-with-one-folder-in-two-cases",
        lambda: sdist(named(["Docs/x", "docs/y"])),
        colliding_names="allow",
    ),
    taken(
        "tar_links_stay_inside",
        "sdist-with-links",
        lambda: sdist(
            named(["a/b/file"]),
            link(f"{TOP}/LICENSE", "a/b/file"),
            link(f"{TOP}/a/b/up", "../../LICENSE"),
            link(f"{TOP}/a/top", ".."),
            link(f"{TOP}/a/again", "top/a/b/up"),
            link(f"{TOP}/a/missing", "./not/there"),
            link(f"{TOP}/hard", f"{TOP}/a/b/file", tarfile.LNKTYPE),
            link(f"{TOP}/harder", f"{TOP}/hard", tarfile.LNKTYPE),
        ),
    ),
    taken("sdist_has_one_top_folder", "sdist-of-an-old-spelling", lambda: make_sdist("demo", "1.0", filename="Demo-1.0.tar.gz").data),
    taken(
        "sdist_has_one_top_folder", "sdist-named-as-before-pep-625", lambda: make_sdist("Demo.Pkg", "1.0", filename=OLD).data, filename=OLD
    ),
    taken("sdist_has_pkg_info_once", "sdist-with-egg-info", lambda: sdist(member(f"{TOP}/demo.egg-info/PKG-INFO", b"inner"))),
    taken("sdist_has_pkg_info_once", "sdist-zip", lambda: make_sdist("demo", "1.0", suffix=".zip").data, filename=ZIP),
    taken(
        "sdist_has_one_top_folder",
        "sdist-zip-deflated-with-folders",
        lambda: zipped(more=(f"{TOP}/", f"{TOP}/a/", f"{TOP}/a/x")),
        filename=ZIP,
    ),
]

# What is in use and harms nobody, though one of today's installers does not take it: uv wants an end mark and names in UTF-8, pip no "./".
OLD_FASHIONED = [
    taken("tar_has_nothing_behind", "sdist-without-an-end-mark", lambda: sdist(end=b"")),
    taken("tar_names_are_plain", "sdist-with-dots-before-its-names", lambda: packed(header("./", kind=tarfile.DIRTYPE) + tar(prefix="./"))),
    taken("tar_names_are_plain", "sdist-with-a-latin-1-name", lambda: sdist(named(["caf\udce9"]))),
    taken("tar_names_are_plain", "sdist-with-a-colon-in-a-name", lambda: sdist(named(["c:d"]))),
]

SDISTS = [*REFUSED, *ACCEPTED, *OLD_FASHIONED]
