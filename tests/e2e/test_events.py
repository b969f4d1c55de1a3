"""MinIO's events on kind: with polls a minute apart, what is found at once was heard of."""

from __future__ import annotations

import pytest
from flytekit import map_task
from kubernetes.client import V1Pod

from tests.e2e import workflows
from tests.e2e.cluster import WATCHER, Cluster, platform
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)


def test_a_sensor_of_the_default_and_each_element_of_a_map_hear_of_their_objects(
    sensors: Sensors, cluster: Cluster
) -> None:
    each_told = map_task(vars(workflows)["told"])
    path = {name: sensors.path(name) for name in ("auto", "map-0", "map-1")}
    sensors.start("auto", workflows.heard, path["auto"])
    for index in ("0", "1"):
        env = {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": "FLYTE_K8S_ARRAY_INDEX", "FLYTE_K8S_ARRAY_INDEX": index}
        sensors.start(f"map-{index}", each_told, [path["map-0"], path["map-1"]], {**platform(), **env})
    for name in path:
        cluster.eventually(
            sensors.namespace, name, lambda pod: '"events": "connected"' in log_of(cluster, pod), "the watcher listens"
        )
    for name, its_own in path.items():
        sensors.put(its_own)
        sensors.succeeded(name, its_own)
        assert '"detected_by": "event"' in sensors.watcher_log(name)


def log_of(cluster: Cluster, pod: V1Pod) -> str:
    return cluster.logs(pod.metadata.namespace, pod.metadata.name, WATCHER)
