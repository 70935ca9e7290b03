"""Whatever stands in metadata, reasons, records and addresses, a page has the elements and attributes of its template, and no others."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest

from pywharf.backend.interface import Change
from pywharf.model.names import parse_filename
from pywharf.model.record import to_json
from pywharf.testing.distributions import make_sdist, make_wheel

from .site import Page, Site

pytestmark = pytest.mark.any_python

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</title><svg onload=alert(1)>",
    "</textarea><img src=x onerror=alert(1)>",
    "--><iframe src=//evil.example>",
    "]]><!--",
    "{{1+1}} {{!caller}} % import os",
    "<%! x %>",
    "&lt;script&gt;&#60;img&#62;",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u202e<b>\u2028gnp.exe",
    "\x1b[31m\x07<style>*{display:none}</style>",
    "<base href=//evil.example><meta http-equiv=refresh content=0;//evil.example>",
]
PAGES = [
    "/",
    "/projects/",
    "/projects/demo/",
    "/projects/demo/1.0/",
    "/projects/demo/0.9/",
    "/projects/demo/1.0/why/",
    "/projects/demo/manage/",
    "/projects/demo/manage/?version=1.0",
]


def fill(site: Site, text: str) -> None:
    """A project that has this text in every place where text can be."""
    line = " ".join(text.replace("\x1b", " ").replace("\x07", " ").split())
    fields = ["Summary", "Author", "Author-email", "Maintainer", "License", "License-Expression", "Home-page", "Download-URL", "Platform"]
    headers = [(field, line) for field in fields]
    headers += [
        ("Classifier", line),
        ("Keywords", f"{line},other"),
        ("Project-URL", f"{line}, https://ok.example/"),
        ("Project-URL", f"Evil, {line}"),
    ]
    headers += [("Project-URL", f"Evil, https://ok.example/{line}"), ("Description-Content-Type", "text/plain"), ("Import-Name", line)]
    requires = [line, f"core; extra == '{line}'", f"core @ {line}", f'core; python_version < "{line}"']
    site.publish(
        make_wheel("demo", "1.0", extra_headers=headers, requires_dist=requires, description=text, metadata_version="2.5"),
        make_wheel("demo", "0.9"),
        make_wheel("core", "1.0"),
    )
    reason = "".join(character for character in line if character.isprintable())
    site.repository.releases.yank(None, "demo", version="0.9", reason=reason)
    site.repository.releases.set_status(None, "demo", "deprecated", reason)
    name = parse_filename("demo-0.8.tar.gz")
    record = replace(site.files("demo")["demo-1.0-py3-none-any.whl"], filename="demo-0.8.tar.gz", kind="sdist", metadata=None, yanked=text)
    for version, key in ((text, name.key), ("0.8", parse_filename("demo-0.8.1.tar.gz").key)):  # as nobody could upload it
        cursor = site.repository.index.cursor()
        assert cursor is not None
        document = to_json(replace(record, version=version, name=text, requires_python=text, summary=text, keywords=text))
        site.repository.backend.commit(Change("demo", {key: document}), cursor)
        site.repository.sync()


def shapes(page: Page) -> set[tuple[str, str]]:
    return {(element.tag, name) for element in page.elements for name in ("", *element.attributes)}


def check(page: Page, known: set[tuple[str, str]]) -> None:
    assert page.status == 200
    assert shapes(page) <= known
    for element in page.elements:
        for name in ("href", "action", "formaction", "src"):
            address = urlsplit(element.attributes.get(name, ""))
            assert address.scheme in ("", "http", "https"), element
            assert address.netloc in ("", "ok.example"), element
        assert element.tag not in ("style", "iframe", "svg", "img", "object", "base")
        if element.tag == "script":
            assert element.attributes["src"].startswith("../static/search.js?v=")
            assert element.text == ""
    assert not [element for element in page.elements if element.tag == "meta" and "http-equiv" in element.attributes]


def test_no_text_becomes_an_element_an_attribute_or_an_address(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    fill(site, "harmless text")
    browser = site.browser()
    known: set[tuple[str, str]] = set()
    for target in PAGES:
        known |= shapes(browser.get(target))
    assert ("select", "") in known

    for payload in PAYLOADS:
        hostile = Site(tmp_path_factory.mktemp("hostile") / "root")
        try:
            fill(hostile, payload)
            browser = hostile.browser()
            for target in [*PAGES, f"/projects/?q={quote(payload)}", f"/projects/demo/manage/?version={quote(payload)}"]:
                check(browser.get(target), known)
        finally:
            hostile.close()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nor_does_what_stands_in_an_address(shared: Site, payload: str) -> None:
    if not shared.files("demo"):
        shared.publish(make_wheel("demo", "1.0"), make_sdist("demo", "1.0"))
    browser = shared.browser()

    for target in (
        f"/projects/{quote(payload, safe='')}/",
        f"/projects/demo/{quote(payload, safe='')}/",
        f"/projects/demo/{quote(payload, safe='')}/why/",
    ):
        page = browser.get(target)
        assert page.status == 404
        assert not [element for element in page.elements if element.tag in ("script", "style", "iframe", "svg", "img", "object", "base")]
        assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
