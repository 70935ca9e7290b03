"""The upload form: honest ones of every client are taken, everything else is refused in words, and nothing is held."""

from __future__ import annotations

import base64
import hashlib
import random
import time
import tracemalloc
from collections.abc import Callable, Collection, Iterable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.file_digests import FileDigests
from pywharf.api.upload import UploadForm, UploadLimits, check_form, parse_upload
from pywharf.errors import FileTooLarge, UploadRejected

BOUNDARY = "0123456789abcdef"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FILE = b"PK\x03\x04 not really\r\n--0123 a wheel\r\n"
LIMITS = UploadLimits(max_file_bytes=1000, max_form_bytes=64 * 1024, max_parts=100)

Part = tuple[str, bytes]  # the part's header without its last line end, and its content


class Sink:
    """Where the file goes. `again`: the digests that it had to read all of it again for."""

    def __init__(self, write: Callable[[bytes], object] = lambda piece: None) -> None:
        self._write = write
        self._taken = FileDigests()
        self.expected: Collection[str] | None = None
        self.again: list[str] = []

    def expect(self, algorithms: Collection[str]) -> None:
        assert self.expected is None
        self.expected = set(algorithms)

    def write(self, piece: bytes) -> object:
        assert self.expected is not None
        self._taken.update(piece)
        return self._write(piece)

    def digest(self, algorithm: str) -> str:
        assert self.expected is not None
        if algorithm not in self.expected:
            self.again.append(algorithm)
        return {"sha256": self._taken.sha256, "md5": self._taken.md5, "blake2b_256": self._taken.blake2b_256}[algorithm]


def text(name: str, value: str | bytes) -> Part:
    return f'Content-Disposition: form-data; name="{name}"', value if isinstance(value, bytes) else value.encode()


def file(content: bytes = FILE, *, name: str = "content", filename: str = "demo-1.0-py3-none-any.whl") -> Part:
    header = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: application/octet-stream'
    return header, content


def body(parts: Iterable[Part], boundary: str = BOUNDARY) -> bytes:
    delimiter = f"--{boundary}".encode()
    return (
        b"".join(delimiter + b"\r\n" + header.encode() + b"\r\n\r\n" + content + b"\r\n" for header, content in parts)
        + delimiter
        + b"--\r\n"
    )


def fields(**changes: str) -> dict[str, str]:
    given = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": "demo",
        "version": "1.0",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": hashlib.sha256(FILE).hexdigest(),
    }
    return {name: value for name, value in {**given, **changes}.items() if value}


def honest(**changes: str) -> list[Part]:
    return [*(text(name, value) for name, value in fields(**changes).items()), file()]


def receive(
    raw: bytes, content_type: str = CONTENT_TYPE, limits: UploadLimits = LIMITS, length: int | None = None
) -> tuple[UploadForm, bytes]:
    out = BytesIO()
    form = parse_upload(BytesIO(raw).read, content_type, len(raw) if length is None else length, Sink(out.write), limits)
    return form, out.getvalue()


def rejected(raw: bytes, content_type: str = CONTENT_TYPE, limits: UploadLimits = LIMITS, length: int | None = None) -> UploadRejected:
    with pytest.raises(UploadRejected) as caught:
        receive(raw, content_type, limits, length)
    assert str(caught.value).isprintable()
    return caught.value


# --- what is taken --------------------------------------------------------------------------------------------------


def test_fields_file_size_and_digests_are_taken_from_what_was_sent() -> None:
    form, stored = receive(body(honest()))

    assert stored == FILE
    assert (form.filename, form.size) == ("demo-1.0-py3-none-any.whl", len(FILE))
    assert form.sha256 == hashlib.sha256(FILE).hexdigest()
    assert (form.md5, form.blake2b_256) == ("", "")  # which nobody sent
    assert {name: form.one(name) for name in form.fields} == fields()
    check_form(form)


DIGESTS = {
    "sha256_digest": hashlib.sha256(FILE).hexdigest(),
    "md5_digest": hashlib.md5(FILE).hexdigest(),
    "blake2_256_digest": hashlib.blake2b(FILE, digest_size=32).hexdigest(),
}


@pytest.mark.parametrize(
    ("before", "behind", "expected", "again"),
    [
        ([], [], {"sha256"}, []),
        (["sha256_digest"], [], {"sha256"}, []),
        (["md5_digest"], [], {"sha256", "md5"}, []),
        (["md5_digest", "sha256_digest", "blake2_256_digest"], [], {"sha256", "md5", "blake2b_256"}, []),
        ([], ["sha256_digest"], {"sha256"}, []),
        ([], ["md5_digest", "sha256_digest", "blake2_256_digest"], {"sha256"}, ["blake2b_256", "md5"]),
        (["md5_digest"], ["blake2_256_digest"], {"sha256", "md5"}, ["blake2b_256"]),
    ],
)
def test_digests_that_were_sent_are_taken_on_the_way_where_they_came_first(
    before: list[str], behind: list[str], expected: set[str], again: list[str]
) -> None:
    raw = body([*(text(name, DIGESTS[name]) for name in before), file(), *(text(name, DIGESTS[name]) for name in behind)])
    sink = Sink()

    form = parse_upload(BytesIO(raw).read, CONTENT_TYPE, len(raw), sink, LIMITS)

    assert (sink.expected, sorted(sink.again)) == (expected, again)
    assert form.sha256 == DIGESTS["sha256_digest"]
    assert form.md5 == (DIGESTS["md5_digest"] if "md5_digest" in before + behind else "")
    assert form.blake2b_256 == (DIGESTS["blake2_256_digest"] if "blake2_256_digest" in before + behind else "")


def test_a_digest_behind_the_file_is_checked_as_one_before_it() -> None:
    parts = [*(text(name, value) for name, value in fields().items()), file(), text("md5_digest", "0" * 32)]

    with pytest.raises(UploadRejected) as caught:
        check_form(receive(body(parts))[0])

    assert caught.value.field == "md5_digest"


def test_a_field_that_repeats_keeps_its_order_and_an_absent_one_is_empty() -> None:
    form, _ = receive(body([text("requires_dist", "b"), text("requires_dist", "a"), text("name", "x"), text("name", "x"), file()]))

    assert form.fields["requires_dist"] == ("b", "a")
    assert (form.one("name"), form.one("version")) == ("x", "")


def test_the_order_of_parts_does_not_matter() -> None:
    parts = honest()
    for seed in range(20):
        random.Random(seed).shuffle(parts)
        form, stored = receive(body(parts))
        assert (stored, {name: form.one(name) for name in form.fields}) == (FILE, fields())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda raw: raw.replace(b"\r\n\r\nfile_upload", b"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nfile_upload"), id="charset"
        ),
        pytest.param(lambda raw: raw.replace(b"\r\n\r\nfile_upload", b"\r\nContent-Length: 11\r\n\r\nfile_upload"), id="part length"),
        pytest.param(lambda raw: raw.replace(b"Content-Disposition", b"content-disposition"), id="header case"),
        pytest.param(lambda raw: raw.replace(b'name="name"', b"name=name"), id="unquoted"),
        pytest.param(lambda raw: raw.replace(b"octet-stream", b"octet-stream\r\nContent-Transfer-Encoding: binary"), id="binary"),
        pytest.param(lambda raw: raw.removesuffix(b"\r\n"), id="no line end after the last boundary"),
    ],
)
def test_the_ways_in_which_clients_differ_are_all_taken(change: Callable[[bytes], bytes]) -> None:
    raw = change(body(honest()))
    assert raw != body(honest())

    form, stored = receive(raw)

    assert stored == FILE
    check_form(form)


@pytest.mark.parametrize(
    "content_type", ['Multipart/Form-Data; charset=utf-8; boundary="0123456789abcdef"', f"{CONTENT_TYPE}; other", f"{CONTENT_TYPE};;"]
)
def test_the_ways_to_write_the_content_type_are_all_taken(content_type: str) -> None:
    assert receive(body(honest()), content_type)[1] == FILE


def test_unknown_fields_and_files_pass_by_and_are_not_held() -> None:
    odd = [
        text("provides_extras", ""),
        text("x" * 300, "y"),
        text("", "z"),
        file(b"\0\xff", name="gpg_signature"),
        text("description", "a \x0c b"),
    ]
    form, stored = receive(body([*odd, *honest()]))

    assert stored == FILE
    assert {name: form.one(name) for name in form.fields} == fields()


def test_a_readme_of_5_mb_does_not_hurt() -> None:
    readme = "Größe ✓ " * 500_000
    form, _ = receive(body([text("description", readme), *honest()]), limits=UploadLimits(1000))

    check_form(form)


def test_an_empty_file_is_a_file() -> None:
    form, stored = receive(body([file(b"")]))

    assert (stored, form.size) == (b"", 0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_it_does_not_matter_in_which_pieces_the_body_arrives(sizes: list[int]) -> None:
    raw = body(honest())
    stream, turn, out = BytesIO(raw), iter(range(10**6)), BytesIO()

    form = parse_upload(
        lambda most: stream.read(min(most, sizes[next(turn) % len(sizes)])), CONTENT_TYPE, len(raw), Sink(out.write), LIMITS
    )

    assert (out.getvalue(), form) == (FILE, receive(raw)[0])


def test_no_more_is_read_than_the_request_has() -> None:
    raw = body(honest())
    stream = BytesIO(raw + b"GET / HTTP/1.1\r\n\r\n")

    parse_upload(stream.read, CONTENT_TYPE, len(raw), Sink(), LIMITS)

    assert stream.tell() == len(raw)


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_the_limit_of_the_file_is_exact_to_the_byte(order: int) -> None:
    assert receive(body([text("name", "x"), file(b"x" * 1000)][::order]))[0].size == 1000
    with pytest.raises(FileTooLarge):
        receive(body([text("name", "x"), file(b"x" * 1001)][::order]))


def test_a_file_that_is_too_large_is_noticed_while_it_arrives_and_nothing_beyond_the_limit_is_written() -> None:
    raw = body([file(b"x" * 5_000_000)])
    stream, out = BytesIO(raw), BytesIO()

    with pytest.raises(FileTooLarge):
        parse_upload(stream.read, CONTENT_TYPE, len(raw), Sink(out.write), UploadLimits(1_000_000))

    assert len(out.getvalue()) <= 1_000_000
    assert stream.tell() < 2_000_000


def test_a_length_that_cannot_fit_is_refused_before_anything_is_read() -> None:
    def read(size: int) -> bytes:
        raise AssertionError("read")

    with pytest.raises(FileTooLarge):
        parse_upload(read, CONTENT_TYPE, 1000 + 64 * 1024 + 1, Sink(), LIMITS)


@pytest.mark.parametrize(
    "part", [text("description", "x" * 70_000), file(b"x" * 70_000, name="other"), text("requires_dist", "x" * 70_000)]
)
def test_the_form_around_the_file_is_bounded(part: Part) -> None:
    rejected(body([part, *honest()]), limits=UploadLimits(1_000_000, max_form_bytes=64 * 1024))


def test_the_number_of_parts_is_bounded() -> None:
    assert receive(body([*([text("x", "")] * 99), file()]))[1] == FILE
    rejected(body([*([text("x", "")] * 100), file()]))


@pytest.mark.parametrize(
    "header",
    ["X-Long: " + "x" * 5000, "\r\n".join(f"X-{number}: x" for number in range(9)), 'Content-Disposition: form-data; name="' + "x" * 5000],
)
def test_the_header_of_a_part_is_bounded(header: str) -> None:
    rejected(body([(f'Content-Disposition: form-data; name="x"\r\n{header}', b""), *honest()]))


def test_what_is_kept_of_a_form_is_bounded() -> None:
    rejected(body([*([text("requires_dist", "x" * 1024 * 1024)] * 5), file()]), limits=UploadLimits(1000))
    rejected(body([text("requires_dist", "x" * 5 * 1024 * 1024), file()]), limits=UploadLimits(1000))


@pytest.mark.any_python
def test_memory_does_not_grow_with_the_file_or_the_readme() -> None:
    head, tail = body([text("description", "Readme " * 2_000_000), file(b"@")]).split(b"@")
    pieces = [head[at : at + 65536] for at in range(0, len(head), 65536)] + [b"x" * 65536] * 800 + [tail]
    length = sum(map(len, pieces))
    source = iter(pieces)
    tracemalloc.start()
    try:
        form = parse_upload(lambda size: next(source, b""), CONTENT_TYPE, length, Sink(), UploadLimits(10**9))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert form.size == 800 * 65536
    assert peak < 4_000_000


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        f"multipart/form-data; boundary={'x' * 201}",
        'multipart/form-data; boundary="a\nb"',
        'multipart/form-data; boundary="é"',
        'multipart/form-data; boundary="a "',
        f"multipart/mixed; boundary={BOUNDARY}",
        f"{CONTENT_TYPE}x",
        f"{CONTENT_TYPE}; charset=latin-1",
        f"{CONTENT_TYPE}; charset=no-such",
    ],
)
def test_a_content_type_that_is_no_form_of_ours_is_refused(content_type: str) -> None:
    assert rejected(body(honest()), content_type).field == "body"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(text("name", "de\0mo"), id="NUL"),
        pytest.param(text("description", "de\0mo"), id="NUL in a field that is not read"),
        pytest.param(text("name", "de\x1bmo"), id="control character"),
        pytest.param(text("name", b"\xff"), id="not UTF-8"),
        pytest.param(text("description", b"abc\xc3"), id="not UTF-8 at the end of a field that is not read"),
        pytest.param(('Content-Disposition: form-data; name="name"\r\nContent-Type: text/plain; charset=utf-16', b"a\0"), id="charset"),
        pytest.param(('Content-Disposition: form-data; name="x"\r\nContent-Type: text/plain; charset=zz', b""), id="unknown charset"),
        pytest.param(('Content-Disposition: form-data; name="name"\r\nContent-Transfer-Encoding: base64', b"ZGVtbw=="), id="encoding"),
        pytest.param(('Content-Disposition: form-data; name="na\0me"', b""), id="NUL in a name"),
        pytest.param(('Content-Disposition: form-data; name="x"\r\nX: a\rb', b""), id="bare line end in a header"),
        pytest.param(('Content-Disposition: form-data; name="x"\nX: a', b""), id="line feed alone"),
        pytest.param(('Content-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="y"', b""), id="two dispositions"),
        pytest.param(('Content-Disposition: attachment; name="x"', b""), id="attachment"),
        pytest.param(("Content-Disposition: form-data", b""), id="no name"),
        pytest.param(("Content-Type: text/plain", b""), id="no disposition"),
        pytest.param(("no header", b""), id="no header"),
        pytest.param(('Content-Disposition: form-data; name="x"\r\nContent-Length: zz', b""), id="length that is none"),
        pytest.param(('Content-Disposition: form-data; name="x"\r\nContent-Length: 5', b"abc"), id="length that is wrong"),
        pytest.param(('Content-Disposition: form-data; name="x"\r\n folded: x', b""), id="folded"),
        pytest.param(file(), id="a second file"),
    ],
)
def test_a_broken_part_is_refused(part: Part) -> None:
    rejected(body([part, *honest()]))
    rejected(body([*honest(), part]))


def test_a_name_that_is_not_utf_8_is_refused_without_repeating_it() -> None:
    raw = body(honest()).replace(b'name="pyversion"', b'name="py\xffversion"')

    assert "xff" not in str(rejected(raw))


@pytest.mark.parametrize(
    "part",
    [
        text("content", FILE),
        file(filename=""),
        file(filename="C:\\demo-1.0-py3-none-any.whl"),
        file(filename="\\\\host\\demo-1.0-py3-none-any.whl"),
        (file()[0].replace("application", "x\r\nContent-Transfer-Encoding: quoted-printable\r\nX: "), FILE),
        (file()[0].replace("filename", "filename*"), FILE),
    ],
)
def test_the_file_needs_an_ordinary_name_and_comes_as_it_is(part: Part) -> None:
    assert rejected(body([*honest()[:-1], part])).field == "content"


def test_a_form_without_a_file_is_refused() -> None:
    assert rejected(body(honest()[:-1])).field == "content"
    assert rejected(body([])).field in ("content", "body")


@pytest.mark.parametrize("length", [*range(0, len(body(honest())) - 3, 7), -3, -4, -5])
def test_a_body_cut_off_anywhere_is_refused(length: int) -> None:
    raw = body(honest())

    assert rejected(raw[:length]).field == "body"
    assert "arrived" in rejected(raw[:length], length=len(raw)).reason


@pytest.mark.parametrize(
    "garbage", [b"x", b"\r\n", b"--", b"--\r\n", b"x--", b"\0" * 300_000, b"\r\n--" + BOUNDARY.encode() + b"--", body(honest())]
)
def test_anything_after_the_end_of_the_form_is_refused(garbage: bytes) -> None:
    assert rejected(body(honest()) + garbage, limits=UploadLimits(10**6)).field == "body"
    assert rejected(body(honest()).removesuffix(b"\r\n") + garbage + b"--", limits=UploadLimits(10**6)).field == "body"


@pytest.mark.parametrize("garbage", [b"x", b"\n", b"preamble", b"x" * 300_000, b"x" * 300_000 + b"\r\n"])
def test_garbage_before_the_form_is_refused(garbage: bytes) -> None:
    rejected(garbage + body(honest()), limits=UploadLimits(10**6))


@pytest.mark.parametrize("length", [0, -1])
def test_a_request_without_a_length_is_refused(length: int) -> None:
    rejected(body(honest()), length=length)


def test_trouble_of_the_disk_is_not_the_uploaders_fault() -> None:
    def write(piece: bytes) -> None:
        raise OSError(28, "no space")

    raw = body(honest())
    with pytest.raises(OSError, match="no space"):
        parse_upload(BytesIO(raw).read, CONTENT_TYPE, len(raw), Sink(write), LIMITS)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_words(raw: bytes) -> None:
    rejected(raw)
    rejected(b"--" + BOUNDARY.encode() + b"\r\n" + raw + b"\r\n--" + BOUNDARY.encode() + b"--\r\n")


@pytest.mark.any_python
def test_four_thousand_damaged_bodies_give_a_refusal_or_the_very_bytes_of_the_file() -> None:
    source = random.Random(2)
    original = body(honest())
    pieces = [
        b"\r\n",
        b"--",
        BOUNDARY.encode(),
        b"\0",
        b'"',
        b"\\",
        b"%0D%0A",
        b"\xff",
        b";",
        b"=",
        b"Content-Type: ;",
        b"Content-Length: 3\r\n",
        b"\n",
        b":",
    ]
    taken, begin = 0, time.monotonic()
    for _ in range(4000):
        raw = bytearray(original)
        for _ in range(source.randint(1, 3)):
            at = source.randrange(len(raw))
            change = source.randrange(4)
            if change == 0:
                raw[at] = source.randrange(256)
            elif change == 1:
                raw[at:at] = source.choice(pieces)
            elif change == 2:
                del raw[at : at + source.randint(1, 40)]
            else:
                raw[at:at] = raw[at : at + source.randint(1, 200)]
        try:
            form, stored = receive(bytes(raw))
        except (UploadRejected, FileTooLarge):
            continue
        taken += 1
        assert form.sha256 == hashlib.sha256(stored).hexdigest()
        assert form.size == len(stored)

    assert 0 < taken < 4000
    assert time.monotonic() - begin < 20


# --- the form and the bytes -----------------------------------------------------------------------------------------


def checked(**changes: str) -> None:
    check_form(receive(body(honest(**changes)))[0])


@pytest.mark.parametrize("name", [":action", "name", "version", "filetype", "metadata_version"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_or_empty_field_is_named(name: str, value: str | None) -> None:
    parts = [part for part in honest() if f'name="{name}"' not in part[0]] + ([] if value is None else [text(name, value)])

    with pytest.raises(UploadRejected) as caught:
        check_form(receive(body(parts))[0])

    assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [(":action", "doc_upload"), ("protocol_version", "2"), ("filetype", "bdist_egg"), ("filetype", "bdist_wininst"), ("filetype", "Sdist")],
)
def test_a_field_with_a_value_that_is_not_offered_is_named(name: str, value: str) -> None:
    with pytest.raises(UploadRejected) as caught:
        checked(**{name: value})

    assert caught.value.field == name


def test_a_field_sent_twice_with_different_values_is_refused() -> None:
    form, _ = receive(body([*honest(), text("version", "2.0")]))

    with pytest.raises(UploadRejected, match="version"):
        check_form(form)


MD5 = hashlib.md5(FILE).digest()
RIGHT = [
    ("sha256_digest", hashlib.sha256(FILE).hexdigest()),
    ("sha256_digest", hashlib.sha256(FILE).hexdigest().upper()),
    ("blake2_256_digest", hashlib.blake2b(FILE, digest_size=32).hexdigest()),
    ("md5_digest", MD5.hex()),
    ("md5_digest", MD5.hex().upper()),
    ("md5_digest", base64.b64encode(MD5).decode()),
    ("md5_digest", base64.urlsafe_b64encode(MD5).decode()),
    ("md5_digest", base64.urlsafe_b64encode(MD5).decode().rstrip("=")),
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_one_right_digest_is_enough(name: str, value: str) -> None:
    checked(**{"sha256_digest": "", name: value})


@pytest.mark.parametrize("name", ["sha256_digest", "blake2_256_digest", "md5_digest"])
@pytest.mark.parametrize("value", ["0" * 64, "é", "=", hashlib.sha1(FILE).hexdigest(), base64.b64encode(b"0" * 16).decode()])
def test_every_digest_that_is_sent_is_checked(name: str, value: str) -> None:
    with pytest.raises(UploadRejected) as caught:
        checked(**{name: value})

    assert caught.value.field == name


def test_without_any_digest_nothing_is_taken() -> None:
    with pytest.raises(UploadRejected) as caught:
        checked(sha256_digest="", md5_digest=" ")

    assert caught.value.field == "sha256_digest"
