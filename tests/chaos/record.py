"""What really happened to a wait, with times on the monotonic clock: all that the judge goes by."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.schedule import Plan

DATA = b"data"
"""What each object holds."""

ETAG = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
"""What the server then says."""


@dataclass
class Window:
    """Something that was so for a while: from before it began to after it had ended."""

    kind: str
    start: float
    end: float = math.inf

    def overlaps(self, start: float, end: float) -> bool:
        """Whether it was so at some moment between the two."""
        return self.start <= end and self.end >= start


@dataclass
class Exchange:
    """A request that reached the proxy.

    Attributes:
        arrived: when all of it had.
        ended: when the answer was passed on, or the connection broke.
        method: ``HEAD`` or ``GET``.
        fault: the fault that it met, if so.
        status: of the answer; 0: there was none.
        code: S3's error code.
        is_whole: whether all of the answer was passed on.
    """

    arrived: float
    method: str
    fault: str = ""
    ended: float = math.inf
    status: int = 0
    code: str = ""
    is_whole: bool = False


@dataclass
class Stream:
    """A stream of events that the proxy let flow.

    Attributes:
        began: when its first sign of life was passed on.
        ended: when the line broke, or nothing was passed on any more.
        events: when it told of the wait's object.
    """

    began: float = math.inf
    ended: float = math.inf
    events: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Beat:
    """The heartbeat was seen to have changed: between two looks."""

    after: float
    before: float


@dataclass(frozen=True)
class Sighting:
    """Something happened to a marker.

    Attributes:
        at: when it was seen, hence not after that.
        name: ``request``, ``ready`` or ``failed``.
        event: ``created``, ``modified`` or ``deleted``.
        data: what it held then.
        problem: why it could not be read as a marker, if so.
    """

    at: float
    name: str
    event: str
    data: bytes = b""
    problem: str = ""


@dataclass
class Life:
    """A watcher process, from its order to its end."""

    started: float
    ended: float = math.inf
    code: int | None = None
    killed: float = math.inf
    terminated: float = math.inf


@dataclass
class Record:
    """One wait.

    Attributes:
        plan: what was meant to happen.
        uri: what was waited for.
        asked: before main first wrote its request.
        deadline: of the request; infinite where there was none.
        deadlines: of all requests that main was told of: a restarted main asks again.
        put: storing the object, from the first try to the answer.
        stepped: when the watcher's clock stepped.
        end: ``ready``, the label of the kind of error that main got, ``crash``, or nothing while it goes on.
        detail: that error in words.
        ended: when main had it.
        waits: when main began to wait.
        looks: when main began a further look at the directory.
        last: names in the directory at the very end, and what the markers held.
    """

    plan: Plan
    uri: str = ""
    asked: float = math.inf
    deadline: float = math.inf
    deadlines: set[float] = field(default_factory=set)
    put: Window | None = None
    stepped: float = math.inf
    end: str = ""
    detail: str = ""
    ended: float = math.inf
    waits: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    faults: list[Window] = field(default_factory=list)
    outages: list[Window] = field(default_factory=list)
    volume: list[Window] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    last: dict[str, bytes] = field(default_factory=dict)

    @property
    def answers(self) -> list[Sighting]:
        """When ``ready`` and ``failed`` appeared."""
        return [s for s in self.sightings if s.event == "created" and s.name != "request"]

    @property
    def answered(self) -> float:
        """When an answer was seen."""
        return min((s.at for s in self.answers), default=math.inf)

    def was(self, windows: Iterable[Window], start: float, end: float) -> bool:
        """Whether one of ``windows`` overlaps that time."""
        return any(window.overlaps(start, end) for window in windows)
