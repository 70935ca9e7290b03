from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.errors import BodyCutShort
from pywharf.web.request import Request


def request(**environ: object) -> Request:
    return Request({"REQUEST_METHOD": "POST", "PATH_INFO": "/", **environ})


def test_the_body_ends_at_its_length() -> None:
    stream = io.BytesIO(b"12345and the next request")
    one = request(CONTENT_LENGTH="5", **{"wsgi.input": stream})

    assert [one.read(2), one.read(100), one.read(100), one.read(0)] == [b"12", b"345", b"", b""]
    assert stream.tell() == 5


def test_a_body_that_comes_in_drops_is_read_to_its_end() -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    assert request(CONTENT_LENGTH="5", **{"wsgi.input": Drops(b"12345")}).read_all() == b"12345"


def test_a_body_that_is_too_short_is_an_error() -> None:
    one = request(CONTENT_LENGTH="6", **{"wsgi.input": io.BytesIO(b"12345")})

    with pytest.raises(BodyCutShort):
        one.read_all()


def test_what_libraries_would_believe_is_removed() -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_X_FORWARDED_HOST": "evil",
        "HTTP_FORWARDED": "for=x",
        "HTTP_X_REAL_IP": "127.0.0.1",
        "HTTP_VIA": "x",
        "HTTP_X_SCRIPT_NAME": "/evil",
        "REMOTE_USER": "admin",
    }

    assert Request(environ).was_forwarded
    assert set(environ) == {"REQUEST_METHOD", "PATH_INFO"}


@given(st.text(st.characters(max_codepoint=255)))
def test_any_path_is_read_or_leads_nowhere(path: str) -> None:
    one = request(PATH_INFO=path, QUERY_STRING=path)

    assert one.path is None or (one.path.encode().decode("latin-1") == path and not re.search(r"[\x00-\x1f\x7f-\x9f]", one.path))
    assert one.loggable_line().isprintable()
    assert one.loggable_line().isascii()
    assert one.query_suffix().isascii()
