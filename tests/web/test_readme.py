"""READMEs are shown, and do nothing: what a stranger wrote neither runs, nor loads, nor stands in for the page, nor stops the server."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web import readme_process
from pywharf.web.readme import MOST_RENDERED, Readmes
from pywharf.web.readme_process import ATTRIBUTES, REL, TAGS, cleaned, rendered

from .hostile_readmes import HTML, hostile_readmes
from .readme_findings import findings


def test_the_table_is_long_enough_and_the_reader_of_it_finds_what_it_should() -> None:
    assert len(hostile_readmes()) >= 200
    assert len(set(hostile_readmes())) == len(hostile_readmes())
    silent = [
        text
        for text in HTML
        if not findings(text).wrong and not re.search("href|ADw|<b><b>|<scr|plaintext|blockquote|<table><table>", text)
    ]
    assert silent == []


@pytest.mark.parametrize("number", range(len(hostile_readmes())))
def test_a_hostile_readme_is_shown_and_does_nothing(readmes: Readmes, number: int) -> None:
    kind, text = hostile_readmes()[number]

    html = readmes.html(text, kind)

    assert findings(html).wrong == []
    assert "root:" not in html  # no file of this machine
    assert html


def test_no_link_of_the_table_leads_to_where_it_should_not(readmes: Readmes) -> None:
    """evil.example is what the table wants loaded or asked unseen: what remains of it are links to pictures, for those who want to go."""
    links = {link for kind, text in hostile_readmes() for link in findings(readmes.html(text, kind)).links}

    assert any("good.example" in link for link in links)
    assert {re.sub(r"[?/].*", "", link.partition("://")[2]) for link in links if "evil.example" in link} <= {"evil.example"}
    assert not [link for link in links if "/logout" in link or "/login" in link]


@given(
    st.lists(
        st.sampled_from([*HTML, "<", ">", "&", '"', "'", "/", "=", " ", "<a ", "href=", "<p ", "id=", "class=", "</", "-->", "x"]),
        max_size=6,
    )
)
def test_no_mixture_gets_through(pieces: list[str]) -> None:
    assert findings(cleaned("".join(pieces))).wrong == []


# --- what is kept of it -----------------------------------------------------------------------------------------------


def test_markdown_looks_as_it_should(readmes: Readmes) -> None:
    html = readmes.html(
        "# Title\n\n*a* **b** `c` [d](https://good.example/e?f=1&g=2)\n\n```python\nx = 1\n```\n\n- [x] done\n\n|h|\n|-|\n|i|\n\nsee[^1]\n\n[^1]: note\n"
        "\n[![badge](https://good.example/b.svg)](https://good.example/ci) ![alone](https://good.example/p.png)\n",
        "text/markdown; charset=UTF-8; variant=GFM",
    )

    assert '<h1 id="user-content-title">Title</h1>' in html
    assert "<em>a</em> <strong>b</strong> <code>c</code>" in html
    assert f'<a href="https://good.example/e?f=1&amp;g=2" rel="{REL}">d</a>' in html
    assert '<span class="n">x</span>' in html
    assert "☑" in html
    assert "<td>i</td>" in html
    assert f'<a href="https://good.example/ci" rel="{REL}">badge</a>' in html
    assert f'<a href="https://good.example/p.png" rel="{REL}">alone</a>' in html
    (there,) = re.findall('<a href="#(user-content-fn-1)"', html)
    assert f'id="{there}"' in html


@pytest.mark.parametrize("kind", ["text/x-rst", "", "TEXT/X-RST"])
def test_restructuredtext_looks_as_it_should(readmes: Readmes, kind: str) -> None:
    html = readmes.html(
        "Title\n=====\n\n*a* `d <https://good.example/>`_ [1]_\n\n.. [1] note\n\n.. warning:: careful\n\n.. code:: python\n\n   x = 1\n",
        kind,
    )

    assert "<h1>Title</h1>" in html
    assert f'<a href="https://good.example/" rel="{REL}">d</a>' in html
    assert '<div class="admonition warning">' in html
    assert '<span class="n">x</span>' in html
    for anchor in re.findall('href="#([^"]+)"', html):
        assert f'id="{anchor}"' in html


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/plain", "a <b> & *c*"),
        ("text/html", "<h1>x</h1>"),
        ("text/x-rst", "Title\n==\n\n`broken"),
        ("text/x-rst", ".. include:: /etc/passwd"),
        ("novelty", "# x"),
    ],
)
def test_what_cannot_be_rendered_is_shown_as_it_was_written(readmes: Readmes, kind: str, text: str) -> None:
    html = readmes.html(text, kind)

    assert html.startswith("<pre>")
    assert findings(html).text == text


@pytest.mark.parametrize("kind", ["", "text/markdown", "text/plain"])
def test_nothing_is_nothing(readmes: Readmes, kind: str) -> None:
    assert readmes.html("", kind) == readmes.html(" \n\t", kind) == ""


def test_a_text_that_is_too_long_is_shown_from_its_begin(readmes: Readmes) -> None:
    html = readmes.html("<b>" + "x" * MOST_RENDERED, "text/markdown")

    assert html.startswith("<pre>&lt;b&gt;xxx")
    assert html.endswith("the file has all of it.</p>")


@pytest.mark.parametrize("text", ["\udc80 # x", "# a\x00b", "\r\n\x0b\x0c\u2028# x", "\ud83d\ude00"])
def test_a_text_that_is_none_is_no_trouble(readmes: Readmes, text: str) -> None:
    for kind in ("text/markdown", "text/x-rst", "text/plain"):
        assert findings(readmes.html(text, kind)).wrong == []
    assert "<h1" in readmes.html("# next", "text/markdown")


# --- the server -------------------------------------------------------------------------------------------------------


def test_the_server_itself_never_loads_a_renderer() -> None:
    """They are large, and nobody may need them for days."""
    program = """
import sys
import pywharf.cli.main, pywharf.cli.start, pywharf.web.app, pywharf.web.readme
readmes = pywharf.web.readme.Readmes()
assert "<h1" in readmes.html("# x", "text/markdown")
readmes.close()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"docutils", "readme_renderer", "nh3", "pygments", "comrak", "cmarkgfm"}))
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    assert subprocess.run([sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_rules_for_the_process_are_in_one_place() -> None:
    """The same functions, without a process around them: what is measured here is what is run there."""
    assert rendered("# x <b onclick=y>z</b>", "md") == '<h1 id="user-content-x-z">x <b>z</b></h1>'
    assert rendered("`x", "rst") is None
    assert not {"script", "style", "img", "iframe", "form", "input", "svg", "math", "object", "embed", "link", "meta", "base"} & TAGS
    assert not {name for names in ATTRIBUTES.values() for name in names} & {"src", "style", "srcset", "name", "target", "action"}
    assert Readmes()._patience < readme_process.LONGEST
