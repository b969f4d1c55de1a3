"""A watcher of another cloud as a process: it ends when told to, and stays as large as it is."""

from __future__ import annotations

import signal

import psutil
import pytest

from tests.fake_s3 import SILENT, Answer, FakeS3
from tests.servers import eventually
from tests.sidecar.conftest import Start
from tests.sidecar.test_cloud_errors import AZURE, GCS

ENV = {"GOOGLE_BEARER_TOKEN": "token", "AZURE_STORAGE_ACCOUNT_KEY": "aHVudGVyMg=="}
FEW = 24 * 1024 * 1024
"""Bytes: a page of a thousand keys takes some 2 MB, as text and as objects; 200 of them would take 400."""


def page(number: int, after: str) -> Answer:
    """A page of Google's listing, of a thousand keys of which none matches."""
    key = "<Contents><Key>a/{:09}-{}</Key><LastModified>2026-06-01T12:00:00Z</LastModified><Size>4</Size></Contents>"
    keys = "".join(key.format(number * 1000 + each, "x" * 500) for each in range(1000))
    told = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{after}</NextContinuationToken>" if after else ""
    return Answer(200, {}, f"<ListBucketResult>{told}{keys}</ListBucketResult>".encode())


@pytest.mark.parametrize("uri", [GCS, AZURE])
@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT])
def test_a_watcher_in_a_black_hole_ends_at_once_when_told_to(start: Start, uri: str, way: signal.Signals) -> None:
    with FakeS3(SILENT) as server:
        watcher = start(uri, f"--endpoint={server.endpoint}", "--request-timeout=60", **ENV)
        eventually(lambda: bool(server.requests), "a request")
        watcher.process.send_signal(way)
        code, log = watcher.end()
    assert code == 128 + way, log
    assert "panicked" not in log


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_watcher_of_many_looks_stays_as_large_as_it_is(start: Start, uri: str) -> None:
    with FakeS3(Answer(404)) as server:
        watcher = start(uri, f"--endpoint={server.endpoint}", "--poll-interval=1ms", **ENV)
        process = psutil.Process(watcher.process.pid)
        eventually(lambda: len(server.requests) > 200, "looks")
        size, descriptors, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
        eventually(lambda: len(server.requests) > 1200, "more looks", timeout=90)
        assert process.memory_info().rss - size < 4 * 1024 * 1024
        assert process.num_fds() <= descriptors + 8
        assert process.num_threads() <= threads + 4


def test_a_listing_of_200_000_keys_is_read_in_little_memory(start: Start) -> None:
    pages = [page(number, f"token-{number}") for number in range(5)] * 40
    sizes: list[int] = []
    with FakeS3(*pages, page(5, "")) as server:
        args = ["gs://bucket/a/?.csv", "--match=glob", f"--endpoint={server.endpoint}", "--request-timeout=60"]
        watcher = start(*args, **ENV)
        process = psutil.Process(watcher.process.pid)

        def has_read(count: int) -> bool:
            if server.requests:
                sizes.append(process.memory_info().rss)
            return len(server.requests) > count

        eventually(lambda: has_read(10), "some pages", timeout=90)
        begin = max(sizes)
        eventually(lambda: has_read(len(pages)), "all pages", timeout=100)
    assert max(sizes) - begin < FEW
