"""What happened during a wait: a bounded history, for people, that travels in ``ready`` and ``failed``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from objectstore_watcher.errors import one_line
from objectstore_watcher.payloads import known

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MOST_ENTRIES = 50
"""Entries of a history: what a person reads, and at most some 200 KB."""

KEPT_FIRST = 10
"""Entries from the beginning that stay, however long the wait: how it began. The others are the last ones."""

MOST_DETAIL = 300
"""Characters of an entry's detail."""

MOST_NAME = 50
"""Characters of a kind, an operation, a time; and operations."""

WHATS = ("began", "absent", "unmet", "error", "events", "heard", "found", "failed", "left_out")
"""What an entry can be: the watcher began; looks that found nothing, or what does not count, or failed; what became of
the stream of events; events came; the end, with the object or without; entries that had no room."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that happened, or the same several times in a row.

    Attributes:
        what: one of `WHATS`.
        kind: of an error: its label in the table of errors; of the events: the outcome; of the end: ``event`` or
            ``poll``, or the error's label; else empty.
        detail: in words, one line; empty where ``what`` says it all.
        count: how often; of what had no room: how many happenings.
        first: seconds from the request to the first of them.
        last: seconds from the request to the last of them.
        pause: the longest pause, in seconds, that an error caused; 0 where it caused none.
    """

    what: str
    kind: str = ""
    detail: str = ""
    count: int = 1
    first: float = 0.0
    last: float = 0.0
    pause: float = 0.0

    def is_like(self, other: Entry) -> bool:
        """Whether both tell the same, so that one can stand for both."""
        return (self.what, self.kind, self.detail) == (other.what, other.kind, other.detail)

    def joined(self, later: Entry) -> Entry:
        """Both in one."""
        return replace(
            self, count=self.count + later.count, last=max(self.last, later.last), pause=max(self.pause, later.pause)
        )


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened during a wait.

    Attributes:
        requested_at: when it was asked for, ISO 8601 in UTC; empty: nothing is known.
        entries: what happened, in order; at most `MOST_ENTRIES`. Of a watcher that was killed, what it had told.
        operations: requests to the object store, by operation: ``head``, ``list``, ``get``, ``tags`` or ``stat``.
        polls: looks.
        waited: seconds from the request to the last entry.
        lag: seconds from the object's last modification, by the server's clock, to its detection; None where it is not
            known, or the object was there before the wait.
    """

    NAME = "progress"

    requested_at: str = ""
    entries: tuple[Entry, ...] = ()
    operations: dict[str, int] = field(default_factory=dict)
    polls: int = 0
    waited: float = 0.0
    lag: float | None = None

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> History:
        """The history of a JSON object.

        Raises:
            TypeError: it is not what this version writes.
        """
        told = known(cls, values)
        told["requested_at"] = one_line(told.get("requested_at", ""), MOST_NAME)
        told["entries"] = tuple(_entry(each) for each in told.get("entries", ())[:MOST_ENTRIES])
        operations = told.get("operations", {})
        if any(type(number) is not int for number in operations.values()):
            raise TypeError(f"'operations' is {operations!r}")
        told["operations"] = {one_line(name, MOST_NAME): operations[name] for name in sorted(operations)[:MOST_NAME]}
        return cls(**told)


NOTHING = History()
"""Of a wait of which nothing is known."""


def _entry(values: dict[str, Any]) -> Entry:
    """The entry of a JSON object, as long as one of this version's at most: whoever wrote it, it is passed on."""
    entry = Entry(**known(Entry, values))
    return replace(
        entry,
        what=one_line(entry.what, MOST_NAME),
        kind=one_line(entry.kind, MOST_NAME),
        detail=one_line(entry.detail, MOST_DETAIL),
    )


class Chronicle:
    """Entries, as they come, in bounded space: equal ones in a row become one, and of too many the middle goes.

    Args:
        entries: what happened before.
    """

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self._entries = list(entries)

    def add(self, at: float, what: str, kind: str = "", detail: str = "", *, count: int = 1, pause: float = 0) -> None:
        """Write down what happened ``at`` seconds after the request; the rest is as in `Entry`."""
        at = round(at, 3)
        told = one_line(detail, MOST_DETAIL)
        new = Entry(what=what, kind=kind, detail=told, count=count, first=at, last=at, pause=round(pause, 3))
        if self._entries and self._entries[-1].is_like(new):
            self._entries[-1] = self._entries[-1].joined(new)
            return
        self._entries.append(new)
        if len(self._entries) > MOST_ENTRIES:
            self._make_room()

    def _make_room(self) -> None:
        """Merge the oldest entries of the middle into one that says how many they were."""
        gap, oldest = self._entries[KEPT_FIRST], self._entries[KEPT_FIRST + 1]
        if gap.what != "left_out":
            gap = replace(gap, what="left_out", kind="", detail="", pause=0.0)
        self._entries[KEPT_FIRST : KEPT_FIRST + 2] = [gap.joined(replace(oldest, pause=0.0))]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return tuple(self._entries)
