"""Wheels to refuse for what is in them, and wheels to take."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

from pywharf.testing.distributions import make_wheel

from .case import CorpusCase
from .zip_cases import WHEEL, ZIPS, refused
from .zips import FOLDER, STORED, UNSAID, Frame, Piece, archive, deflated, extra_field, record_row, wheel, zip64

LINUX = "manylinux_2_17_aarch64.manylinux_2_17_x86_64"


def with_(*more: Piece, frame: Frame | None = None, **told: Any) -> Callable[[], bytes]:
    return lambda: archive(wheel(*more, **told), frame)


def info(name: str, data: bytes) -> Piece:
    return Piece(f"demo-1.0.dist-info/{name}", data)


def scripts(text: str) -> Callable[[], bytes]:
    return with_(info("entry_points.txt", text.encode()))


def metadata(text: str) -> Callable[[], bytes]:
    return with_(metadata=text.encode())


def recorded(text: str) -> Callable[[], bytes]:
    """With these rows in RECORD instead of that of demo.py."""
    return lambda: archive(_with_rows(text))


def _with_rows(text: str) -> list[Piece]:
    pieces = wheel()
    rows = "".join(record_row(piece) for piece in pieces[1:-1]) + text + f"{pieces[-1].name!s},,\n"
    return wheel(record=rows.encode())


RIGHT = record_row(wheel()[0])

REFUSED = [
    *ZIPS,
    refused("wheel_has_one_dist_info", "no-dist-info", lambda: archive([Piece("demo.py", b"")])),
    refused("wheel_has_one_dist_info", "two-dist-infos", with_(Piece("other-1.0.dist-info/METADATA", b""))),
    refused("wheel_has_one_dist_info", "dist-info-in-upper-case", with_(folder="demo-1.0.DIST-INFO")),
    refused("wheel_has_one_dist_info", "second-dist-info-in-upper-case", with_(Piece("other-1.0.Dist-Info/METADATA", b""))),
    refused("wheel_has_one_dist_info", "dist-info-of-another-project", lambda: make_wheel("other", "1.0").data),
    refused("wheel_has_one_dist_info", "dist-info-of-another-version", lambda: make_wheel("demo", "1.1").data),
    refused("wheel_version_is_known", "no-wheel-file", with_(without=["WHEEL"])),
    refused("wheel_version_is_known", "wheel-version-2", with_(wheel_version="2.0")),
    refused("wheel_version_is_known", "no-wheel-version", with_(wheel_version="")),
    refused("wheel_version_is_known", "two-wheel-versions", with_(wheel_version="1.0\nWheel-Version: 2.0")),
    refused("wheel_tags_agree_with_filename", "no-tags", with_(tags=())),
    refused("wheel_tags_agree_with_filename", "tag-of-another-platform", with_(tags=["py3-none-win_amd64"])),
    refused("wheel_tags_agree_with_filename", "more-tags-than-the-name-has", with_(tags=["py3-none-any", "py2-none-any"])),
    refused("wheel_tags_agree_with_filename", "fewer-tags-than-the-name-has", with_(), filename="demo-1.0-py2.py3-none-any.whl"),
    refused("wheel_tags_agree_with_filename", "tag-that-is-none", with_(tags=["any"])),
    refused(
        "wheel_tags_agree_with_filename",
        "tag-that-stands-for-too-many",
        with_(tags=["-".join([".".join("abcdefghijklmnopqrstuvwxyz0123456789AB")] * 3)]),
    ),
    refused("wheel_data_folder_is_known", "data-of-another-project", with_(Piece("other-1.0.data/scripts/a", b""))),
    refused("wheel_data_folder_is_known", "data-of-no-known-kind", with_(Piece("demo-1.0.data/etc/a", b""))),
    refused("wheel_data_folder_is_known", "file-among-the-data-folders", with_(Piece("demo-1.0.data/scripts", b""))),
    refused("wheel_data_folder_is_known", "data-in-two-spellings", with_(Piece("demo-1.0.data/data/a"), Piece("demo-1.data/data/b"))),
    refused("entry_points_can_be_installed", "script-in-a-parent-folder", scripts("[console_scripts]\n../../evil = demo:main\n")),
    refused("entry_points_can_be_installed", "script-with-a-separator", scripts("[gui_scripts]\nbin/evil = demo:main\n")),
    refused("entry_points_can_be_installed", "script-with-a-backslash", scripts("[console_scripts]\n..\\evil = demo:main\n")),
    refused("entry_points_can_be_installed", "script-that-begins-with-a-hyphen", scripts("[console_scripts]\n-rf = demo:main\n")),
    refused("entry_points_can_be_installed", "script-without-an-attribute", scripts("[console_scripts]\nevil = demo\n")),
    refused("entry_points_can_be_installed", "script-with-code", scripts("[console_scripts]\nevil = demo:__import__('os').system('x')\n")),
    refused("entry_points_can_be_installed", "script-twice", scripts("[console_scripts]\na = demo:one\na = demo:two\n")),
    refused("entry_points_can_be_installed", "script-in-no-group", scripts("evil = demo:main\n")),
    refused("entry_points_can_be_installed", "script-in-an-indented-line", scripts("[console_scripts]\na = demo:one\n b = demo:two\n")),
    refused("entry_points_can_be_installed", "group-in-an-indented-line", scripts("[x]\na = demo:one\n [console_scripts]\nb = demo:two\n")),
    refused("entry_points_can_be_installed", "line-without-a-target", scripts("[console_scripts]\nevil\n")),
    refused(
        "entry_points_can_be_installed",
        "entry-points-in-other-letters",
        with_(info("Entry_Points.txt", b"[console_scripts]\n../evil = demo:main\n")),
    ),
    refused("entry_points_can_be_installed", "entry-points-not-utf-8", with_(info("entry_points.txt", b"[x]\na = \xff\n"))),
    refused("record_can_be_read", "no-record", with_(without=["RECORD"])),
    refused("record_can_be_read", "record-with-two-columns", recorded("demo.py,\n")),
    refused("record_can_be_read", "record-not-utf-8", with_(record=b"\xff,,\n")),
    refused("record_can_be_read", "record-with-an-open-quote", recorded('"demo.py,,\n')),
    refused("record_can_be_read", "record-too-large", with_(record=b"x" * 2000), max_metadata_bytes=1000),
    refused("record_can_be_read", "record-of-too-many-rows", recorded(",,\n" * 99), max_members=90),
    refused("record_paths_stay_inside", "record-of-a-parent", recorded(RIGHT + "../../bin/python,,\n")),
    refused("record_paths_stay_inside", "record-of-a-parent-under-any-rule", recorded(RIGHT + "../../bin/python,,\n"), record="allow"),
    refused("record_paths_stay_inside", "record-of-an-absolute-path", recorded(RIGHT + "/etc/passwd,,\n")),
    refused("record_paths_stay_inside", "record-of-a-path-with-backslashes", recorded(RIGHT + "..\\..\\python.exe,,\n")),
    refused("record_paths_stay_inside", "record-of-a-drive", recorded(RIGHT + "C:/python.exe,,\n")),
    refused("record_lists_every_file_once", "file-that-record-does-not-name", recorded("")),
    refused("record_lists_every_file_once", "record-of-a-file-that-is-not-there", recorded(RIGHT + "absent.py,sha256=x,1\n")),
    refused("record_lists_every_file_once", "record-of-a-file-twice", recorded(RIGHT + RIGHT)),
    refused("record_lists_every_file_once", "record-in-other-cases", recorded(RIGHT.replace("demo", "Demo"))),
    refused("record_lists_every_file_once", "empty-record", with_(record=b"")),
    refused("record_hashes_are_strong", "record-with-md5", recorded("demo.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,15\n")),
    refused("record_hashes_are_strong", "record-with-sha1", recorded("demo.py,sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk,15\n")),
    refused("record_hashes_are_strong", "record-without-a-hash", recorded("demo.py,,15\n")),
    refused("record_is_right", "record-with-another-hash", recorded(RIGHT.replace("sha256=", "sha256=A")[:-5] + ",15\n")),
    refused("record_is_right", "record-with-another-size", recorded(RIGHT.replace(",15", ",16"))),
    refused("record_is_right", "record-with-a-hash-that-is-none", recorded("demo.py,sha256=!!,15\n")),
    refused("record_is_right", "record-with-another-sha512", recorded("demo.py,sha512=AAAA,15\n")),
    refused("metadata_can_be_read", "no-metadata", with_(without=["METADATA"]), record="allow"),
    refused("metadata_can_be_read", "metadata-version-3", metadata("Metadata-Version: 3.0\nName: demo\nVersion: 1.0\n")),
    refused(
        "metadata_can_be_read", "metadata-not-utf-8", with_(metadata=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nSummary: \xff\n")
    ),
    refused("metadata_can_be_read", "metadata-too-large", with_(metadata=b"x" * 2000), max_metadata_bytes=1000),
    refused("metadata_can_be_read", "two-names", metadata("Metadata-Version: 2.1\nName: demo\nName: other\nVersion: 1.0\n")),
    refused("metadata_agrees_on_name", "metadata-of-another-project", metadata("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")),
    refused("metadata_agrees_on_version", "metadata-of-another-version", metadata("Metadata-Version: 2.1\nName: demo\nVersion: 1.1\n")),
    refused(
        "requires_python_is_valid",
        "requires-python-that-is-none",
        metadata("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: three\n"),
    ),
]


def taken(rule: str, name: str, *more: Piece, tag: str = "py3-none-any", frame: Frame | None = None, **told: Any) -> CorpusCase:
    """A wheel of a project of its own, so that all can be installed at once."""
    project = f"demo_{name.replace('-', '_')}"

    def make() -> bytes:
        own = [piece.with_(name=piece.raw_name.decode().replace("PROJECT", project)) for piece in more]
        return archive(wheel(*own, project=project, **{"tags": [tag], **told}), frame)

    return CorpusCase(name, f"{project}-1.0-{tag}.whl", make, rule, accepted=True)


def by_zipfile(name: str, rule: str, *, seekable: bool = True, force_zip64: bool = False) -> CorpusCase:
    """As Python's own writer makes it."""
    project = f"demo_{name.replace('-', '_')}"

    class Forward(io.BytesIO):
        def seekable(self) -> bool:
            return seekable

        def seek(self, offset: int, whence: int = 0) -> int:
            if not seekable:
                raise io.UnsupportedOperation
            return super().seek(offset, whence)

        def tell(self) -> int:
            if not seekable:
                raise io.UnsupportedOperation
            return super().tell()

    def make() -> bytes:
        out = Forward()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            for piece in wheel(project=project):
                told = zipfile.ZipInfo(piece.raw_name.decode())
                told.compress_type = zipfile.ZIP_DEFLATED
                told.external_attr = piece.attributes
                with made.open(told, "w", force_zip64=force_zip64) as member:
                    member.write(piece.data)
        return out.getvalue()

    return CorpusCase(name, f"{project}-1.0-py3-none-any.whl", make, rule, accepted=True)


ACCEPTED = [
    taken("zip_can_be_read", "plain"),
    by_zipfile("python-writer", "zip_can_be_read"),
    by_zipfile("python-writer-that-cannot-go-back", "zip_descriptors_agree", seekable=False),
    by_zipfile("python-writer-of-64-bits", "zip64_fields_agree", force_zip64=True),
    taken("zip_descriptors_agree", "sizes-behind-the-data", Piece("a_sizes.py", b"x = 1\n" * 500, descriptor="<4s3L")),
    taken("zip_ends_agree", "64-bit-end", frame=Frame(end64={})),
    taken(
        "zip_ends_agree",
        "64-bit-end-alone",
        frame=Frame(end64={}, end={"here": 0xFFFF, "entries": 0xFFFF, "size": UNSAID, "offset": UNSAID}),
    ),
    taken("zip64_fields_agree", "64-bit-field-that-says-the-same", Piece("a_field.py", b"x=1\n", STORED, local_extra=zip64(4, 4))),
    taken("zip_members_lie_end_to_end", "directory-the-other-way-round", frame=Frame(order=-1)),
    taken("zip_members_are_files_or_folders", "folders", Piece("PROJECT_folder/", attributes=FOLDER), Piece("PROJECT_folder/__init__.py")),
    taken(
        "zip_members_are_files_or_folders", "attributes-of-dos", Piece("PROJECT_dos.py", b"x = 1\n", attributes=0x20, entry={"made_by": 20})
    ),
    taken("zip_members_can_be_inflated", "empty-and-stored-files", Piece("PROJECT_a.py", b""), Piece("PROJECT_b.py", b"x = 1\n", STORED)),
    taken("zip_members_can_be_inflated", "deflated-without-compression", Piece("PROJECT_c.bin", bytes(9), packed=deflated(bytes(9), 0))),
    taken(
        "zip_extra_fields_are_plain",
        "times-in-extra-fields",
        Piece("PROJECT_t.py", local_extra=extra_field(0x5455, b"\x03" + bytes(8)), entry_extra=extra_field(0x5455, b"\x03" + bytes(4))),
    ),
    taken("zip_names_are_utf8", "names-in-unicode", Piece("PROJECT_data/gr\u00fc\u00df \u2713 \u4f60.txt", b"x")),
    taken(
        "zip_names_are_plain",
        "names-with-signs",
        Piece("PROJECT_data/a b+c~(d)[e]{f}@%2e,'=&!$#.txt", b"x"),
        Piece("PROJECT_data/..a..", b""),
    ),
    taken(
        "zip_names_do_not_collide",
        "colliding-names-for-linux-alone",
        Piece("PROJECT_k/xt_mark.h"),
        Piece("PROJECT_k/xt_MARK.h"),
        tag=f"py3-none-{LINUX}",
    ),
    taken("zip_is_no_bomb", "compresses-well", Piece("PROJECT_z.bin", bytes(30 << 20))),
    taken("wheel_version_is_known", "wheel-version-1-9", wheel_version="1.9"),
    taken("wheel_tags_agree_with_filename", "tags-in-one-line", tag="py2.py3-none-any"),
    taken("wheel_tags_agree_with_filename", "tags-line-by-line", tag="py2.py3-none-any", tags=["py3-none-any", "py2-none-any"]),
    taken("wheel_tags_agree_with_filename", "built-for-any-and-named-for-one", tag=f"py3-none-{LINUX}", tags=["py3-none-any"]),
    taken(
        "wheel_data_folder_is_known",
        "data-folders",
        Piece("PROJECT-1.0.data/scripts/PROJECT_run", b"#!python\nprint('hello')\n"),
        Piece("PROJECT-1.0.data/purelib/PROJECT_pure.py", b"x = 1\n"),
        Piece("PROJECT-1.0.data/data/share/PROJECT.txt", b"x"),
    ),
    taken(
        "entry_points_can_be_installed",
        "entry-points",
        Piece(
            "PROJECT-1.0.dist-info/entry_points.txt",
            b"# comment\n[console_scripts]\ncorpus-1.x_y = os.path:join\ncorpus = os:getcwd [extra]\n\n[papermill.io]\nadl:// = a:b\n",
        ),
    ),
    taken("record_hashes_are_strong", "record-with-sha512", algorithm="sha512"),
    taken("record_hashes_are_strong", "record-with-sha384", algorithm="sha384"),
    taken("record_lists_every_file_once", "record-with-signatures-beside-it", Piece("PROJECT-1.0.dist-info/RECORD.jws", b"{}")),
    taken("record_is_right", "record-of-quoted-paths", Piece('PROJECT_data/a,b "c".txt', b"x")),
]
# What the rules say otherwise; not installed in the tests.
TAKEN_UNDER_OTHER_RULES = [
    CorpusCase("record-incomplete-and-warned-of", WHEEL, recorded(""), "record_lists_every_file_once", True, {"record": "warn"}),
    CorpusCase("record-wrong-and-allowed", WHEEL, recorded(RIGHT.replace(",15", ",16")), "record_is_right", True, {"record": "allow"}),
    CorpusCase("no-record-and-allowed", WHEEL, with_(without=["RECORD"]), "record_can_be_read", True, {"record": "allow"}),
    CorpusCase("colliding-names-warned-of", WHEEL, with_(Piece("Demo.py")), "zip_names_do_not_collide", True, {"colliding_names": "warn"}),
]

WHEELS = [*REFUSED, *ACCEPTED, *TAKEN_UNDER_OTHER_RULES]
