"""The judge sees each kind of violation: else a run without any would prove nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from objectstore_watcher.contract import Ready
from objectstore_watcher.errors import KINDS

from tests.chaos import schedule
from tests.chaos.judge import judge
from tests.chaos.record import DATA, ETAG, Beat, Exchange, Life, Record, Sighting, Stream, Window

URI = "s3://bucket/key-1"
ASKED, DEADLINE, STORED, ANSWERED = 100.0, 105.0, 102.0, 102.3
OBJECT = {"uri": URI, "etag": ETAG, "size": len(DATA)}
READY = json.dumps({"version": 1, "uri": URI, "objects": [OBJECT]}).encode()


def failed(kind: str) -> bytes:
    return json.dumps({"version": 1, "uri": URI, "kind": kind}).encode()


def good() -> Record:
    """A wait as it should be: asked, stored, found, answered, told."""
    plan = replace(
        schedule.plan(0, 0),
        story="object",
        poll_interval=0.5,
        detection="auto",
        heartbeat_interval=0.5,
        faults=(),
        kills=(),
        step=0.0,
        step_at=math.inf,
        volume="",
    )
    return Record(
        plan,
        uri=URI,
        asked=ASKED,
        deadline=DEADLINE,
        deadlines={DEADLINE},
        put=Window("put", STORED, STORED + 0.01),
        end=Ready.NAME,
        ended=ANSWERED + 0.02,
        waits=[ASKED],
        looks=[ASKED + 0.02 * n for n in range(1, 117)],
        exchanges=[
            Exchange(arrived=ASKED + 0.1, ended=ASKED + 0.11, method="HEAD", status=404, code="NoSuchKey"),
            Exchange(arrived=ANSWERED - 0.02, ended=ANSWERED - 0.01, method="HEAD", status=200),
        ],
        streams=[Stream(began=ASKED + 0.2, ended=ANSWERED + 0.3, events=[ANSWERED - 0.03])],
        lives=[Life(started=ASKED - 1, ended=ANSWERED + 0.3, code=0, terminated=ANSWERED + 0.25)],
        beats=[Beat(after=ASKED + 0.4 * n - 0.01, before=ASKED + 0.4 * n) for n in range(-2, 7)],
        sightings=[Sighting(ANSWERED, "ready", "created", READY)],
        last={"ready": READY},
    )


def given_up(record: Record) -> None:
    """No object came, and the wait ended at the deadline."""
    record.put = None
    record.exchanges.pop()
    record.streams[0].events = []
    answered(record, "failed", failed("deadline_exceeded"), DEADLINE + 0.1)
    record.end = "deadline_exceeded"
    record.beats += [Beat(after=ANSWERED + 0.4 * n, before=ANSWERED + 0.4 * n + 0.01) for n in range(1, 8)]


def answered(record: Record, name: str, data: bytes, at: float) -> None:
    record.sightings, record.last = [Sighting(at, name, "created", data)], {name: data}
    record.ended = at + 0.02
    record.lives = [Life(started=ASKED - 1, ended=at + 0.3, code=0, terminated=at + 0.25)]
    record.looks = [ASKED + 0.02 * n for n in range(1, int((at - ASKED) / 0.02) + 2)]


def test_a_wait_that_finds_its_object_is_right() -> None:
    assert judge(good()).violations == ()
    assert judge(good()).ambiguous == ""


def test_a_wait_that_ends_at_its_deadline_is_right() -> None:
    record = good()
    given_up(record)
    assert judge(record).violations == ()


def test_an_object_that_comes_with_the_deadline_may_be_found_or_not() -> None:
    record = good()
    given_up(record)
    record.put = Window("put", DEADLINE - 0.01, DEADLINE + 0.01)
    assert judge(record).violations == ()
    assert judge(record).ambiguous


@pytest.mark.parametrize(("began", "is_right"), [(DEADLINE + 0.01, True), (DEADLINE - 0.01, False)])
def test_a_slow_last_look_excuses_only_if_it_is_the_last(began: float, is_right: bool) -> None:
    record = good()
    given_up(record)
    record.put = Window("put", STORED, STORED + 0.01)
    record.detail = KINDS["timeout"].cause
    record.exchanges.append(Exchange(arrived=began, ended=DEADLINE + 0.05, method="HEAD"))
    verdict = judge(record)
    assert (verdict.violations == (), bool(verdict.ambiguous)) == (is_right, is_right)


Change = Callable[[Record], None]


def half_a_marker(record: Record) -> None:
    record.sightings[0] = replace(record.sightings[0], data=READY[:20], problem="no JSON")
    record.last = {"ready": READY[:20]}


def both_markers(record: Record) -> None:
    record.sightings.append(Sighting(ANSWERED + 0.1, "failed", "created", failed("internal")))
    record.last["failed"] = failed("internal")


def a_changed_marker(record: Record) -> None:
    record.sightings.append(Sighting(ANSWERED + 0.1, "ready", "modified", READY))


def a_marker_that_goes(record: Record) -> None:
    record.last = {}


def another_object(record: Record) -> None:
    other = READY.replace(ETAG.encode(), b"other")
    record.sightings[0] = replace(record.sightings[0], data=other)
    record.last = {"ready": other}


def no_object(record: Record) -> None:
    record.put = None


def nobody_said_so(record: Record) -> None:
    record.exchanges.pop()


def main_gets_another_kind(record: Record) -> None:
    record.end = "bucket_missing"


def main_waits_on(record: Record) -> None:
    record.end, record.ended = "", math.inf


def main_crashes(record: Record) -> None:
    record.end = "crash"


def too_early(record: Record) -> None:
    given_up(record)
    answered(record, "failed", failed("deadline_exceeded"), DEADLINE - 1)


def there_and_given_up(record: Record) -> None:
    given_up(record)
    record.put = Window("put", STORED, STORED + 0.01)


def another_deadline(record: Record) -> None:
    record.deadlines.add(DEADLINE + 3)


def looks_that_do_not_end(record: Record) -> None:
    given_up(record)
    record.exchanges += [
        Exchange(arrived=DEADLINE + 0.01 * n, ended=DEADLINE + 0.01 * n, method="HEAD", status=404, code="NoSuchKey")
        for n in range(1, 9)
    ]


def an_event_without_a_look(record: Record) -> None:
    there_and_given_up(record)
    record.streams[0].events = [STORED]


def no_safety_poll(record: Record) -> None:
    there_and_given_up(record)
    record.deadline, record.streams = DEADLINE + 5, []
    record.plan = replace(record.plan, poll_interval=0.1)


def polls_as_without_events(record: Record) -> None:
    record.exchanges[1:1] = [
        Exchange(arrived=ASKED + 0.1 * n, ended=ASKED + 0.1 * n, method="HEAD", status=404, code="NoSuchKey")
        for n in range(2, 20)
    ]


def a_stream_that_nobody_asked_for(record: Record) -> None:
    record.plan = replace(record.plan, detection="poll")


def wrong_exit(record: Record) -> None:
    record.lives[0].code = 1


def died_with_a_heartbeat(record: Record) -> None:
    record.end, record.sightings, record.last = "watcher_died", [], {}


def silence_that_is_not_noticed(record: Record) -> None:
    given_up(record)
    record.beats = [beat for beat in record.beats if beat.before < ASKED + 1]


def unwritable_without_a_cause(record: Record) -> None:
    record.end, record.sightings, record.last = "marker_unwritable", [], {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (half_a_marker, "no marker: no JSON"),
        (both_markers, "more than one answer"),
        (a_changed_marker, "ready modified"),
        (a_marker_that_goes, "ready is None in the end"),
        (another_object, "ready tells of another object"),
        (no_object, "ready without an object"),
        (nobody_said_so, "ready, and no server has said so"),
        (main_gets_another_kind, "main ended with bucket_missing, and the marker says ready"),
        (main_waits_on, "main still waits"),
        (main_crashes, "main crashed"),
        (too_early, "given up 1.000 s before the deadline"),
        (there_and_given_up, "right was ['ready']"),
        (another_deadline, "the deadline moved"),
        (looks_that_do_not_end, "8 looks of 1 watchers after the deadline"),
        (an_event_without_a_look, "an event told of the object, and 7 heartbeats later nobody had looked"),
        (no_safety_poll, "the object was stored, and"),
        (polls_as_without_events, "13 looks in 1.600 s while events came"),
        (a_stream_that_nobody_asked_for, "a stream, and polls were asked for"),
        (wrong_exit, "a watcher ended with 1"),
        (died_with_a_heartbeat, "main took the watcher for dead after at most"),
        (silence_that_is_not_noticed, "after 3 heartbeats had stayed out"),
        (unwritable_without_a_cause, "the markers were said to be unwritable"),
    ],
)
def test_a_violation_is_seen(change: Change, told: str) -> None:
    record = good()
    change(record)
    violations = judge(record).violations
    assert any(told in violation for violation in violations), violations


def test_the_schedule_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert [schedule.plan(7, n) for n in range(50)] == [schedule.plan(7, n) for n in range(50)]
    assert schedule.plan(7, 1) != schedule.plan(8, 1)
    assert schedule.outages(7, 500) == schedule.outages(7, 500)


def test_a_schedule_of_five_hundred_has_every_fault_and_every_story() -> None:
    plans = [schedule.plan(1, n) for n in range(500)]
    assert {plan.story for plan in plans} == set(schedule.STORIES)
    assert {fault.kind for plan in plans for fault in plan.faults} == {*schedule.PERIODS, schedule.STALE}
    assert {plan.volume for plan in plans} == {"", "full", "read-only"}
    assert {plan.step for plan in plans if plan.step} == set(schedule.STEPS)
    assert {plan.detection for plan in plans} == set(schedule.DETECTIONS)
    assert any(plan.kills for plan in plans)
    assert any(plan.watcher_at < 0 for plan in plans)
    assert any(plan.watcher_at > 0 for plan in plans)
