"""Main's own condition: the watcher offers what it found, main judges it, either may be killed at any point."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from objectstore_watcher import contract, sidecar, waiting
from objectstore_watcher.contract import Matched, Ready, Request, Verdict, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, MarkerError, WatcherDied
from objectstore_watcher.sidecar import Sidecar
from objectstore_watcher.watch import REFUSED, Polled, watch

from tests.servers import MinioServer, eventually
from tests.sidecar.conftest import Start
from tests.sidecar.tools import Diary, VirtualTime, highest, listing

URI = "s3://bucket/key"
FOUND = Ready(uri=URI, objects=(Matched(uri=URI, size=4),))


@pytest.fixture
def spec(tmp_path: Path) -> WatchSpec:
    """Of a file that is there."""
    (tmp_path / "file").write_text("1")
    return WatchSpec(uri=str(tmp_path / "file"), poll_interval=0.05, heartbeat_interval=0.5, timeout=300)


def main(directory: Path, spec: WatchSpec, judge: Callable[[Ready], bool]) -> Ready:
    """What main does."""
    request = waiting.ask(directory, spec, candidates=True)
    return waiting.wait(directory, spec.heartbeat_interval, until=request.answer_due, judge=judge)


def restless(directory: Path) -> list[str]:
    """All but the heartbeat and what is just being written."""
    return [name for name in listing(directory) if name != "heartbeat" and not name.startswith(".")]


# The core, where main and watcher are one process


def judged(
    uri: str, judge: Callable[[Ready], bool], time: VirtualTime, **options: float | str
) -> tuple[Ready, list[str]]:
    diary = Diary()
    request = time.request(uri, poll_interval=10, **options)
    ready = watch(request, stop=time, observe=diary.append, judge=judge, clock=time.clock, uniform=highest)
    return ready, [polled.unmet for polled in diary.of(Polled) if isinstance(polled, Polled)]


def test_what_is_refused_is_asked_about_again_at_each_look(spec: WatchSpec) -> None:
    seen: list[Ready] = []
    time = VirtualTime()
    ready, unmet = judged(str(spec.uri), lambda found: seen.append(found) or len(seen) == 3, time)  # type: ignore[func-returns-value]
    assert unmet == [REFUSED, REFUSED, ""]
    assert time.pauses == [10, 10]
    assert [each.polls for each in seen] == [1, 2, 3]
    assert ready == seen[-1]


def test_only_what_passes_everything_else_is_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1")
    sizes: list[int] = []
    time = VirtualTime(at_pause={2: lambda: file.write_bytes(b"12345")})
    judged(str(file), lambda found: sizes.append(found.objects[0].size) or True, time, min_size=5)  # type: ignore[func-returns-value]
    assert sizes == [5]


def test_the_deadline_ends_it_and_says_who_refused(spec: WatchSpec) -> None:
    with pytest.raises(
        DeadlineExceeded, match=r"within 25 s in 4 looks: the task's own condition \(when=\) refuses it"
    ):
        judged(str(spec.uri), lambda found: False, VirtualTime(), timeout=25)


def test_what_the_condition_raises_ends_the_wait(spec: WatchSpec) -> None:
    with pytest.raises(ZeroDivisionError):
        judged(str(spec.uri), lambda found: bool(1 // 0), VirtualTime())


# Two processes


def test_main_judges_until_it_accepts(start: Start, marker_directory: Path, minio: MinioServer, bucket: str) -> None:
    spec = WatchSpec(uri=f"s3://{bucket}/key", poll_interval=0.05, heartbeat_interval=0.5, timeout=300)
    start("--dir", marker_directory, **minio.flyte_env())
    minio.put(bucket, "key", b"1")
    sizes: list[int] = []

    def judge(found: Ready) -> bool:
        sizes.append(found.objects[0].size)
        if len(sizes) == 3:
            minio.put(bucket, "key", b"12345")
        return sizes[-1] == 5

    ready = main(marker_directory, spec, judge)
    assert ready.objects[0].size == 5
    assert sizes[:3] == [1, 1, 1]
    assert sizes[-1] == 5
    last = len(sizes)
    assert restless(marker_directory) == [f"candidate-{last}", "ready", "request", f"verdict-{last}"], "the last stay"


def test_a_wait_that_nobody_judges_has_no_candidates(start: Start, marker_directory: Path, spec: WatchSpec) -> None:
    start("--dir", marker_directory)
    waiting.ask(marker_directory, spec)
    waiting.wait(marker_directory, 10, until=math.inf)
    assert restless(marker_directory) == ["ready", "request"]


def test_a_slow_condition_outlasts_the_deadline_and_the_watchers_times(
    start: Start, marker_directory: Path, spec: WatchSpec
) -> None:
    start("--dir", marker_directory)
    request = waiting.ask(marker_directory, spec, candidates=True)

    def judge(found: Ready) -> bool:
        time.sleep(2)
        return True

    until = request.requested_monotonic + 1.0
    eventually(lambda: bool(contract.undecided(marker_directory)), "a candidate")
    assert waiting.wait(marker_directory, 0.5, until=max(until, time.monotonic() + 1), judge=judge).polls == 1


def test_a_watcher_that_dies_while_main_judges_is_noticed_after(
    start: Start, marker_directory: Path, spec: WatchSpec
) -> None:
    watcher = start("--dir", marker_directory)

    def judge(found: Ready) -> bool:
        watcher.process.kill()
        watcher.process.wait()
        return False

    with pytest.raises(WatcherDied):
        main(marker_directory, spec, judge)


def test_what_the_condition_raises_is_mains(start: Start, marker_directory: Path, spec: WatchSpec) -> None:
    start("--dir", marker_directory)
    with pytest.raises(ZeroDivisionError):
        main(marker_directory, spec, lambda found: bool(1 // 0))
    assert restless(marker_directory) == ["candidate-1", "request"]


def test_main_that_is_restarted_judges_what_has_no_verdict(
    start: Start, marker_directory: Path, spec: WatchSpec
) -> None:
    start("--dir", marker_directory)
    with pytest.raises(ZeroDivisionError):
        main(marker_directory, spec, lambda found: bool(1 // 0))
    assert main(marker_directory, spec, lambda found: True).polls == 1


def test_main_that_is_restarted_does_not_judge_again_what_it_accepted(
    start: Start, marker_directory: Path, spec: WatchSpec
) -> None:
    contract.write(marker_directory, Request(spec=spec, candidates=True))
    contract.offer(marker_directory, FOUND, 1)
    contract.decide(marker_directory, 1, Verdict(accepted=True))
    start("--dir", marker_directory)
    assert main(marker_directory, spec, lambda found: bool(1 // 0)) == FOUND


@pytest.mark.parametrize("at", ["offered", "accepted", "refused"])
def test_a_watcher_that_is_killed_goes_on_where_it_was(
    at: str, start: Start, marker_directory: Path, spec: WatchSpec
) -> None:
    watcher = start("--dir", marker_directory)
    waiting.ask(marker_directory, spec, candidates=True)
    eventually(lambda: contract.undecided(marker_directory) == 1, "a candidate")
    candidate = contract.offered(marker_directory)
    watcher.process.kill()
    watcher.process.wait()
    if at != "offered":
        contract.decide(marker_directory, 1, Verdict(accepted=at == "accepted"))
    if at == "accepted":
        Path(str(spec.uri)).unlink()  # what was accepted was there
    numbers: list[int] = []
    start("--dir", marker_directory)

    def judge(found: Ready) -> bool:
        numbers.append(contract.undecided(marker_directory))
        return True

    ready = main(marker_directory, spec, judge)
    assert numbers == {"offered": [1], "accepted": [], "refused": [2]}[at]
    if at != "refused":
        assert candidate
        assert ready == candidate[1]


def test_a_watcher_that_waits_for_a_verdict_lives(
    marker_directory: Path, spec: WatchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecar, "STUCK_AFTER", 0.5)
    spec = WatchSpec(**{**vars(spec), "request_timeout": 0.1})
    waiting.ask(marker_directory, spec, candidates=True)
    watcher = Sidecar(marker_directory, None, lambda event: None, threading.Event())
    watcher.check()
    worker = threading.Thread(target=watcher.work)
    worker.start()
    eventually(lambda: contract.undecided(marker_directory) == 1, "a candidate")
    time.sleep(2)  # it counts as stuck after 0.8 s
    assert watcher.alive()
    contract.decide(marker_directory, 1, Verdict(accepted=True))
    worker.join()
    assert contract.read(marker_directory, Ready)


def test_a_second_watcher_in_the_same_directory_does_no_harm(
    start: Start, marker_directory: Path, spec: WatchSpec
) -> None:
    for _ in range(2):
        start("--dir", marker_directory)
    judged: list[Ready] = []

    def judge(found: Ready) -> bool:
        judged.append(found)
        return len(judged) > 5

    assert main(marker_directory, spec, judge) == judged[-1]


def test_what_another_watcher_offered_meanwhile_and_main_accepted_is_not_offered_again(
    spec: WatchSpec, marker_directory: Path
) -> None:
    diary, stop = Diary(), threading.Event()
    Path(str(spec.uri)).unlink()
    contract.write(marker_directory, Request(spec=spec, candidates=True))
    watcher = Sidecar(marker_directory, None, diary.append, stop)
    thread = threading.Thread(target=watcher.work, daemon=True)
    thread.start()
    eventually(lambda: bool(diary.of(Polled)), "a look")
    contract.offer(marker_directory, FOUND, 1)
    contract.decide(marker_directory, 1, Verdict(accepted=True))
    Path(str(spec.uri)).write_text("1")
    try:
        eventually(lambda: watcher.answer is not None, "the answer")
    finally:
        stop.set()
        thread.join(30)
    assert watcher.answer == FOUND
    assert contract.last_number(marker_directory) == 1


def test_ready_without_a_verdict_is_refused_as_an_older_watcher_would_write_it(
    marker_directory: Path, spec: WatchSpec
) -> None:
    contract.write(marker_directory, FOUND)
    with pytest.raises(
        MarkerError, match="'ready' tells of what main did not accept; use the watcher image of the same"
    ):
        main(marker_directory, spec, lambda found: True)
    contract.offer(marker_directory, FOUND, 1)
    contract.decide(marker_directory, 1, Verdict(accepted=False))
    with pytest.raises(MarkerError, match="'ready' tells of what main did not accept"):
        main(marker_directory, spec, lambda found: True)


def test_ready_that_comes_at_the_last_moment_without_a_verdict_is_refused_too(
    marker_directory: Path, spec: WatchSpec
) -> None:
    waiting.ask(marker_directory, spec, candidates=True)
    contract.offer(marker_directory, FOUND, 1)

    def judge(found: Ready) -> bool:
        contract.write(marker_directory, FOUND)
        return False

    with pytest.raises(MarkerError, match="'ready' tells of what main did not accept"):
        waiting.wait(marker_directory, 10, until=time.monotonic() - 1, judge=judge)


# The files


def test_a_request_of_another_kind_is_another_request(marker_directory: Path, spec: WatchSpec) -> None:
    waiting.ask(marker_directory, spec)
    with pytest.raises(MarkerError, match="holds another request"):
        waiting.ask(marker_directory, spec, candidates=True)


def test_candidates_are_numbered_and_older_ones_removed(marker_directory: Path) -> None:
    assert contract.undecided(marker_directory) == 0
    for number in (1, 2, 3):
        contract.offer(marker_directory, FOUND, number)
        assert contract.undecided(marker_directory) == number
        contract.decide(marker_directory, number, Verdict(accepted=False))
        contract.decide(marker_directory, number, Verdict(accepted=True))  # too late
        assert contract.decided(marker_directory, number) == Verdict(accepted=False)
        assert contract.undecided(marker_directory) == 0
        assert listing(marker_directory) == [f"candidate-{number}", f"verdict-{number}"]


@pytest.mark.parametrize("left", [["candidate-1"], ["verdict-1"], ["candidate-1", "verdict-1"]])
def test_a_watcher_that_was_killed_while_it_removed_them_does_not_use_a_number_twice(
    left: list[str], marker_directory: Path
) -> None:
    contract.offer(marker_directory, FOUND, 1)
    contract.decide(marker_directory, 1, Verdict(accepted=False))
    kept = {name: (marker_directory / name).read_bytes() for name in left}
    contract.offer(marker_directory, FOUND, 2)
    for name, data in kept.items():
        (marker_directory / name).write_bytes(data)
    assert contract.undecided(marker_directory) == 2
    assert contract.last_number(marker_directory) == 2
    contract.offer(marker_directory, FOUND, 3)
    assert listing(marker_directory) == ["candidate-3"]


def test_of_writers_at_once_one_candidate_is_the_one_to_judge(marker_directory: Path) -> None:
    writers = [threading.Thread(target=contract.offer, args=(marker_directory, FOUND, 1)) for _ in range(8)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert contract.undecided(marker_directory) == 1
    assert listing(marker_directory) == ["candidate-1"]


@pytest.mark.parametrize(
    "name", ["candidate-", "candidate-x", "candidate-1x", "candidate-¹", "candidates-1", "verdict"]
)
def test_other_names_are_no_candidates(name: str, marker_directory: Path) -> None:
    (marker_directory / name).write_text("")
    assert contract.undecided(marker_directory) == 0
    assert contract.offered(marker_directory) is None


@pytest.mark.parametrize(
    "content", [{"version": 1, "accepted": "yes"}, {"version": 2, "accepted": True}, {"version": 1}]
)
def test_a_verdict_that_is_none_is_a_marker_error(content: dict[str, Any], marker_directory: Path) -> None:
    (marker_directory / "verdict-1").write_text(json.dumps(content))
    with pytest.raises(MarkerError, match="verdict-1: is not what this version writes"):
        contract.decided(marker_directory, 1)
