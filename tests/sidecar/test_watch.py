from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from objectstore_watcher.contract import Matched, Ready, Request
from objectstore_watcher.errors import DeadlineExceeded, InvalidArgument, StoreError
from objectstore_watcher.stores import Found
from objectstore_watcher.targets import Target
from objectstore_watcher.watch import (
    BACKOFF_CAP,
    BACKOFF_FIRST,
    GaveUp,
    Pausing,
    Polled,
    Requested,
    Started,
    Stopped,
    Succeeded,
    watch,
)

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.sidecar.tools import Diary, VirtualTime, highest

URI = "s3://bucket/key"

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")
DOWN = Answer(500)


def wait(request: Request, time: VirtualTime, diary: Diary | None = None) -> Ready:
    observe = diary.append if diary is not None else lambda event: None
    return watch(request, stop=time, observe=observe, clock=time.clock, uniform=highest)


def wait_for(server: FakeS3, time: VirtualTime, diary: Diary | None = None, **options: float | str) -> Ready:
    # A region and credentials that cost nothing to find.
    return wait(time.request(URI, endpoint=server.endpoint, **options), time, diary)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_an_object_that_is_there_is_found_at_the_first_look_without_a_pause() -> None:
    time = VirtualTime()
    with FakeS3(found(b"12345", x_amz_version_id="v7")) as server:
        ready = wait_for(server, time)
    assert time.pauses == []
    assert ready == Ready(
        uri=URI,
        objects=(
            Matched(
                uri=URI,
                size=5,
                etag="8d777f385d3dfec8815d20f7496026dc",
                version_id="v7",
                last_modified="2026-06-01T12:00:00.000Z",
            ),
        ),
        detected_at=ready.detected_at,
        detected_by="poll",
        polls=1,
        requests=1,
        waited=0.0,
    )


def test_looks_are_a_poll_interval_apart_after_the_jitter_of_the_first() -> None:
    time = VirtualTime()
    with FakeS3(*[ABSENT] * 5, found()) as server:
        ready = wait_for(server, time, poll_interval=10)
    assert time.pauses == [10] * 5
    assert (ready.polls, ready.requests, ready.waited) == (6, 6, 50.0)


def test_the_first_pause_is_any_part_of_the_interval_so_that_sensors_started_together_do_not_poll_in_step() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return 3.25

    time = VirtualTime()
    with FakeS3(*[ABSENT] * 4, found()) as server:
        request = time.request(URI, endpoint=server.endpoint, poll_interval=10)
        watch(request, stop=time, observe=lambda event: None, clock=time.clock, uniform=uniform)
    assert asked == [(0, 10)]
    assert time.pauses == [3.25, 10, 10, 10]


@pytest.mark.parametrize(("taken", "pause"), [(4, 6), (10, 0), (25, 0)])
def test_the_time_that_a_look_takes_is_part_of_the_interval(taken: float, pause: float) -> None:
    time = VirtualTime()

    def observe(event: object) -> None:
        time.now += taken if isinstance(event, Requested) else 0

    with FakeS3(ABSENT, ABSENT, found()) as server:
        request = time.request(URI, endpoint=server.endpoint, poll_interval=10)
        watch(request, stop=time, observe=observe, clock=time.clock, uniform=highest)
    assert time.pauses == [10, pause]


def test_the_wait_ends_at_the_deadline_with_a_last_look(tmp_path: Path) -> None:
    time = VirtualTime()
    request = time.request(str(tmp_path / "absent"), poll_interval=10, timeout=25)
    with pytest.raises(DeadlineExceeded) as late:
        wait(request, time)
    assert time.pauses == [10, 10, 5]
    assert time.now == request.deadline
    assert "the object did not appear within 25 s in 4 looks; check the producer" in str(late.value)


def test_an_object_that_comes_just_before_the_deadline_is_found(tmp_path: Path) -> None:
    time = VirtualTime(at_pause={3: (tmp_path / "file").touch})
    ready = wait(time.request(str(tmp_path / "file"), poll_interval=10, timeout=25), time)
    assert (ready.polls, ready.waited) == (4, 25.0)


def test_a_look_that_the_deadline_comes_into_is_not_the_last(tmp_path: Path) -> None:
    """It may have been answered just before the object came, and the object was there in time."""
    time = VirtualTime()
    request = time.request(str(tmp_path / "file"), poll_interval=10, timeout=25)

    def observe(event: object) -> None:
        if isinstance(event, Requested) and time.now == request.requested_monotonic + 20:
            time.now += 6  # the look takes so long
            (tmp_path / "file").touch()

    ready = watch(request, stop=time, observe=observe, clock=time.clock, uniform=highest)
    assert (ready.polls, ready.waited) == (4, 26.0)


def test_a_look_gets_the_time_until_the_deadline_and_no_more() -> None:
    time, given = VirtualTime(), list[float]()

    class Nothing:
        def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
            given.append(within)
            return ()

        def read(self, within: float, target: Target, most: int = 0) -> bytes | None:
            return None

        def write(self, within: float, target: Target, data: bytes) -> None:
            raise NotImplementedError

        def tags(self, within: float, target: Target) -> None:
            return None

    request = time.request(URI, poll_interval=10, timeout=25)
    with pytest.raises(DeadlineExceeded):
        watch(
            request,
            stop=time,
            observe=lambda event: None,
            opened_by=lambda spec, on_request: Nothing(),
            clock=time.clock,
            uniform=highest,
        )
    assert given == [25, 15, 5, 0]


@pytest.mark.parametrize("exists", [True, False])
def test_after_the_deadline_one_look_decides(tmp_path: Path, exists: bool) -> None:
    """A watcher that was restarted too late must not miss what is there, nor wait on."""
    time = VirtualTime()
    request = time.request(str(tmp_path / "file"), timeout=25)
    time.now += 1000
    if exists:
        (tmp_path / "file").touch()
        assert wait(request, time).polls == 1
    else:
        with pytest.raises(DeadlineExceeded, match="in 1 look;"):
            wait(request, time)
    assert time.pauses == []


def test_pauses_after_errors_double_up_to_a_cap() -> None:
    time = VirtualTime()
    with FakeS3(*[DOWN] * 9, found()) as server:
        wait_for(server, time, poll_interval=1)
    assert (BACKOFF_FIRST, BACKOFF_CAP) == (1, 30)
    assert time.pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_pauses_after_errors_have_full_jitter() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high / 2

    time = VirtualTime()
    with FakeS3(*[DOWN] * 3, found()) as server:
        request = time.request(URI, endpoint=server.endpoint)
        watch(request, stop=time, observe=lambda event: None, clock=time.clock, uniform=uniform)
    assert asked == [(0, 1), (0, 2), (0, 4)]
    assert time.pauses == [0.5, 1, 2]


@pytest.mark.parametrize("slow", [error(503, "SlowDown"), Answer(429)], ids=["503", "429"])
def test_a_server_that_is_overloaded_is_asked_more_seldom_than_the_interval_never_more_often(slow: Answer) -> None:
    time = VirtualTime()
    with FakeS3(ABSENT, *[slow] * 7, ABSENT, DOWN, slow, found()) as server:
        wait_for(server, time, poll_interval=100)
    assert time.pauses == [100, 101, 102, 104, 108, 116, 130, 130, 100, 1, 102]


def test_the_pauses_of_an_overloaded_server_have_full_jitter_on_top_of_the_interval() -> None:
    time = VirtualTime()
    with FakeS3(*[Answer(503)] * 3, found()) as server:
        request = time.request(URI, endpoint=server.endpoint, poll_interval=100)
        watch(request, stop=time, observe=lambda event: None, clock=time.clock, uniform=lambda low, high: low)
    assert time.pauses == [100, 100, 100]


@pytest.mark.parametrize(("interval", "spread"), [(0.5, 1), (10, 10), (100, 30)])
def test_sensors_that_were_started_together_on_an_overloaded_server_come_back_at_times_of_their_own(
    interval: float, spread: float
) -> None:
    time = VirtualTime()
    with FakeS3(Answer(503), Answer(503), found()) as server:
        wait_for(server, time, poll_interval=interval)
    assert time.pauses == [interval + spread, interval + 2]


def test_an_answer_resets_the_pauses_after_errors() -> None:
    time = VirtualTime()
    with FakeS3(ABSENT, DOWN, DOWN, DOWN, ABSENT, DOWN, DOWN, found()) as server:
        wait_for(server, time, poll_interval=100)
    assert time.pauses == [100, 1, 2, 4, 100, 1, 2]


@given(st.lists(st.booleans(), max_size=20))
@settings(max_examples=25)
def test_no_pause_is_longer_than_it_may_be_whatever_the_server_does(failures: list[bool]) -> None:
    time = VirtualTime()
    with FakeS3(*[DOWN if fails else ABSENT for fails in failures], found()) as server:
        wait_for(server, time, poll_interval=7, timeout=3600)
    assert len(time.pauses) == len(failures)
    assert all(pause == 7 or (fails and pause <= 30) for pause, fails in zip(time.pauses, failures, strict=True))


def test_a_deadline_during_errors_tells_the_last_of_them() -> None:
    time, diary = VirtualTime(), Diary()
    with FakeS3(DOWN) as server, pytest.raises(DeadlineExceeded) as late:
        wait_for(server, time, diary, timeout=10, poll_interval=10)
    assert "within 10 s in 5 looks, the last of which failed: the server fails (5xx)" in str(late.value)
    assert diary[-1] == GaveUp(late.value)
    assert sum(time.pauses) == 10


def test_an_error_that_waiting_cannot_help_ends_the_wait_at_once() -> None:
    time, diary = VirtualTime(), Diary()
    with FakeS3(error(404, "NoSuchBucket")) as server, pytest.raises(StoreError, match="bucket does not exist") as gone:
        wait_for(server, time, diary)
    assert time.pauses == []
    assert diary[-2:] == [Polled(gone.value), GaveUp(gone.value)]


@pytest.mark.parametrize(
    ("policy", "status", "code"),
    [("on_missing_bucket", 404, "NoSuchBucket"), ("on_forbidden", 403, "AccessDenied")],
)
def test_what_users_differ_about_is_waited_for_at_the_poll_interval_where_they_ask_for_it(
    policy: str, status: int, code: str
) -> None:
    time, diary = VirtualTime(), Diary()
    refusal = error(status, code, x_minio_error_code=code)
    with FakeS3(refusal, refusal, refusal, DOWN, refusal, found()) as server:
        wait_for(server, time, diary, poll_interval=10, **{policy: "wait"})
    assert time.pauses == [10, 10, 10, 1, 10]
    kinds = [polled.error.kind.label for polled in diary.of(Polled) if isinstance(polled, Polled) and polled.error]
    assert kinds == [kinds[0]] * 3 + ["server_error", kinds[0]]


@pytest.mark.parametrize(
    ("policy", "status", "code"),
    [("on_missing_bucket", 403, "AccessDenied"), ("on_forbidden", 404, "NoSuchBucket")],
)
def test_one_policy_is_not_the_other(policy: str, status: int, code: str) -> None:
    time = VirtualTime()
    with FakeS3(error(status, code)) as server, pytest.raises(StoreError):
        wait_for(server, time, None, **{policy: "wait"})
    assert time.pauses == []


def test_a_bucket_that_was_never_made_is_told_at_the_deadline() -> None:
    time = VirtualTime()
    with FakeS3(error(404, "NoSuchBucket")) as server, pytest.raises(DeadlineExceeded) as late:
        wait_for(server, time, timeout=20, on_missing_bucket="wait")
    assert "within 20 s in 3 looks, the last of which failed: the bucket does not exist" in str(late.value)
    assert "create the bucket" in str(late.value)


def test_an_argument_that_the_store_refuses_ends_the_wait_before_the_first_request() -> None:
    time, diary = VirtualTime(), Diary()
    with FakeS3(found()) as server, pytest.raises(InvalidArgument, match=r"--ca-file \(ca_file\)") as refused:
        wait(time.request(URI, endpoint=server.endpoint, ca_file="/no/such/file"), time, diary)
    assert server.requests == []
    assert diary[-1] == GaveUp(refused.value)


def test_the_wait_ends_when_told_to_stop(tmp_path: Path) -> None:
    time, diary = VirtualTime(stop_at=3), Diary()
    with pytest.raises(Stopped):
        wait(time.request(str(tmp_path / "absent")), time, diary)
    assert len(time.pauses) == 3
    assert diary.of(GaveUp, Succeeded) == []


def test_observers_are_told_each_step() -> None:
    time, diary = VirtualTime(), Diary()
    with FakeS3(ABSENT, DOWN, found()) as server:
        request = time.request(URI, endpoint=server.endpoint)
        ready = wait(request, time, diary)
    failure = diary[5]
    assert isinstance(failure, Polled)
    assert failure.error
    assert failure.error.kind.label == "server_error"
    assert diary[:-1] == [
        Started(request),
        Requested("head", "absent"),
        Polled(),
        Pausing(10.0),
        Requested("head", "error"),
        Polled(failure.error),
        Pausing(1.0, failure.error),
        Requested("head", "found"),
        Polled(),
    ]
    end = diary[-1]
    assert isinstance(end, Succeeded)
    assert end.ready == ready
    assert end.lag is None, "it was there before"
