"""Core metadata that try what hostile READMEs try, on the pages that show them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from pywharf.testing.distributions import make_wheel
from pywharf.web.readme_process import REL

from .client import Answer
from .hostile_readmes import HTML
from .pages.site import Site

EVIL = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "</title><script>alert(1)</script>",
    "</textarea><svg onload=alert(1)>",
    "<!--<script>",
    "]]><script>alert(1)</script>",
    "{{1+1}}{{!x}}",
    "% import os",
    "<% x %>",
    "javascript:alert(1)",
    "&lt;script&gt;&#60;script&#62;",
    "<a href=https://evil.example/>x</a>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "\u202egnp.exe \u2066x\u2069 \u200b",
    "+ADw-script+AD4-",
    "<iframe srcdoc='<script>'>",
]
ADDRESSES = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example/",
    "/logout/",
    "\\\\evil.example",
    "https:evil.example",
    'https://good.example/"onclick="alert(1)',
    "https://good.example/' onclick='alert(1)",
    "https://good.example/<script>",
    "https://user:password@good.example/",
    "http://[::1",
    "https://",
    "blob:https://evil.example/x",
]
HEADERS = [
    ("Summary", EVIL[1]),
    ("Keywords", ",".join(EVIL)),
    ("Author", EVIL[0] + EVIL[3]),
    ("Author-email", '"<script>" <a@good.example>, \'x\' <"onclick=alert(1)"@evil.example>'),
    ("Maintainer", EVIL[5]),
    ("Maintainer-email", "x <javascript:alert(1)>"),
    ("License", EVIL[2]),
    ("Platform", EVIL[6]),
    ("Home-page", "javascript:alert(1)"),
    ("Download-URL", "data:text/html,x"),
    ("Description-Content-Type", 'text/markdown; charset="><script>"'),
    *(("Classifier", f"Topic :: {evil}") for evil in EVIL),
    *(("Project-URL", f"{evil.replace(',', ' ')[:30]}, https://good.example/{number}") for number, evil in enumerate(EVIL)),
    *(("Project-URL", f"address {number}, {address}") for number, address in enumerate(ADDRESSES)),
]
PAGES = [
    "/",
    "/projects/",
    "/projects/?q=%3Cscript%3E%22'",
    "/projects/demo/",
    "/projects/demo/1.0/",
    "/projects/demo/1.0/why/",
    "/projects/demo/manage/",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with contextlib.closing(Site(tmp_path_factory.mktemp("hostile") / "root")) as site:
        readmes = site.app._all().readmes
        readmes._patience = readmes._start_patience = 60.0
        site.publish(make_wheel("demo", "1.0", metadata_version="2.1", extra_headers=HEADERS, description="\n\n".join(HTML[:60])))
        site.repository.releases.yank(None, "demo", version="1.0", reason=EVIL[1])
        yield site


class Findings(HTMLParser):
    """Collects what runs, loads, or leads elsewhere than to web sites."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.away: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("style", "iframe", "object", "embed", "base", "svg", "math") or (
            tag == "script" and not given.get("src", "").startswith("../")
        ):
            self.wrong.append(f"<{tag}>")
        if tag == "meta" and "http-equiv" in given:
            self.wrong.append("<meta http-equiv>")
        for name, value in given.items():
            if name.startswith("on") or name in ("style", "srcdoc", "srcset", "ping", "background"):
                self.wrong.append(f"{name}={value!r}")
            if name in ("href", "src", "action", "formaction") and re.match(r"[a-z][a-z0-9+.-]*:|//|\\", value.strip(), re.IGNORECASE):
                if tag != "a" or not value.startswith(("https://", "http://", "mailto:")):
                    self.wrong.append(f"<{tag} {name}={value!r}>")
                elif given.get("rel") != REL:
                    self.wrong.append(f"<a href={value!r} rel={given.get('rel')!r}>")
                else:
                    self.away.append(value)


def findings(answer: Answer) -> Findings:
    found = Findings()
    found.feed(answer.text)
    found.close()
    return found


@pytest.mark.parametrize("target", PAGES)
def test_no_value_of_the_metadata_runs_loads_or_leads_away(site: Site, target: str) -> None:
    answer = site.browser().get(target).answer

    assert answer.status == 200
    assert findings(answer).wrong == []


def test_the_page_shows_what_can_be_shown_of_them(site: Site) -> None:
    answer = site.browser().get("/projects/demo/").answer

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert any(address.startswith("https://good.example/") for address in findings(answer).away)


@pytest.mark.parametrize("target", ["/feeds/latest.atom", "/feeds/demo.atom", "/simple/demo/", "/pypi/demo/json"])
def test_neither_do_they_elsewhere(site: Site, target: str) -> None:
    answer = site.reader.get(target)

    assert answer.status == 200
    assert "<script" not in answer.text or answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
