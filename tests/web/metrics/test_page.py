from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families

from pywharf.web.app import App
from pywharf.web.metrics.page import metrics_app
from pywharf.web.metrics.reporting import Metrics
from pywharf.web.metrics.series import SERIES

from ..browser import Browser
from ..client import Answer, Client, basic
from ..fakes import READ, WRITE
from .conftest import told

pytestmark = pytest.mark.any_python

WHEEL = "/simple/demo/demo-1.0-py3-none-any.whl"


def on_its_own_address(metrics: Metrics, target: str = "/metrics", method: str = "GET", **environ: Any) -> Answer:
    """What the application on the metrics' own address answers."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": target, "REMOTE_ADDR": "127.0.0.1", **environ}
    body = b"".join(
        metrics_app(metrics.scraper)(environ, lambda status, headers, _=None: started.append((status, headers)) or (lambda _: None))
    )
    status, _, reason = started[0][0].partition(" ")
    return Answer(int(status), reason, {name.lower(): value for name, value in started[0][1]}, body)


# --- who is told what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "secret", "status"),
    [
        (None, None, 401),
        ("local", "wrong", 401),
        ("nobody", READ, 401),
        ("other", READ, 401),
        ("local", READ, 200),
        ("local", WRITE, 200),
        ("other", "other-read", 200),
    ],
)
@pytest.mark.parametrize("target", ["/metrics", "/metrics/"])
def test_metrics_are_for_callers(app: App, user: str | None, secret: str | None, status: int, target: str) -> None:
    assert Client(app, basic(user, secret) if user and secret else None).get(target).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_metrics_can_only_be_read(client: Client, method: str) -> None:
    assert client.send(method, "/metrics").status == 405


def test_a_caller_learns_nothing_of_another_repository_not_even_that_it_is_there(app: App, client: Client) -> None:
    Client(app, basic("other", "other-read")).get("/simple/")
    Client(app, basic("other", "wrong")).get("/simple/")
    Client(app, basic("other", "other-write")).send("POST", "/simple/", body=b"x")

    answer = client.get("/metrics")

    assert "other" not in answer.text.replace('method="other"', "")
    assert any("repository=local" in key for key in told(answer))


def test_on_their_own_address_metrics_are_complete_and_for_everybody(app: App, client: Client, metrics: Metrics) -> None:
    client.get("/simple/")

    found = told(on_its_own_address(metrics))

    assert {("pywharf_repository_ready", "repository=local"), ("pywharf_repository_ready", "repository=other")} <= found.keys()
    assert found["pywharf_http_requests_total", "method=GET", "route=/simple", "status=200"] == 1


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/metrics/", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/simple/", 404),
        ("POST", "/metrics", 405),
        ("GET", "/%ff", 404),
        ("GET", "\xff", 404),
    ],
)
def test_their_own_address_has_nothing_else(app: App, metrics: Metrics, method: str, target: str, status: int) -> None:
    answer = on_its_own_address(metrics, target, method)

    assert answer.status == status
    assert (answer.body == b"") == (method == "HEAD")


def test_a_browser_that_is_logged_in_is_a_caller_and_keeps_nothing(browser: Browser) -> None:
    browser.log_in("local", READ)

    answer = browser.get("/metrics")

    assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-store")


# --- the format ----------------------------------------------------------------------------------------------------


def test_prometheus_is_given_its_plain_text(client: Client) -> None:
    answer = client.get("/metrics", {"Accept": "text/plain;version=1.0.0;escaping=allow-utf-8,*/*;q=0.1"})

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert len(list(text_string_to_metric_families(answer.text))) > 15


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
        "application/openmetrics-text; version=hostile\u00e9",
        "text/plain, Application/OpenMetrics-Text",
    ],
)
def test_whoever_wants_open_metrics_gets_it_and_chooses_nothing_of_the_header(client: Client, accept: str) -> None:
    client.get("/simple/")

    answer = client.get("/metrics", {"Accept": accept})

    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in open_metrics_families(answer.text)}
    assert families["pywharf_http_requests"].type == "counter"


def test_names_and_units_are_as_prometheus_wants_them(app: App, client: Client) -> None:
    """What `promtool check metrics` looks at, and that nothing is told that the table does not have."""
    client.get("/simple/")
    client.get("/nothing")

    text = client.get("/metrics").text

    assert len(set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))) == len(re.findall("^# HELP", text, re.MULTILINE))
    assert re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE) == re.findall(
        r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.MULTILINE
    )
    assert set(re.findall(r"^# HELP (\S+) ", text, re.MULTILINE)) <= set(SERIES)
    for name, one in SERIES.items():
        assert re.fullmatch(r"pywharf_[a-z][a-z0-9_]*[a-z0-9]", name)
        assert name.endswith("_total") == (one.kind == "counter"), name
        assert not re.search(r"_(?:ms|milliseconds|minutes|kb|mb|percent|counter|gauge|histogram|count|sum|bucket)(?:_|$)", name), name
        assert re.search("_(?:seconds|bytes)(?:_total)?$", name) or not re.search("_(?:duration|age|size|free|memory|time)_", f"{name}_"), (
            name
        )
        assert one.meaning
        assert one.meaning[0].isupper() or one.meaning[0].isdigit()
        assert not {"le", "quantile", "job", "instance"} & set(one.labels)
        assert all(re.fullmatch("[a-z]+", label) for label in one.labels)


# --- hostile -------------------------------------------------------------------------------------------------------


def test_ten_thousand_addresses_that_do_not_exist_add_no_series(app: App, client: Client, stranger: Client, writer: Client) -> None:
    def traffic(number: int) -> None:
        word = hashlib.sha256(str(number).encode()).hexdigest()[:12]
        for target in (f"/{word}", f"/simple/{word}/{word}.whl", f"/x/{word}/%ff", f"/static/{word}", f"/projects/{word}?q={word}"):
            client.get(target)
        client.send(word.upper(), f"/simple/{word}/")
        stranger.get(f"/simple/{word}/")
        writer.send("POST", "/simple/", {"Content-Type": f"multipart/form-data; boundary={word}"}, body=word.encode())
        client.get("/simple/", {"Accept": f"application/{word}", "Host": word, "User-Agent": word, "X-Forwarded-For": word})
        Client(app, basic(word, word), peer="192.0.2.9").get("/simple/")

    for number in range(70):  # until the throttle, too, has said what it has to say
        traffic(number)
    client.get("/metrics")
    before = told(client.get("/metrics")).keys()
    for number in range(70, 1070):
        traffic(number)
    answer = client.get("/metrics")

    assert told(answer).keys() - before == set()
    assert len(re.findall("pywharf_http_requests_total{", answer.text)) < 40
    assert hashlib.sha256(b"7").hexdigest()[:12] not in answer.text
