"""Whether a wait went as the product promises: a pure function of the record of what really happened.

Nothing here depends on how fast the machine is: promises are held against when things happened, not when they should
have. Where a busy machine makes two ends right, or a look late enough to be given up, either is accepted and counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from signal import SIGKILL, SIGTERM

from objectstore_watcher.contract import HEARTBEATS_MISSED
from objectstore_watcher.errors import KINDS
from objectstore_watcher.watch import SAFETY_POLLS

from tests.chaos.record import DATA, ETAG, Exchange, Record, Sighting

HEADS_AFTER_DEADLINE = 3
"""HEADs that a watcher may send after the deadline: one that is under way then, the last look, and that look's second
try."""

HEARTBEATS_FOR_A_LOOK = 3
"""Heartbeats that a busy machine may bring before a look that is due: both come from the same process."""

LOOKS_BESIDES = 3
"""Looks while events flow that are neither a poll nor an event's: once the stream is there, and at the deadline."""

_DECISIVE = {
    "NoSuchBucket": "bucket_missing",
    "InvalidAccessKeyId": "credentials_invalid",
    "SignatureDoesNotMatch": "credentials_invalid",
    "RequestTimeTooSkewed": "clock_skew",
}

DEADLINE, DIED, UNWRITABLE = "deadline_exceeded", "watcher_died", "marker_unwritable"


@dataclass(frozen=True)
class Verdict:
    """What is to be said about a wait.

    Attributes:
        violations: of the product's promises.
        ambiguous: why more than one end was right, if so.
    """

    violations: tuple[str, ...] = ()
    ambiguous: str = ""


def judge(record: Record) -> Verdict:
    """Hold all promises against the record of a wait."""
    violations = [problem for rule in _RULES for problem in rule(record)]
    wrong, ambiguous = _end(record)
    return Verdict((*violations, *wrong), ambiguous)


# The markers


def _markers_are_whole_and_stay(record: Record) -> Iterator[str]:
    for sighting in record.sightings:
        if sighting.problem:
            yield f"{sighting.name} {sighting.event}, and no marker: {sighting.problem} {sighting.data!r}"
        elif sighting.event != "created":
            yield f"{sighting.name} {sighting.event}"
    for first in (s for s in record.sightings if s.event == "created"):
        if record.last.get(first.name) != first.data:
            yield f"{first.name} is {record.last.get(first.name)!r} in the end, and was {first.data!r}"


def _there_is_one_answer(record: Record) -> Iterator[str]:
    if len(record.answers) > 1 or {"ready", "failed"} <= record.last.keys():
        yield f"more than one answer: {[s.name for s in record.answers]}, in the end {sorted(record.last)}"


def _main_gets_what_the_marker_says(record: Record) -> Iterator[str]:
    for answer in record.answers:
        told = _kind(answer)
        if record.end in {DIED, UNWRITABLE}:
            if record.looks and answer.at < record.looks[-1] and answer.at < record.ended:
                yield f"main ended with {record.end} though it could read {told}"
        elif record.end != told:
            yield f"main ended with {record.end}, and the marker says {told}"
    if not record.answers and record.end not in {DIED, UNWRITABLE, ""}:
        yield f"main ended with {record.end} without a marker"


def _ready_tells_of_the_object(record: Record) -> Iterator[str]:
    for values in (_values(s) for s in record.answers if s.name == "ready"):
        if values.get("uri") != record.uri or [*_objects(values)] != [(record.uri, ETAG, len(DATA))]:
            yield f"ready tells of another object: {values}"
        if not any(exchange.status == HTTPStatus.OK for exchange in record.exchanges):
            yield "ready, and no server has said so"


def _objects(values: dict[str, object]) -> Iterator[tuple[object, ...]]:
    told = values.get("objects")
    for each in told if isinstance(told, list) else []:
        yield tuple(each.get(name) for name in ("uri", "etag", "size")) if isinstance(each, dict) else ()


def _kind(answer: Sighting) -> str:
    return "ready" if answer.name == "ready" else str(_values(answer).get("kind"))


def _values(answer: Sighting) -> dict[str, object]:
    try:
        values = json.loads(answer.data)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


# Time


def _main_never_waits_for_ever(record: Record) -> Iterator[str]:
    if not record.end:
        yield "main still waits, long after an answer was due"
    # A look that began after the answer was there returns it; so the one after that never begins.
    overlooked = sum(look > record.answered for look in record.looks)
    if overlooked > 1:
        yield f"main looked {overlooked} times while the answer was there"
    for earlier, later in _silences(record):
        looks = [look for look in record.looks if earlier <= look <= later]
        # The first look after a beat sees it, and notes the time before the second begins.
        overdue = sum(look > looks[1] + _limit(record) for look in looks[2:])
        if overdue > 1:
            yield f"main looked {overdue} times after {HEARTBEATS_MISSED} heartbeats had stayed out"


def _silences(record: Record) -> Iterator[tuple[float, float]]:
    """Times without a heartbeat in main's last wait, for certain: none was in between."""
    last = began = max(record.waits, default=math.inf)
    for beat in record.beats:
        if beat.before > began:
            yield last, beat.after
            last = max(last, beat.before)
    yield last, math.inf


def _limit(record: Record) -> float:
    return HEARTBEATS_MISSED * record.plan.heartbeat_interval


def _nobody_dies_with_a_heartbeat(record: Record) -> Iterator[str]:
    if record.end == DIED and (gap := _longest_silence(record)) <= _limit(record):
        yield f"main took the watcher for dead after at most {gap:.3f} s without a heartbeat"


def _longest_silence(record: Record) -> float:
    """Seconds without a heartbeat that main can have seen at its end, at most."""
    began = max(record.waits, default=-math.inf)
    final = max((look for look in record.looks if look <= record.ended), default=began)
    seen = [beat for beat in record.beats if beat.before <= final]
    return record.ended - max(began, seen[-1].after if seen else began)


def _the_deadline_stays(record: Record) -> Iterator[str]:
    if len(record.deadlines) > 1:
        yield f"the deadline moved: {sorted(record.deadlines)}"
    if record.end == DEADLINE and record.answered < record.deadline:
        yield f"given up {record.deadline - record.answered:.3f} s before the deadline"
    lives = sum(life.ended > record.deadline for life in record.lives)
    late = sum(e.method == "HEAD" and e.arrived > record.deadline for e in record.exchanges)
    if late > HEADS_AFTER_DEADLINE * lives:
        yield f"{late} looks of {lives} watchers after the deadline"


def _watchers_end_as_they_should(record: Record) -> Iterator[str]:
    for life in record.lives:
        right = {0, 143, -SIGTERM} if life.terminated < math.inf else set()
        right |= {-SIGKILL} if life.killed < math.inf else set()
        right |= {6} if record.was(record.volume, life.started, life.ended) else set()
        if life.code not in right:
            yield f"a watcher ended with {life.code}"


# Looks and events


def _what_is_there_is_looked_for(record: Record) -> Iterator[str]:
    """Within the time between two polls; at once where the server tells of it. Seconds count in heartbeats."""
    if record.plan.story != "object" or record.plan.step or record.volume:
        return
    moments = [("the object was stored", record.put.end, _longest_pause(record))] if record.put else []
    moments += [("an event told of the object", at, 0.0) for stream in record.streams for at in stream.events]
    for what, moment, pause in moments:
        beats = _beats_without_a_look(record, moment)
        if (beats - HEARTBEATS_FOR_A_LOOK) * record.plan.heartbeat_interval > pause:
            yield f"{what}, and {beats} heartbeats later nobody had looked"


def _longest_pause(record: Record) -> float:
    """Seconds between two polls, at most."""
    return record.plan.poll_interval * (1 if record.plan.detection == "poll" else SAFETY_POLLS)


def _beats_without_a_look(record: Record, moment: float) -> int:
    """Heartbeats from ``moment`` on without a look of a watcher that lives, was not disturbed, and has no error."""
    heads = [exchange for exchange in record.exchanges if exchange.method == "HEAD"]
    last = next((head for head in reversed(heads) if head.arrived < moment), None)
    if not last or last.status != HTTPStatus.NOT_FOUND:
        return 0
    ends = [record.answered, record.ended, record.deadline]
    ends += [min(life.ended, life.killed) for life in record.lives if min(life.ended, life.killed) > last.arrived]
    end = min([*ends, *(head.arrived for head in heads if head.arrived >= moment)])
    if record.was([*record.faults, *record.outages], last.arrived, end):
        return 0
    return sum(moment < beat.after and beat.before < end for beat in record.beats)


def _events_spare_looks(record: Record) -> Iterator[str]:
    """Polls are rare while events flow, and nobody listens who is to poll."""
    if record.plan.detection == "poll":
        if record.streams:
            yield "a stream, and polls were asked for"
        return
    if record.plan.story == "twins":
        return
    heads = [exchange for exchange in record.exchanges if exchange.method == "HEAD"]
    for stream in record.streams:
        begin = stream.began + record.plan.heartbeat_interval  # by then it is known
        end = min([stream.ended, record.answered, *(life.killed for life in record.lives if life.killed > begin)])
        looks = [head for head in heads if begin < head.arrived < end]
        told_well = all(head.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND} for head in looks)
        if not looks or not told_well or record.was([*record.faults, *record.outages], stream.began, end):
            continue
        if len(looks) > (end - begin) / _longest_pause(record) + len(stream.events) + LOOKS_BESIDES:
            yield f"{len(looks)} looks in {end - begin:.3f} s while events came"


# The end


def _end(record: Record) -> tuple[list[str], str]:  # noqa: PLR0911 # one rule after the other
    """What is wrong with how the wait ended; and why, if more than one end was right."""
    if record.end == DIED:
        return _died(record)
    if record.end == UNWRITABLE:
        broken = record.was(record.volume, record.asked, record.ended)
        return ([] if broken else [f"the markers were said to be unwritable: {record.detail}"]), ""
    if record.end == "ready" and (record.put is None or record.put.start > record.answered):
        return ["ready without an object"], ""
    if record.end in {"", "crash"}:
        return ([f"main crashed: {record.detail}"] if record.end else []), ""
    told = {kind for e in record.exchanges if (kind := _decides(record, e))}
    if _is_calm(record):
        return _calm_end(record, told)
    if record.end in told:
        return [], ""
    if record.end != DEADLINE:
        return [f"ended with {record.end}; the server told {sorted(told)}, and the deadline came in a fault"], ""
    return [], "told, and not written" if told and not _excused(record) else ""


def _died(record: Record) -> tuple[list[str], str]:
    return [], "" if _excused(record) else "a heartbeat came late"


def _excused(record: Record) -> bool:
    """Whether something was done to the watcher, or to its volume."""
    return bool(record.volume) or len(record.lives) != 1 or any(life.killed < record.ended for life in record.lives)


def _is_calm(record: Record) -> bool:
    """Whether the server and the way to it were in order from the deadline, or before, to the end."""
    return not record.was([*record.faults, *record.outages], record.deadline, max(record.ended, record.deadline))


def _calm_end(record: Record, told: set[str]) -> tuple[list[str], str]:
    truth = _truth(record)
    if record.end in truth | told:
        return [], "" if len(truth) == 1 else "the object, or the step, came with the deadline"
    if record.end != DEADLINE:
        return [f"ended with {record.end}; right was {sorted(truth | told)}"], ""
    if KINDS["timeout"].cause in record.detail and not _looked_early(record):
        return [], "the last look was slow"
    return [f"ended with {DEADLINE} ({record.detail}); right was {sorted(truth)}"], ""


def _looked_early(record: Record) -> bool:
    """Whether what the deadline came in was a look that began before it, and none came after."""
    return any(e.arrived < record.deadline < e.ended for e in record.exchanges[-1:])


def _truth(record: Record) -> set[str]:
    """How the wait must end if only the look at the deadline counts: mostly one way."""
    plan = record.plan
    if plan.story in {"bucket_missing", "credentials"}:
        return {"bucket_missing" if plan.story == "bucket_missing" else "credentials_invalid"}
    if record.put is None or record.put.start >= min(record.answered, record.ended):
        truth = {DEADLINE}
    else:
        truth = {"ready"} if record.put.end <= record.deadline else {"ready", DEADLINE}
    if plan.is_skewed and record.stepped < record.ended:
        return {"clock_skew"} if record.stepped <= record.deadline else truth | {"clock_skew"}
    return truth


def _decides(record: Record, exchange: Exchange) -> str:
    """The end that the server's answer means, if so; half an answer can be enough to understand it."""
    if exchange.status == HTTPStatus.OK:
        return "ready"
    kind = _DECISIVE.get(exchange.code, "")
    return "" if kind == "bucket_missing" and record.plan.story == "bucket_later" else kind


_RULES: tuple[Callable[[Record], Iterator[str]], ...] = (
    _markers_are_whole_and_stay,
    _there_is_one_answer,
    _main_gets_what_the_marker_says,
    _ready_tells_of_the_object,
    _main_never_waits_for_ever,
    _nobody_dies_with_a_heartbeat,
    _the_deadline_stays,
    _what_is_there_is_looked_for,
    _events_spare_looks,
    _watchers_end_as_they_should,
)
