"""The connections that all waits of a process share."""

from __future__ import annotations

import gc
import threading
import time

import psutil
import pytest
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import StoreError

from tests.fake_s3 import SILENT, FakeS3, found
from tests.servers import MinioServer, eventually
from tests.sidecar.tools import Opened

pytestmark = pytest.mark.usefixtures("fake_credentials")


def connections(port: int) -> int:
    """How many of this process to that port are open."""
    mine = psutil.Process().net_connections(kind="tcp")
    return sum(bool(each.raddr) and each.raddr.port == port and each.status == "ESTABLISHED" for each in mine)


def test_many_waits_take_turns_on_one_connection(minio: MinioServer, bucket: str, flyte_env: dict[str, str]) -> None:
    before = connections(minio.port)
    stores = [Opened(WatchSpec(uri=f"s3://{bucket}/key-{number}")) for number in range(50)]
    for _ in range(3):
        for store in stores:
            assert not store.look()
    assert connections(minio.port) - before <= 1


def test_one_that_is_given_up_breaks_off_its_own_request_and_no_others() -> None:
    with FakeS3(SILENT, found()) as server:
        spec = WatchSpec(uri="s3://bucket/key", endpoint=server.endpoint, request_timeout=1)
        hanging, other = Opened(spec), Opened(WatchSpec(uri=spec.uri, endpoint=server.endpoint, request_timeout=30))
        failed: list[StoreError] = []

        def hang() -> None:
            try:
                hanging.look()
            except StoreError as error:
                failed.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        eventually(lambda: len(server.requests) == 1, "it hangs")
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert other.look(), "the other must not notice"
        thread.join(30)
    assert [error.kind.label for error in failed] == ["timeout"]


def test_a_connection_is_not_broken_off_by_who_had_it_before() -> None:
    with FakeS3(found(), found(), SILENT) as server:
        first, second = (Opened(WatchSpec(uri="s3://bucket/key", endpoint=server.endpoint)) for _ in range(2))
        assert first.look()
        assert second.look(), "on the same connection"

        def hang() -> None:
            with pytest.raises(StoreError):
                second.look(5)

        thread = threading.Thread(target=hang)
        thread.start()
        eventually(lambda: len(server.requests) == 3, "the second hangs on it")
        first._store._store.give_up(1.0)  # type: ignore[attr-defined]  # as if its look, long over, were given up
        time.sleep(0.5)
        assert thread.is_alive(), "it still waits for its answer"
        assert len(server.requests) == 3, "and did not have to ask again"
        thread.join(30)


def test_the_end_of_one_wait_closes_no_connection_of_the_others(
    minio: MinioServer, bucket: str, flyte_env: dict[str, str]
) -> None:
    """minio-py clears the connections that it was given, when a client of its own goes."""
    first, other = (Opened(WatchSpec(uri=f"s3://{bucket}/{key}")) for key in "ab")
    first.look()
    other.look()
    before = connections(minio.port)
    assert before >= 1
    del first
    gc.collect()
    assert connections(minio.port) == before
