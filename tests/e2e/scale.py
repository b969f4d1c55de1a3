"""Many sensors that wait at once on the cluster's one node: ``python -m tests.e2e.scale``; the tests run a few.

Writes ``docs/scale.json``, which the README's tables are made from.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psutil
from flytekit.core.base_task import PythonTask
from kubernetes.client import V1Pod

from tests import flyte_backend
from tests.bench.paper import FIGURES
from tests.bench.report import machine
from tests.e2e import cluster as clusters
from tests.e2e import node, workflows
from tests.e2e.cluster import EXAMPLE_IMAGE, Cluster, main_status, names
from tests.e2e.sensors import BUCKET, Sensors
from tests.servers import eventually

GIB = 2**30
LEFT = 3 * GIB
"""Bytes of the machine's memory that a run must leave."""

SMALL = {"cpu": "1m", "memory": "16Mi"}
"""Requests of both containers, for a hundred pods on two cores; their limits stay."""

PROCESSES = 450, 25
"""And threads: of the node itself, and of a sensor's pod, those of containerd among them."""

BOUND = 900
"""Seconds that any step may take: a hundred flytekits start on two cores."""

QUIET, SETTLED = 15.0, 5.0
"""Seconds: how long is measured before there are pods, and until the last of them has subscribed and looked again."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What sensors that wait at once took; each figure is of all pods together.

    Attributes:
        main: what their main container ran.
        pods: how many there were.
        started: seconds from the first pod's creation until all waited.
        memory: bytes of their working sets while they waited.
        cores: processor time of theirs in a second of waiting.
        api: requests that the API server answered in a second.
        api_before: the same before there were any.
        store: requests that the watchers made in a second.
        streams: streams of events that were open.
        output: seconds from the first upload to the last outputs.pb, when all objects came at once.
        succeeded: seconds from the same until Kubernetes said of the last main container that it has succeeded, which
            is what Flyte judges by.
    """

    main: str
    pods: int
    started: float
    memory: int
    cores: float
    api: float
    api_before: float
    store: float
    streams: int
    output: float
    succeeded: float


def main() -> None:
    """Measure both mains and publish the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.scale", description=__doc__)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60, help="how long they wait to be measured (default: 60)")
    parser.add_argument("--main", choices=sorted(MAINS), action="append", help="only this one; nothing is published")
    arguments = parser.parse_args()
    cluster = clusters.up()
    _check_processes(arguments.pods)
    found = []
    for name in arguments.main or MAINS:
        with _namespace(cluster) as sensors:
            found.append(measure(sensors, name, arguments.pods, arguments.seconds))
        print(found[-1], file=sys.stderr)
    told = {"date": time.strftime("%Y-%m-%d"), "machine": machine().partition(",")[0], "seconds": arguments.seconds}
    text = json.dumps({**told, "rows": [asdict(scale) for scale in found]}, indent=1) + "\n"
    print(text) if arguments.main else FIGURES.write_text(text)


def _check_processes(pods: int) -> None:
    """Refuse what would fail half-way: containers could not be started."""
    may, needed = node.most_processes(), PROCESSES[0] + pods * PROCESSES[1]
    if may < needed:
        sys.exit(
            f"error: {pods} sensors need about {needed} processes on the node, which may have {may:.0f};"
            " write pids_limit = 0 under [containers] in podman's containers.conf, then: make kind-down"
        )


MAINS: dict[str, PythonTask] = {"flytekit": workflows.waits_with_flytekit, "lean": workflows.waits_with_lean}
"""The sensors, by what their main container runs."""


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[Sensors]:
    name = f"scale-{uuid.uuid4().hex[:8]}"
    cluster.add_namespace(name)
    try:
        yield Sensors(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=true", f"--timeout={BOUND}s")


def measure(sensors: Sensors, main: str, count: int, seconds: float) -> Scale:
    """Let ``count`` sensors with this main wait, for ``seconds`` once all do, then let all objects come at once."""
    pods = names(count, f"{sensors.namespace}-{main}")
    before = _rates(sensors, min(seconds, QUIET))
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: _start(sensors, MAINS[main], name), pods))
    _await(lambda: _waiting(sensors) == count, "all wait")
    started = time.monotonic() - began
    time.sleep(SETTLED)
    _await(lambda: len(node.usage(sensors.cluster, sensors.namespace)) == count, "the kubelet has measured all")
    waiting = _rates(sensors, seconds)
    streams = _sum(sensors, "objectstore_watcher_event_stream_connected")
    output, succeeded = _all_at_once(sensors, pods)
    return Scale(
        main=main,
        pods=count,
        started=round(started, 1),
        api_before=round(before.api, 2),
        streams=round(streams),
        output=round(output, 2),
        succeeded=round(succeeded, 2),
        **asdict(waiting),
    )


def _start(sensors: Sensors, sensor: PythonTask, name: str) -> None:
    """Create a pod as Flyte would, but for its requests."""
    execution, path = sensors.execution(name), sensors.path(name)
    flyte_backend.put_inputs(sensors.cluster.minio, execution, sensor, path=path)
    manifest = flyte_backend.pod(sensor, EXAMPLE_IMAGE, execution, path=path)
    for container in [*manifest["spec"]["initContainers"], *manifest["spec"]["containers"]]:
        container["resources"]["requests"] = SMALL
    sensors.cluster.api.create_namespaced_pod(sensors.namespace, manifest)


def _waiting(sensors: Sensors) -> float:
    """How many wait. One that has failed never will."""
    pods = sensors.cluster.api.list_namespaced_pod(sensors.namespace).items
    assert not any(pod.status.phase == "Failed" for pod in pods), "a pod failed"
    return _sum(sensors, "objectstore_watcher_phase", 'phase="waiting"')


def _await(holds: Callable[[], bool], what: str) -> None:
    """Wait, looking rarely: the node is busy enough."""

    def look() -> bool:
        time.sleep(1)
        assert psutil.virtual_memory().available > LEFT, f"less than {LEFT / GIB:g} GiB of memory are left"
        return holds()

    eventually(look, what, timeout=BOUND)


def _sum(sensors: Sensors, metric: str, labels: str = "") -> float:
    """The sum of a metric of the namespace's watchers, as Prometheus scraped it last."""
    (found,) = sensors.cluster.query(f'sum({metric}{{namespace="{sensors.namespace}",{labels}}}) or vector(0)')
    return float(found["value"][1])


@dataclass(frozen=True)
class _Rates:
    memory: int
    cores: float
    api: float
    store: float


def _rates(sensors: Sensors, seconds: float) -> _Rates:
    """What the pods, the API server and MinIO do within ``seconds``."""

    def seen() -> tuple[float, float, float]:
        made = _sum(sensors, "objectstore_watcher_requests_total")
        return time.monotonic(), node.api_requests(sensors.cluster), made

    usage = node.usage(sensors.cluster, sensors.namespace)
    began, api, store = seen()
    time.sleep(seconds)
    ended, api_then, store_then = seen()
    usage_then = node.usage(sensors.cluster, sensors.namespace)
    passed = ended - began
    return _Rates(
        memory=sum(pod.memory for pod in usage_then.values()),
        cores=round(sum(pod.cores_since(usage[name]) for name, pod in usage_then.items()), 4),
        api=round((api_then - api) / passed, 2),
        store=round((store_then - store) / passed, 2),
    )


def _all_at_once(sensors: Sensors, pods: Sequence[str]) -> tuple[float, float]:
    """Upload all objects; the seconds from the first of these to the last outputs.pb, and to the last main's end."""
    minio, api = sensors.cluster.minio, sensors.cluster.api
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: sensors.put(sensors.path(name)), pods))
    _await(lambda: all(map(_succeeded, api.list_namespaced_pod(sensors.namespace).items)), "all succeed")
    succeeded = time.monotonic() - began
    uploads = [each.last_modified for each in minio.list_objects(BUCKET, f"{sensors.namespace}/", recursive=True)]
    written = [
        next(iter(minio.list_objects("flyte", f"{sensors.execution(name).folder}/0/outputs.pb"))).last_modified
        for name in pods
    ]
    return (max(written) - min(uploads)).total_seconds(), succeeded


def _succeeded(pod: V1Pod) -> bool:
    ended = main_status(pod).state.terminated
    assert not ended or ended.exit_code == 0, pod.metadata.name
    return bool(ended)


if __name__ == "__main__":
    main()
