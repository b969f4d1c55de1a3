"""Waits that listen: all waits of a process share one stream for each server and bucket."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from objectstore_watcher.contract import WatchSpec, title
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.stores import KeyPair, credentials
from objectstore_watcher.stores.hints import Ear, Listener, Name, Streamed
from objectstore_watcher.stores.listening import Address, Listening, StreamEnded, may_filter
from objectstore_watcher.targets import Target, flags, targets
from objectstore_watcher.uri import parse_endpoint

BACKOFF_FIRST, BACKOFF_CAP = 1.0, 30.0
"""Seconds that the first and any pause before a new stream take at most, as between looks that fail."""

REFUSED_FIRST, REFUSED_CAP = 60.0, 600.0
"""The same where a right is missing, or something on the way keeps the events back: that rarely changes."""

SETTLED = 30.0
"""Seconds after which a stream that ended counts as one that worked: the next pause is again the first."""

_AWS = re.compile(r"(^|\.)amazonaws\.com(\.cn)?(:\d+)?$", re.IGNORECASE)

MOST_STREAMS = 8
"""Buckets that one wait listens to: each takes a connection and a thread."""

Uniform = Callable[[float, float], float]


class Hub:
    """The streams of a process."""

    def __init__(self, uniform: Uniform = random.uniform) -> None:
        self._uniform = uniform
        self._lock = threading.Lock()
        self._streams: dict[Address, _Stream] = {}

    def join(self, address: Address, ear: Ear, prefix: str) -> None:
        """Let ``ear`` hear of objects below ``prefix``."""
        with self._lock:
            stream = self._streams.get(address)
            if stream is None:
                stream = self._streams[address] = _Stream(address, prefix, self._uniform)
                stream.start()
            stream.add(ear, prefix)

    def leave(self, address: Address, ear: Ear) -> None:
        """Let it hear no more; the stream ends with the last of its ears."""
        with self._lock:
            stream = self._streams.get(address)
            if stream and stream.remove(ear):
                del self._streams[address]
                stream.close()


class _Stream(threading.Thread):
    """One stream, in a daemon thread, which the end of the process does not wait for."""

    def __init__(self, address: Address, prefix: str, uniform: Uniform) -> None:
        super().__init__(name="events", daemon=True)
        self._listening = Listening(address)
        self._uniform = uniform
        self._lock = threading.Lock()
        self._ears: list[Ear] = []
        self._prefix = may_filter(prefix)
        self._flows = self._has_flowed = False
        self._last: Streamed | None = None
        self._in_a_row = 0
        self._is_closed = False
        self._hurry = threading.Event()

    def add(self, ear: Ear, prefix: str) -> None:
        """Tell ``ear`` of objects below ``prefix`` from now on."""
        with self._lock:
            self._ears.append(ear)
            ear.listen_to(self)
            if not may_filter(prefix).startswith(self._prefix):
                self._prefix = _common_folder(prefix, self._prefix)
                if self._flows:
                    self._tell(False)
                self._again()
            if self._last:
                ear.tell(self, self._flows, self._last)

    def remove(self, ear: Ear) -> bool:
        """Tell it no more; True when nobody is left."""
        with self._lock:
            self._ears.remove(ear)
            return not self._ears

    def close(self) -> None:
        """End the stream."""
        with self._lock:
            self._is_closed = True
            self._again()

    def _again(self) -> None:
        self._hurry.set()
        self._listening.abort()

    def run(self) -> None:
        """Listen until nobody does any more, or the server is known not to tell."""
        while not self._is_closed:
            began = time.monotonic()
            why = self._listen()
            with self._lock:
                if self._hurry.is_set():  # it was broken off by us
                    continue
                self._tell(False, why)
            if why.outcome == "unsupported":
                return
            self._in_a_row = 1 if time.monotonic() - began > SETTLED and self._has_flowed else self._in_a_row + 1
            self._hurry.wait(self._pause(why))

    def _listen(self) -> Streamed:
        """One stream, to its end."""
        with self._lock:
            self._hurry.clear()
            prefix = self._prefix
        if self._is_closed:  # just now
            return Streamed("lost")
        try:
            for names in self._listening.names(prefix):
                if not self._hear(names):
                    break
        except StreamEnded as ended:
            return self._judged(ended.why)
        except Exception as error:  # whatever it is: a wait that counts on this stream would hardly poll
            return Streamed("failed", repr(error)[:200])
        return Streamed("lost")

    def _judged(self, why: Streamed) -> Streamed:
        if why.outcome == "unsupported" and self._has_flowed:  # something on the way answers in the server's place
            return Streamed("failed", why.detail)
        return Streamed("failed", why.detail) if why.outcome == "lost" and not self._flows else why

    def _hear(self, names: list[Name]) -> bool:
        """Pass on what came; False where this stream is not wanted any more."""
        with self._lock:
            if self._hurry.is_set():
                return False
            if not self._flows:
                self._has_flowed = True
                self._tell(True, Streamed("connected"))
            for ear in self._ears:
                ear.hear(names)
            return True

    def _tell(self, flows: bool, news: Streamed | None = None) -> None:
        self._flows, self._last = flows, news
        for ear in self._ears:
            ear.tell(self, flows, news)

    def _pause(self, why: Streamed) -> float:
        is_lasting = why.outcome in {"refused", "silent"} and not self._has_flowed
        first, cap = (REFUSED_FIRST, REFUSED_CAP) if is_lasting else (BACKOFF_FIRST, BACKOFF_CAP)
        return self._uniform(0, min(cap, first * 2.0 ** min(self._in_a_row - 1, 10)))


def _common_folder(one: str, other: str) -> str:
    """What both begin with, up to its last slash: the next wait is more likely to be below it, too."""
    folder = one[: one.rfind("/") + 1]
    while not other.startswith(folder):
        folder = folder[: folder.rfind("/", 0, -1) + 1]
    return may_filter(folder)


_HUB = Hub()


class SharedListener(Listener):
    """Hears of objects by streams that it shares.

    Args:
        ear: hears.
        places: whose events, and the prefix of the keys.
        hub: whose streams are shared.
    """

    def __init__(self, ear: Ear, places: Mapping[Address, str], hub: Hub = _HUB) -> None:
        super().__init__(ear)
        self._places = places
        self._hub = hub
        self._has_joined = False

    def start(self) -> None:
        """Begin, where it has not begun."""
        if not self._has_joined:
            self._has_joined = True
            for address, prefix in self._places.items():
                self._hub.join(address, self.ear, prefix)

    def close(self) -> None:
        """End, for good."""
        if self._has_joined:
            for address in self._places:
                self._hub.leave(address, self.ear)


def listener(spec: WatchSpec, key_pair: KeyPair | None = None, hub: Hub = _HUB) -> Listener:
    """How a wait for ``spec`` listens; nothing is sent yet.

    Raises:
        InvalidArgument: the endpoint is none; or events are demanded of AWS, which has none, or of too many buckets.
    """
    endpoint = spec.endpoint or credentials.endpoint()
    host, _ = parse_endpoint(endpoint, "endpoint")
    wanted = _by_bucket(spec)
    if _AWS.search(host) or len(wanted) > MOST_STREAMS:
        if spec.detection == "events":
            why = "AWS has no events to listen to" if _AWS.search(host) else f"there are {len(wanted)} buckets"
            raise InvalidArgument(title("detection"), why, cure="use auto or poll")
        return Listener()

    def address(bucket: str) -> Address:
        return Address(endpoint, spec.region or credentials.region(), spec.ca_file, bucket, key_pair)

    names = {bucket: [each.name for each in of] for bucket, of in wanted.items()}
    places = {address(bucket): os.path.commonprefix(of) for bucket, of in names.items()}  # noqa: RUF071  # of keys
    return SharedListener(Ear(_wants(wanted)), places, hub)


def _wants(wanted: Mapping[str, Sequence[Target]]) -> Callable[[str, str], bool]:
    """Whether an object is one of ``wanted``, quickly: a busy bucket tells of thousands of others."""
    exact = {(bucket, each.name) for bucket, of in wanted.items() for each in of if not each.pattern}
    patterns = {bucket: [each for each in of if each.pattern] for bucket, of in wanted.items()}

    def wants(bucket: str, key: str) -> bool:
        name = bucket, key
        return name in exact or any(each.is_among([name]) for each in patterns.get(bucket, ()))

    return wants


def _by_bucket(spec: WatchSpec) -> dict[str, list[Target]]:
    """What is waited for, flags included."""
    named = targets(spec)
    found: dict[str, list[Target]] = {}
    for each in [*named, *dict.fromkeys(flags(spec, named).values())]:
        found.setdefault(getattr(each.location, "bucket", ""), []).append(each)
    return found
