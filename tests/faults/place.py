"""A server on a ROOT, asked through WSGI in this process: two repositories in folders, with a file each."""

from __future__ import annotations

import json
from pathlib import Path

from web.client import Answer, Client, basic

from pywharf.config import ServerSettings
from pywharf.keys import initialize_token
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import Distribution, make_wheel
from pywharf.testing.uploads import upload_form
from pywharf.web.app import make_app
from pywharf.wharf import Wharf

JSON = "application/vnd.pypi.simple.v1+json"
KNOWN, OTHERS = make_wheel("known", "1.0"), make_wheel("others", "1.0")


def config(read: str = "read", write: str = "write") -> str:
    return "".join(
        f'[{name}]\ntype = "file_system"\nread_secret = "{read}"\nwrite_secret = "{write}"\nsync_index_interval = 0.2\n'
        for name in ("local", "other")
    )


class Place:
    """Used in `with`."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.layout.prepare()
        self.settings = ServerSettings(extra_index_url="https://extra.example/simple/")
        if not self.layout.config.exists():
            replace(self.layout, StoredConfig(config(), ""))

    def __enter__(self) -> Place:
        self.wharf = Wharf(self.layout, self.settings)
        self.wharf.start()
        self.app = make_app(self.wharf, self.settings)
        return self

    def __exit__(self, *error: object) -> None:
        self.wharf.close()

    @property
    def storage(self) -> Path:
        return self.layout.workdir("local") / "storage"

    def fill(self) -> None:
        assert self.upload(KNOWN).status == 200
        assert self.upload(OTHERS, "other").status == 200

    def get(self, path: str, repository: str = "local", secret: str = "read") -> Answer:
        return Client(self.app, basic(repository, secret)).get(path, {"Accept": JSON})

    def upload(self, distribution: Distribution, repository: str = "local", secret: str = "write") -> Answer:
        body, content_type = upload_form(distribution)
        return Client(self.app, basic(repository, secret)).send("POST", "/legacy/", {"Content-Type": content_type}, body=body)

    def initialize(self, text: str) -> Answer:
        token = initialize_token(self.layout.initialize_token, {})
        body = f"config={text}&admin_secret=".encode()
        return Client(self.app, None).send("POST", "/initialize/", body=body, HTTP_AUTHORIZATION=f"Bearer {token}")

    def health(self) -> str:
        return str(json.loads(Client(self.app, None).get("/health/").body)["status"])

    def download(self, distribution: Distribution, repository: str = "local") -> Answer:
        return self.get(f"/simple/{distribution.filename.split('-')[0]}/{distribution.filename}", repository)

    def check(self, distribution: Distribution, repository: str = "local") -> None:
        answer = self.download(distribution, repository)
        assert (answer.status, answer.body) == (200, distribution.data)

    def check_other(self) -> None:
        """The other repository goes on."""
        assert self.get("/simple/others/", "other").status == 200
        self.check(OTHERS, "other")
        assert self.upload(OTHERS, "other").status == 200
