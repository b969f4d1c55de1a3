"""Watches marker directories the whole time: the kernel tells of each change, so that none is too short to be seen."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from objectstore_watcher import contract
from objectstore_watcher.errors import WaitError

from tests.chaos.record import Beat, Record, Sighting

PERIOD = 0.015
"""Seconds between two looks at the heartbeats."""

MARKERS = ("request", "ready", "failed")

_MODIFY, _FROM, _TO, _CREATE, _DELETE, _UNMOUNT = 0x2, 0x40, 0x80, 0x100, 0x200, 0x2000
_EVENTS = {_MODIFY: "modified", _FROM: "deleted", _TO: "created", _CREATE: "created", _DELETE: "deleted"}
_HEADER = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class _Watched:
    directory: Path
    record: Record
    beat: int
    sampled: float


class Observer:
    """Notes heartbeats and what happens to markers in the records of their waits."""

    def __init__(self) -> None:
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._inotify >= 0, os.strerror(ctypes.get_errno())
        self._watched: dict[int, _Watched] = {}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def add(self, directory: Path, record: Record) -> int:
        """Begin to watch; returns what to give to `remove`."""
        with self._lock:
            number: int = _libc.inotify_add_watch(self._inotify, os.fsencode(directory), sum(_EVENTS))
            assert number >= 0, os.strerror(ctypes.get_errno())
            self._watched[number] = _Watched(directory, record, 0, time.monotonic())
        return number

    def remove(self, number: int) -> None:
        """Watch a directory no longer; what happened until now is noted."""
        with self._lock:
            self._note_events()
            del self._watched[number]
            _libc.inotify_rm_watch(self._inotify, number)

    def close(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        os.close(self._inotify)
        if self.error:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                select.select([self._inotify], [], [], PERIOD)
                with self._lock:
                    self._note_events()
                    for watched in self._watched.values():
                        _note_beat(watched)
        except BaseException as error:
            self.error = error

    def _note_events(self) -> None:
        try:
            data = os.read(self._inotify, 1 << 20)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            number, mask, _, length = _HEADER.unpack_from(data, offset)
            name = data[offset + _HEADER.size : offset + _HEADER.size + length].rstrip(b"\0").decode()
            offset += _HEADER.size + length
            watched = self._watched.get(number)
            if watched and name in MARKERS:
                event = next(word for bit, word in _EVENTS.items() if mask & bit)
                watched.record.sightings.append(look(watched.directory, name, event))


def look(directory: Path, name: str, event: str) -> Sighting:
    """Note an event, and what the marker holds and means now."""
    at = time.monotonic()
    try:
        data, problem = (directory / name).read_bytes(), ""
    except OSError as error:
        data, problem = b"", str(error)
    try:
        if name == contract.Request.NAME:
            contract.read(directory, contract.Request)
        elif not contract.terminal(directory):
            problem = "not there"
    except WaitError as error:
        problem = str(error)
    return Sighting(at, name, event, data, problem)


def _note_beat(watched: _Watched) -> None:
    began = time.monotonic()
    beat = contract.last_heartbeat(watched.directory)
    if beat != watched.beat:
        watched.record.beats.append(Beat(watched.sampled, time.monotonic()))
        watched.beat = beat
    watched.sampled = began
