"""What a wait hears of its store's events: hints to look, never the truth, and reasons to poll less or more often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

MOST_KEYS = 1000
"""Keys that are kept for one look; where more are heard of, everything is looked at."""

STOP_CHECK = 0.5
"""Seconds between two questions during a pause whether the wait was told to stop."""

Name = tuple[str, str]
"""Bucket and key."""


@dataclass(frozen=True)
class Streamed:
    """A stream of events began or ended, or there will be none.

    Attributes:
        outcome: one of `OUTCOMES`.
        detail: what was seen, in words; empty where it began.
    """

    outcome: str
    detail: str = ""

    @property
    def flows(self) -> bool:
        """Whether events come from now on."""
        return self.outcome == "connected"


OUTCOMES = ("connected", "lost", "failed", "silent", "refused", "unsupported")
"""``lost``: it flowed before; ``failed``: it did not begin, and may soon; ``silent``: nothing comes, not even the
server's own sign of life."""


@dataclass(frozen=True)
class Heard:
    """Events came for what is waited for.

    Attributes:
        names: so many different objects.
    """

    names: int


@dataclass(frozen=True)
class Hints:
    """What a look should look at.

    Attributes:
        names: the objects that events were about; a key may stand in it in two spellings, of which one is right.
        everything: whether there may be more: events were missed, or never listened to.
    """

    names: frozenset[Name] = frozenset()
    everything: bool = True


class Waking(Enum):
    """Why a pause ended."""

    TIME = "time"
    STOP = "stop"
    LOOK = "look"
    LOST = "lost"
    NEWS = "news"


class Stop(Protocol):
    """How a wait is told to stop; a `threading.Event` is one."""

    def wait(self, timeout: float) -> bool:
        """Pause for ``timeout`` seconds, or until told to stop; True when told to stop."""


class Ear:
    """What one wait hears. Streams speak to it in their threads, the wait listens in its own.

    Args:
        wants: whether an object is waited for.
    """

    def __init__(self, wants: Callable[[str, str], bool]) -> None:
        self._wants = wants
        self._bell = threading.Condition()
        self._names: set[Name] = set()
        self._everything = True
        self._is_awaited = False
        self._lost = False
        self._flows: dict[object, bool] = {}
        self._news: list[Streamed] = []

    def listen_to(self, stream: object) -> None:
        """Count on the events of ``stream``, too."""
        with self._bell:
            self._flows.setdefault(stream, False)

    def hear(self, names: Iterable[Name]) -> None:
        """Events came about ``names``."""
        wanted = {name for name in names if self._wants(*name)}
        if wanted:
            with self._bell:
                self._everything |= len(self._names) >= MOST_KEYS
                self._names |= wanted if len(self._names) < MOST_KEYS else set()
                self._wake()

    def tell(self, stream: object, flows: bool, news: Streamed | None = None) -> None:
        """Whether ``stream`` flows from now on, and what there is to say of it."""
        with self._bell:
            before, self._flows[stream] = self.flows, flows
            if flows:  # what came before it flowed was missed
                self._everything, self._lost = True, False
                self._wake()
            elif before:
                self._lost = True
            if news:
                self._news.append(news)
            self._bell.notify_all()

    def _wake(self) -> None:
        self._is_awaited = True
        self._bell.notify_all()

    @property
    def flows(self) -> bool:
        """Whether all events that are waited for come."""
        return bool(self._flows) and all(self._flows.values())

    def take(self) -> Hints:
        """What has been heard since the last look; for the next, which must begin after this."""
        with self._bell:
            hints = Hints(frozenset(self._names), self._everything)
            self._names.clear()
            self._everything = not self.flows
            self._is_awaited = self._lost = False
            return hints

    def look_at_everything(self) -> None:
        """Let the next look be at everything: the last one failed, and what was taken for it would be lost."""
        with self._bell:
            self._everything = True

    def news(self) -> list[Streamed]:
        """What happened to the streams since this was asked last."""
        with self._bell:
            told, self._news = self._news, []
            return told

    def pause(self, stop: Stop, seconds: float, rest: float) -> Waking:
        """Pause until there is a reason not to.

        Args:
            stop: ends the pause.
            seconds: how long, where nothing happens.
            rest: seconds that no event shortens.
        """
        if not self._flows:
            return Waking.STOP if stop.wait(seconds) else Waking.TIME
        began = time.monotonic()
        while not stop.wait(0):
            passed = time.monotonic() - began
            with self._bell:
                if waking := self._reason(passed >= rest):
                    return waking
                if passed >= seconds:
                    self._everything = True
                    return Waking.TIME
                self._bell.wait(min(seconds - passed, STOP_CHECK, rest - passed if passed < rest else STOP_CHECK))
        return Waking.STOP

    def _reason(self, is_rested: bool) -> Waking | None:
        if self._news:
            return Waking.NEWS
        if is_rested and self._is_awaited:
            return Waking.LOOK
        if is_rested and self._lost:
            self._lost = False
            return Waking.LOST
        return None


class Listener:
    """How a wait listens; this one hears nothing.

    Attributes:
        ear: what it hears.
    """

    def __init__(self, ear: Ear | None = None) -> None:
        self.ear = ear or Ear(lambda bucket, key: False)

    def start(self) -> None:
        """Begin, where it has not begun."""

    def close(self) -> None:
        """End, for good."""
