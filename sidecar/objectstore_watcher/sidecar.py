"""The watcher as a container beside main: request in, heartbeat while it lives, one terminal marker out."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from objectstore_watcher import contract, stores
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.errors import InvalidArgument, WaitError
from objectstore_watcher.history import NOTHING
from objectstore_watcher.logs import log
from objectstore_watcher.process import FINISHED, STOPPING, Worker, hear
from objectstore_watcher.recorder import Recorder
from objectstore_watcher.watch import Beat, Event, GaveUp, Observer, Pausing, Started, Stopped, Succeeded, Wrote, watch

REQUEST_CHECK_INTERVAL = 0.02
"""Seconds between two looks for the request, or for a verdict."""

IDLE_HEARTBEAT = 0.2
"""Seconds between two heartbeats before the request says how many: shorter than any that it may say."""

STUCK_AFTER = 60.0
"""Seconds over the expected end of a look after which the watching thread counts as stuck, e.g. in the resolver."""


class Sidecar:
    """One wait in one marker directory.

    Args:
        directory: the marker directory.
        spec: what to wait for; None: what main will ask for.
        observe: is told each event of the wait.
        stop: set when the process is told to end.
    """

    def __init__(self, directory: Path, spec: WatchSpec | None, observe: Observer, stop: threading.Event) -> None:
        self._directory = directory
        self._spec = spec
        self._observer = observe
        self._before = NOTHING
        self._recorder = Recorder()
        self._stop = stop
        self._due = time.monotonic()
        self._heartbeat_interval = spec.heartbeat_interval if spec else contract.DEFAULT_HEARTBEAT_INTERVAL
        self.answer: Ready | Failed | None = None
        self.request: Request | None = None

    def check(self) -> None:
        """See that the directory can be used, before anything else; leaves the first heartbeat.

        Raises:
            MarkerError: it is missing, read-only or full, or holds something that is no marker.
            InvalidArgument: it holds another request, or the answer to one.
        """
        self._beat()
        self.answer = contract.terminal(self._directory)
        self._before = contract.progress(self._directory)
        self._recorder = Recorder(before=self._before)
        if self._spec and (held := self._other_question(self._spec)):
            raise InvalidArgument(
                f"--dir {str(self._directory)!r}", f"holds {held}", cure="use an empty directory for each wait"
            )

    def _other_question(self, spec: WatchSpec) -> str:
        """What the directory holds of another wait than that for ``spec``; empty where it holds nothing of one.

        A container that the kubelet restarts has the same flags.
        """
        request = None
        with suppress(WaitError):  # the answer will tell of it
            request = contract.read(self._directory, Request)
        name = self.answer.uri if self.answer else request.spec.name if request else ""
        if name not in ("", spec.name):
            return f"the request or the answer for {name!r}"
        if not request or request.spec == spec:
            return ""
        others = [o.name for o in contract.options() if getattr(request.spec, o.name) != getattr(spec, o.name)]
        told = ", ".join(map(contract.flag, others)) or "PATH"  # of several paths, the first can be the same
        return f"the request for the same path with other options: {told}"

    def work(self) -> None:
        """Wait for the request, then for the object, then leave the marker; for a thread of its own.

        Raises:
            MarkerError: the marker cannot be written. The kubelet restarts the container, which then tries again.
        """
        if self.answer:
            log(logging.INFO, f"answered before: {self.answer.NAME}", uri=self.answer.uri)
            return
        try:
            answer: Ready | Failed = self._answer(self._wait_for_request())
        except Stopped:
            return
        except WaitError as error:
            if not self.request:  # else the wait has told
                self._tell(GaveUp(error))
            answer = Failed.of(self.name, error)
        except Exception as error:
            log(logging.ERROR, "internal error", exc_info=True)
            unknown = WaitError(self.name, repr(error))
            self._tell(GaveUp(unknown))
            answer = Failed.of(self.name, unknown)
        contract.end_progress(self._directory)
        told = replace(answer, history=self._recorder.history())
        self._write(answer.NAME, lambda: self._is_first(told))
        self.answer = contract.terminal(self._directory)

    def _write(self, marker: str, write: Callable[[], bool]) -> None:
        """Write a marker, and tell how that ended."""
        outcome = "error"
        try:
            outcome = "written" if write() else "refused"
        finally:
            self._observer(Wrote(marker, outcome))

    def _is_first(self, answer: Ready | Failed) -> bool:
        """Leave the answer, unless another watcher in this directory was first."""
        try:
            contract.write(self._directory, answer)
        except FileExistsError:
            return False
        return True

    def _beat(self) -> None:
        contract.beat(self._directory)
        self._observer(Beat())

    def _answer(self, request: Request) -> Ready:
        if not request.candidates:
            return watch(request, stop=self._stop, observe=self._observe, before=self._before)
        if before := self._accepted():
            self._observe(Started(request))
            self._observe(Succeeded(before, None))
            return before
        found = watch(request, stop=self._stop, observe=self._observe, before=self._before, judge=self._is_accepted)
        return self._accepted() or found

    def _accepted(self) -> Ready | None:
        """The last candidate, by whichever watcher, if main accepts it."""
        last = contract.offered(self._directory)
        return last[1] if last and self._verdict(last[0]) else None

    def _is_accepted(self, candidate: Ready) -> bool:
        """Whether main accepts it; or what another watcher in this directory offered before."""
        last = contract.last_number(self._directory)
        if last and self._verdict(last):
            return True
        self._write(contract.CANDIDATE, lambda: contract.offer(self._directory, candidate, last + 1))
        return self._verdict(last + 1)

    def _verdict(self, number: int) -> bool:
        """Main's verdict on a candidate; waits for it as long as main takes: with main, the pod ends."""
        while contract.undecided(self._directory) == number and not contract.answered(self._directory):
            self._due = time.monotonic()
            if self._stop.wait(REQUEST_CHECK_INTERVAL):
                raise Stopped
        verdict = contract.decided(self._directory, number)
        return verdict is not None and verdict.accepted  # none where another watcher came in between

    @property
    def name(self) -> str:
        """What is waited for, for people; empty where nobody has asked."""
        spec = self.request.spec if self.request else self._spec
        return spec.name if spec else ""

    def _wait_for_request(self) -> Request:
        if self._spec:
            self._ask_myself(self._spec)
        else:
            log(logging.INFO, f"waiting for main's request in {self._directory}")
            stores.preload(os.environ)  # main takes seconds to come up
        while not (request := contract.read(self._directory, Request)):
            self._due = time.monotonic()
            if self._stop.wait(REQUEST_CHECK_INTERVAL):
                raise Stopped
        self.request = request
        self._heartbeat_interval = request.spec.heartbeat_interval
        return request

    def _ask_myself(self, spec: WatchSpec) -> None:
        """Write the request that came as flags, so that a restart in this pod does not begin the timeout anew."""
        try:
            contract.write(self._directory, Request(spec=spec))
        except FileExistsError:
            log(logging.INFO, "continuing the wait of a watcher before this one")

    def _observe(self, event: Event) -> None:
        self._due = time.monotonic() + (event.seconds if isinstance(event, Pausing) else 0)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        self._recorder.observe(event)
        self._observer(event)

    def alive(self) -> bool:
        """Whether the watching thread makes progress, or has answered."""
        patience = STUCK_AFTER + (3 * self.request.spec.request_timeout if self.request else 0)
        return self.answer is not None or time.monotonic() < self._due + patience

    def watching(self) -> bool:
        """Whether the request has come."""
        return self.request is not None or self.answer is not None

    def _tell_progress(self) -> None:
        if self.answer:
            contract.end_progress(self._directory)
        elif self.request:
            contract.tell_progress(self._directory, self._recorder.history())

    def keep_alive(self, worker: Worker) -> int:
        """Refresh the heartbeat until told to stop; returns the signal that told.

        Raises:
            MarkerError: the marker or the heartbeat cannot be written.
        """
        while (heard := hear(self._heartbeat_interval if self.watching() else IDLE_HEARTBEAT)) not in STOPPING:
            if heard == FINISHED and worker.error:
                raise worker.error
            if self.alive():
                self._beat()
            self._tell_progress()
        return heard or 0
