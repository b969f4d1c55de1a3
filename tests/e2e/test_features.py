"""Each wait of tests/features.py in pods on kind, with either main; tests/task/test_features.py runs them locally."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgpack
import pytest
from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.literals_pb2 import Literal, LiteralMap

from tests import flyte_backend
from tests.e2e import workflows
from tests.e2e.cluster import LONG, Cluster
from tests.e2e.sensors import BUCKET, Sensors
from tests.features import FEATURES, Line, Story, lines_of, now, sensor_of

pytestmark = pytest.mark.timeout(1800)

MAINS = ("flytekit", "lean")

AT_ONCE = 4
"""Features whose logs are read at the same time."""


def test_a_pod_gives_what_a_local_wait_gives_whichever_main_it_has(sensors: Sensors, cluster: Cluster) -> None:
    """All of them at once: each takes seconds to start. Both mains wait for the same objects."""
    pods = {(name, main): sensor for name in FEATURES for main in MAINS if (sensor := sensor_of(name, main))}
    stories = {name: story_of(name, sensors, cluster) for name in FEATURES}
    for story in stories.values():
        story.begin()
    time.sleep(max(feature.age for feature in FEATURES.values()))
    for (name, main), sensor in pods.items():
        sensors.start(f"{name}-{main}", sensor, stories[name].asked, **stories[name].inputs(now()))

    def log_of(name: str, main: str) -> Sequence[Line]:
        return lines_of(sensors.watcher_log(f"{name}-{main}"))

    def go_on(name: str) -> None:
        stories[name].go_on([partial(log_of, name, main) for main in MAINS if (name, main) in pods], LONG)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(go_on, FEATURES))
    written: dict[str, dict[str, bytes]] = {}
    for (name, main), sensor in pods.items():
        pod = f"{name}-{main}"
        cluster.ended(sensors.namespace, pod)
        assert sensors.error(pod) is None, pod
        (output,) = flyte_backend.typed_outputs(cluster.minio, sensors.execution(pod), sensor).values()
        stories[name].check(output, log_of(name, main))
        written.setdefault(name, {})[main] = without_moment(sensors.written(pod, "outputs.pb"))
    assert [name for name, by in written.items() if len(set(by.values())) > 1] == []


def story_of(name: str, sensors: Sensors, cluster: Cluster) -> Story:
    """Of a feature, in the test's own folder; where versions count, in a bucket that has them."""
    bucket = BUCKET
    if FEATURES[name].version:
        bucket = f"{sensors.namespace}-versions"
        cluster.minio.make_bucket(bucket)
    return Story(FEATURES[name], cluster.minio, bucket, f"{sensors.namespace}/{name}/")


def without_moment(data: bytes) -> bytes:
    """``outputs.pb`` without when its watcher saw the object: each pod has its own."""
    literals = LiteralMap.FromString(data)
    for literal in literals.literals.values():
        _erase_moment(literal)
    return bytes(literals.SerializeToString(deterministic=True))


def _erase_moment(literal: Literal) -> None:
    if literal.scalar.binary.tag:
        found = msgpack.unpackb(literal.scalar.binary.value)
        assert found["detected_at"]
        literal.scalar.binary.value = msgpack.packb({**found, "detected_at": None})


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("impatient", "", ContainerError.RECOVERABLE),
        ("sensor", "s3://no-such-bucket/key", ContainerError.NON_RECOVERABLE),
        ("sensor", "s3://b", ContainerError.NON_RECOVERABLE),
    ],
)
def test_either_main_gives_flyte_the_same_error(
    sensors: Sensors, cluster: Cluster, name: str, path: str, kind: int
) -> None:
    tasks: Mapping[str, str] = {"flytekit": name, "lean": f"lean_{name}"}
    for main, variable in tasks.items():
        sensors.start(main, getattr(workflows, variable), path or sensors.path("never"))
    documents = []
    for main in tasks:
        pod = cluster.ended(sensors.namespace, main)
        assert pod.status.phase == "Succeeded"
        documents.append(ErrorDocument.FromString(sensors.written(main, "error.pb")))
    assert [each.error.kind for each in documents] == [kind, kind]
    first, second = map(comparable, documents)
    assert first == second


def comparable(document: ErrorDocument) -> bytes:
    """Without what differs between two waits: the time, flytekit's trace of its own frames, the number of looks."""
    document.error.ClearField("timestamp")
    message = document.error.message.rpartition("Message:\n\n")[2].strip()
    document.error.message = re.sub(r"\d+ looks?", "looks", message)
    return bytes(document.SerializeToString(deterministic=True))
