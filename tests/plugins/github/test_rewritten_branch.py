"""A branch whose history somebody replaced, as those see it who use the server: what is gone is gone, what was private stays private."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from plugins.github.hosted import Hosted

from pywharf.backend.interface import Access
from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import basic_auth, send_upload
from pywharf.web.app import make_app
from pywharf.web.server.listening import listen
from pywharf.web.server.run import running
from pywharf.wharf import Wharf

SETTINGS = ServerSettings(extra_index_url="https://extra.example/simple/")


class Served:
    """A server's ROOT, and the server that runs on it at this moment."""

    def __init__(self, hosted: Hosted, root: Path) -> None:
        self.hosted = hosted
        self.layout = Layout(root)
        self.layout.prepare()
        owner, repo = hosted.repository.split("/")
        config = f'[wheels]\ntype = "github"\nowner = "{owner}"\nrepo = "{repo}"\ngit_url = "{hosted.server.url_template}"\nmin_push_interval = 0\n'
        secret = f'[wheels]\ntype = "github"\nraw = "{hosted.tokens[Access.READ]}"\n'
        replace(self.layout, StoredConfig(config, secret))
        self.writer = basic_auth("wheels", hosted.tokens[Access.WRITE])
        self.reader = basic_auth("wheels", hosted.tokens[Access.READ])
        self.address = ""
        self.wharf = Wharf(self.layout, SETTINGS)

    @contextlib.contextmanager
    def running(self) -> Iterator[Served]:
        self.wharf = Wharf(self.layout, SETTINGS)
        self.wharf.start()
        try:
            with running(make_app(self.wharf, SETTINGS), listen("127.0.0.1", 0)) as self.address:
                yield self
        finally:
            self.wharf.close()

    def publish(self, project: str) -> int:
        wheel = make_wheel(project, "1.0")
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=60)) as connection:
            return send_upload(connection, self.writer, wheel)[0]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=60)) as connection:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def page(self, project: str) -> int:
        return self.get(f"/simple/{project}/", {"Authorization": self.reader})[0]

    def health(self, authorization: str = "") -> dict[str, object]:
        status, text = self.get("/health/", {"Authorization": authorization} if authorization else None)
        assert status == 200
        told: dict[str, object] = json.loads(text)
        return told

    def notices(self) -> list[str]:
        about = self.health(self.reader)["repository"]
        assert isinstance(about, dict)
        return [notice["text"] for notice in about["notices"]]

    def sync(self) -> None:
        with self.wharf.hold() as generation:
            generation.repositories["wheels"].sync()


@pytest.fixture
def served(hosted: Hosted, tmp_path: Path) -> Served:
    return Served(hosted, tmp_path / "root")


def test_a_replaced_history_is_told_to_who_may_know_and_its_names_stay_reserved(
    served: Served, hosted: Hosted, caplog: pytest.LogCaptureFixture
) -> None:
    with served.running():
        for project in ("kept", "lost"):
            assert served.publish(project) == 200
        assert (served.health(), served.notices()) == ({"status": "ok"}, [])

        hosted.rewrite(lambda path: "/lost/" not in path)
        served.sync()

        assert served.page("kept") == 200
        assert served.page("lost") == 404  # and not a redirect to the extra index
        assert served.page("never-seen") == 302
        assert served.health() == {"status": "degraded"}
        assert served.health(basic_auth("wheels", "a guess")) == {"status": "degraded"}
        (notice,) = served.notices()
        assert notice.startswith("the history of the branch was replaced: main was at commit ")
    assert [record.levelname for record in caplog.records if "history of the branch was replaced" in record.message].count("ERROR") == 1

    with served.running():  # a restart is no acknowledgement
        served.sync()
        assert served.notices() == [notice]
        assert served.page("lost") == 404

        (served.layout.index / "wheels.notices").unlink()
        assert (served.health(), served.notices()) == ({"status": "ok"}, [])
        assert served.page("lost") == 404
        assert served.publish("lost") == 200  # the project is still this repository's


def test_a_history_replaced_while_the_server_was_down_is_told_too(served: Served, hosted: Hosted) -> None:
    with served.running():
        for project in ("kept", "lost"):
            assert served.publish(project) == 200
    hosted.git("update-ref", "refs/heads/main", "main~1")

    with served.running():
        served.sync()
        assert served.page("lost") == 404
        (notice,) = served.notices()

    assert "set back to an older commit" in notice
