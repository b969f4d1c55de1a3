from __future__ import annotations

import math
import os
import re
import signal
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from objectstore_watcher import contract, waiting
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, MarkerError, StoreError, WaitError, WatcherDied

from tests.servers import eventually
from tests.sidecar.conftest import Start

URI = "s3://bucket/key"

INTERVAL = 0.02
"""Seconds between two heartbeats that main is told: it gives up after three."""


def test_ready_is_returned(marker_directory: Path) -> None:
    contract.write(marker_directory, Ready(uri=URI, polls=4))
    assert waiting.wait(marker_directory, 60, until=math.inf) == Ready(uri=URI, polls=4)


def test_a_marker_that_comes_later_is_noticed(marker_directory: Path) -> None:
    looks: list[float] = []

    def sleep(pause: float) -> None:
        looks.append(pause)
        contract.beat(marker_directory)
        if len(looks) == 5:
            contract.write(marker_directory, Ready(uri=URI))

    assert waiting.wait(marker_directory, 60, until=math.inf, sleep=sleep) == Ready(uri=URI)
    assert looks == [waiting.LONGEST_PAUSE] * 5


@pytest.mark.parametrize("error", [DeadlineExceeded(URI, "too late"), StoreError(URI, "gone", kind="bucket_missing")])
def test_failed_raises_the_error_that_the_watcher_met(marker_directory: Path, error: WaitError) -> None:
    contract.write(marker_directory, Failed.of(URI, error))
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
        waiting.wait(marker_directory, 60, until=math.inf)


def test_a_marker_that_cannot_be_read_is_an_error_and_no_reason_to_wait(marker_directory: Path) -> None:
    (marker_directory / "ready").write_text("found it!")
    with pytest.raises(MarkerError, match="is not what this version writes"):
        waiting.wait(marker_directory, 60, until=math.inf)


def test_a_watcher_that_never_comes_is_dead(marker_directory: Path) -> None:
    with pytest.raises(WatcherDied, match=r"gave no sign of life within 0.06 s of the start; look at the watcher cont"):
        waiting.wait(marker_directory, INTERVAL, until=math.inf)


def test_a_watcher_without_a_directory_is_dead(tmp_path: Path) -> None:
    with pytest.raises(WatcherDied):
        waiting.wait(tmp_path / "missing", INTERVAL, until=math.inf)


def test_a_watcher_whose_heartbeat_stops_is_dead(marker_directory: Path) -> None:
    contract.beat(marker_directory)
    with pytest.raises(WatcherDied, match=r"gave no sign of life for 0\.06 s"):
        waiting.wait(marker_directory, INTERVAL, until=math.inf)


def test_a_watcher_lives_as_long_as_its_heartbeat_changes(marker_directory: Path) -> None:
    """Well past the limit, whatever the time of the file says: clocks step, and differ between machines."""
    begun, beats = time.monotonic(), 0

    def sleep(pause: float) -> None:
        nonlocal beats
        beats += 1
        contract.beat(marker_directory)
        os.utime(marker_directory / "heartbeat", ns=(0, 10**9 + beats % 2))
        time.sleep(0.001)
        if time.monotonic() - begun > 3 * 3 * 0.1:
            contract.write(marker_directory, Ready(uri=URI))

    assert waiting.wait(marker_directory, 0.1, until=math.inf, sleep=sleep) == Ready(uri=URI)


def test_a_main_that_is_held_up_does_not_take_that_for_silence(
    marker_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy node main may stand still for long between its look at the heartbeat and the next line."""
    looks = 0

    def last_heartbeat(directory: Path) -> int:
        nonlocal looks
        looks += 1
        beat = contract.last_heartbeat(directory)
        if looks == 2:  # the beat is still the first one, and others come meanwhile
            time.sleep(4 * INTERVAL)
        return beat

    def sleep(pause: float) -> None:
        if looks == 3:
            contract.write(marker_directory, Ready(uri=URI))
        if looks > 1:
            contract.beat(marker_directory)

    monkeypatch.setattr(waiting, "last_heartbeat", last_heartbeat)
    contract.beat(marker_directory)
    assert waiting.wait(marker_directory, INTERVAL, until=math.inf, sleep=sleep) == Ready(uri=URI)


def test_a_heartbeat_counts_from_when_it_was_seen(marker_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from before main stood still, which then read a fresh one."""
    now, looks = 0.0, 0

    def last_heartbeat(directory: Path) -> int:
        nonlocal now, looks
        looks += 1
        now += 4 * INTERVAL if looks == 1 else 0
        return contract.last_heartbeat(directory)

    def sleep(pause: float) -> None:
        nonlocal now
        now += INTERVAL
        if looks == 2:
            contract.write(marker_directory, Ready(uri=URI))

    monkeypatch.setattr(waiting, "last_heartbeat", last_heartbeat)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now))
    contract.beat(marker_directory)
    assert waiting.wait(marker_directory, INTERVAL, until=math.inf, sleep=sleep) == Ready(uri=URI)


def test_a_watcher_that_lives_and_never_answers_is_not_waited_for_for_ever(marker_directory: Path) -> None:
    beats = 0

    def sleep(pause: float) -> None:
        nonlocal beats
        beats += 1
        contract.beat(marker_directory)
        time.sleep(0.001)

    until = time.monotonic() + 0.2
    with pytest.raises(WatcherDied, match="the watcher lives, but gave no answer within 60 s of its last look"):
        waiting.wait(marker_directory, 60, until=until, sleep=sleep)
    assert beats > 1
    assert time.monotonic() > until


def test_an_answer_is_due_some_time_after_the_last_look(marker_directory: Path) -> None:
    spec = WatchSpec(uri=URI, timeout=100, request_timeout=7)
    assert Request(spec=spec, requested_monotonic=1000.0).answer_due == 1000 + 100 + 7 + contract.PATIENCE


def test_an_answer_at_the_very_limit_counts(marker_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes after the look for it and before the look at the heartbeat, which is too old by then."""
    looks = 0

    def last_heartbeat(directory: Path) -> int:
        nonlocal looks
        looks += 1
        if looks == 2:
            contract.write(marker_directory, Ready(uri=URI))
        return contract.last_heartbeat(directory)

    monkeypatch.setattr(waiting, "last_heartbeat", last_heartbeat)
    sleep = partial(time.sleep, 3 * INTERVAL + 0.01)
    assert waiting.wait(marker_directory, INTERVAL, until=math.inf, sleep=lambda pause: sleep()) == Ready(uri=URI)
    assert looks == 2


@pytest.mark.parametrize("is_relieved", [True, False])
def test_another_process_goes_on_with_a_wait_and_with_the_silence_so_far(
    marker_directory: Path, monkeypatch: pytest.MonkeyPatch, is_relieved: bool
) -> None:
    class Exec(Exception):
        """The end of a process, as far as this one goes."""

    now, pulse, handed_over = 0.0, waiting.Pulse(since=0.0), list[float]()

    def hand_over() -> None:
        handed_over.append(now)
        if is_relieved:
            raise Exec

    def sleep(pause: float) -> None:
        nonlocal now
        now += pause

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now))
    contract.beat(marker_directory)
    go_on = partial(waiting.wait, marker_directory, 10, until=math.inf, sleep=sleep, pulse=pulse)
    with pytest.raises(Exec if is_relieved else WatcherDied):
        go_on(relief=waiting.Relief(20.5, hand_over))
    if is_relieved:
        with pytest.raises(WatcherDied, match="gave no sign of life for 30 s"):
            go_on()
    assert handed_over == [21.0]
    assert now == 31.0


def test_a_watcher_that_is_dead_is_noticed_before_the_wait_would_be_handed_over(marker_directory: Path) -> None:
    with pytest.raises(WatcherDied):
        waiting.wait(marker_directory, INTERVAL, until=math.inf, relief=waiting.Relief(10, pytest.fail))


def test_main_asks_once_however_often_it_is_restarted(marker_directory: Path) -> None:
    asked = waiting.ask(marker_directory, WatchSpec(uri=URI))
    first = contract.read(marker_directory, Request)
    assert waiting.ask(marker_directory, WatchSpec(uri=URI)) == asked == first
    assert first
    assert first.spec == WatchSpec(uri=URI)
    assert contract.read(marker_directory, Request) == first


def test_a_directory_with_another_request_is_refused(marker_directory: Path) -> None:
    waiting.ask(marker_directory, WatchSpec(uri=URI))
    with pytest.raises(MarkerError, match="holds another request; use an empty directory for each wait"):
        waiting.ask(marker_directory, WatchSpec(uri=URI + "2"))


def test_asking_in_a_missing_directory_is_a_marker_error(tmp_path: Path) -> None:
    with pytest.raises(MarkerError, match="'request' cannot be written: No such file or directory"):
        waiting.ask(tmp_path / "missing", WatchSpec(uri=URI))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_main_fails_within_the_heartbeat_limit_when_the_watcher_is_killed_or_hangs(
    start: Start, marker_directory: Path, tmp_path: Path, end: signal.Signals
) -> None:
    """The limit is 1.5 s here; a busy machine gets ten times as long."""
    waiting.ask(marker_directory, WatchSpec(uri=str(tmp_path / "absent"), heartbeat_interval=0.5))
    watcher = start("--dir", marker_directory)
    eventually(lambda: contract.last_heartbeat(marker_directory) > 0, "the watcher lives")
    killed = 0.0

    def sleep(pause: float) -> None:
        nonlocal killed
        time.sleep(pause)
        if not killed and time.monotonic() - begun > 0.7:
            watcher.process.send_signal(end)
            killed = time.monotonic()

    begun = time.monotonic()
    with pytest.raises(WatcherDied, match=r"gave no sign of life for 1\.5 s"):
        waiting.wait(marker_directory, 0.5, until=math.inf, sleep=sleep)
    assert killed
    assert time.monotonic() - killed < 15
