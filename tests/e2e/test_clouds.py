"""Google Cloud Storage and Azure from pods on kind, which reach the emulators on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import workflows
from tests.e2e.cluster import WATCHER, Cluster, platform
from tests.e2e.sensors import Sensors
from tests.servers import AzureServer, GcsServer

pytestmark = pytest.mark.timeout(1800)

BUCKET = "orders"
GOOGLE = f"gs://{BUCKET}"
AZURE = f"abfs://{BUCKET}@{AzureServer.ACCOUNT}.dfs.core.windows.net"
KEYS = ("2026-06-01/part ä.csv", "2026-06-01/part-2.csv")

WAITS: dict[str, tuple[Any, str | list[str], str | list[str]]] = {
    "gs": (workflows.sensor, f"{GOOGLE}/{KEYS[0]}", f"{GOOGLE}/{KEYS[0]}"),
    "abfs": (workflows.with_own_secret, f"{AZURE}/{KEYS[0]}", f"{AZURE}/{KEYS[0]}"),
    "az": (workflows.lean_sensor, f"az://{BUCKET}/{KEYS[0]}", f"az://{BUCKET}/{KEYS[0]}"),
    "matching": (vars(workflows)["exactly"], [f"{GOOGLE}/2026-*/*.csv"], [f"{GOOGLE}/{key}" for key in KEYS]),
}
"""The task, what it is asked for, and what it must find."""


@pytest.fixture
def gcs(cluster: Cluster) -> Iterator[GcsServer]:
    """Google's, where pods reach it."""
    with GcsServer(host=cluster.host()) as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def azure(cluster: Cluster) -> Iterator[AzureServer]:
    """Azure's, likewise."""
    with AzureServer(host=cluster.host()) as server:
        server.make_container(BUCKET)
        yield server


def test_a_pod_gives_what_a_local_wait_gives(
    sensors: Sensors, cluster: Cluster, gcs: GcsServer, azure: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the pods has Azure's key from a Secret of its own, the others from Flyte's default environment."""
    account = {"ACCESS_KEY_ID": azure.ACCOUNT, "SECRET_ACCESS_KEY": azure.KEY}
    cluster.api.patch_namespaced_secret(WATCHER, sensors.namespace, {"stringData": account})
    told = {**gcs.env(), **azure.env()}
    for name, (sensor, asked, _) in WAITS.items():
        without = "AZURE_STORAGE_ACCOUNT_KEY" if name == "abfs" else ""
        env = {variable: value for variable, value in told.items() if variable != without}
        sensors.start(name, sensor, asked, {**platform(), **env})
    for name in WAITS:
        cluster.waiting(sensors.namespace, name)
    for server in (gcs, azure):
        for key in KEYS:
            server.put(BUCKET, key)
    for variable, value in told.items():
        monkeypatch.setenv(variable, value)
    for name, (sensor, asked, found) in WAITS.items():
        sensors.succeeded(name, found)
        assert azure.KEY not in sensors.watcher_log(name)
        given, *_ = sensor.python_interface.inputs
        assert sensor(**{given: asked}) == found
