"""Writes the dashboards."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.dashboards import overview, sensor

FOLDER = Path(__file__).parents[2] / "k8s" / "monitoring" / "dashboards"

DASHBOARDS = {overview.UID: overview.build, sensor.UID: sensor.build}


def text(dashboard: Dashboard) -> str:
    """The dashboard as Grafana reads it."""
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, build in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(text(build()))


if __name__ == "__main__":
    main()
