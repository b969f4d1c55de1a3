"""Paths of other clouds: the same sensor, locally and in the pod, with the same result."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flytekit import FlyteContextManager
from flytekit.configuration import AzureBlobStorageConfig, DataConfig, S3Config
from flytekit.core.data_persistence import FileAccessProvider
from objectstore_sensor import InvalidArgument, ObjectStoreWait, StoreError

from tests.fake_s3 import Answer, FakeS3, found
from tests.servers import AzureServer, GcsServer, MinioServer
from tests.task import sensors
from tests.task.conftest import Module
from tests.task.pods import SLOW, Pod

SENSORS = """
sensor = WaitForObjectStoreFile(poll_interval=0.05, timeout="1h")
matching = WaitForObjectStoreFile(match="glob", poll_interval=0.05, timeout="1h")
"""


@pytest.fixture(scope="module")
def places(gcs: GcsServer, azure: AzureServer) -> dict[str, str]:
    """What stands before a key, by scheme."""
    name = f"orders-{uuid.uuid4().hex[:8]}"
    gcs.make_bucket(name)
    azure.make_container(name)
    host = f"{name}@{azure.ACCOUNT}.dfs.core.windows.net"
    return {"gs": f"gs://{name}/", "abfs": f"abfs://{host}/", "abfss": f"abfss://{host}/", "az": f"az://{name}/"}


@pytest.fixture
def env(gcs: GcsServer, azure: AzureServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables by which both servers are found; set in this process, too."""
    told = {**gcs.env(), **azure.env()}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return told


def put(gcs: GcsServer, azure: AzureServer, place: str, key: str) -> None:
    bucket = place.split("/")[2].partition("@")[0]
    (gcs if place.startswith("gs") else azure).put(bucket, key)


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize("scheme", ["gs", "abfs", "abfss", "az"])
def test_a_local_run_waits_and_returns_the_path(
    gcs: GcsServer, azure: AzureServer, places: dict[str, str], module: Module, scheme: str
) -> None:
    user, place = module(SENSORS), places[scheme]
    later = threading.Timer(0.5, put, (gcs, azure, place, f"{scheme}-d1/part ä.csv"))
    later.start()
    assert user.sensor(path=f"{place}{scheme}-d1/part ä.csv") == f"{place}{scheme}-d1/part ä.csv"
    assert user.matching(path=f"{place}{scheme}-d?/*.csv") == f"{place}{scheme}-d1/part ä.csv"
    later.join()


def test_a_local_run_waits_for_what_a_web_server_has(module: Module) -> None:
    user = module(SENSORS)
    with FakeS3(Answer(404), Answer(404), found()) as server:
        assert user.sensor(path=f"{server.endpoint}/x?y=1") == f"{server.endpoint}/x?y=1"
    with pytest.raises(InvalidArgument, match="a web server has no list of what it has"):
        user.matching(path="https://host/*")


def test_a_local_run_takes_the_account_of_flytekits_configuration_and_not_the_endpoint_of_s3(
    azure: AzureServer, places: dict[str, str], module: Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(GcsServer(), azure, places["az"], "configured")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azure.endpoint)
    context = FlyteContextManager.current_context()
    config = DataConfig(
        s3=S3Config(endpoint="http://127.0.0.1:1"),
        azure=AzureBlobStorageConfig(account_name=azure.ACCOUNT, account_key=azure.KEY),
    )
    access = FileAccessProvider(str(tmp_path), str(tmp_path), data_config=config)
    with FlyteContextManager.with_context(context.with_file_access(access)):
        assert module(SENSORS).sensor(path=places["az"] + "configured") == places["az"] + "configured"


@pytest.mark.usefixtures("env")
def test_a_local_run_fails_as_a_pod_does(module: Module) -> None:
    with pytest.raises(StoreError, match="ContainerNotFound"):
        module(SENSORS).sensor(path="az://no-such-container/k")


def test_the_endpoint_of_azures_emulator_is_an_argument_as_any_other() -> None:
    endpoint = "http://127.0.0.1:10000/devstoreaccount1"
    assert ObjectStoreWait(endpoint=endpoint).endpoint == endpoint
    with pytest.raises(InvalidArgument, match=r"^--region \(region\): means nothing here"):
        ObjectStoreWait(endpoint=endpoint, region="westeurope")


@pytest.fixture(scope="module")
def pods(
    minio: MinioServer,
    gcs: GcsServer,
    azure: AzureServer,
    places: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Pod]]:
    """All of them at once."""
    bucket = f"flyte-{uuid.uuid4().hex[:8]}"
    minio.client().make_bucket(bucket)
    for scheme in ("gs", "abfs"):
        put(gcs, azure, places[scheme], "in-pod/a.csv")
    with ExitStack() as stack:
        web = stack.enter_context(FakeS3(found()))
        asked = {
            "gs": (sensors.made, places["gs"] + "in-pod/a.csv"),
            "gs pattern": (sensors.matching, places["gs"] + "in-*/?.csv"),
            "abfs": (sensors.made, places["abfs"] + "in-pod/a.csv"),
            "abfs pattern": (sensors.matching, places["abfs"] + "in-*/?.csv"),
            "http": (sensors.made, f"{web.endpoint}/a.csv"),
        }
        env = {**gcs.env(), **azure.env()}
        yield {
            name: stack.enter_context(
                Pod(minio, bucket, sensor, path, tmp_path_factory.mktemp("pod"), platform_env=env)
            )
            for name, (sensor, path) in asked.items()
        }


@pytest.mark.timeout(2 * SLOW)
@pytest.mark.parametrize("name", ["gs", "gs pattern", "abfs", "abfs pattern", "http"])
def test_a_pod_returns_what_a_local_run_returns(pods: dict[str, Pod], places: dict[str, str], name: str) -> None:
    pod = pods[name]
    assert pod.end() == 0, pod.log()
    expected = places[name.partition(" ")[0]] + "in-pod/a.csv" if "pattern" in name else pod.path
    assert pod.outputs() == {"path": expected}, pod.log()
    assert AzureServer.KEY not in "".join(pod.markers().values()) + pod.log()
