"""What all tests share: a real MinIO server, buckets of their own, a clean environment."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import AzureServer, GcsServer, MinioServer

pytest_plugins = ["tests.sidecar.whole", "tests.sidecar.rows", "tests.figures"]

# The cache's place before tests change HOME: what was built stays found.
os.environ.setdefault(
    "OBJECTSTORE_SENSOR_CACHE",
    str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "objectstore-sensor"),
)

CREDENTIAL_PREFIXES = (
    "FLYTE_AWS_",
    "AWS_",
    "MINIO_",
    "OBJECTSTORE_WATCHER_",
    "GOOGLE_",
    "STORAGE_EMULATOR_",
    "AZURE_",
    "FLYTE_AZURE_",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this project's tests."""
    group = parser.getgroup("objectstore-sensor")
    group.addoption("--no-kind", action="store_true", help="skip the tests that need the kind cluster")
    group.addoption("--keep-cluster", action="store_true", help="leave the kind cluster for the next run")
    group.addoption("--flyte-engine", action="store_true", help="run tests on Flyte's engine on the kind cluster")
    group.addoption("--flyte-config", help="configuration file of a real Flyte backend to test on")
    group.addoption("--chaos-waits", type=int, default=500, help="how many waits the chaos test runs")
    group.addoption("--chaos-seed", type=int, help="seed of its schedule, as an earlier run printed it")
    group.addoption("--chaos-only", help="run only these of its waits: numbers with commas")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the credentials, endpoints or configuration files of the person who runs it."""
    for name in list(os.environ):
        if name.startswith(CREDENTIAL_PREFIXES) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A MinIO server for the whole session. Tests that stop or break it start one of their own."""
    with MinioServer(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture
def bucket(minio: MinioServer) -> str:
    """A bucket of the test's own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    minio.client().make_bucket(name)
    return name


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    """A server that speaks Google Cloud Storage, for the whole session."""
    with GcsServer() as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[AzureServer]:
    """A server that speaks Azure Blob Storage, for the whole session."""
    with AzureServer() as server:
        yield server


@pytest.fixture
def flyte_env(minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that Flyte appends to every container, pointing to the server; set in this process too."""
    for name, value in minio.flyte_env().items():
        monkeypatch.setenv(name, value)
    return minio.flyte_env()


@pytest.fixture
def marker_directory(tmp_path: Path) -> Path:
    """An empty marker directory."""
    directory = tmp_path / "markers"
    directory.mkdir()
    return directory
