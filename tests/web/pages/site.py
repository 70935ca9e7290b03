"""A whole server below its sockets, with a reader, a writer and browsers that are logged in."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.model.record import DistributionRecord, ProjectStatus, now
from pywharf.repository.admission import admit_file
from pywharf.repository.repository import Repository
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import Distribution
from pywharf.web.app import App, make_app
from pywharf.wharf import Wharf

from ..client import Answer, Client, basic

CONFIG = '[acme]\ntype = "file_system"\nread_secret = "read"\nwrite_secret = "write"\nprivate_names = ["secret-*"]\n'
EXTRA = "https://extra.example/simple/"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
VOID = {"meta", "link", "input", "br", "hr", "img", "col", "wbr"}


class Site:
    """Everything of a server, and what is uploaded to it."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        layout = Layout(root)
        layout.prepare()
        replace(layout, StoredConfig(CONFIG, ""))
        told = ServerSettings(**{"extra_index_url": EXTRA, **settings})
        self.wharf = Wharf(layout, told)
        self.wharf.start()
        self.app: App = make_app(self.wharf, told)
        with self.wharf.hold() as generation:
            repository = generation.find("acme")
        assert repository is not None
        self.repository: Repository = repository

    def close(self) -> None:
        self.app.close()
        self.wharf.close()

    def publish(self, *distributions: Distribution) -> None:
        for distribution in distributions:
            with self.repository.receiving() as incoming:
                incoming.write(distribution.data)
                incoming.finish()
                self.repository.adopt(admit_file(incoming.path, distribution.filename, now()), incoming)

    def files(self, project: str) -> dict[str, DistributionRecord]:
        detail = self.repository.project(project)  # type: ignore[arg-type]
        return {record.filename: record for record in detail.files} if detail else {}

    def status(self, project: str) -> ProjectStatus | None:
        return self.repository.project_status(project)  # type: ignore[arg-type]

    @property
    def reader(self) -> Client:
        return Client(self.app, basic("acme", "read"))

    @property
    def writer(self) -> Client:
        return Client(self.app, basic("acme", "write"))

    def visit(self, target: str, secret: str = "read", **environ: Any) -> Page:
        """A page as a browser without a session would see it, which sends the secret by itself."""
        return Page(Client(self.app, basic("acme", secret)).get(target, NAVIGATION, **environ))

    def browser(self, secret: str = "write") -> Browser:
        browser = Browser(self.app)
        browser.log_in(secret)
        return browser


class Browser:
    """A browser with cookies."""

    def __init__(self, app: App) -> None:
        self.client = Client(app, None)
        self.cookies: dict[str, str] = {}

    def log_in(self, secret: str) -> None:
        form = self.get("/login/").form("login/")
        answer = self.post("/login/", {**form, "pkg_repo_name": "acme", "pkg_repo_secret_raw": secret})
        assert answer.answer.status == 303, answer.text

    def get(self, target: str, **headers: str) -> Page:
        return self._send("GET", target, b"", {**NAVIGATION, "Sec-Fetch-Site": "same-origin", **headers})

    def post(self, target: str, form: dict[str, str], **headers: str) -> Page:
        fields = {**NAVIGATION, "Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8888"}
        fields["Content-Type"] = "application/x-www-form-urlencoded"
        return self._send(
            "POST", target, urlencode(form).encode(), {**fields, **{name.replace("_", "-"): value for name, value in headers.items()}}
        )

    def _send(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Page:
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_HOST": "localhost:8888",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        started: list[tuple[str, list[tuple[str, str]]]] = []
        pieces = self.client.app(environ, lambda status, fields, exc_info=None: started.append((status, fields)) or print)  # type: ignore[func-returns-value,arg-type,return-value]
        content = b"".join(pieces)
        pieces.close()
        ((status, fields),) = started
        for name, value in fields:
            if name == "Set-Cookie":
                key, _, kept = value.partition(";")[0].partition("=")
                self.cookies[key] = kept
        code, _, reason = status.partition(" ")
        return Page(Answer(int(code), reason, {name.lower(): value for name, value in fields}, content))


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page:
    """An answer, and its HTML as a parser sees it."""

    answer: Answer
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.answer.headers.get("content-type", "").startswith("text/html"):
            parser = _Parser()
            parser.feed(self.answer.text)
            parser.close()
            assert parser.open == [], f"never closed: {parser.open}"
            self.elements = parser.elements

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def text(self) -> str:
        """What is to be read, on one line."""
        words = " ".join(re.sub(r"<[^>]*>", " ", self.answer.text).split())
        return words.replace("&quot;", '"').replace("&#039;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def links(self) -> dict[str, str]:
        """Where links lead, by their words."""
        return {" ".join(element.text.split()): element.attributes.get("href", "") for element in self.all("a")}

    def form(self, action: str) -> dict[str, str]:
        """The hidden fields of the form that is sent to an address with this end."""
        fields: dict[str, str] = {}
        inside = False
        for element in self.elements:
            if element.tag == "form":
                inside = element.attributes.get("action", "").endswith(action)
            elif inside and element.tag == "input" and element.attributes.get("type") == "hidden":
                fields[element.attributes["name"]] = element.attributes["value"]
        return fields


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop().tag == tag, f"</{tag}> closes another"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
