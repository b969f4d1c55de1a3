"""What many waiting sensors take: ``docs/scale.json`` as a table, and on paper for more than one node holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from objectstore_watcher.prices import HEAD_DOLLARS_PER_1000

from tests.bench.instruments import MIB
from tests.bench.report import table
from tests.servers import ROOT

FIGURES = ROOT / "docs" / "scale.json"
"""Written by `tests.e2e.scale`."""

SENSORS = 10_000

LOOKS = {"1 s": 1.0, "10 s, the default": 10.0, "60 s": 60.0}
"""Poll intervals in seconds."""

NET = 60.0
"""Seconds between two looks while events flow, at the default poll interval."""

REQUESTS = 61 / 60
"""Of a look at an exact key on AWS: a HEAD, and a GET in 60 looks. On MinIO the HEAD alone."""

LIMIT = 5_500
"""GET and HEAD requests a second that S3 takes for a prefix, by AWS's documentation."""

REQUESTED = {
    "flytekit": {"memory": 348 * MIB, "cores": 0.11},
    "lean": {"memory": 96 * MIB, "cores": 0.02},
}
"""By a pod's main, what Kubernetes keeps free for it: 10m and 48 MiB for the watcher and for a lean main, Flyte's own
defaults in these tests for the other: 100m and 300 MiB."""

DAY = 86_400
"""Seconds."""


@dataclass(frozen=True)
class Node:
    """A node that many clusters have: an m5.xlarge in us-east-1, on demand.

    Attributes:
        memory: bytes that it has for pods, of 16 GiB.
        cores: those that it has for pods, of 4.
        pods: the most that EKS lets it have where nobody says otherwise: by its network addresses.
        dollars: what it costs a day.
    """

    memory: float = 14.5 * 2**30
    cores: float = 3.9
    pods: int = 58
    dollars: float = 0.192 * 24


def load() -> dict[str, Any]:
    """The measured figures."""
    return dict(json.loads(FIGURES.read_text()))


def nodes(scale: Mapping[str, Any], sensors: int = SENSORS, node: Node = Node()) -> int:
    """How many nodes so many sensors need: by what a pod of ``scale`` took, by what it requests, and by its place."""
    requested = REQUESTED[scale["main"]]
    memory = max(scale["memory"] / scale["pods"], requested["memory"])
    cores = max(scale["cores"] / scale["pods"], requested["cores"])
    return math.ceil(sensors * max(memory / node.memory, cores / node.cores, 1 / node.pods))


def scale_table(figures: Mapping[str, Any]) -> str:
    """What was measured of sensors that wait at once on one node."""
    rows = figures["rows"]
    head = ["sensors that wait at once on one node", *(f"{row['pods']}, {row['main']} main" for row in rows)]
    lines = {
        "memory of a pod": lambda row: f"{row['memory'] / row['pods'] / MIB:.0f} MiB",
        "memory of all": lambda row: f"{row['memory'] / 2**30:.1f} GiB",
        "processor time of a waiting pod": lambda row: f"{row['cores'] / row['pods'] * 1000:.1f} millicores",
        "created -> all wait": lambda row: f"{row['started']:.0f} s",
        "requests to MinIO": lambda row: f"{row['store']:.1f} a second, and {row['streams']} streams of events",
        "requests to the API server": lambda row: (
            f"{row['api']:.1f} a second; before there were pods {row['api_before']:.1f}"
        ),
        "first of all uploads -> last outputs.pb": lambda row: f"{row['output']:.1f} s",
        "first of all uploads -> last main container ended, for Kubernetes": lambda row: f"{row['succeeded']:.0f} s",
    }
    told = table([head, *([name, *map(tell, rows)] for name, tell in lines.items())])
    return f"{told}\n\n{figures['date']}, {figures['machine']}, {figures['seconds']} s of waiting."


def paper_table(figures: Mapping[str, Any]) -> str:
    """What `SENSORS` sensors would take: requests, memory, nodes and dollars a day."""
    mains = figures["rows"]
    head = ["a look each", "requests a second", f"of S3's {LIMIT:,}", "$ a day for requests"]
    head += [text for row in mains for text in (f"{row['main']} main: memory, nodes", "$ a day in all")]
    body = []
    for name, interval in LOOKS.items():
        rate = SENSORS / interval * REQUESTS
        body.append(_line(name, rate, rate * DAY * HEAD_DOLLARS_PER_1000 / 1000, mains))
    body.append(_line(f"events of MinIO, and {NET:g} s as the net", SENSORS / NET, 0.0, mains))
    return table([head, *body])


def _line(name: str, rate: float, dollars: float, mains: list[dict[str, Any]]) -> list[str]:
    line = [name, f"{rate:,.0f}", f"{rate / LIMIT:.0%}", f"{dollars:,.0f}"]
    for row in mains:
        memory = row["memory"] / row["pods"] * SENSORS / 2**30
        line += [f"{memory:,.0f} GiB, {nodes(row)}", f"{dollars + nodes(row) * Node().dollars:,.0f}"]
    return line
