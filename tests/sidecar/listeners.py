"""Waits that listen, in real time and in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from objectstore_watcher.contract import Ready, Request, WatchSpec
from objectstore_watcher.errors import WaitError
from objectstore_watcher.stores import listen
from objectstore_watcher.stores.hints import Heard, Listener, Streamed
from objectstore_watcher.watch import Pausing, Polled, Stopped, watch

from tests.servers import eventually
from tests.sidecar.tools import Diary, highest

URI = "s3://bucket/key"


class Waiting:
    """One wait that listens.

    Attributes:
        diary: what happened so far.
    """

    def __init__(
        self, spec: WatchSpec, stop: threading.Event, heard_by: Callable[[WatchSpec], Listener] = listen
    ) -> None:
        self.diary = Diary()
        self._ready: Ready | None = None
        self._error: WaitError | None = None
        self._work = partial(
            watch, Request(spec=spec), stop=stop, observe=self.diary.append, heard_by=heard_by, uniform=highest
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._ready = self._work()
        except WaitError as error:
            self._error = error
        except Stopped:
            pass

    def end(self) -> Ready:
        """What was found."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "the wait does not end"
        if self._error:
            raise self._error
        assert self._ready, "the wait was stopped"
        return self._ready

    def has_ended(self) -> bool:
        """Whether it has."""
        return not self._thread.is_alive()

    @property
    def outcomes(self) -> list[str]:
        """What became of the streams."""
        return [event.outcome for event in self.diary if isinstance(event, Streamed)]

    def detail_of(self, outcome: str) -> str:
        """What is told of the first of them of which that became."""
        return next(event.detail for event in self.diary if isinstance(event, Streamed) and event.outcome == outcome)

    @property
    def polls(self) -> int:
        """Looks so far."""
        return len(self.diary.of(Polled))

    @property
    def heard(self) -> int:
        """Events that caused looks so far."""
        return sum(event.names for event in self.diary if isinstance(event, Heard))

    @property
    def pauses(self) -> list[float]:
        """Seconds of each pause."""
        return [event.seconds for event in self.diary if isinstance(event, Pausing)]

    def await_stream(self, outcome: str = "connected") -> None:
        """Wait until that became of a stream, and the look after it is over."""
        eventually(lambda: outcome in self.outcomes, f"a stream that is {outcome}, not {self.outcomes}")
        if outcome == "connected":
            eventually(self._has_looked, "the look after it")

    def _has_looked(self) -> bool:
        events = list(self.diary)
        last = max(index for index, event in enumerate(events) if event == CONNECTED)
        looked = [index for index, event in enumerate(events) if isinstance(event, Polled) and index > last]
        return bool(looked) and any(isinstance(event, Pausing) for event in events[looked[0] :])


CONNECTED = Streamed("connected")


@contextmanager
def waits() -> Iterator[Callable[..., Waiting]]:
    """Starts waits, which end with the block: ``wait(uri, endpoint=..., heard_by=...)``."""
    stop = threading.Event()
    begun: list[Waiting] = []

    def begin(
        uri: str | list[str] = URI, heard_by: Callable[[WatchSpec], Listener] = listen, **options: object
    ) -> Waiting:
        begun.append(Waiting(WatchSpec.from_mapping({"uri": uri, **options}), stop, heard_by))
        return begun[-1]

    try:
        yield begin
    finally:
        stop.set()
        for each in begun:
            eventually(each.has_ended, "a wait that was told to stop ends")


def listening_threads() -> list[threading.Thread]:
    """The threads that hold streams."""
    return [thread for thread in threading.enumerate() if thread.name == "events"]
