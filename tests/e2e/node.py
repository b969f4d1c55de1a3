"""What the cluster's one node and its API server tell of their work."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

from tests.e2e.cluster import Cluster, tool


@dataclass(frozen=True)
class Usage:
    """A pod's use, as the kubelet measured it last.

    Attributes:
        memory: bytes of its working set.
        cpu: nanoseconds of processor time so far.
        time: when that was measured.
    """

    memory: int
    cpu: int
    time: datetime

    def cores_since(self, before: Usage) -> float:
        """Processor time in a second, on average."""
        return (self.cpu - before.cpu) / 1e9 / (self.time - before.time).total_seconds()


def usage(cluster: Cluster, namespace: str) -> dict[str, Usage]:
    """The use of each pod of a namespace, by name; without those that the kubelet has not measured yet."""
    (node,) = cluster.api.list_node().items
    told = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node.metadata.name}/proxy/stats/summary"))
    pods = [pod for pod in told["pods"] if pod["podRef"]["namespace"] == namespace]
    return {
        pod["podRef"]["name"]: Usage(
            memory=pod["memory"]["workingSetBytes"],
            cpu=pod["cpu"]["usageCoreNanoSeconds"],
            time=datetime.fromisoformat(pod["cpu"]["time"].replace("Z", "+00:00")),
        )
        for pod in pods
        if "workingSetBytes" in pod.get("memory", {}) and "usageCoreNanoSeconds" in pod.get("cpu", {})
    }


def api_requests(cluster: Cluster) -> float:
    """How many requests the API server has answered so far."""
    counts = re.findall(
        r"^apiserver_request_total\{.*\} (\S+)$", cluster.kubectl("get", "--raw", "/metrics"), re.MULTILINE
    )
    return sum(map(float, counts))


def most_processes() -> float:
    """How many processes and threads the node may have, those of all its pods together."""
    told = tool("node", "sh", "-c", "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null || true")
    return min((float(word) for word in told.split() if word.isdigit()), default=float("inf"))
