"""The kind cluster of a test session, and what the tests do with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client import ApiException, CoreV1Api, V1ContainerStatus, V1Pod
from minio import Minio

from tests.flyte_backend import SECRET_KEYS
from tests.servers import ROOT, eventually

LONG = 180.0
"""Seconds that a step on a busy two-core machine may take."""

WATCHER = "objectstore-watcher"
WATCHER_IMAGE = f"objectstore-watcher:{version('objectstore-watcher')}"
EXAMPLE_IMAGE = f"objectstore-sensor-example:{version('objectstore-sensor')}"
IMAGES = (WATCHER_IMAGE, EXAMPLE_IMAGE)

ENDPOINT = "http://minio.objectstore:9000"
ROOT_CREDENTIALS = ("root-of-the-demo", "not-a-secret-root")
WATCHER_CREDENTIALS = ("watcher-of-the-demo", "not-a-secret-watcher")


_HOME = os.environ.get("HOME", "")
"""The person's, read before tests change it: docker and podman find their settings and images there."""


def script(name: str, *args: str) -> str:
    """What a script of ``tools/`` prints; its progress goes to standard error, which pytest captures."""
    return subprocess.run(
        [ROOT / "tools" / name, *args],
        env={**os.environ, "HOME": _HOME},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()


def tool(*args: str) -> str:
    """What ``tools/cluster.sh`` prints."""
    return script("cluster.sh", *args)


def answers() -> bool:
    """Whether a cluster is up already."""
    look = 'eval "$(tools/cluster.sh env)"; kubectl get --raw /readyz --request-timeout=5s'
    env = {**os.environ, "HOME": _HOME}
    return subprocess.run(["bash", "-c", look], cwd=ROOT, env=env, capture_output=True, check=False).returncode == 0


def up() -> Cluster:
    """The cluster with everything in it: found, completed or created."""
    kubeconfig = tool("up")
    script("images.sh")
    tool("load", *IMAGES)
    cluster = Cluster(kubeconfig)
    # A Job cannot be changed, and one that ran for a MinIO which has lost its data must run again.
    cluster.kubectl("delete", "--namespace=objectstore", "job/minio-setup", "--ignore-not-found")
    cluster.kubectl("apply", "--kustomize", str(ROOT / "k8s"))
    for what in ("--namespace=objectstore deployment/minio", "--namespace=monitoring deployment/prometheus"):
        cluster.kubectl("rollout", "status", *what.split(), f"--timeout={LONG:.0f}s")
    cluster.kubectl(
        "wait", "--namespace=objectstore", "job/minio-setup", "--for=condition=complete", f"--timeout={LONG:.0f}s"
    )
    return cluster


class Cluster:
    """The Kubernetes API, MinIO and Prometheus of the cluster.

    Attributes:
        api: the core API of Kubernetes.
        minio: MinIO, with its root's credentials.
        kubeconfig: path of its kubeconfig.
    """

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self.api: CoreV1Api = client.CoreV1Api(config.new_client_from_config(kubeconfig))
        self.minio = Minio("127.0.0.1:30900", *ROOT_CREDENTIALS, secure=False, region="us-east-1")

    def apply(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        """Create an object of any kind."""
        self.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=json.dumps(manifest))

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """What kubectl prints."""
        path = self._shell_path()
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *args]
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def _shell_path(self) -> str:
        return subprocess.run(
            ["bash", "-c", 'eval "$(tools/cluster.sh env)"; printf %s "$PATH"'],
            cwd=ROOT,
            env={**os.environ, "HOME": _HOME},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def add_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """A namespace with what Flyte's platform has there: credentials in a Secret, and the workflows."""
        core = self.api
        core.create_namespace({"metadata": {"name": name, "labels": dict(labels or {})}})
        core.create_namespaced_secret(
            name,
            {
                "metadata": {"name": "flyte"},
                "stringData": platform(),
            },
        )
        own = dict(zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"), WATCHER_CREDENTIALS, strict=True))
        core.create_namespaced_secret(name, {"metadata": {"name": WATCHER}, "stringData": own})
        files = {path.name: path.read_text() for path in (ROOT / "tests" / "e2e").glob("workflows.py")}
        core.create_namespaced_config_map(name, {"metadata": {"name": "workflows"}, "data": files})
        # Made by a controller; until then a pod is refused.
        eventually(
            lambda: "default" in {a.metadata.name for a in core.list_namespaced_service_account(name).items},
            f"{name} has its service account",
            timeout=LONG,
        )

    def pod(self, namespace: str, name: str) -> V1Pod:
        """The pod as it is now."""
        return self.api.read_namespaced_pod(name, namespace)

    def eventually(self, namespace: str, name: str, holds: Callable[[V1Pod], bool], what: str) -> V1Pod:
        """Wait until ``holds`` is true of the pod."""
        found: list[V1Pod] = []

        def check() -> bool:
            found[:] = [self.pod(namespace, name)]
            return holds(found[0])

        eventually(check, f"{name}: {what}", timeout=LONG)
        return found[0]

    def ended(self, namespace: str, name: str) -> V1Pod:
        """Wait until the pod has ended, all its containers included."""
        return self.eventually(namespace, name, lambda pod: pod.status.phase in ("Succeeded", "Failed"), "ends")

    def waiting(self, namespace: str, name: str) -> V1Pod:
        """Wait until the watcher polls."""
        self.eventually(
            namespace,
            name,
            lambda _: bool(re.search(r'"waiting for \w+://', self.logs(namespace, name, WATCHER))),
            "the watcher waits",
        )
        return self.pod(namespace, name)

    def running(self, namespace: str, name: str, container: str) -> V1ContainerStatus:
        """Wait until the pod's status says that the container runs, which may come later than its first log line."""
        pod = self.eventually(namespace, name, lambda pod: is_running(pod, container), f"{container} runs")
        return status_of(pod, container)

    def shell(self, namespace: str, name: str, container: str, command: str) -> str:
        """What a shell command prints inside the container."""
        self.running(namespace, name, container)
        return self.kubectl(
            "exec", f"--namespace={namespace}", name, f"--container={container}", "--", "sh", "-c", command
        )

    def logs(self, namespace: str, name: str, container: str, *, previous: bool = False) -> str:
        """A container's log; empty while it has none."""
        try:
            # Not decoded by the client, which takes a JSON line for a JSON document.
            answer = self.api.read_namespaced_pod_log(
                name, namespace, container=container, previous=previous, _preload_content=False
            )
            return str(answer.data.decode())
        except ApiException:
            return ""

    def kill(self, namespace: str, name: str, container: str, signal: str = "KILL") -> None:
        """Send the container's first process a signal, from the node: inside, process 1 cannot be killed."""
        status = self.running(namespace, name, container)
        identifier = status.container_id.rpartition("/")[2]
        tasks = tool("node", "ctr", "--namespace=k8s.io", "tasks", "list")
        (pid,) = (line.split()[1] for line in tasks.splitlines() if line.startswith(identifier))
        tool("node", "kill", f"-{signal}", pid)

    def host(self) -> str:
        """This machine's address, as pods reach it: the gateway of the node's network."""
        (found,) = re.findall(r"^default via (\S+)", tool("node", "ip", "-4", "route"), re.MULTILINE)
        return str(found)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """What the cluster's Prometheus answers to an instant query."""
        return list(self._prometheus("query", query=promql)["result"])

    def exemplars(self, promql: str) -> list[dict[str, Any]]:
        """The exemplars of the last hour that it has of the series."""
        now = time.time()
        told = self._prometheus("query_exemplars", query=promql, start=f"{now - 3600}", end=f"{now + 60}")
        return [exemplar for series in told for exemplar in series["exemplars"]]

    def _prometheus(self, what: str, **params: str) -> Any:  # noqa: ANN401  # JSON
        url = f"http://127.0.0.1:30990/api/v1/{what}?" + urllib.parse.urlencode(params)
        with urllib.request.urlopen(url, timeout=30) as answer:  # the test's own server
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def save(self, namespace: str, folder: Path) -> None:
        """Keep logs, events and pods of a namespace, for a person to read after a failure."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "events.txt").write_text(self.kubectl("events", f"--namespace={namespace}"))
        (folder / "pods.txt").write_text(self.kubectl("describe", "pods", f"--namespace={namespace}"))
        for pod in self.api.list_namespaced_pod(namespace).items:
            for container in [*(pod.spec.init_containers or []), *pod.spec.containers]:
                for previous in (False, True):
                    if log := self.logs(namespace, pod.metadata.name, container.name, previous=previous):
                        name = f"{pod.metadata.name}.{container.name}{'.previous' if previous else ''}.log"
                        (folder / name).write_text(log)


def status_of(pod: V1Pod, container: str) -> V1ContainerStatus:
    """The container's status; None while the kubelet has not told it."""
    statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
    return next((status for status in statuses if status.name == container), None)


def is_running(pod: V1Pod, container: str) -> bool:
    """Whether the pod's status says so."""
    status = status_of(pod, container)
    return bool(status and status.state.running)


def watcher_status(pod: V1Pod) -> V1ContainerStatus:
    """The watcher's status."""
    return status_of(pod, WATCHER)


def main_status(pod: V1Pod) -> V1ContainerStatus:
    """Main's status."""
    return status_of(pod, "primary")


def platform() -> dict[str, str]:
    """Flyte's default environment as plain values, where a test adds to it."""
    return dict(zip(SECRET_KEYS, (ENDPOINT, *ROOT_CREDENTIALS), strict=True))


def names(count: int, prefix: str) -> Sequence[str]:
    """Names of pods."""
    return [f"{prefix}-{number:02}" for number in range(count)]
