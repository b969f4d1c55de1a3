"""The recording rules and alerts, by Prometheus' own promtool; their runbook; and the operator's copy of them."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.k8s.manifests import load
from tests.k8s.test_manifests import operators_rules
from tests.servers import ROOT, prometheus_command

RUNBOOK = ROOT / "docs" / "runbook.md"

ALERTS = {
    "ObjectStoreSensorStuck",
    "ObjectStoreSensorErrors",
    "ObjectStoreSensorHeartbeatLost",
    "ObjectStoreSensorDeadlineNear",
    "ObjectStoreSensorThrottled",
    "ObjectStoreSensorsOnOneObject",
}


def promtool(*args: str) -> str:
    done = subprocess.run(
        [prometheus_command("promtool"), *args], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> list[dict[str, Any]]:
    (rules,) = load("monitoring/rules.yml")
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def test_promtool_accepts_the_rules_and_the_configuration_that_loads_them() -> None:
    promtool("check", "rules", "--lint-fatal", "k8s/monitoring/rules.yml")
    promtool("check", "config", "--syntax-only", "k8s/monitoring/prometheus.yml")
    (config,) = load("monitoring/prometheus.yml")
    (kustomization,) = load("monitoring/kustomization.yaml")
    (files,) = (each["files"] for each in kustomization["configMapGenerator"] if each["name"] == "prometheus")
    assert set(config["rule_files"]) < set(files)


def test_each_alert_fires_and_does_not_in_the_good_case_beside_it() -> None:
    promtool("test", "rules", "tests/k8s/rules_test.yml")


def test_the_unit_tests_have_a_firing_and_a_good_case_of_each_alert() -> None:
    tests = yaml.safe_load((ROOT / "tests" / "k8s" / "rules_test.yml").read_text())["tests"]
    cases = [(test, case) for test in tests for case in test.get("alert_rule_test", ())]
    assert {alert["alert"] for alert in alerts()} == ALERTS
    for name in ALERTS:
        mine = [(test, case) for test, case in cases if case["alertname"] == name]
        assert any(case["exp_alerts"] for _, case in mine), name
        pods = {
            pod for test, _ in mine for pod in re.findall(r'(?:namespace|pod)="([\w-]+)"', str(test["input_series"]))
        }
        fired = {value for _, case in mine for alert in case["exp_alerts"] for value in alert["exp_labels"].values()}
        assert pods - fired, f"{name} has no series for which it does not fire"


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_has_its_part_of_the_runbook(name: str) -> None:
    assert {each["annotations"]["runbook_url"] for each in alerts() if each["alert"] == name} == {
        f"docs/runbook.md#{name.lower()}"
    }
    part = RUNBOOK.read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert [word for word in ("**Meaning.**", "**Look.**", "**Do.**", "```promql") if word not in part] == []


def test_the_readme_has_each_alert_in_its_table() -> None:
    assert set(re.findall(r"^\| `(ObjectStoreSensor\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)) == ALERTS


def queries() -> list[str]:
    """The runbook's queries, with the names in capital letters that somebody would replace."""
    return re.findall(r"```promql\n(.*?)```", RUNBOOK.read_text(), re.DOTALL)


@pytest.mark.parametrize("query", queries())
def test_the_runbooks_queries_are_promql_of_metrics_that_there_are(query: str) -> None:
    promtool("--experimental", "promql", "format", query.replace("TARGET", "1"))
    known = (ROOT / "README.md").read_text() + (ROOT / "k8s" / "monitoring" / "rules.yml").read_text()
    for name in re.findall(r"[\w:]*objectstore_watcher_\w+(?::\w+)?", query):
        assert name in known or name.removesuffix("_bucket") in known, name


def test_the_operators_rules_are_the_same() -> None:
    assert load("monitoring-operator/rules.yaml") == [operators_rules()], "run: make docs"
