"""Twenty sensors in one namespace, in several states, of which one is stuck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from objectstore_watcher import contract
from objectstore_watcher.contract import Request, WatchSpec

from tests.e2e import workflows
from tests.e2e.cluster import Cluster, names
from tests.e2e.sensors import Sensors
from tests.k8s.manifests import load
from tests.servers import eventually

STUCK = "stuck"
"""The pod whose object never comes and is overdue."""

REFUSING = """\
from http.server import BaseHTTPRequestHandler, HTTPServer
class Throttling(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(503, "Slow Down")
        self.end_headers()
HTTPServer(("127.0.0.1", 9000), Throttling).serve_forever()
"""
"""An object store that asks for fewer requests, whatever it is asked."""


ASKING = """\
import json, os, time
told = json.loads({request!r})
told["requested_monotonic"] = time.monotonic() - {ago}
with open("/markers/.request", "w") as file:
    json.dump(told, file)
os.rename("/markers/.request", "/markers/request")
time.sleep(3600)
"""
"""A main that has asked a while ago."""

DAY = 86400.0


@dataclass(frozen=True)
class Fleet:
    """The sensors.

    Attributes:
        sensors: their namespace.
        pods: the names of all.
        waiting: the names of those that wait.
    """

    sensors: Sensors
    pods: Sequence[str]
    waiting: Sequence[str]


def start(cluster: Cluster, namespace: str) -> Fleet:
    """Start them, and give some of them their objects.

    The stuck one is a sensor with flytekit in it. Of the others only the watcher matters, so its main sleeps: twenty
    flytekits would keep a small machine busy for minutes.
    """
    sensors = Sensors(cluster, namespace)
    sensors.start(STUCK, workflows.overdue, sensors.path("never"))
    normal, early, ready, same = names(8, "wait"), names(3, "early"), names(2, "ready"), names(2, "same")
    for name in [*normal, *ready]:
        add(sensors, name, {}, sensors.path(name))
    for name in early:
        add(sensors, name, {"expected-within": "1h"}, sensors.path(name))
    for name in same:
        add(sensors, name, {}, sensors.path("never"))
    add(sensors, "refused", {"endpoint": "http://127.0.0.1:9999"}, sensors.path("refused"))
    add(sensors, "throttled", {"endpoint": "http://127.0.0.1:9000"}, sensors.path("throttled"), main=REFUSING)
    add(sensors, "near", {}, main=_asking(sensors.path("near"), ago=0.95 * DAY))
    add(sensors, "idle", {})
    pods = [STUCK, *normal, *early, *ready, *same, "refused", "throttled", "near", "idle"]
    hears = f'objectstore_watcher_event_stream_connected{{namespace="{namespace}",pod=~"ready-.*"}} == 1'
    eventually(lambda: len(cluster.query(hears)) == len(ready), "they hear of events", timeout=300)
    for name in ready:
        sensors.put(sensors.path(name))
    return Fleet(sensors, pods, [name for name in pods if name not in {*ready, "idle"}])


def add(sensors: Sensors, name: str, flags: Mapping[str, str], *paths: str, main: str = "") -> None:
    """A pod as in the examples, with the labels that Flyte gives and other flags of the watcher."""
    (pod,) = load("examples/plain-pod.yaml")
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"].update({"workflow-name": "nightly", "task-name": name.partition("-")[0]})
    watcher, container = pod["spec"]["initContainers"][0], pod["spec"]["containers"][0]
    # Without a path, the request would say all else.
    flags = {**_flags(watcher["args"][:-1], without="" if paths else "endpoint poll-interval timeout"), **flags}
    watcher["args"] = [*(f"--{flag}={value}" for flag, value in flags.items()), *paths]
    container["command"] = ["python", "-c", main or "import time; time.sleep(3600)"]
    container["volumeMounts"][0]["readOnly"] = False
    sensors.cluster.api.create_namespaced_pod(sensors.namespace, pod)


def _asking(path: str, ago: float) -> str:
    spec = WatchSpec(uri=path, endpoint="http://minio.objectstore:9000", timeout=DAY)
    return ASKING.format(request=contract.encoded(Request(spec=spec)).decode(), ago=ago)


def _flags(args: Sequence[str], without: str) -> dict[str, str]:
    all_of_them = dict(arg.removeprefix("--").split("=", 1) for arg in args)
    return {flag: value for flag, value in all_of_them.items() if flag not in without.split()}
