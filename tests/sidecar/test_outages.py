"""What an outage costs: figures that the run prints. Limits in assertions leave room for machines that are busy."""

from __future__ import annotations

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objectstore_watcher import contract, waiting
from objectstore_watcher.contract import Ready, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, StoreError
from objectstore_watcher.watch import watch

from tests.fake_s3 import SILENT, Answer, FakeS3, error, found
from tests.figures import Figure
from tests.servers import ROOT, MinioServer, eventually
from tests.sidecar import dead_network
from tests.sidecar.conftest import Start
from tests.sidecar.test_credentials import can_unshare
from tests.sidecar.tools import Opened, VirtualTime, highest, metrics_url, samples, takes_requests

KEYS = ("key", "secret")

BUSY = 10.0
"""Seconds that a busy machine may take longer."""

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")

DOWN = Answer(500)


@pytest.fixture
def own(tmp_path: Path) -> MinioServer:
    """A server of the test's own, which the test starts and stops."""
    return MinioServer(tmp_path / "drive")


@pytest.mark.parametrize("limit", [0.3, 0.6])
def test_a_black_hole_costs_a_look_the_request_timeout(limit: float, figure: Figure) -> None:
    with FakeS3(SILENT) as server:
        spec = WatchSpec(uri="s3://bucket/key", endpoint=server.endpoint, request_timeout=limit)
        store = Opened(spec, KEYS)
        over = [seconds_of_a_failing_look(store) - limit for _ in range(3)]
    told = f"{statistics.median(over) * 1000:.0f} ms, most {max(over) * 1000:.0f} ms"
    figure(f"a look into a black hole takes longer than its time-out of {limit:g} s by", told)
    assert min(over) > -0.05
    assert max(over) < BUSY


def seconds_of_a_failing_look(store: Opened) -> float:
    began = time.monotonic()
    with pytest.raises(StoreError, match="timed out"):
        store.look()
    return time.monotonic() - began


def test_the_time_out_of_a_look_is_ten_seconds_by_default() -> None:
    assert WatchSpec(uri="/any").request_timeout == 10


@pytest.mark.skipif(not can_unshare(), reason="needs root, unshare and ip for a network namespace")
def test_a_network_that_swallows_all_costs_a_look_its_time_and_nothing_piles_up(tmp_path: Path, figure: Figure) -> None:
    """The resolver waits for 10 s and more, and nobody can break it off."""
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.sidecar.dead_network", str(tmp_path)]
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    met, threads = json.loads(out)
    for network, looks in met.items():
        longest = max(seconds for _, seconds in looks)
        figure(f"a look with {network}, time-out {dead_network.REQUEST_TIMEOUT:g} s", f"at most {longest:.2f} s")
        assert [kind for kind, _ in looks] == ["timeout"] * dead_network.LOOKS
        assert longest < dead_network.REQUEST_TIMEOUT + BUSY
    assert threads <= 3, "one look, and one that was left behind in the resolver"


def test_a_watcher_that_looks_into_a_frozen_minio_ends_at_once_when_told(
    start: Start, marker_directory: Path, own: MinioServer, figure: Figure
) -> None:
    with own:
        takes_requests(own)
        own.client().make_bucket("bucket")
        own.freeze()
        args = ("--dir", marker_directory, "s3://bucket/key", "--metrics-address=127.0.0.1:0")
        watcher = start(*args, "--request-timeout=1h", **own.flyte_env())
        metrics_url(watcher)
        eventually((marker_directory / "request").exists, "the watcher begins")
        time.sleep(0.3)  # it asks
        began = time.monotonic()
        watcher.process.send_signal(signal.SIGTERM)
        code, _ = watcher.end()
        took = time.monotonic() - began
        assert (code, contract.terminal(marker_directory)) == (143, None)
    figure("SIGTERM to the end of a watcher in a black hole, limit 1 s", f"{took:.2f} s")
    assert took < 1 + BUSY


@given(st.lists(st.sampled_from([ABSENT, Answer(500)]), max_size=12), st.integers(1, 12), st.sampled_from([5.0, 60.0]))
@settings(max_examples=20)
def test_a_server_that_comes_back_is_asked_within_the_pause_that_is_under_way(
    before: list[Answer], failures: int, interval: float
) -> None:
    """It comes back, with the object, at the worst moment: right after the last look that failed."""
    assert detection(before, failures, interval) <= min(30, 2.0 ** (failures + len(before) - 1))


def test_a_server_that_comes_back_after_hours_is_noticed_within_half_a_minute(figure: Figure) -> None:
    """Also after so many failures that doubling the pause for each would exceed what a float holds: 1,024."""
    worst = max(detection([], failures, 10.0) for failures in (1, 2, 5, 100, 1100))
    overloaded = max(detection([], failures, 10.0, Answer(503)) for failures in (1, 2, 7))
    figure(
        "server back -> found, at worst, in virtual time, limit 10 s interval + 30 s back-off",
        f"{worst:g} s, {overloaded:g} s",
    )
    assert (worst, overloaded) == (30, 40)


@pytest.mark.parametrize(("interval", "hours"), [(10.0, 1), (300.0, 10), (3600.0, 50)])
def test_a_server_that_is_overloaded_gets_no_more_requests_than_one_that_is_not(
    interval: float, hours: int, figure: Figure
) -> None:
    """Many waits of long intervals, all at once in the backoff of seconds, would keep it overloaded."""
    asked = requests_within(hours * 3600.0, interval, Answer(503)) / hours
    usual = requests_within(hours * 3600.0, interval, ABSENT) / hours
    figure(f"requests an hour to an overloaded server, interval {interval:g} s", f"{asked:.3g}, usually {usual:.3g}")
    assert asked <= usual


def requests_within(seconds: float, interval: float, answer: Answer) -> int:
    """How many requests a wait makes in that virtual time; the same at each run."""
    virtual = VirtualTime()
    uniform = random.Random(1).uniform
    with FakeS3(answer) as server, pytest.MonkeyPatch.context() as env:
        env.setenv("AWS_ACCESS_KEY_ID", KEYS[0])
        env.setenv("AWS_SECRET_ACCESS_KEY", KEYS[1])
        request = virtual.request("s3://bucket/key", endpoint=server.endpoint, poll_interval=interval, timeout=seconds)
        with pytest.raises(DeadlineExceeded):
            watch(request, stop=virtual, observe=lambda event: None, clock=virtual.clock, uniform=uniform)
    return len(server.requests)


def detection(before: list[Answer], failures: int, interval: float, failure: Answer = DOWN) -> float:
    """Seconds from the server's return to the detection, where random pauses are as long as they can be."""
    outage = len(before) + failures
    virtual = VirtualTime()
    with FakeS3(*before, *[failure] * failures, found()) as server, pytest.MonkeyPatch.context() as env:
        env.setenv("AWS_ACCESS_KEY_ID", KEYS[0])
        env.setenv("AWS_SECRET_ACCESS_KEY", KEYS[1])
        request = virtual.request("s3://bucket/key", endpoint=server.endpoint, poll_interval=interval)
        watch(request, stop=virtual, observe=lambda event: None, clock=virtual.clock, uniform=highest)
    assert len(virtual.pauses) == outage
    return virtual.pauses[-1]


def test_a_real_server_that_comes_back_is_noticed(
    start: Start, marker_directory: Path, own: MinioServer, figure: Figure
) -> None:
    with own:
        takes_requests(own)
        own.client().make_bucket("bucket")
        own.put("bucket", "key")
        own.stop()
        args = ("--dir", marker_directory, "s3://bucket/key", "--poll-interval=1", "--metrics-address=127.0.0.1:0")
        url = metrics_url(start(*args, **own.flyte_env()))
        eventually(lambda: errors(url) >= 3, "it notices the outage")
        own.start()
        takes_requests(own)
        began = time.monotonic()
        ready = waiting.wait(marker_directory, 10, until=began + 60)
        took = time.monotonic() - began
        failed = errors(url)
    assert isinstance(ready, Ready)
    limit = min(30, 2.0 ** (failed - 1))
    figure(f"a real MinIO back -> ready, after {failed:g} failed looks, limit {limit:g} s", f"{took:.2f} s")
    assert took < limit + BUSY


def errors(url: str) -> float:
    """How many looks failed."""
    return sum(value for name, value in samples(url).items() if name.startswith("objectstore_watcher_errors_total"))
