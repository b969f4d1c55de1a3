"""Both ways to find the watchers, by annotations and by the operator's PodMonitor, give the same series."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.k8s.manifests import load
from tests.servers import pinned

OPERATORS_OWN = {"namespace", "pod", "job", "container", "endpoint"}
"""Labels that the operator's scrape configuration for a PodMonitor has before those of its author."""


def relabelings() -> list[dict[str, Any]]:
    """Those of the plain configuration, in its own words."""
    (config,) = load("monitoring/prometheus.yml")
    (job,) = config["scrape_configs"]
    return list(job["relabel_configs"])


def monitor() -> dict[str, Any]:
    (found,) = load("monitoring-operator/podmonitor.yaml")
    return found


def operators_relabelings() -> list[dict[str, Any]]:
    (endpoint,) = monitor()["spec"]["podMetricsEndpoints"]
    return list(endpoint["relabelings"])


def targets(told: list[dict[str, Any]], source: str, target: str) -> dict[str, str]:
    """Label and where it comes from; the visible ones."""
    return {each[target]: "".join(each.get(source, ())) for each in told if not each.get(target, "__").startswith("__")}


def test_the_labels_are_the_same_and_come_from_the_same_place() -> None:
    plain = targets(relabelings(), "source_labels", "target_label")
    operators = targets(operators_relabelings(), "sourceLabels", "targetLabel")
    (drop,) = (each["regex"] for each in operators_relabelings() if each.get("action") == "labeldrop")
    assert plain.keys() | {"job"} == (OPERATORS_OWN | operators.keys()) - set(drop.split("|"))
    assert {name: plain[name] for name in operators.keys() - {"job"}} == {
        name: source for name, source in operators.items() if name != "job"
    }
    assert {"project", "domain", "workflow", "task", "execution"} < operators.keys()


def test_the_job_is_the_same() -> None:
    (config,) = load("monitoring/prometheus.yml")
    (replaced,) = (each["replacement"] for each in operators_relabelings() if each.get("targetLabel") == "job")
    assert replaced == config["scrape_configs"][0]["job_name"]


def test_pods_that_ended_are_left_out_by_both() -> None:
    assert {"source_labels": ["__meta_kubernetes_pod_phase"], "action": "drop", "regex": "Succeeded|Failed"} in (
        relabelings()
    )
    (endpoint,) = monitor()["spec"]["podMetricsEndpoints"]
    assert endpoint.get("filterRunning", True) is True, "the operator's default"


@pytest.mark.parametrize("path", ["examples/sensor-pod.yaml", "examples/plain-pod.yaml"])
def test_the_examples_are_selected_by_both(path: str) -> None:
    (pod,) = load(path)
    assert pod["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert monitor()["spec"]["selector"] == {}
    (name,) = (each["regex"] for each in operators_relabelings() if each.get("action") == "keep")
    (watcher,) = (each for each in pod["spec"]["initContainers"] if each["name"] == name)
    (port,) = watcher["ports"]
    assert port["name"] == monitor()["spec"]["podMetricsEndpoints"][0]["port"]


def snake(relabeling: dict[str, Any]) -> dict[str, Any]:
    """The operator's words in Prometheus' own."""
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value for key, value in relabeling.items()}


def is_scraped(target: dict[str, str], told: list[dict[str, Any]]) -> bool:
    """Whether a target passes what keeps and drops targets."""
    for each in map(snake, told):
        if each.get("action") in {"keep", "drop"}:
            value = ";".join(target.get(label, "") for label in each["source_labels"])
            if bool(re.fullmatch(str(each["regex"]), value)) != (each["action"] == "keep"):
                return False
    return True


WATCHER = {"annotation_prometheus_io_scrape": "true", "container_name": "objectstore-watcher", "phase": "Running"}


@pytest.mark.parametrize(
    ("differs", "scraped"),
    [
        ({}, True),
        ({"phase": "Pending"}, True),  # its image may be missing
        ({"container_name": "exporter"}, False),  # of somebody else's pod, which has the annotation, too
        ({"container_name": "not-objectstore-watcher"}, False),
        ({"container_port_name": "http"}, False),
        ({"phase": "Succeeded"}, False),
    ],
)
def test_both_scrape_the_watchers_and_nobody_else(differs: dict[str, str], scraped: bool) -> None:
    told = {**WATCHER, "container_port_name": "metrics", **differs}
    target = {f"__meta_kubernetes_pod_{name}": value for name, value in told.items()}
    # The operator's own configuration for a PodMonitor has these two before those of its author.
    (endpoint,) = monitor()["spec"]["podMetricsEndpoints"]
    own = [
        {"sourceLabels": ["__meta_kubernetes_pod_container_port_name"], "action": "keep", "regex": endpoint["port"]},
        {"sourceLabels": ["__meta_kubernetes_pod_phase"], "action": "drop", "regex": "Succeeded|Failed"},
    ]
    assert is_scraped(target, relabelings()) is scraped
    assert is_scraped(target, [*own, *operators_relabelings()]) is scraped


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """The operator's own definitions, by kind."""
    folder = Path(pinned("operator.sh"))
    found = [yaml.safe_load(path.read_text()) for path in folder.iterdir()]
    return {
        crd["spec"]["names"]["kind"]: strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]) for crd in found
    }


def strict(schema: Any) -> Any:  # noqa: ANN401  # JSON
    """``schema``, which refuses what the API server would drop: fields that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


def faults(manifest: dict[str, Any]) -> list[str]:
    schema = schemas()[manifest["kind"]]
    # The API server knows these better than the definition does.
    schema = {**schema, "properties": {**schema["properties"], "metadata": {"type": "object"}}}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(manifest)]


@pytest.mark.parametrize("name", ["podmonitor", "rules"])
def test_the_operator_knows_all_that_its_manifests_say(name: str) -> None:
    (manifest,) = load(f"monitoring-operator/{name}.yaml")
    assert faults(manifest) == []


def test_what_the_operator_does_not_know_is_a_fault() -> None:
    manifest = monitor()
    manifest["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["targetlabel"] = "typo"
    manifest["spec"]["selector"] = "all"
    assert len(faults(manifest)) == 2
