"""Logs: JSON lines for machines, one calm line for people."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import datetime, timezone

from objectstore_watcher.advice import advice
from objectstore_watcher.contract import Failed, Ready, iso
from objectstore_watcher.errors import one_line
from objectstore_watcher.stores.hints import Streamed
from objectstore_watcher.watch import Event, GaveUp, Pausing, Polled, Started, Succeeded

LOGGER = logging.getLogger("objectstore_watcher")

FORMATS = ("auto", "json", "text")
"""``auto``: text on a terminal, else JSON."""


def configure(style: str) -> None:
    """Send this package's log lines to standard error in one of `FORMATS`."""
    as_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler = _StandardError()
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


class _StandardError(logging.Handler):
    """Writes to the standard error of the moment: the live line puts its own in its place meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; a closed pipe must not end the wait."""
        with suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)


class JsonFormatter(logging.Formatter):
    """One JSON object on one line; what is not ours (keys, servers' words) is escaped by JSON itself."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {"time": _time(record), "level": record.levelname.lower(), "message": record.getMessage()}
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Time, level where it is not information, message; a trace is indented, so that no line of it passes for ours."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        level = "" if record.levelno == logging.INFO else record.levelname.lower() + ": "
        trace = self.formatException(record.exc_info).splitlines() if record.exc_info else []
        lines = [f"{_time(record)[11:19]} {level}{one_line(record.getMessage())}", *(f"  {one_line(t)}" for t in trace)]
        return "\n".join(lines)


def _time(record: logging.LogRecord) -> str:
    return iso(datetime.fromtimestamp(record.created, timezone.utc))


def log(level: int, message: str, *, exc_info: bool = False, **fields: object) -> None:
    """Write a line with structured ``fields``, and with the trace of the current exception if asked."""
    LOGGER.log(level, message, exc_info=exc_info, extra={"fields": fields})


def told(ready: Ready) -> str:
    """What was found, in words."""
    if len(ready.objects) == 1:
        (found,) = ready.objects
        return f"ready: {found.uri} ({found.size} bytes)"
    if not ready.objects:
        first, *others = ready.gone or (ready.uri,)
        return f"ready: {first}{f' and {len(others)} more' if others else ''} (gone)"
    return f"ready: {ready.uri} ({len(ready.objects)} objects, {sum(each.size for each in ready.objects)} bytes)"


def ended(answer: Ready | Failed) -> str:
    """How a wait ended, in words; of markers that are not ours, too."""
    if isinstance(answer, Failed):
        return one_line(answer.message, 4000)
    return one_line(f"{told(answer)} after {answer.waited:.1f} s", 4000)


class EventLog:
    """Writes a line when something changes: not for every poll, or a day of waiting fills the log."""

    def __init__(self) -> None:
        self._error = ""
        self._unmet = ""
        self._streams = ""
        self._demands_events = False

    def observe(self, event: Event) -> None:
        """Write what is news."""
        match event:
            case Started(request):
                spec = request.spec
                self._demands_events = spec.detection == "events"
                log(
                    logging.INFO,
                    f"waiting for {spec.name}",
                    uri=spec.name,
                    poll_interval=spec.poll_interval,
                    timeout=spec.timeout,
                )
                if hint := advice(spec):
                    log(logging.WARNING, hint)
            case Polled(None, unmet):
                self._answered(unmet)
            case Pausing(seconds, error) if error and error.kind.label != self._error:
                self._error = error.kind.label
                log(logging.WARNING, str(error), kind=error.kind.label, next_poll_in=round(seconds, 3))
            case Streamed(outcome, detail) if outcome != self._streams:
                self._streams = outcome
                self._streamed(event, detail)
            case Succeeded(ready):
                log(
                    logging.INFO,
                    ended(ready),
                    uri=ready.uri,
                    objects=len(ready.objects),
                    size=sum(each.size for each in ready.objects),
                    detected_by=ready.detected_by,
                    polls=ready.polls,
                    waited=ready.waited,
                )
            case GaveUp(error):
                log(logging.ERROR, str(error), kind=error.kind.label, retryable=error.retryable)

    def _answered(self, unmet: str) -> None:
        if self._error:
            self._error = ""
            log(logging.INFO, "the object store answers again")
        if unmet != self._unmet:
            self._unmet = unmet
            if unmet:
                log(logging.INFO, f"not yet: {unmet}")

    def _streamed(self, event: Streamed, detail: str) -> None:
        if event.flows:
            log(logging.INFO, "the object store tells of events: polls are only the net", events=event.outcome)
        else:
            level = logging.WARNING if self._demands_events else logging.INFO
            log(level, f"no events from the object store: polls alone ({detail})", events=event.outcome)
