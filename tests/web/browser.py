"""A browser as far as HTTP knows it: headers of the day, cookies kept as they are set, forms sent from the page that was shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode, urljoin

from pywharf.web.app import App

from .client import Answer, Client

ORIGIN = "http://localhost:8888"
NAVIGATES = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}
SENDS = {**NAVIGATES, "Sec-Fetch-Site": "same-origin", "Origin": ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Browser:
    """cookies: by name, as they stand in its jar. environ: further or other WSGI variables of each request."""

    app: App
    peer: str = "192.0.2.1"
    cookies: dict[str, str] = field(default_factory=dict)
    environ: dict[str, Any] = field(default_factory=dict)
    shown: str = ""  # the text of the page that was shown last

    def get(self, target: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        return self.send("GET", target, {**NAVIGATES, **(headers or {})}, **more)

    def post(self, target: str, fields: Mapping[str, str] | bytes, headers: Mapping[str, str | None] | None = None, **more: Any) -> Answer:
        """headers: a None takes away what a browser would say."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        said = {name: value for name, value in {**SENDS, **(headers or {})}.items() if value is not None}
        return self.send("POST", target, said, body=body, **more)

    def send(self, method: str, target: str, headers: Mapping[str, str], **more: Any) -> Answer:
        sent = dict(headers)
        if self.cookies and "Cookie" not in sent:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = Client(self.app, None, self.peer, self.environ).send(method, target, sent, **more)
        for line in answer.cookies:
            self._keep(line)
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.shown = answer.text
        return answer

    def log_in(self, name: str, secret: str, following: str = "/", **more: Any) -> Answer:
        """Open the form and send it."""
        self.get("/login/")
        return self.send_login(name, secret, following, **more)

    def send_login(self, name: str, secret: str, following: str = "/", **more: Any) -> Answer:
        """Send the form that was shown last."""
        fields = {"pkg_repo_name": name, "pkg_repo_secret_raw": secret, "next": following, "form_token": self.form_token}
        return self.post("/login/", fields, **more)

    def copy(self) -> Browser:
        """Another one with the same cookies."""
        return Browser(self.app, self.peer, dict(self.cookies), self.environ, self.shown)

    @property
    def form_token(self) -> str:
        """Of the page that was shown last."""
        found = re.search(r'name="form_token" value="([^"]*)"', self.shown)
        assert found, "the page has no form"
        return unescape(found[1])

    def _keep(self, line: str) -> None:
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        if "Max-Age=0" in attributes:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


def leads_to(answer: Answer, target: str = "/login/") -> tuple[int, str]:
    """The status, and the path that a redirect leads to from `target`."""
    return answer.status, urljoin(f"{ORIGIN}{target}", answer.headers["location"]).removeprefix(ORIGIN)
