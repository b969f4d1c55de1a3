"""What happens to each wait: a pure function of a seed and the wait's number, so that a run can be repeated.

All times are seconds after main asks, negative ones before; those that "never" come are infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

ALLOWED_SKEW = 900.0
"""Seconds: S3 refuses requests whose clock differs by more."""

PERIODS = ("refuse", "reset", "latency", "throttle", "server_error", "silence", "cut", "drip")
"""Faults that last: each connection and request meets them meanwhile."""

STALE = "stale"
"""A fault of a moment: connections that are open are forgotten by something on the way, and reset when used again."""

STORIES = {
    "object": 58,  # the object comes in time
    "never": 8,
    "late": 6,  # it comes after the wait has ended
    "edge": 1,  # it comes at the deadline: either end is right
    "bucket_missing": 6,
    "bucket_later": 8,  # and the wait's policy is to wait for it
    "credentials": 5,  # wrong ones
    "dead": 4,  # the watcher is killed and not restarted
    "twins": 4,  # a second watcher, with wrong credentials, in the same directory: the first answer counts
}
"""What the wait is about, and its weight."""

STEPS = (-86400.0, -3600.0, -960.0, -840.0, -60.0, 60.0, 840.0, 960.0, 3600.0, 86400.0)
"""Seconds by which clocks step: some more than S3 allows, some less."""

DETECTIONS = {"poll": 75, "auto": 15, "events": 10}
"""How the object is noticed, and its weight."""

RARELY = 0.8
"""Part of the timeout between two polls of half the waits with events: only an event finds the object in time."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something on the way to the server.

    Attributes:
        kind: one of `PERIODS`, or `STALE`.
        start: when it begins.
        end: when it ends.
        share: how much of it: of the request timeout for ``latency``, of the answer for ``cut``.
    """

    kind: str
    start: float
    end: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One wait, and what happens to it.

    Attributes:
        index: its number.
        story: one of `STORIES`.
        timeout: as in WatchSpec, and so are the next four.
        poll_interval: .
        detection: .
        request_timeout: .
        heartbeat_interval: .
        watcher_at: when the watcher is first started; before main asks, or after.
        bucket_at: when the bucket is made.
        put_at: when the object is stored.
        faults: one after the other.
        kills: when the watcher is killed (SIGKILL) and restarted.
        dies_at: when it is killed for good.
        backoff: pause before the second restart; doubles with each further one, as the kubelet's. The first has none.
        step: by how many seconds the watcher's wall clock steps; 0: not.
        step_at: when.
        volume: ``full``, ``read-only`` or nothing: what happens to the marker volume.
        volume_at: when.
        volume_until: when it is mended.
        main_restarts_at: when main's container begins anew in the same pod.
        kill_after: whether the watcher is killed and restarted once it has answered.
        twin_at: when the second watcher is started.
    """

    index: int
    story: str
    timeout: float
    poll_interval: float
    detection: str
    request_timeout: float
    heartbeat_interval: float
    watcher_at: float
    bucket_at: float
    put_at: float
    faults: tuple[Fault, ...]
    kills: tuple[float, ...]
    dies_at: float
    backoff: float
    step: float
    step_at: float
    volume: str
    volume_at: float
    volume_until: float
    main_restarts_at: float
    kill_after: bool
    twin_at: float

    @property
    def is_skewed(self) -> bool:
        """Whether the clock steps by more than the server allows."""
        return abs(self.step) > ALLOWED_SKEW


def plan(seed: int, index: int) -> Plan:
    """The wait of that number."""
    rng = Random(f"{seed}/{index}")
    story = rng.choices(list(STORIES), list(STORIES.values()))[0]
    timeout = round(rng.triangular(1.0, 8.0, 2.0), 3)
    beat = round(rng.uniform(0.5, 1.0), 3)
    steps = story in {"object", "never"} and rng.random() < 0.2
    volume = rng.choice(("full", "read-only")) if rng.random() < 0.12 else ""
    volume_at = rng.uniform(-0.2, 0.8 * timeout) if volume else math.inf
    bucket_at = {"bucket_missing": math.inf, "bucket_later": rng.uniform(0.1, 0.5) * timeout}.get(story, -math.inf)
    detection, is_rare = _detection(Random(f"{seed}/{index}/detection"))
    poll_interval = round(rng.uniform(0.05, 0.5), 3)
    return Plan(
        index=index,
        story=story,
        timeout=timeout,
        poll_interval=round(RARELY * timeout, 3) if is_rare else poll_interval,
        detection=detection,
        request_timeout=round(rng.uniform(0.3, 1.0) if rng.random() < 0.2 else rng.uniform(1.0, 2.0), 3),
        heartbeat_interval=beat,
        watcher_at=rng.uniform(-1.0, 0.6),
        bucket_at=bucket_at,
        put_at=_put_at(rng, story, timeout, bucket_at),
        faults=_faults(rng, timeout),
        kills=tuple(sorted(rng.uniform(-0.3, timeout + 0.3) for _ in range(rng.choice((0, 0, 0, 1, 1, 2))))),
        dies_at=rng.uniform(-0.2, 0.8 * timeout) if story == "dead" else math.inf,
        backoff=beat * rng.choice((0.2, 0.2, 1.0)),
        step=rng.choice(STEPS) if steps else 0.0,
        step_at=rng.uniform(-0.5, 0.8 * timeout) if steps else math.inf,
        volume=volume,
        volume_at=volume_at,
        volume_until=volume_at + rng.uniform(0.1, 1.0) if rng.random() < 0.7 else math.inf,
        main_restarts_at=rng.uniform(0.1, timeout) if rng.random() < 0.08 else math.inf,
        kill_after=rng.random() < 0.15,
        twin_at=rng.uniform(0.0, 0.5 * timeout) if story == "twins" else math.inf,
    )


def _detection(rng: Random) -> tuple[str, bool]:
    """How the object is noticed, and whether polls are rare."""
    detection = rng.choices(list(DETECTIONS), list(DETECTIONS.values()))[0]
    return detection, detection != "poll" and rng.random() < 0.5


def _put_at(rng: Random, story: str, timeout: float, bucket_at: float) -> float:
    if story == "edge":
        return timeout + rng.uniform(-0.05, 0.05)
    if story not in {"object", "bucket_later", "dead", "twins"}:
        return math.inf  # a late one is stored when the wait has ended
    if story == "object" and rng.random() < 0.15:
        return rng.uniform(-0.8, -0.3)  # there before the wait
    return rng.uniform(max(0.0, bucket_at), timeout - 0.35)


def _faults(rng: Random, timeout: float) -> tuple[Fault, ...]:
    """Up to three; one in eight lasts to the end, the others end well before the deadline."""
    found: list[Fault] = []
    begin = -0.3
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        start = begin + rng.uniform(0.0, 0.4 * timeout)
        kind = rng.choice((*PERIODS, STALE))
        end = start if kind == STALE else start + rng.uniform(0.1, 2.0)
        if kind != STALE and rng.random() < 0.12:
            end = math.inf
        elif end > timeout - 0.25:
            break
        found.append(Fault(kind=kind, start=start, end=end, share=rng.uniform(0.05, 1.3 if kind == "latency" else 1.0)))
        begin = end + 0.02
        if math.isinf(end):
            break
    return tuple(found)


@dataclass(frozen=True)
class Outage:
    """The server is killed, and started again.

    Attributes:
        at: which part of all waits has ended by then, 0 to 1.
        seconds: how long it is away, the time that it needs to start not counted.
    """

    at: float
    seconds: float


def outages(seed: int, waits: int) -> tuple[Outage, ...]:
    """One for a hundred waits."""
    rng = Random(f"{seed}/server")
    count = max(1, waits // 100)
    return tuple(Outage((number + rng.random()) / count, rng.uniform(0.1, 2.0)) for number in range(count))
