from __future__ import annotations

from urllib.parse import urljoin

import pytest

from pywharf.web.request import Request
from pywharf.web.templating import HTML_HEADERS, page, parts_of, render, root_of, static_bytes, static_tag

ROOT = "https://packages.example/wharf/"


def request(path: str, script_name: str = "") -> Request:
    return Request({"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": script_name})


@pytest.mark.parametrize("path", ["/", "/login", "/login/", "/projects/demo/", "/projects/demo/1.0/why/", "/a%2Fb/", ""])
def test_links_lead_to_our_routes_from_everywhere_below_any_prefix(path: str) -> None:
    """Also where a proxy took the prefix off without a word."""
    for script_name in ("", "/wharf"):
        assert urljoin(ROOT + path.removeprefix("/"), root_of(request(path, script_name))) == ROOT


@pytest.mark.parametrize(
    ("path", "script_name", "expected"), [("/simple//demo/", "", "/"), ("//", "/wharf", "/wharf/"), ("//e", "/w h", "/w%20h/")]
)
def test_where_clients_disagree_about_the_path_links_begin_at_the_top(path: str, script_name: str, expected: str) -> None:
    assert root_of(request(path, script_name)) == expected


def test_values_are_escaped_in_text_and_attributes() -> None:
    evil = "\"'><script>&amp;\x00</script>"

    text = render(request("/login/"), "login.tpl", title=evil, caller=None, form_token=evil, following=evil, name=evil, problem=evil)

    assert "<script" not in text
    assert text.count("&quot;&#039;&gt;&lt;script&gt;&amp;amp;") == 5


def test_a_text_that_is_no_unicode_is_no_trouble() -> None:
    response = page(request("/logout/"), "logout.tpl", title="a \udc80 b", status=200, form_token="x")

    assert b"a ? b" in bytes(response.body)  # type: ignore[arg-type]


def test_a_template_knows_the_status_of_its_page() -> None:
    response = page(request("/x/"), "missing.tpl", title="x", status=410, project="demo", said="", more_said="", version="")

    assert b'<p class="eyebrow">410</p>' in bytes(response.body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("", []),
        ("pip", ["pip"]),
        ("--index-url", ["--index-url"]),
        ("demo==1.0", ["demo==", "1.0"]),
        ('X="https://a:$S@b.example/c/simple/"', ["X=", '"https://', "a:$S@", "b.example/", "c/", "simple/", '"']),
    ],
)
def test_a_word_of_a_command_line_is_broken_where_an_address_has_a_step(word: str, parts: list[str]) -> None:
    assert parts_of(word) == parts
    assert "".join(parts) == word


def test_pages_load_nothing_from_elsewhere_and_run_nothing_in_place() -> None:
    headers = {name.lower(): value for name, value in HTML_HEADERS}
    policy = dict(directive.split(" ", 1) for directive in headers["content-security-policy"].split("; "))

    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("frame-ancestors") == "'none'"
    assert set(policy) >= {"style-src", "img-src", "form-action"}
    assert set(policy.values()) == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"].startswith("private")
    assert headers["referrer-policy"] == "same-origin"
    assert {"Accept", "Authorization", "Cookie"} <= set(headers["vary"].split(", "))


def test_static_files_are_those_that_are_there_and_no_others() -> None:
    assert static_bytes("pywharf.css")
    for name in ("", ".", "..", "../app.py", "nothing.css", "pywharf.css\x00", "PYWHARF.CSS"):
        assert static_bytes(name) is None
    assert static_tag("pywharf.css") != static_tag("pywharf.svg")
