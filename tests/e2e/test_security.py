"""What the pods may do, and what they do not tell."""

from __future__ import annotations

import json

import pytest

from tests.e2e import workflows
from tests.e2e.cluster import ROOT_CREDENTIALS, WATCHER_CREDENTIALS, Cluster
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)


def test_a_namespace_that_enforces_restricted_admits_the_rendered_pod(sensors: Sensors, cluster: Cluster) -> None:
    cluster.api.patch_namespace(
        sensors.namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    path = sensors.path("restricted")
    sensors.put(path)
    sensors.start("restricted", workflows.sensor, path)
    sensors.succeeded("restricted", path)


def test_a_path_that_names_a_secret_is_waited_for_and_the_secret_is_nowhere(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("$(FLYTE_AWS_SECRET_ACCESS_KEY)/$(OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY)")
    manifest = sensors.start("secret", workflows.with_own_secret, path)
    cluster.waiting(sensors.namespace, "secret")
    markers = cluster.kubectl(
        "exec",
        f"--namespace={sensors.namespace}",
        "secret",
        "--container=primary",
        "--",
        "sh",
        "-c",
        "cat /var/run/objectstore-watcher/*",
    )
    metrics = cluster.kubectl("get", "--raw", f"/api/v1/namespaces/{sensors.namespace}/pods/secret:9464/proxy/metrics")
    assert "objectstore_watcher_polls_total" in metrics
    sensors.put(path)
    sensors.succeeded("secret", path)
    told = {
        "pod": json.dumps(manifest) + cluster.kubectl("get", "pod", f"--namespace={sensors.namespace}", "-o", "yaml"),
        "events": cluster.kubectl("events", f"--namespace={sensors.namespace}"),
        "main's log": cluster.logs(sensors.namespace, "secret", "primary"),
        "watcher's log": sensors.watcher_log("secret"),
        "markers": markers,
        "metrics": metrics,
    }
    assert "$(FLYTE_AWS_SECRET_ACCESS_KEY)" in told["watcher's log"]
    for where, text in told.items():
        for secret in (ROOT_CREDENTIALS[1], WATCHER_CREDENTIALS[1]):
            assert secret not in text, f"a secret is in {where}"
