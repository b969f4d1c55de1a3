"""The figures that are memory, CPU and counts."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minio.commonconfig import SnowballObject
from objectstore_watcher import waiting
from objectstore_watcher.contract import WatchSpec

from tests.bench.instruments import MIB, RecordingProxy, Usage, cpu_seconds, peak_rss
from tests.bench.laboratory import Laboratory, Main
from tests.bench.report import Figure
from tests.bench.watchers import WARM_UP, ServedWatcher, await_ready, await_requests, polling
from tests.fake_listing import PAGE, FakeListing
from tests.servers import MinioServer, eventually

SCRAPE_EVERY = 15
"""Seconds between two scrapes of Prometheus, as its example configuration has it."""

MOST_OF_SCAN = 2 * MIB
"""Bytes: noise of the allocator. A million keys that are kept would take a hundred times as much."""


def waiting_pod(lab: Laboratory, main: Main, seconds: int) -> Iterator[Figure]:
    """What a watcher and main take while they wait together."""
    directory, uri = lab.new_directory(), lab.new_uri()
    with ServedWatcher(directory, lab.minio.flyte_env()) as watcher:
        watcher.await_idle()
        main.execute(directory, uri)
        time.sleep(2)
        usage, watcher_cpu, main_cpu = _wait_together(watcher, main, seconds)
        lab.put(uri)
        main.line()
    yield Figure(
        name="watcher waiting: memory",
        limit="45 MiB RSS",
        measured=f"{usage.rss / MIB:.1f} MiB RSS, {usage.private / MIB:.1f} MiB of it private",
        reached=usage.rss <= 45 * MIB,
        method=f"fresh process with metrics served and scraped every {SCRAPE_EVERY} s, beside a real main, after"
        f" {seconds} s at a 1 s poll interval",
    )
    yield Figure(
        name="watcher waiting: CPU",
        limit="under 0.5 % of a core at a 1 s interval",
        measured=f"{watcher_cpu:.2%} over {seconds} s",
        reached=watcher_cpu < 0.005,
        method="the same process: its CPU clock over the time that passed, scrapes included",
    )
    yield Figure(
        name="main waiting: CPU",
        limit="none",
        measured=f"{main_cpu:.2%} over {seconds} s",
        reached=None,
        method=f"the same wait: the process in execute, which looks for the marker when one appears, and every"
        f" {waiting.LONGEST_PAUSE:g} s",
    )


def _wait_together(watcher: ServedWatcher, main: Main, seconds: int) -> tuple[Usage, float, float]:
    began = time.monotonic()
    before = cpu_seconds(watcher.pid), cpu_seconds(main.pid)
    for second in range(seconds):
        if second % SCRAPE_EVERY == 0:
            watcher.scrape()
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
    passed = time.monotonic() - began
    after = cpu_seconds(watcher.pid), cpu_seconds(main.pid)
    return watcher.usage(), (after[0] - before[0]) / passed, (after[1] - before[1]) / passed


def many_polls(lab: Laboratory, polls: int) -> Iterator[Figure]:
    """Requests for each poll, and what grows."""
    directory, uri = lab.new_directory(), lab.new_uri()
    with polling(lab.proxy, directory, lab.minio.flyte_env(), uri) as watcher:
        before = watcher.usage()
        await_requests(lab.proxy, len(lab.proxy.requests) + polls, watcher)
        after = watcher.usage()
        lab.put(uri)
        marker = await_ready(directory)
    heads = [method for _, method in lab.proxy.requests].count("HEAD")
    requests = len(lab.proxy.requests)
    yield Figure(
        name="requests for each poll",
        limit="exactly 1",
        measured=f"{requests:,} requests ({heads:,} HEAD) for {marker.polls:,} polls",
        reached=requests == heads == marker.polls,
        method="request lines counted by a TCP proxy before MinIO, polls by the marker",
    )
    yield Figure(
        name=f"growth over {polls:,} polls",
        limit="none: at most 256 KiB RSS, 0 descriptors, and the thread of a look or two",
        measured=f"{(after.rss - before.rss) / 1024:+,.0f} KiB RSS, {after.fds - before.fds:+d} descriptors,"
        f" {after.threads - before.threads:+d} threads",
        reached=after.rss - before.rss <= MIB // 4 and after.fds <= before.fds and after.threads <= before.threads + 2,
        method=f"the same process, poll interval 1 ms, scraped twice a second; counted from poll {WARM_UP} on",
    )


def scan_of_many(lab: Laboratory, objects: int) -> Figure:
    """What a scan of a large prefix takes."""
    growth, seconds = scan(lab.new_directory(), objects)
    return Figure(
        name=f"scan of a prefix of {objects:,} objects",
        limit=f"constant memory: at most {MOST_OF_SCAN // MIB} MiB more than for {_FEW:,}",
        measured=f"{growth / 1024:+,.0f} KiB peak RSS; {seconds:.0f} s for {objects // PAGE + 1:,} LISTs",
        reached=growth <= MOST_OF_SCAN,
        method=f"a fresh watcher with --match=glob before a fake S3 that pages: its peak RSS after {_WARM_SCANS} scans"
        f" of {_FEW:,} objects, and after one of {objects:,}, none of which matches; n = 1",
    )


_FEW = 5 * PAGE
_WARM_SCANS = 5


def scan(directory: Path, objects: int) -> tuple[int, float]:
    """How many bytes the watcher's peak memory rises from a few pages to ``objects``, and the seconds of that scan."""
    with FakeListing(_FEW) as server:
        args = ["--match=glob", "--poll-interval=0.1", "--", "s3://bucket/big/*.none"]
        with ServedWatcher(directory, server.env(), args) as watcher:
            eventually(lambda: server.scans(_FEW) >= _WARM_SCANS, f"scans of {_FEW} objects")
            before, began = peak_rss(watcher.pid), time.monotonic()
            server.total = objects
            eventually(lambda: server.scans(objects) > 0, f"a scan of {objects} objects", timeout=600)
            return peak_rss(watcher.pid) - before, time.monotonic() - began


@dataclass(frozen=True)
class Many:
    """A wait for many keys, of which one comes late.

    Attributes:
        requests: what was asked, in order.
        polls: looks that were needed.
        rss: peak resident bytes.
    """

    requests: Sequence[str]
    polls: int
    rss: int

    @property
    def costs_what_it_may(self) -> bool:
        """Ten LISTs for all keys at first and in the end, one HEAD a look for the missing one meanwhile."""
        lists = ["LIST"] * (KEYS // PAGE)
        return self.requests == [*lists, *["HEAD"] * (self.polls - 1), *lists]


KEYS = 10_000


def many_keys(minio: MinioServer, proxy: RecordingProxy, bucket: str, directory: Path) -> Many:
    """Wait for `KEYS` keys beside each other, of which one is missing for some looks."""
    keys = [f"many-keys/part-{number:06}" for number in range(KEYS)]
    objects = [SnowballObject(key, data=io.BytesIO(b""), length=0) for key in keys[:-1]]
    minio.client().upload_snowball_objects(bucket, objects)
    proxy.requests.clear()
    with ServedWatcher(directory, {**minio.flyte_env(), "FLYTE_AWS_ENDPOINT": proxy.endpoint}) as watcher:
        uris = tuple(f"s3://{bucket}/{key}" for key in keys)
        waiting.ask(directory, WatchSpec(uri=uris, poll_interval=0.5, detection="poll"))
        eventually(lambda: len(proxy.requests) >= KEYS // PAGE + 3, "some looks")
        minio.put(bucket, keys[-1])
        ready = await_ready(directory)
        assert len(ready.objects) == KEYS
        return Many([name for _, name in proxy.requests], ready.polls, peak_rss(watcher.pid))


def many(lab: Laboratory) -> Figure:
    """What a wait for many keys takes."""
    seen = many_keys(lab.minio, lab.proxy, lab.bucket, lab.new_directory())
    return Figure(
        name=f"{KEYS:,} exact keys in one watcher",
        limit="150 MiB RSS; a look costs what the cheaper of LIST and HEAD does",
        measured=f"{seen.rss / MIB:.0f} MiB peak RSS; {seen.requests.count('LIST')} LIST for the first and the last"
        f" look, {seen.requests.count('HEAD')} HEAD for {seen.polls - 1} looks while one was missing",
        reached=seen.rss <= 150 * MIB and seen.costs_what_it_may,
        method="a fresh watcher before MinIO, keys beside each other, all but one of which are there; n = 1",
    )
