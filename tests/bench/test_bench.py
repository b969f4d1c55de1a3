"""The figures that do not depend on time; ``make bench`` measures the others."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from objectstore_watcher import waiting
from objectstore_watcher.contract import WatchSpec

from tests.bench.instruments import MIB, RecordingProxy
from tests.bench.size import MOST_OF_SCAN, many_keys, scan
from tests.bench.watchers import ServedWatcher, await_ready, await_requests, foreign, loaded_with_contract, polling
from tests.servers import MinioServer, eventually
from tests.sidecar.tools import Opened


@pytest.fixture
def proxy(minio: MinioServer) -> Iterator[RecordingProxy]:
    with RecordingProxy(minio.port) as proxy:
        yield proxy


def test_the_contract_imports_the_standard_library_only() -> None:
    loaded = loaded_with_contract()
    assert "objectstore_watcher" in loaded
    assert not foreign(loaded)


def test_a_look_leaves_no_garbage_for_the_collector(bucket: str, flyte_env: dict[str, str]) -> None:
    store = Opened(WatchSpec(uri=f"s3://{bucket}/key"))
    store.look()
    gc.collect()
    gc.disable()
    try:
        for _ in range(60):
            assert not store.look()
        assert gc.collect() < 60, "threads of other tests leave some"
    finally:
        gc.enable()


@pytest.mark.usefixtures("flyte_env")
def test_the_proxy_tells_a_list_from_a_head(proxy: RecordingProxy, bucket: str) -> None:
    for match in ("glob", "exact"):
        spec = WatchSpec(uri=f"s3://{bucket}/a*", match=match, endpoint=proxy.endpoint)
        Opened(spec).look()
    assert [name for _, name in proxy.requests] == ["LIST", "HEAD"]


def test_many_polls_take_one_head_each_and_leave_nothing_behind(
    minio: MinioServer, proxy: RecordingProxy, bucket: str, marker_directory: Path
) -> None:
    with polling(proxy, marker_directory, minio.flyte_env(), f"s3://{bucket}/key") as watcher:
        before = watcher.usage()
        await_requests(proxy, len(proxy.requests) + 2_000, watcher)
        after = watcher.usage()
        minio.put(bucket, "key")
        marker = await_ready(marker_directory)
    assert [method for _, method in proxy.requests] == ["HEAD"] * marker.polls
    assert marker.requests == marker.polls > 2_500
    assert after.fds == before.fds
    assert after.threads <= before.threads + 2  # the look under way, and the one before it that just ends
    assert after.rss - before.rss < MIB // 4


def test_a_large_prefix_is_scanned_in_the_memory_of_a_small_one(marker_directory: Path) -> None:
    growth, _ = scan(marker_directory, 50_000)
    assert growth <= MOST_OF_SCAN


def test_ten_thousand_keys_take_at_most_150_mib_and_a_head_a_look_while_one_is_missing(
    minio: MinioServer, proxy: RecordingProxy, bucket: str, marker_directory: Path
) -> None:
    many = many_keys(minio, proxy, bucket, marker_directory)
    assert many.costs_what_it_may, (many.polls, many.requests)
    assert many.rss <= 150 * MIB


def test_a_waiting_watcher_takes_at_most_45_mib(
    minio: MinioServer, proxy: RecordingProxy, bucket: str, marker_directory: Path
) -> None:
    env = {**minio.flyte_env(), "FLYTE_AWS_ENDPOINT": proxy.endpoint}
    with ServedWatcher(marker_directory, env) as watcher:
        watcher.await_idle()
        waiting.ask(marker_directory, WatchSpec(uri=f"s3://{bucket}/key", poll_interval=0.1))
        eventually(lambda: len(proxy.requests) > 3, "polls")
        assert watcher.usage().rss <= 45 * MIB
