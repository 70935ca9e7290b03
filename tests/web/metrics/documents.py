"""What the documentation says about metrics, taken apart: the reference, the dashboard, the alerts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parents[3] / "docs"
MONITOR = DOCS / "how-to" / "monitor.md"
REFERENCE = DOCS / "reference" / "metrics.md"
DASHBOARD = DOCS / "grafana" / "pywharf.json"


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return loaded


def yaml_blocks() -> list[Any]:
    return [
        yaml.safe_load(block)
        for block in re.findall(r"^```yaml\n(.*?)^```$", MONITOR.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for block in yaml_blocks() for group in block.get("groups", []) for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and of the alerts, with its name."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]
    for alert in alerts():
        yield alert["alert"], alert["expr"]


def series_of(expression: str) -> set[str]:
    """The series that a query names, those of a histogram by the histogram's own name."""
    return {re.sub("_(?:bucket|count|sum)$", "", name) for name in re.findall(r"\bpywharf_\w+", expression)}
