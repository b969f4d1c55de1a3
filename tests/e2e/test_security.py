"""What the pods may do, and what they do not tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flytekit.core.base_task import PythonTask

from tests.e2e import workflows
from tests.e2e.cluster import ENDPOINT, ROOT_CREDENTIALS, WATCHER_CREDENTIALS, Cluster
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)

SECRETS = (ROOT_CREDENTIALS[1], WATCHER_CREDENTIALS[1])
NAMES_SECRETS = "$(FLYTE_AWS_SECRET_ACCESS_KEY)/$(OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY)"
"""A key that the kubelet would expand to the secrets, wherever it were an argument."""


@pytest.mark.parametrize("sensor", [workflows.sensor, workflows.lean_sensor], ids=["flytekit", "lean"])
def test_a_namespace_that_enforces_restricted_admits_the_rendered_pod(
    sensors: Sensors, cluster: Cluster, sensor: PythonTask
) -> None:
    cluster.api.patch_namespace(
        sensors.namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    path = sensors.path("restricted")
    sensors.put(path)
    sensors.start("restricted", sensor, path)
    sensors.succeeded("restricted", path)


def test_a_path_that_names_a_secret_is_waited_for_and_the_secret_is_nowhere(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path(NAMES_SECRETS)
    sensors.start("secret", workflows.with_own_secret, path)
    told = told_by_a_wait_that_succeeds(sensors, "secret", path)
    told["pod"] = json.dumps(pod_as_stored(cluster, sensors.namespace, "secret"))
    assert_no_secret(told)


def test_a_secret_that_the_platform_puts_into_the_pod_is_nowhere_else(sensors: Sensors, cluster: Cluster) -> None:
    """Flyte's default-env has plain values, so the pod's env shows the secret, which is Flyte's doing."""
    path = sensors.path(NAMES_SECRETS)
    platform_env = {
        "FLYTE_AWS_ENDPOINT": ENDPOINT,
        "FLYTE_AWS_ACCESS_KEY_ID": ROOT_CREDENTIALS[0],
        "FLYTE_AWS_SECRET_ACCESS_KEY": ROOT_CREDENTIALS[1],
    }
    sensors.start("plain", workflows.sensor, path, platform_env)
    told = told_by_a_wait_that_succeeds(sensors, "plain", path)
    pod = pod_as_stored(cluster, sensors.namespace, "plain")
    envs = [container.pop("env") for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]]
    assert all(ROOT_CREDENTIALS[1] in json.dumps(env) for env in envs), "the case is not what it says"
    told["pod but for env"] = json.dumps(pod)
    assert_no_secret(told)


def test_a_failed_wait_for_a_path_that_names_a_secret_does_not_tell_it(sensors: Sensors, cluster: Cluster) -> None:
    sensors.start("fails", workflows.impatient, sensors.path(NAMES_SECRETS))
    cluster.ended(sensors.namespace, "fails")
    told = {**told_by_logs(sensors, "fails"), "error.pb": sensors.written("fails", "error.pb").decode(errors="replace")}
    assert NAMES_SECRETS in told["error.pb"]
    assert_no_secret(told)


def told_by_a_wait_that_succeeds(sensors: Sensors, name: str, path: str) -> dict[str, str]:
    """All that the pod tells while it waits and when the object has come."""
    cluster, namespace = sensors.cluster, sensors.namespace
    cluster.waiting(namespace, name)
    markers = cluster.shell(namespace, name, "primary", "cat /var/run/objectstore-watcher/*")
    metrics = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}:9464/proxy/metrics")
    assert "objectstore_watcher_polls_total" in metrics
    sensors.put(path)
    sensors.succeeded(name, path)
    results = sensors.written(name, "outputs.pb").decode(errors="replace")
    return {**told_by_logs(sensors, name), "markers": markers, "metrics": metrics, "outputs.pb": results}


def told_by_logs(sensors: Sensors, name: str) -> dict[str, str]:
    cluster, namespace = sensors.cluster, sensors.namespace
    told = {
        "events": cluster.kubectl("events", f"--namespace={namespace}"),
        "main's log": cluster.logs(namespace, name, "primary"),
        "watcher's log": sensors.watcher_log(name),
    }
    assert NAMES_SECRETS in told["watcher's log"], "the path arrives as it is"
    return told


def pod_as_stored(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    return dict(json.loads(cluster.kubectl("get", "pod", f"--namespace={namespace}", name, "-o", "json")))


def assert_no_secret(told: dict[str, str]) -> None:
    for where, text in told.items():
        for secret in SECRETS:
            assert secret not in text, f"a secret is in {where}"
