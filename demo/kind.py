"""``make demo-kind``: three sensors on a kind cluster, as Flyte runs them, with MinIO and Prometheus beside them.

It ends with a picture of what Grafana would show.
"""

from __future__ import annotations

import io
import subprocess
import time
from contextlib import suppress

from kubernetes.client import ApiException

from demo import picture
from demo.grafana import View
from demo.local import say, title
from examples import three_sensors
from tests import flyte_backend
from tests.e2e import cluster as clusters
from tests.e2e.cluster import EXAMPLE_IMAGE, WATCHER, Cluster
from tests.flyte_backend import Execution
from tests.servers import ROOT, eventually

NAMESPACE = "demo"
SENSORS = {"there": three_sensors.there, "later": three_sensors.later, "never": three_sensors.never}

PROMETHEUS = "http://127.0.0.1:30990"
PICTURE = ROOT / "build" / "demo-kind.png"

_OURS = 'namespace="demo"'
_DEADLINE = f"objectstore_watcher_deadline_timestamp_seconds{{{_OURS}}}"
QUERIES = {
    "phase": f"max by (pod, phase) (objectstore_watcher_phase{{{_OURS}}} == 1)",
    "looks": f"max by (pod) (objectstore_watcher_polls_total{{{_OURS}}})",
    "seconds to its deadline": f"max by (pod) ({_DEADLINE} > 0) - time()",  # 0 while there is no request
}
OVERDUE = f"time() > (objectstore_watcher_expected_timestamp_seconds{{{_OURS}}} > 0)"


def main() -> None:
    """Set up, run the three, show what a person would look at."""
    cluster = clusters.up()
    fresh_namespace(cluster)
    title("Three sensors, as Flyte would start them")
    put(cluster, "there")
    for name, sensor in SENSORS.items():
        execution = execution_of(name)
        path = f"s3://data/{key(name)}"
        flyte_backend.put_inputs(cluster.minio, execution, sensor, path=path)
        cluster.api.create_namespaced_pod(NAMESPACE, flyte_backend.pod(sensor, EXAMPLE_IMAGE, execution, path=path))
        say(f"{name}: waits for {path}")
    cluster.waiting(NAMESPACE, "later")
    cluster.waiting(NAMESPACE, "never")
    eventually(lambda: len(cluster.query(QUERIES["looks"])) >= len(SENSORS) - 1, "Prometheus scrapes", timeout=60)
    show_pods(cluster)
    show_markers(cluster, "later")
    title("What Prometheus says meanwhile (http://127.0.0.1:30990)")
    for what, promql in QUERIES.items():
        for found in cluster.query(promql):
            labels = "  ".join(found["metric"].values())
            say(f"{what:25} {labels:20} {float(found['value'][1]):10.1f}")
    with suppress(AssertionError):  # on a slow machine it may have ended before the others began
        eventually(lambda: bool(cluster.query(OVERDUE)), "'never' is past its expected time", timeout=30)
    drawn = draw()
    title("The object of 'later' arrives; 'never' comes to its deadline")
    put(cluster, "later")
    uploaded = time.time()
    for name in SENSORS:
        pod = cluster.ended(NAMESPACE, name)
        if name == "later":
            say(f"later: the pod had ended {time.time() - uploaded:.1f} s after the upload")
        tell_end(cluster, name, pod.status.phase)
    show_pods(cluster)
    title("The watchers' last words")
    for name in SENSORS:
        lines = cluster.logs(NAMESPACE, name, WATCHER).strip().splitlines()
        say(f"{name}: {[line for line in lines if 'staying until' not in line][-1]}")
    title("Grafana's dashboard, while 'later' and 'never' waited")
    say(drawn)
    say("\nThe cluster stays, and the next run takes less than a minute. Remove it with: make kind-down")


def draw() -> str:
    """Draw Grafana's dashboard as it is now; says where the picture is, or why there is none."""
    try:
        picture.save("objectstore-sensors", View(url=PROMETHEUS, seconds=60, chosen={"namespace": NAMESPACE}), PICTURE)
    except subprocess.CalledProcessError as error:
        told = error.stderr.strip().splitlines()
        return f"no picture: tools/chromium.sh failed: {told[-1] if told else error}"
    return f"{PICTURE.relative_to(ROOT)}: k8s/monitoring/dashboards/objectstore-sensors.json, drawn without Grafana"


def fresh_namespace(cluster: Cluster) -> None:
    """The demo's namespace, without what an earlier run left there."""
    try:
        cluster.api.delete_namespace(NAMESPACE)
    except ApiException as error:
        if error.status != 404:  # noqa: PLR2004  # not found
            raise
    eventually(lambda: not has_namespace(cluster), "the old namespace is gone", timeout=60)
    for name in SENSORS:
        cluster.minio.remove_object("data", key(name))
        for file in ("outputs.pb", "error.pb"):
            cluster.minio.remove_object("flyte", f"{execution_of(name).folder}/0/{file}")
    cluster.add_namespace(NAMESPACE)


def has_namespace(cluster: Cluster) -> bool:
    """Whether the demo's namespace is there, or still being deleted."""
    return any(n.metadata.name == NAMESPACE for n in cluster.api.list_namespace().items)


def execution_of(name: str) -> Execution:
    """The execution of the sensor ``name``."""
    return Execution(name=name, bucket="flyte", namespace=NAMESPACE, platform_secret="flyte")  # noqa: S106  # a name


def key(name: str) -> str:
    """The key of the object that the sensor ``name`` waits for."""
    return f"demo/{name}.csv"


def put(cluster: Cluster, name: str) -> None:
    """Upload the object of the sensor ``name``."""
    cluster.minio.put_object("data", key(name), io.BytesIO(b"order,amount\n"), len(b"order,amount\n"))


def show_pods(cluster: Cluster) -> None:
    """Like ``kubectl get pods``."""
    title("$ kubectl get pods --namespace demo")
    say(cluster.kubectl("get", "pods", f"--namespace={NAMESPACE}").rstrip())


def show_markers(cluster: Cluster, name: str) -> None:
    """What main and the watcher have told each other so far."""
    look = 'cd "$OBJECTSTORE_WATCHER_DIR"; for file in *; do echo "$file: $(tr -d "\n" <$file)"; done'
    title(f"The marker directory of {name!r}")
    say(cluster.shell(NAMESPACE, name, "primary", look).rstrip())


def tell_end(cluster: Cluster, name: str, phase: str) -> None:
    """What Flyte gets from the sensor ``name``."""
    error = flyte_backend.error(cluster.minio, execution_of(name))
    if error is None:
        say(f"{name}: pod {phase}, outputs.pb {flyte_backend.outputs(cluster.minio, execution_of(name))}")
    else:
        kind = type(error).Kind.Name(error.kind).lower()
        say(f"{name}: pod {phase}, error.pb {error.code} ({kind}): {error.message.strip().splitlines()[-1].strip()}")


if __name__ == "__main__":
    main()
