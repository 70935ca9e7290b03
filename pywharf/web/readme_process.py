"""The process that renders READMEs: `python -m pywharf.web.readme_process`, started and ended by `readme.py`.

Renderers take time and memory as the text has it, and the text is a stranger's. So they work in a process of their own, which can be
ended at any moment, may use little memory, and has nothing to give away: no configuration, no secrets, no open files. It ends by
itself when nobody asks any more, when it needed much memory, and in the middle of its work where nobody ended it in time.

It says one line when it can be asked. One question is one line of JSON, {"text": ..., "kind": "md" | "rst"}; the answer is one line,
{"html": ...} or {"html": null}.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import re
import resource
import signal
import sys
from html.parser import HTMLParser
from typing import Any

MOST_MEMORY = 512 * 1024 * 1024  # bytes of address space
KEPT_MEMORY = 128 * 1024  # KiB of resident memory; a process that needed more ends after its answer
IDLE = 60  # seconds without a question
LONGEST = 20  # seconds for one text; whoever asks has given up long before, unless it died

REL = "nofollow noopener noreferrer"
TAGS = frozenset(
    "a abbr acronym b blockquote br caption cite code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i kbd li"
    " ol p pre section span strong sub summary sup table tbody td th thead tr tt ul var".split()
)
ATTRIBUTES = {
    "*": {"id", "class"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "acronym": {"title"},
    **{tag: {"align"} for tag in ("div", "h1", "h2", "h3", "h4", "h5", "h6", "p")},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan"},
}
CLASSES = frozenset(
    "admonition admonition-title attention caution danger docutils error field-list footnote highlight hint important literal"
    " markdown-alert markdown-alert-caution markdown-alert-important markdown-alert-note markdown-alert-tip markdown-alert-title"
    " markdown-alert-warning note simple tip warning".split()
)
_COLOURED = re.compile(r"[a-z]{1,2}[0-9]?|cpf|err|esc|ges")  # what Pygments calls pieces of code
_ANCHOR = "user-content-"
_RENAMED = {"aside": "div", "nav": "div"}  # which would be parts of the page around it


def main() -> None:
    """Answer until the questions end."""
    import nh3  # noqa: F401 - so that the first text has all of its time
    from readme_renderer import markdown, rst  # noqa: F401

    _confine()
    most = max(KEPT_MEMORY, 3 * _peak())
    _say({})
    while True:
        signal.alarm(IDLE)  # which ends the process, as nothing here could
        line = sys.stdin.buffer.readline()
        if not line:
            return
        signal.alarm(LONGEST)
        try:
            question = json.loads(line)
            answer = rendered(question["text"], question["kind"])
        except Exception:  # whatever a renderer makes of a hostile text: it is then shown as it is
            answer = None
        _say({"html": answer})
        if _peak() > most:
            return


def _confine() -> None:
    limits = {
        resource.RLIMIT_AS: MOST_MEMORY,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,  # writes no file
    }
    for limit, most in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _peak() -> int:
    """The most resident memory that was needed, in KiB, or whatever the system counts in."""
    with contextlib.suppress(OSError, AttributeError), open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s*([0-9]+)", status.read()).group(1))  # type: ignore[union-attr]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


# --- a text -----------------------------------------------------------------------------------------------------------


def rendered(text: str, kind: str) -> str | None:
    """HTML that is safe to show, and loads nothing; None where the text cannot be rendered."""
    from readme_renderer import markdown, rst

    with contextlib.redirect_stderr(io.StringIO()):
        made = markdown.render(text) if kind == "md" else rst.render(text)
    return None if made is None else cleaned(made)


def cleaned(made: str) -> str:
    """The renderer's HTML without what would be fetched, pointed elsewhere on the page, or look like part of it.

    What is allowed stands here and not in the renderer: another version of it changes nothing of that.
    """
    import nh3

    rewriter = _Rewriter()
    rewriter.feed(made)
    rewriter.close()
    safe = nh3.clean(
        "".join(rewriter.pieces),
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        link_rel=REL,
        url_schemes={"http", "https", "mailto"},
    )
    return safe.strip()


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "id":  # anchors of the README cannot be taken for those of the page around it
        return _anchor(value)
    if name == "href":  # a relative one would lead to a page of ours
        if value.startswith("#"):
            return f"#{_anchor(value[1:])}"
        return value if value.lower().startswith(("http://", "https://", "mailto:")) else None
    if name == "class":
        return " ".join(one for one in value.split() if one in CLASSES or (tag == "span" and _COLOURED.fullmatch(one))) or None
    return value


def _anchor(name: str) -> str:
    return name if name.startswith(_ANCHOR) else _ANCHOR + name


class _Rewriter(HTMLParser):
    """Puts the description of an image in its place, with a link to it, and a mark in that of a checkbox; links without a word go."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._in_link = False
        self._empty_link = False  # the last piece begins one

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self._describe(given)
        elif tag == "input":
            self._add("☑ " if "checked" in given else "☐ ")
        else:
            told = "".join(f' {name}="{html.escape(value or "")}"' for name, value in attrs)
            self._add(f"<{_RENAMED.get(tag, tag)}{told}>")
            if tag == "a" and "href" in given:
                self._in_link = self._empty_link = True

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._empty_link:
            self.pieces.pop()
            self._in_link = self._empty_link = False
            return
        self._in_link = self._in_link and tag != "a"
        self._add(f"</{_RENAMED.get(tag, tag)}>")

    def handle_data(self, data: str) -> None:
        self._add(html.escape(data, quote=False))

    def _add(self, piece: str) -> None:
        self.pieces.append(piece)
        self._empty_link = False

    def _describe(self, image: dict[str, str | None]) -> None:
        said = html.escape((image.get("alt") or "").strip() or "image")
        address = image.get("src") or ""
        if self._in_link or not address.lower().startswith(("http://", "https://")):
            self._add(said)
        else:
            self._add(f'<a href="{html.escape(address)}">{said}</a>')


if __name__ == "__main__":
    main()
