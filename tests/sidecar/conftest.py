"""What the watcher's tests share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from objectstore_watcher import logs

from tests.moto_server import MotoServer
from tests.servers import MinioServer, Watcher
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import takes_requests

# The same examples in every run, and no time limit for one of them: machines are busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
hypothesis.settings.load_profile("repeatable")
# Other examples in every run, and many: make fuzz.
hypothesis.settings.register_profile(
    "fuzz", deadline=None, print_blob=True, max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000"))
)


@pytest.fixture(autouse=True)
def no_metadata_service(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials from the cloud machine that may run the tests."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Handlers that a test configured do not outlive it."""
    before = logs.LOGGER.handlers[:], logs.LOGGER.level, logs.LOGGER.propagate
    yield
    logs.LOGGER.handlers[:], logs.LOGGER.level, logs.LOGGER.propagate = before


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority of the tests' own, and a server's certificate for 127.0.0.1."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def minio(minio: MinioServer) -> MinioServer:
    """A MinIO server that takes requests."""
    takes_requests(minio)
    return minio


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """A moto server for the whole session."""
    with MotoServer() as server:
        yield server


@pytest.fixture
def moto_env(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables that Flyte appends to every container, pointing to moto's server."""
    for name, value in moto.flyte_env().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def moto_bucket(moto: MotoServer, moto_env: pytest.MonkeyPatch) -> str:
    """A bucket of the test's own on moto's server."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    moto.client().make_bucket(name)
    return name


Start = Callable[..., Watcher]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts watcher processes that end with the test at the latest: ``start(*args, **env)``."""
    with ExitStack() as stack:

        def begin(*args: str | Path, **env: str) -> Watcher:
            told = {"AWS_EC2_METADATA_DISABLED": "true", **env}
            return stack.enter_context(Watcher([str(arg) for arg in args], told))

        yield begin
