from __future__ import annotations

import contextlib
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.errors import RequestInvalid
from pywharf.web.initialize_form import InitializeForm, parse_initialize_form

FORM = "application/x-www-form-urlencoded"
CONFIG = '[local]\ntype = "file_system"\nread_secret = "a&b=c%41+d&admin_secret=x"\n'
SECRET = '[remote]\ntype = "github"\nraw = "100%&=+"\n'


def test_toml_as_curl_d_sends_it_is_taken_as_it_stands() -> None:
    body = f"config={CONFIG}&admin_secret={SECRET}".encode()

    assert parse_initialize_form(FORM, body) == InitializeForm(CONFIG, SECRET)


def test_an_encoded_form_is_decoded() -> None:
    body = urlencode({"config": CONFIG, "admin_secret": SECRET}).encode()

    assert parse_initialize_form(FORM, body) == InitializeForm(CONFIG, SECRET)


def test_encoded_fields_may_come_in_any_order() -> None:
    body = urlencode({"admin_secret": SECRET, "config": CONFIG}).encode()

    assert parse_initialize_form(FORM, body) == InitializeForm(CONFIG, SECRET)


def test_one_value_may_be_raw_and_the_other_encoded() -> None:
    assert parse_initialize_form(FORM, f"config={CONFIG}&admin_secret={quote_plus(SECRET)}".encode()) == InitializeForm(CONFIG, SECRET)
    assert parse_initialize_form(FORM, f"config={quote_plus(CONFIG)}&admin_secret={SECRET}".encode()) == InitializeForm(CONFIG, SECRET)


@pytest.mark.parametrize(
    "body",
    [
        f"config={CONFIG}&admin_secret=",
        f"config={quote_plus(CONFIG)}&admin_secret=",
        f"config={quote_plus(CONFIG)}",
        f"config={quote_plus(CONFIG)}&",  # curl --data-urlencode config@config.toml --data-urlencode admin_secret@empty.toml
    ],
)
def test_secrets_may_be_left_out(body: str) -> None:
    assert parse_initialize_form(FORM, body.encode()) == InitializeForm(CONFIG, "")


@pytest.mark.parametrize("content_type", [FORM, "text/plain", ""])
def test_the_content_type_of_a_raw_form_does_not_matter(content_type: str) -> None:
    assert parse_initialize_form(content_type, f"config={CONFIG}&admin_secret={SECRET}".encode()).config == CONFIG


def multipart(*parts: tuple[str, str | None, str]) -> bytes:
    body = b""
    for name, filename, text in parts:
        file = f'; filename="{filename}"\r\nContent-Type: application/octet-stream' if filename else ""
        body += f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{text}\r\n'.encode()
    return body + b"--b--\r\n"


@pytest.mark.parametrize("filename", [None, "config.toml"])
def test_files_and_fields_of_a_multipart_form_are_alike(filename: str | None) -> None:
    body = multipart(("config", filename, CONFIG), ("admin_secret", filename, SECRET))

    assert parse_initialize_form("multipart/form-data; boundary=b", body) == InitializeForm(CONFIG, SECRET)


def test_a_large_file_is_taken_whole() -> None:
    config = CONFIG + "# " + "x" * 900_000

    assert parse_initialize_form("multipart/form-data; boundary=b", multipart(("config", "c", config))).config == config


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b""),
        (FORM, b"config="),
        (FORM, b"config=&admin_secret=x"),
        (FORM, b"admin_secret=x"),
        (FORM, f"admin_secret={SECRET}&config={CONFIG}".encode()),
        (FORM, CONFIG.encode()),
        (FORM, b"config=%ff"),
        (FORM, b"config=[local]\xff"),
        (FORM, b"other=x&config=y"),
        (FORM, b"&".join([b"a=b"] * 1000)),
        ("multipart/form-data", multipart(("config", None, CONFIG))),
        ("multipart/form-data; boundary=other", multipart(("config", None, CONFIG))),
        ("multipart/form-data; boundary=b", multipart(("config", None, CONFIG))[:-10]),
        ("multipart/form-data; boundary=b", multipart(("config", None, CONFIG), ("config", None, CONFIG))),
        ("multipart/form-data; boundary=b", multipart(("config", None, CONFIG), ("admin_secrets", None, SECRET))),
        ("multipart/form-data; boundary=b", multipart(*[("config", None, "x")] * 100)),
        ("multipart/form-data; boundary=b", multipart(("config", None, "x")).replace(b"x", b"\xff")),
        ("multipart/form-data; boundary=b", b""),
    ],
)
def test_what_is_no_such_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        parse_initialize_form(content_type, body)


toml_text = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"[{text}]\n")


@given(toml_text, toml_text)
def test_any_toml_arrives_both_ways(config: str, secret: str) -> None:
    if "&admin_secret=" not in secret:
        assert parse_initialize_form(FORM, f"config={config}&admin_secret={secret}".encode()) == InitializeForm(config, secret)
    assert parse_initialize_form(FORM, urlencode({"config": config, "admin_secret": secret}).encode()) == InitializeForm(config, secret)


@given(
    st.binary(),
    st.sampled_from(
        [FORM, "multipart/form-data; boundary=b", 'multipart/form-data; boundary="', ";;=", "multipart/form-data; boundary=\xff"]
    ),
)
def test_any_bytes_are_a_form_or_refused(body: bytes, content_type: str) -> None:
    with contextlib.suppress(RequestInvalid):
        parse_initialize_form(content_type, body)
