"""``objectstore-watcher status``: what a marker directory says, for whoever looks into a pod. It only reads."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from objectstore_watcher import contract, mains, narrative
from objectstore_watcher.contract import Failed, Ready, Request
from objectstore_watcher.errors import MarkerError, WaitError, one_line
from objectstore_watcher.exits import Exit, Parser, code_of
from objectstore_watcher.history import Entry, History
from objectstore_watcher.logs import ended
from objectstore_watcher.words import duration, many

STATES = {
    "idle": "the watcher lives, and main has not asked yet",
    "waiting": "the wait goes on",
    "ready": "the object is there",
    "failed": "the wait ended without it",
    "dead": "the watcher gives no sign of life, and has not answered",
}

IDLE_LIMIT = contract.DEFAULT_HEARTBEAT_INTERVAL * contract.HEARTBEATS_MISSED
"""Seconds without a heartbeat after which a watcher that was not asked yet counts as dead."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a marker directory says.

    Attributes:
        state: one of `STATES`.
        directory: where.
        heartbeat_age: seconds since the last heartbeat, by the wall clock; None where there was none.
        request: what main asked for, if it did.
        answer: how the wait ended, if it did.
        history: what happened so far.
        judging: whether main's own condition is being asked about what was found.
    """

    state: str
    directory: str
    heartbeat_age: float | None = None
    request: Request | None = None
    answer: Ready | Failed | None = None
    history: History
    judging: bool = False

    @property
    def uri(self) -> str:
        """What is waited for; empty where nobody has asked."""
        return self.answer.uri if self.answer else self.request.spec.name if self.request else ""


def run(argv: Sequence[str]) -> int:
    """Run ``objectstore-watcher status``; returns its exit code, which is that of the wait."""
    as_json = "--json" in argv
    try:
        status = look(_directory(argv))
    except WaitError as error:
        print(f"objectstore-watcher: error: {error}", file=sys.stderr)
        if as_json:
            print(json.dumps({"state": "unreadable", "message": str(error)}))
        return code_of(error)
    print(to_json(status) if as_json else "\n".join(lines(status)))
    if status.answer:
        return code_of(status.answer.error()) if isinstance(status.answer, Failed) else Exit.READY
    return Exit.DEAD if status.state == "dead" else Exit.WAITING


def _directory(argv: Sequence[str]) -> Path:
    default = str(mains.marker_directory())
    states = "".join(f"\n  {state:8}  {meaning}" for state, meaning in STATES.items())
    parser = Parser(
        prog="objectstore-watcher status",
        description="Tell what a marker directory says; the exit code is that of the wait.",
        epilog=f"states:{states}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("directory", nargs="?", metavar="DIR", default=default, help=f"default: {default}")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    return Path(parser.parse_args(argv).directory)


def look(directory: Path) -> Status:
    """Read all of ``directory``.

    Raises:
        MarkerError: it is not there, or a marker cannot be read.
        InvalidArgument: the request asks for something that cannot be right.
    """
    try:
        os.listdir(directory)
    except OSError as error:
        cure = "give the marker directory: --dir or OBJECTSTORE_WATCHER_DIR of the watcher"
        raise MarkerError(str(directory), f"cannot be read: {error.strerror}", cure=cure) from error
    answer = contract.terminal(directory)
    request = _request(directory) if answer else contract.read(directory, Request)
    age = _heartbeat_age(directory)
    return Status(
        state=answer.NAME if answer else _state(request, age),
        directory=str(directory),
        heartbeat_age=age,
        request=request,
        answer=answer,
        history=answer.history if answer else contract.progress(directory),
        judging=answer is None and contract.undecided(directory) > 0,
    )


def _request(directory: Path) -> Request | None:
    """What was asked; None where it cannot be read: the answer says why."""
    with suppress(WaitError):
        return contract.read(directory, Request)
    return None


def _heartbeat_age(directory: Path) -> float | None:
    beat = contract.last_heartbeat(directory)
    return max(0.0, round(time.time() - beat / 1e9, 1)) if beat else None


def _state(request: Request | None, age: float | None) -> str:
    limit = request.spec.heartbeat_interval * contract.HEARTBEATS_MISSED if request else IDLE_LIMIT
    if age is None or age > limit:
        return "dead"
    return "waiting" if request else "idle"


def to_json(status: Status) -> str:
    """All of it as one JSON object on one line."""
    answer = asdict(status.answer) if status.answer else None
    if answer:
        answer.pop("history")  # it stands beside
    told: dict[str, Any] = {
        "state": status.state,
        "uri": status.uri,
        "directory": status.directory,
        "heartbeat_age": status.heartbeat_age,
        "requested_at": status.request.requested_at if status.request else None,
        "deadline_in": _deadline_in(status),
        "judging": status.judging,
        "answer": answer,
        "history": asdict(status.history),
    }
    return json.dumps(told)


def _deadline_in(status: Status) -> float | None:
    """Seconds until the wait is given up; None where it has ended, or has not begun."""
    if status.answer or not status.request:
        return None
    return round(status.request.deadline - time.monotonic(), 1)


def lines(status: Status) -> Iterator[str]:
    """All of it for people."""
    yield f"{status.state}: {_sentence(status)}"
    for name, value in _facts(status):
        yield f"  {name:<10} {one_line(value)}"
    if status.history.entries:
        yield "  happened"
        for entry in status.history.entries:
            told = " ".join(filter(None, [narrative.title(entry), narrative.label(entry), _times(entry)]))
            yield f"    {duration(entry.first):>12}  {one_line(told)}"
            if entry.what != "failed":  # the first line tells it
                yield from (f"    {'':12}  {one_line(detail)}" for detail in narrative.details(entry))


def _times(entry: Entry) -> str:
    count = narrative.count(entry)
    return f"({count})" if count else ""


def _sentence(status: Status) -> str:
    if status.answer:
        return ended(status.answer).removeprefix("ready: ")
    return STATES[status.state]


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    if status.uri:
        yield "path", status.uri
    if status.request:
        deadline = _deadline_in(status)
        ago = duration(time.monotonic() - status.request.requested_monotonic)
        yield "asked", f"{status.request.requested_at}, {ago} ago"
        if deadline is not None:
            yield "deadline", f"in {duration(deadline)}" if deadline >= 0 else f"{duration(-deadline)} ago"
    if status.judging:
        yield "judging", "something was found, and main's own condition (when=) is being asked"
    beat = status.heartbeat_age
    yield "heartbeat", "none" if beat is None else f"{duration(beat)} ago"
    if status.history.polls:
        requests = sum(status.history.operations.values())
        yield "looks", f"{status.history.polls:,}, with {many(requests, 'request')}"
    if isinstance(status.answer, Failed):
        yield "retry", "a new attempt can help" if status.answer.retryable else "a new attempt cannot help"
    if status.state == "dead":
        yield "cure", "see the watcher's log and state: kubectl describe pod, kubectl logs -c objectstore-watcher"
