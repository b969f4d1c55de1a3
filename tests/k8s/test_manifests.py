"""The manifests under k8s/ fit the code, the pins and each other."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from objectstore_watcher import cli

from examples.three_sensors import later
from tests import flyte_backend
from tests.flyte_backend import Execution
from tests.k8s.manifests import load, unlabelled
from tests.servers import ROOT
from tests.task.restricted import violations

MANIFESTS = sorted(
    path.relative_to(ROOT / "k8s").as_posix()
    for path in (ROOT / "k8s").rglob("*.yaml")
    if "airgap" not in path.parts and path.name != "kustomization.yaml"
)
RENDERED = "examples/sensor-pod.yaml"


def pins() -> dict[str, str]:
    lines = (ROOT / "versions.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def pod_specs(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    if manifest["kind"] == "Pod":
        return [manifest["spec"]]
    return [manifest["spec"]["template"]["spec"]] if "template" in manifest.get("spec", {}) else []


@pytest.mark.parametrize("path", MANIFESTS)
def test_images_are_those_of_the_pins(path: str) -> None:
    wanted = {
        "minio/minio": pins()["MINIO_RELEASE"],
        "prom/prometheus": "v" + pins()["PROMETHEUS_VERSION"],
        "flytepropeller": pins()["FLYTE_VERSION"],
        "python": pins()["STOCK_PYTHON_IMAGE"].partition(":")[2],
        "objectstore-watcher": version("objectstore-watcher"),
        "objectstore-sensor-example": version("objectstore-sensor"),
    }
    for spec in (spec for manifest in load(path) for spec in pod_specs(manifest)):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            name, _, tag = container["image"].partition(":")
            assert tag == wanted[name], container["image"]


@pytest.mark.parametrize("path", MANIFESTS)
def test_every_pod_satisfies_the_pod_security_standard_restricted(path: str) -> None:
    for spec in (spec for manifest in load(path) for spec in pod_specs(manifest)):
        assert not violations(spec)


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.startswith("examples/")])
def test_the_examples_are_labelled_as_kubernetes_recommends(path: str) -> None:
    for manifest in load(path):
        assert not unlabelled(manifest)


@pytest.mark.parametrize("path", MANIFESTS)
def test_the_watchers_arguments_are_those_of_the_command(path: str) -> None:
    for spec in (spec for manifest in load(path) for spec in pod_specs(manifest)):
        for container in spec.get("initContainers", []):
            settings = cli.parse(container.get("args", []) + (["--dir=/x"] if path == RENDERED else []))
            assert settings.spec or path == RENDERED


def rendered() -> dict[str, Any]:
    """The pod of an example sensor, as Flyte creates it."""
    execution = Execution(name="later", bucket="flyte", platform_secret="flyte")
    return flyte_backend.pod(later, f"objectstore-sensor-example:{version('objectstore-sensor')}", execution)


HEADER = """\
# The pod that Flyte makes of the sensor "later" in examples/three_sensors.py. Its variables are in the Secret "flyte".
# Written by `make docs`; a test compares it with the code.
"""


def write_rendered() -> None:
    text = yaml.safe_dump(rendered(), sort_keys=True, width=110)
    (ROOT / "k8s" / RENDERED).write_text(HEADER + text)


def operators_rules() -> dict[str, Any]:
    """The rules of k8s/monitoring as the Prometheus operator takes them."""
    (rules,) = load("monitoring/rules.yml")
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "objectstore-sensor"},
        "spec": rules,
    }


OPERATORS_HEADER = """\
# The rules of k8s/monitoring/rules.yml for the Prometheus operator. Written by `make docs`; a test compares them.
"""


def write_operators_rules() -> None:
    text = yaml.safe_dump(operators_rules(), sort_keys=False, width=110)
    (ROOT / "k8s" / "monitoring-operator" / "rules.yaml").write_text(OPERATORS_HEADER + text)


def test_the_rendered_sensor_pod_is_what_the_code_makes() -> None:
    assert load(RENDERED) == [rendered()], "run: make docs"


def test_no_file_of_the_project_names_a_registry_host() -> None:
    """Images are named without a host: which registry serves them is the cluster's business."""
    hosts = re.compile(r"\b(?:[a-z0-9-]+\.)*(?:docker\.io|quay\.io|ghcr\.io|gcr\.io|k8s\.io/pause)\b")
    told = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = told.splitlines()
    for path in (ROOT / name for name in tracked if name != "uv.lock"):
        if path != Path(__file__) and path.is_file():
            assert not hosts.search(path.read_text(errors="ignore")), path


if __name__ == "__main__":
    write_rendered()
    write_operators_rules()
