"""The entries of a history in words."""

from __future__ import annotations

from objectstore_watcher.history import Entry
from objectstore_watcher.words import duration, many

_TITLES = {
    "began": "The watcher began",
    "absent": "Not there yet",
    "unmet": "There, but does not count yet",
    "error": "The look failed",
    "events": "No events",
    "heard": "An event came",
    "found": "Found, by a poll",
    "failed": "Gave up",
}

_COUNTED = {"began": "time", "heard": "event", "events": "time"}


def title(entry: Entry) -> str:
    """What happened, in a few words; what this version does not know, by its name."""
    if entry.what == "events" and entry.kind == "connected":
        return "Events come from now on"
    if entry.what == "found" and entry.kind == "event":
        return "Found, by an event"
    if entry.what == "left_out":
        return f"{many(entry.count, 'happening')} left out: more than is kept"
    return _TITLES.get(entry.what, entry.what)


def label(entry: Entry) -> str:
    """The kind of error, or what became of the stream; empty where the title says it."""
    return entry.kind if entry.kind != "connected" and entry.what != "found" else ""


def count(entry: Entry) -> str:
    """How often, and until when; empty where once."""
    if entry.count == 1 or entry.what == "left_out":
        return ""
    until = "" if duration(entry.first) == duration(entry.last) else f" until {duration(entry.last)}"
    return many(entry.count, _COUNTED.get(entry.what, "look")) + until


def details(entry: Entry) -> list[str]:
    """What else there is to say."""
    pause = f"Then the server was left alone for up to {duration(entry.pause)}." if entry.pause else ""
    return [each for each in (entry.detail, pause) if each]
