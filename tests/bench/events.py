"""The figures of waits that listen."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import urllib3
from objectstore_watcher.contract import Ready, Request

from tests.bench.laboratory import Laboratory
from tests.bench.report import Figure, Time, left_out, ms, p99, spread, undisturbed
from tests.bench.speed import DISTURBED
from tests.bench.watchers import ServedWatcher, await_ready, forked_watcher
from tests.servers import eventually, free_port

POLL_INTERVAL = 10
"""Seconds: the default. No run lasts as long, so that what finds the object is the event."""

RATE = 2
"""Requests a minute that are aimed at."""

WARM_UP = 20
"""Seconds within which a wait takes its first looks, and subscribes."""

AT_ONCE = 20
"""Watchers that wait at the same time: it takes two seconds until they are subscribed."""

MEDIAN, P99 = 0.005, 0.025
"""Seconds that are aimed at."""


def put_to_marker(lab: Laboratory, runs: int) -> Figure:
    """From the return of PUT to the marker, by an event."""
    times = [each for _ in range(-(-runs // AT_ONCE)) for each in _detections(lab)]
    counted = undisturbed(times)
    return Figure(
        name="PUT returned → marker `ready`, by an event",
        limit=f"{ms(MEDIAN)} at the median, {ms(P99)} at p99",
        measured=f"{spread(counted)}{left_out(times)}",
        reached=statistics.median(counted) <= MEDIAN and p99(counted) <= P99,
        method=f"poll interval {POLL_INTERVAL} s; for each run a process of the watcher's command as a sidecar that"
        f" serves metrics, forked with its modules loaded, {AT_ONCE} of them at once; PUTs one by one at random moments"
        " once all are subscribed; the marker, which must say `event`, is looked for every 0.5 ms; "
        f"{DISTURBED}",
    )


def _detections(lab: Laboratory) -> Iterator[Time]:
    with ExitStack() as stack:
        watchers = [stack.enter_context(_listening(lab)) for _ in range(AT_ONCE)]
        for _, _, port in watchers:
            eventually(partial(_is_subscribed, port), "the subscription")
        time.sleep(0.1)  # the look after it
        for directory, uri, _ in watchers:
            time.sleep(random.uniform(0, 0.1))
            lab.put(uri)
            returned = time.monotonic()
            while not (directory / Ready.NAME).exists():
                time.sleep(0.0005)
            yield Time(time.monotonic() - returned, lab.noise.disturbed_since(returned))
            found = await_ready(directory)
            assert found.detected_by == "event", found


@contextmanager
def _listening(lab: Laboratory) -> Iterator[tuple[Path, str, int]]:
    directory, uri, port = lab.new_directory(), lab.new_uri(), free_port()
    served = f"--metrics-address=127.0.0.1:{port}"
    watcher = forked_watcher([f"--dir={directory}", f"--poll-interval={POLL_INTERVAL}", served, "--", uri])
    try:
        eventually((directory / Request.NAME).exists, "the watch begins")
        yield directory, uri, port
    finally:
        watcher.terminate()
        watcher.join()


def _is_subscribed(port: int) -> bool:
    page = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics", retries=False, timeout=10).data
    return b"event_stream_connected 1.0" in page


def requests_per_minute(lab: Laboratory, seconds: int) -> Figure:
    """What a wait asks the server for while events flow."""
    directory, uri = lab.new_directory(), lab.new_uri()
    lab.proxy.requests.clear()
    before = lab.proxy.listens
    environment = {**lab.minio.flyte_env(), "FLYTE_AWS_ENDPOINT": lab.proxy.endpoint}
    with ServedWatcher(directory, environment, [f"--poll-interval={POLL_INTERVAL}", "--", uri]):
        eventually(lambda: bool(lab.proxy.requests), "the first look")
        time.sleep(seconds)
        looks, streams = len(lab.proxy.requests), lab.proxy.listens - before
        began = lab.proxy.requests[0][0]
        steady = sum(arrived > began + WARM_UP for arrived, _ in lab.proxy.requests)
    rate = (looks + streams) * 60 / seconds
    return Figure(
        name=f"requests a minute with events, poll interval {POLL_INTERVAL} s",
        limit="2",
        measured=f"{rate:.1f} over {seconds} s from the first look on: {looks} HEAD and {streams} stream;"
        f" {steady * 60 / (seconds - WARM_UP):.1f} after the first {WARM_UP} s",
        reached=rate <= RATE,
        method="request lines counted by a TCP proxy before MinIO, the first look, the request for events, and the look"
        f" once they come included; by polls alone it were {60 / POLL_INTERVAL:g}",
    )
