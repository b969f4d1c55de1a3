"""Each wait of tests/features.py in a pod on kind; tests/task/test_features.py runs the same locally."""

from __future__ import annotations

import pytest

from tests import flyte_backend
from tests.e2e.cluster import Cluster
from tests.e2e.sensors import BUCKET, Sensors
from tests.features import FEATURES, Given, paths, store, told

pytestmark = pytest.mark.timeout(1800)


def test_a_pod_gives_what_a_local_wait_gives(sensors: Sensors, cluster: Cluster) -> None:
    """All of them at once: each takes seconds to start."""

    def of(name: str, given: Given) -> str | list[str]:
        return paths(given, lambda key: sensors.path(f"{name}/{key}"))

    for name, feature in FEATURES.items():
        for key, content in feature.before.items():
            sensors.put(sensors.path(f"{name}/{key}"), content)
        sensors.start(name, feature.sensor, of(name, feature.asked), **feature.inputs)
    for name, feature in FEATURES.items():
        cluster.waiting(sensors.namespace, name)
        for key, data in feature.later.items():
            if data is None:
                cluster.minio.remove_object(BUCKET, f"{sensors.namespace}/{name}/{key}")
            else:
                store(cluster.minio, BUCKET, f"{sensors.namespace}/{name}/{key}", data)
    for name, feature in FEATURES.items():
        cluster.ended(sensors.namespace, name)
        assert sensors.error(name) is None, name
        (output,) = flyte_backend.typed_outputs(cluster.minio, sensors.execution(name), feature.sensor).values()
        assert told(output) == of(name, feature.found)
