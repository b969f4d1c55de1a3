"""Grafana's dashboards are what the code makes, and ask for what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from objectstore_watcher.metrics import Metrics

from demo import grafana
from demo.grafana import View
from tests.demo.answers import NAMES
from tests.servers import ROOT

SCRAPED = {"up", "ALERTS", "process_start_time_seconds", "process_resident_memory_bytes"}
"""Series that are not the watcher's own."""


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_what_the_code_makes(name: str) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="needs Python 3.11")
    from tools.dashboards.__main__ import DASHBOARDS, FOLDER, text

    assert (FOLDER / f"{name}.json").read_text() == text(DASHBOARDS[name]()), "run: make docs"
    assert DASHBOARDS.keys() == set(NAMES)


def expressions(name: str) -> list[str]:
    dashboard = grafana.load(name)
    view = View(url="", chosen={"namespace": "of-a-test"})
    return [view.filled(target["expr"]) for panel in grafana.panels(dashboard) for target in panel.get("targets", [])]


@pytest.mark.parametrize("name", NAMES)
def test_queries_are_promql(name: str, tmp_path: Path) -> None:
    rules = [{"record": f"query:{place}", "expr": expr} for place, expr in enumerate(expressions(name))]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": name, "rules": rules}]}))
    promtool = subprocess.run(
        [ROOT / "tools" / "prometheus.sh", "promtool"], check=True, capture_output=True, text=True
    )
    checked = subprocess.run(
        [promtool.stdout.strip(), "check", "rules", "--lint=none", file], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def series(metrics: Metrics) -> set[str]:
    """The names under which Prometheus has the watcher's metrics."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}
    return {family.name + ending for family in metrics.registry.collect() for ending in endings.get(family.type, ())}


@pytest.mark.parametrize("name", NAMES)
def test_queries_ask_for_metrics_that_the_watcher_has(name: str) -> None:
    asked = {found for expr in expressions(name) for found in re.findall(r"\b(\w+)\{", expr)}
    assert asked - SCRAPED <= series(Metrics())


@pytest.mark.parametrize("name", NAMES)
def test_any_prometheus_can_be_chosen_and_each_panel_says_what_to_do(name: str) -> None:
    dashboard = grafana.load(name)
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables.pop("datasource")["query"] == "prometheus"
    asking = [panel for panel in grafana.panels(dashboard) if panel["type"] != "text"]
    for each in [*asking, *variables.values()]:
        assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for panel in asking:
        assert panel["description"].endswith((".", "`")), panel["title"]
    assert len({panel["id"] for panel in grafana.panels(dashboard)}) == len(dashboard["panels"])


def test_variables_choose_among_what_those_before_them_chose() -> None:
    queries = [each["query"] for each in grafana.load("objectstore-sensor")["templating"]["list"][1:]]
    assert [query["query"] for query in queries] == [
        "label_values(objectstore_watcher_build_info{}, namespace)",
        'label_values(objectstore_watcher_build_info{namespace="$namespace"}, workflow)',
        'label_values(objectstore_watcher_build_info{namespace="$namespace",workflow=~"$workflow"}, task)',
        'label_values(objectstore_watcher_build_info{namespace="$namespace",workflow=~"$workflow",task=~"$task"}, pod)',
    ]


def test_the_table_of_troubles_leads_to_the_sensors_own_dashboard() -> None:
    (panel, *_) = grafana.panels(grafana.load("objectstore-sensors"), "table")
    (link,) = grafana.options(panel, "pod")["links"]
    own = grafana.load("objectstore-sensor")
    assert link["url"].startswith(f"/d/{own['uid']}?")
    variables = {each["name"] for each in own["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", link["url"])) <= variables


def test_grafanas_sidecar_finds_all_of_them() -> None:
    made: dict[str, Any] = yaml.safe_load((grafana.FOLDER / "kustomization.yaml").read_text())
    assert made["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}
    files = [file for each in made["configMapGenerator"] for file in each["files"]]
    assert sorted(files) == sorted(path.name for path in grafana.FOLDER.glob("*.json"))
