"""One kind cluster for a session, one namespace for a test."""

from __future__ import annotations

import re
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e import cluster as clusters
from tests.e2e.cluster import Cluster
from tests.e2e.sensors import Sensors
from tests.servers import ROOT

SAVED = ROOT / "build" / "e2e"
"""Where the logs and events of failed tests are kept."""

FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One of xdist's workers runs all of these: the one cluster has no room for more."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("kind"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember failures, for the namespace's fixture."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster; deleted at the end if it was made here, unless --keep-cluster is given."""
    if request.config.getoption("--no-kind"):
        pytest.skip("--no-kind was given")
    keep = request.config.getoption("--keep-cluster") or clusters.answers()  # a person's, of make demo-kind
    try:
        yield clusters.up()
    finally:
        if not keep:
            clusters.tool("down")


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    name = f"{name}-{uuid.uuid4().hex[:5]}"
    cluster.add_namespace(name)
    try:
        yield name
        if request.node.stash.get(FAILED, False):
            cluster.save(name, SAVED / name)
    finally:
        cluster.api.delete_namespace(name)


@pytest.fixture
def sensors(cluster: Cluster, namespace: str) -> Sensors:
    """Runs sensors in the test's namespace as Flyte would."""
    return Sensors(cluster, namespace)
