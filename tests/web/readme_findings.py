"""Reads what a README was made into, and finds what should not be in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from pywharf.web.readme_process import ATTRIBUTES, CLASSES, REL, TAGS

CODE_CLASS = re.compile("[a-z]{1,2}[0-9]?|cpf|err|esc|ges")


class Findings(HTMLParser):
    """What is in a piece of HTML that should not be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.text = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        if len({name for name, _ in attrs}) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        allowed = {*ATTRIBUTES["*"], *ATTRIBUTES.get(tag, set()), *(["rel"] if tag == "a" else [])}
        given = {name: value or "" for name, value in attrs}
        self.wrong += [f"<{tag} {name}={value!r}>" for name, value in given.items() if name not in allowed]
        if tag == "a" and given.get("rel") != REL:
            self.wrong.append(f"<a rel={given.get('rel')!r}>")
        if "href" in given:
            self.links.append(given["href"])
            if not re.match(r"(https?://|mailto:|#user-content-)", given["href"], re.IGNORECASE):
                self.wrong.append(f"href={given['href']!r}")
        if not given.get("id", "user-content-").startswith("user-content-"):
            self.wrong.append(f"id={given['id']!r}")
        self.wrong += [
            f"<{tag} class={one}>"
            for one in given.get("class", "").split()
            if one not in CLASSES and not (tag == "span" and CODE_CLASS.fullmatch(one))
        ]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(f"<![{data}]>")


def findings(html: str) -> Findings:
    found = Findings()
    found.feed(html)
    found.close()
    return found
