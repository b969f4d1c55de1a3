"""Reads the dashboards as Grafana does: variables filled in, queries run, tables merged and sorted."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers import ROOT

FOLDER = ROOT / "k8s" / "monitoring" / "dashboards"

ALL = ".*"
"""What Grafana puts in for a variable whose choice is "All" in these dashboards."""

Row = dict[str, Any]
Series = tuple[dict[str, str], list[tuple[float, float]]]


def load(name: str) -> dict[str, Any]:
    """A dashboard's JSON."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


@dataclass(frozen=True, kw_only=True)
class View:
    """A dashboard's time range and variables, and the Prometheus that it asks.

    Attributes:
        url: of Prometheus.
        seconds: how far back from now.
        chosen: values of variables; all others are "All".
    """

    url: str
    seconds: int = 3600
    chosen: Mapping[str, str]

    @property
    def step(self) -> int:
        """Seconds between two points of a line."""
        return max(1, self.seconds // 120)

    def filled(self, expression: str) -> str:
        """An expression with the variables replaced."""

        def value(found: re.Match[str]) -> str:
            return self.chosen.get(found[1] or found[2], ALL).replace("\\", r"\\").replace('"', r"\"")

        return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, expression)

    def ask(self, path: str, **parameters: object) -> Any:  # noqa: ANN401  # JSON
        """The data of Prometheus' answer to a call of its API that reads."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own server
            return json.load(answer)["data"]

    def now(self, target: Mapping[str, Any]) -> list[tuple[dict[str, str], float]]:
        """Label sets with the value that a query has now."""
        found = self.ask("query", query=self.filled(target["expr"]))["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def over_time(self, target: Mapping[str, Any]) -> list[Series]:
        """Label sets with the values over the whole range."""
        end = time.time()
        query = self.filled(target["expr"])
        found = self.ask("query_range", query=query, start=end - self.seconds, end=end, step=self.step)["result"]
        return [(each["metric"], [(at, float(value)) for at, value in each["values"]]) for each in found]


def panels(dashboard: Mapping[str, Any], kind: str = "") -> Iterator[dict[str, Any]]:
    """The panels, or those of one kind."""
    return (panel for panel in dashboard["panels"] if kind in {"", panel["type"]})


def rows(panel: Mapping[str, Any], view: View) -> list[Row]:
    """A table as a person reads it: rows merged by their labels, columns named and in order, sorted."""
    single = len(panel["targets"]) == 1
    merged: list[Row] = []
    for target in panel["targets"]:
        name = "Value" if single else f"Value #{target['refId']}"
        for labels, value in view.now(target):
            _merge(merged, {**labels, name: value})
    (organize,) = (step["options"] for step in panel["transformations"] if step["id"] == "organize")
    places, names = organize["indexByName"], organize["renameByName"]
    shown = [name for name in sorted(places, key=places.get) if name not in organize["excludeByName"]]
    found = [{names.get(name, name): row.get(name) for name in shown} for row in merged]
    return _sorted(found, panel["options"].get("sortBy") or [])


def _merge(merged: list[Row], row: Row) -> None:
    """Into the row that has the same values where it has the same columns; as a row of its own where none has."""
    for other in merged:
        shared = other.keys() & row.keys()
        if shared and all(other[name] == row[name] for name in shared):
            other.update(row)
            return
    merged.append(row)


def _sorted(found: list[Row], order: Sequence[Mapping[str, Any]]) -> list[Row]:
    for each in reversed(order):  # sorting is stable: the first comes last
        column = each["displayName"]
        found.sort(key=lambda row: row[column] if row[column] is not None else float("-inf"), reverse=each["desc"])
    return found


def legend(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """The name of a line."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), target["legendFormat"])


def options(panel: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Grafana's options of a field: the panel's, and those of its own."""
    own = [each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == column]
    extra = {prop["id"]: prop["value"] for each in own for prop in each["properties"]}
    return {**panel["fieldConfig"]["defaults"], **extra}
