"""What either main costs, on kind: time from the pod's creation, and what a waiting pod holds and burns."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from minio.error import S3Error

from tests import flyte_backend
from tests.e2e import workflows
from tests.e2e.cluster import EXAMPLE_IMAGE, LONG, WATCHER, Cluster
from tests.e2e.sensors import Sensors
from tests.figures import Figure
from tests.servers import eventually

pytestmark = pytest.mark.timeout(1800)

SENSORS = {"flytekit": workflows.sensor, "lean": workflows.lean_sensor}

CPUS = {"100m": "100m", "unthrottled": "2"}

WATCHED_FOR = 40.0
"""Seconds over which the CPU of a waiting pod is counted."""


def start(sensors: Sensors, name: str, main: str, path: str, cpu: str) -> None:
    """Create the pod; each of its containers may use so much CPU and no more."""
    sensor = SENSORS[main]
    execution = sensors.execution(name)
    flyte_backend.put_inputs(sensors.cluster.minio, execution, sensor, path=path)
    manifest = flyte_backend.pod(sensor, EXAMPLE_IMAGE, execution)
    for container in [*manifest["spec"]["containers"], *manifest["spec"]["initContainers"]]:
        container["resources"]["limits"]["cpu"] = cpu
        container["resources"]["requests"]["cpu"] = "10m"
    sensors.cluster.api.create_namespaced_pod(sensors.namespace, manifest)


def has_outputs(sensors: Sensors, name: str) -> bool:
    execution = sensors.execution(name)
    try:
        sensors.cluster.minio.stat_object(execution.bucket, f"{execution.folder}/0/outputs.pb")
    except S3Error:
        return False
    return True


def first_look(log: str) -> float:
    """When the watcher found the object at its first look: Unix time."""
    (line,) = (line for line in map(json.loads, log.splitlines()) if line["message"].startswith("ready:"))
    assert line["polls"] == 1
    return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("main", SENSORS)
def test_how_soon_a_pod_ends_whose_object_is_there(sensors: Sensors, figure: Figure, main: str, cpu: str) -> None:
    path = sensors.path("before")
    sensors.put(path)
    looked, ended = [], []
    for number in range(2):
        name = f"pod-{number}-{uuid.uuid4().hex[:6]}"  # what a run before wrote for Flyte stays in the bucket
        began = time.time()
        start(sensors, name, main, path, CPUS[cpu])
        eventually(lambda name=name: has_outputs(sensors, name), "outputs.pb", timeout=LONG)  # type: ignore[misc]
        ended.append(time.time() - began)
        sensors.cluster.ended(sensors.namespace, name)  # and with it the watcher's log
        looked.append(first_look(sensors.watcher_log(name)) - began)
    told = f"{seconds(looked)} to the first look, {seconds(ended)} to outputs.pb"
    figure(f"pod with {main} main created, CPU {cpu}", told)


def seconds(values: list[float]) -> str:
    return "/".join(f"{value:.1f}" for value in sorted(values)) + " s"


@pytest.mark.parametrize("main", SENSORS)
def test_what_a_waiting_pod_holds_and_burns(sensors: Sensors, cluster: Cluster, figure: Figure, main: str) -> None:
    start(sensors, "waiting", main, sensors.path("never"), "500m")
    cluster.waiting(sensors.namespace, "waiting")
    time.sleep(20)  # what is loaded for the start is gone by then
    before = {name: used(cluster, sensors.namespace, name) for name in ("primary", WATCHER)}
    time.sleep(WATCHED_FOR)
    after = {name: used(cluster, sensors.namespace, name) for name in ("primary", WATCHER)}
    told = [
        f"{name} {after[name]['resident']:.1f} MiB and"
        f" {(after[name]['cpu'] - before[name]['cpu']) / (after[name]['at'] - before[name]['at']) * 1000:.2f} m"
        for name in after
    ]
    resident = sum(each["resident"] for each in after.values())
    figure(f"pod with {main} main waiting, 1 s polls", f"{resident:.0f} MiB: {', '.join(told)}")
    if main == "lean":
        assert resident <= 60


def used(cluster: Cluster, namespace: str, container: str) -> Mapping[str, float]:
    """Resident MiB, and seconds of CPU since the start, of the container's first process."""
    told = cluster.shell(namespace, "waiting", container, "cat /proc/1/status /proc/1/stat")
    fields: dict[str, Any] = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    stat = told.splitlines()[-1].rpartition(")")[2].split()
    ticks = int(stat[11]) + int(stat[12])  # utime and stime of proc(5), in hundredths of a second
    return {"resident": int(fields["VmRSS"].split()[0]) / 1024, "cpu": ticks / 100, "at": time.monotonic()}
