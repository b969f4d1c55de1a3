"""Main's side of the contract: ask, then wait for the answer and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from objectstore_watcher.changes import Changes
from objectstore_watcher.contract import (
    HEARTBEATS_MISSED,
    PATIENCE,
    Failed,
    Ready,
    Request,
    Verdict,
    WatchSpec,
    answered,
    decide,
    decided,
    last_heartbeat,
    offered,
    read,
    terminal,
    undecided,
    write,
)
from objectstore_watcher.errors import MarkerError, WatcherDied

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from pathlib import Path

LONGEST_PAUSE = 1.0
"""Seconds between two looks at the directory, where nothing appears in it: for the heartbeat, and as the net."""

LOOKS_PER_HEARTBEAT = 4
"""Looks in the interval between two heartbeats, where that is shorter."""


Judge = Callable[[Ready], bool]
"""Main's own condition: whether what was found is what is waited for."""


@dataclass
class Pulse:
    """What a wait has seen of the heartbeat.

    Attributes:
        seen: the last, as `contract.last_heartbeat` tells it; -1: none was looked for yet.
        since: when it was new, on the monotonic clock, which all processes of a machine share.
    """

    seen: int = -1
    since: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108  # tests have a clock of their own


@dataclass(frozen=True)
class Relief:
    """Another process that can go on with a wait.

    Attributes:
        after: seconds without an answer.
        hand_over: goes on there; where that cannot be, it returns, and the wait goes on here.
    """

    after: float
    hand_over: Callable[[], None]


def ask(directory: Path, spec: WatchSpec, *, candidates: bool = False) -> Request:
    """Write the request, unless this pod's main wrote it before it was restarted; returns the one that counts.

    Args:
        directory: the marker directory.
        spec: what to wait for.
        candidates: main judges what is found before it counts.

    Raises:
        MarkerError: the directory is missing, read-only or full, or holds another request.
    """
    request = Request(spec=spec, candidates=candidates)
    try:
        write(directory, request)
    except FileExistsError:
        before = read(directory, Request)
        if before is None or (before.spec, before.candidates) != (spec, candidates):
            raise MarkerError(
                str(directory), "holds another request", cure="use an empty directory for each wait"
            ) from None
        return before
    return request


def wait(
    directory: Path,
    heartbeat_interval: float,
    *,
    until: float,
    judge: Judge | None = None,
    sleep: Callable[[float], None] | None = None,
    pulse: Pulse | None = None,
    relief: Relief | None = None,
) -> Ready:
    """Wait until the watcher says ``ready`` or ``failed``, or dies.

    Args:
        directory: the marker directory.
        heartbeat_interval: seconds between two heartbeats, as the watcher was told.
        until: when a watcher that lives must have answered, on the monotonic clock: `Request.answer_due`.
        judge: main's own condition, where it was asked with ``candidates``; what it raises ends the wait.
        sleep: how to pause between two looks, in seconds; by default until something appears in the directory.
        pulse: what was seen of the heartbeat, kept up to date: another process may go on with this wait.
        relief: who goes on with this wait.

    Raises:
        WaitError: what the marker ``failed`` says.
        WatcherDied: no heartbeat for `HEARTBEATS_MISSED` intervals; or no answer by ``until``.
        MarkerError: a marker cannot be read; or the watcher did not ask for main's judgement.
    """
    with Changes(directory) as changes:
        return _wait(
            directory, heartbeat_interval, until, judge, sleep or changes.wait, pulse=pulse or Pulse(), relief=relief
        )


def _wait(
    directory: Path,
    heartbeat_interval: float,
    until: float,
    judge: Judge | None,
    sleep: Callable[[float], None],
    *,
    pulse: Pulse,
    relief: Relief | None,
) -> Ready:
    began = time.monotonic()
    limit = heartbeat_interval * HEARTBEATS_MISSED
    pause = min(LONGEST_PAUSE, heartbeat_interval / LOOKS_PER_HEARTBEAT)
    while True:
        if answer := _answer(directory):
            return _accepted(directory, answer) if judge else answer
        if judge and (taken := _judge_last(directory, judge)):
            # Main's own condition may take as long as it likes: the watcher's times stand still meanwhile.
            pulse.since, until = pulse.since + taken, until + taken
        # Before the heartbeat is read: a main that is held up between the two must not take that for silence.
        now = time.monotonic()
        beat = last_heartbeat(directory)
        is_silent = beat == pulse.seen and now - pulse.since > limit
        if beat != pulse.seen:
            pulse.seen, pulse.since = beat, time.monotonic()
        if is_silent or now > until:
            # The watcher may have answered between the two looks above.
            if answer := _answer(directory):
                return _accepted(directory, answer) if judge else answer
            raise WatcherDied(str(directory), _last_words(pulse.seen, limit) if now <= until else _SILENT)
        if relief and now - began > relief.after:
            relief.hand_over()
            relief = None
        sleep(pause)


def _judge_last(directory: Path, judge: Judge) -> float:
    """Judge the candidate that waits for it, if one does; the seconds that this took."""
    if not undecided(directory) or (last := offered(directory)) is None:
        return 0.0
    began = time.monotonic()
    number, candidate = last
    decide(directory, number, Verdict(accepted=judge(candidate)))
    return time.monotonic() - began


def _accepted(directory: Path, answer: Ready) -> Ready:
    """``answer``, if main has accepted it."""
    last = offered(directory)
    verdict = decided(directory, last[0]) if last else None
    if last is None or last[1] != answer or not (verdict and verdict.accepted):
        raise MarkerError(
            str(directory),
            "'ready' tells of what main did not accept",
            cure="use the watcher image of the same version as the sensor package",
        )
    return answer


def _answer(directory: Path) -> Ready | None:
    if not answered(directory):
        return None
    answer = terminal(directory)
    if isinstance(answer, Failed):
        raise answer.error()
    return answer


_SILENT = f"the watcher lives, but gave no answer within {PATIENCE:g} s of its last look, at the deadline"


def _last_words(seen: int, limit: float) -> str:
    if seen > 0:
        return f"the watcher gave no sign of life for {limit:g} s"
    return f"the watcher gave no sign of life within {limit:g} s of the start"
