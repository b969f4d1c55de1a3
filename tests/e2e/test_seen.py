"""What operators see of a wait on kind without reading logs: kubectl describe, and status in the pod."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e import workflows
from tests.e2e.cluster import WATCHER, Cluster, main_status, watcher_status
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)


def described(cluster: Cluster, namespace: str, name: str) -> str:
    """What kubectl describe says, in one line: it breaks long ones."""
    return " ".join(cluster.kubectl("describe", "pod", f"--namespace={namespace}", name).split())


def test_describe_tells_of_a_failure_what_flyte_tells(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("never")
    sensors.start("never", workflows.impatient, path)
    pod = cluster.ended(sensors.namespace, "never")
    message = watcher_status(pod).state.terminated.message
    assert re.fullmatch(f"{path}: the object did not appear within 5 s in [0-9]+ looks; check the producer .*", message)
    assert main_status(pod).state.terminated.message == message
    assert message in sensors.error("never").message
    assert described(cluster, sensors.namespace, "never").count(f"Message: {message}") == 2


def test_describe_tells_what_was_found(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("there")
    sensors.put(path, b"1234")
    sensors.start("there", workflows.sensor, path)
    pod = sensors.succeeded("there", path)
    assert watcher_status(pod).state.terminated.message.startswith(f"ready: {path} (4 bytes) after ")
    assert f"Message: ready: {path} (4 bytes)" in described(cluster, sensors.namespace, "there")


def test_status_explains_a_wait_from_either_container(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("asked")
    sensors.start("asked", workflows.sensor, path)
    cluster.waiting(sensors.namespace, "asked")
    for container in (WATCHER, "primary"):
        shown = cluster.shell(
            sensors.namespace,
            "asked",
            container,
            "objectstore-watcher status; echo exit code $?",
        )
        assert shown.startswith("waiting: the wait goes on\n"), shown
        assert f"  path       {path}\n" in shown
        assert "exit code 7\n" in shown
    told = json.loads(
        cluster.shell(sensors.namespace, "asked", WATCHER, "objectstore-watcher status --json || [ $? = 7 ]")
    )
    assert (told["state"], told["uri"]) == ("waiting", path)
    assert told["heartbeat_age"] < 30
    sensors.put(path)
    sensors.succeeded("asked", path)
