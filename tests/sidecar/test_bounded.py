from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import StoreError
from objectstore_watcher.stores import Found, bounded, open_store
from objectstore_watcher.stores.bounded import SHORTEST_LOOK, BoundedStore
from objectstore_watcher.targets import Target, exact, targets

FOUND = Found(bucket="bucket", key="key", size=1)
TARGETS = [exact("s3://bucket/key")]


class Resolver:
    """A store whose look hangs until it is let go, whatever is done to it: as the system's resolver."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.looks = 0
        self.at_once = 0
        self.given_up: list[float] = []
        self.limits: list[float] = []
        self.answers = 0

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        self.looks += 1
        self.at_once += 1
        self.limits.append(within)
        self.go.wait()
        self.at_once -= 1
        return [FOUND]

    def write(self, within: float, target: Target, data: bytes) -> None:
        raise NotImplementedError

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        return None

    def read(self, within: float, target: Target, most: int = 0) -> bytes | None:
        self.look(within, [target])
        return b"content"

    def give_up(self, after: float) -> StoreError:
        self.given_up.append(after)
        return StoreError("s3://bucket/key", f"timed out after {after:g} s", kind="timeout")


def test_a_look_that_cannot_be_broken_off_ends_in_time_and_no_other_begins_meanwhile() -> None:
    resolver = Resolver()
    store = BoundedStore(resolver, longest=0.05)
    for _ in range(5):
        with pytest.raises(StoreError, match=r"timed out after 0.05 s"):
            store.look(math.inf, TARGETS)
    assert (resolver.looks, resolver.at_once, resolver.given_up) == (1, 1, [0.05] * 5)
    resolver.go.set()
    assert store.look(math.inf, TARGETS) == [FOUND]
    assert resolver.looks == 2, "what a look left behind found is old"


@pytest.mark.parametrize(("within", "limit"), [(5.0, 5.0), (100.0, 10.0), (0.0, SHORTEST_LOOK), (-3.0, SHORTEST_LOOK)])
def test_a_look_has_the_time_that_is_left_but_for_the_last_ones_second(within: float, limit: float) -> None:
    resolver = Resolver()
    resolver.go.set()
    BoundedStore(resolver, longest=10.0).look(within, TARGETS)
    assert resolver.limits[0] == pytest.approx(limit, abs=0.5)
    assert resolver.limits[0] <= limit


def test_what_the_store_raises_is_raised_and_nothing_of_it_stays() -> None:
    """No cycle of error, traceback and frame, which would stay until the collector comes round."""
    errors: list[weakref.ref[StoreError]] = []

    class Failing(Resolver):
        def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
            error = StoreError("s3://bucket/key", kind="throttled")
            errors.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error

    store = BoundedStore(Failing(), longest=1.0)
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(StoreError):
                store.look(math.inf, TARGETS)
        time.sleep(0.1)  # the threads end
        assert [error() for error in errors[:-1]] == [None, None]
    finally:
        gc.enable()


def test_files_are_looked_for_in_the_same_way(tmp_path: Path) -> None:
    """A network file system without its server answers as little as a black hole."""
    spec = WatchSpec(uri=str(tmp_path / "file"))
    store = open_store(spec, lambda operation, outcome: None)
    assert isinstance(store, BoundedStore)
    assert list(store.look(math.inf, targets(spec))) == []
    told = str(store._store.give_up(10))
    assert f"{tmp_path}/file: timed out: the file system does not answer within 10 s; check the mount" in told


def test_a_look_of_many_answers_goes_on_while_they_come_and_no_longer() -> None:
    """As a listing of many pages does."""

    class Listing(Resolver):
        def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
            for _ in range(5):
                time.sleep(0.1)
                self.answers += 1
            if not self.go.is_set():
                self.go.wait()
            return [FOUND]

    listing = Listing()
    listing.go.set()
    assert BoundedStore(listing, longest=0.3).look(math.inf, TARGETS) == [FOUND]
    listing.go.clear()
    with pytest.raises(StoreError, match=r"timed out after 0\.3 s"):
        BoundedStore(listing, longest=0.3).look(math.inf, TARGETS)
    listing.go.set()


def test_a_look_of_many_answers_ends_at_the_deadline_and_does_not_blame_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Endless(Resolver):
        def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
            while not self.go.wait(0.01):
                self.answers += 1
            return []

    told = "the look was not finished in time, although answers came.*; wait for fewer objects, with a narrower pattern"
    endless = Endless()
    with pytest.raises(StoreError, match=told):
        BoundedStore(endless, longest=0.2).look(SHORTEST_LOOK, TARGETS)
    monkeypatch.setattr(bounded, "LAST_LOOK", SHORTEST_LOOK)
    endless.go.set()
    endless.go = threading.Event()
    with pytest.raises(StoreError, match=told):
        BoundedStore(endless, longest=0.2).look(-0.5, TARGETS)
    endless.go.set()


def test_the_last_look_goes_on_past_the_deadline_while_answers_come() -> None:
    class Listing(Resolver):
        def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
            for _ in range(20):
                time.sleep(0.1)
                self.answers += 1
            return [FOUND]

    assert BoundedStore(Listing(), longest=10).look(-0.1, TARGETS) == [FOUND]
