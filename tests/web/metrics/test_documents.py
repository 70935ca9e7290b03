"""The reference, the dashboard and the alerts speak of the series that there are."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pywharf.repository.admission import CHECKS
from pywharf.web.metrics.series import BUCKETS, SERIES

from .documents import REFERENCE, alerts, dashboard, expressions, series_of, yaml_blocks

pytestmark = pytest.mark.any_python

TARGET_LABELS = {"job", "instance"}  # that Prometheus adds
EXPRESSIONS = list(expressions())


def test_every_series_is_in_the_reference_as_it_is() -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    rows = re.findall(r"^\| `(pywharf_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$", text, re.MULTILINE)

    assert rows == [(name, one.kind, ", ".join(f"`{label}`" for label in one.labels), one.meaning) for name, one in SERIES.items()]
    assert ", ".join(f"{bound:g}" for bound in BUCKETS) in text


def test_names_of_checks_are_values_of_labels_and_no_more() -> None:
    """`reason` may be the name of a check: a word of the code."""
    assert all(re.fullmatch("[a-z0-9_]{3,60}", check.__name__) for check in CHECKS)


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[f"{number}-{name}" for number, (name, _) in enumerate(EXPRESSIONS)])
def test_a_query_is_about_series_and_labels_that_there_are(name: str, expression: str) -> None:
    found = series_of(expression)

    assert found <= set(SERIES), found - set(SERIES)
    assert found or expression.startswith("up{")
    labels = {label for one in found for label in SERIES[one].labels} | TARGET_LABELS | {"le"}
    for matcher in re.findall(r"\{(.*?)\}", re.sub(r'"[^"]*"', '""', expression)):
        assert all(
            re.fullmatch(r'(\w+)(?:=~|!~|!=|=)""', part) and part[: re.search(r"\W", part).start()] in labels for part in matcher.split(",")
        )  # type: ignore[union-attr]
    for grouping in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
        assert set(grouping.split(", ")) <= labels
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[f"{number}-{name}" for number, (name, _) in enumerate(EXPRESSIONS)])
def test_counters_are_looked_at_by_their_rate_and_gauges_are_not(name: str, expression: str) -> None:
    for call, series in re.findall(r"(\w+)\((pywharf_\w+)(?=[^)]*\[)", expression):
        assert call in ("rate", "increase")
        assert re.search("_(?:total|bucket|count|sum)$", series), series
    for series in re.findall(r"\bpywharf_\w+", expression):
        if series.endswith(("_total", "_bucket", "_sum", "_count")):
            assert re.search(rf"(?:rate|increase)\({series}", expression), series


def test_the_dashboard_can_be_imported() -> None:
    found = dashboard()

    assert found["title"] == "pywharf"
    assert {"schemaVersion", "panels", "templating", "time", "uid"} <= found.keys()
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    variables = {variable["name"] for variable in found["templating"]["list"]}
    assert next(one for one in found["templating"]["list"] if one["name"] == "datasource")["type"] == "datasource"
    for panel in found["panels"]:
        assert {"id", "type", "title", "gridPos"} <= panel.keys()
        assert panel["type"] in ("row", "stat", "timeseries")
        assert panel["type"] == "row" or panel["targets"]
        for target in panel.get("targets", []):
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables | {"__rate_interval"}
        assert len({target["refId"] for target in panel.get("targets", [])}) == len(panel.get("targets", []))


def test_no_panel_of_the_dashboard_covers_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]

    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)


def test_legends_name_labels_that_their_query_keeps() -> None:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            kept = {label for one in series_of(target["expr"]) for label in SERIES[one].labels}
            for grouping in re.findall(r"by \(([^)]*)\)", target["expr"]):
                kept = set(grouping.split(", "))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]


def test_every_series_that_tells_of_trouble_has_an_alert_or_a_panel() -> None:
    shown = set().union(*(series_of(expression) for _, expression in EXPRESSIONS))

    assert set(SERIES) - shown == set()


def test_alerts_say_what_happened_and_scrapes_are_complete() -> None:
    assert len({alert["alert"] for alert in alerts()}) == len(alerts()) > 8
    for alert in alerts():
        assert alert["annotations"]["summary"]
        for label in re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]):
            assert label in {one for series in series_of(alert["expr"]) for one in SERIES[series].labels}
    scrapes = [job for block in yaml_blocks() for job in block.get("scrape_configs", [])]
    assert [job["job_name"] for job in scrapes] == ["pywharf", "pywharf"]
    assert [bool(job.get("basic_auth", {}).get("password_file")) for job in scrapes] == [True, False]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_takes_the_alerts(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(next(block for block in yaml_blocks() if "groups" in block)))

    subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yml")], check=True, capture_output=True)
