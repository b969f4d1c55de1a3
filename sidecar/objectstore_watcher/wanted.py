"""How far a wait is: which of its paths are there, and which to look at next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from objectstore_watcher import manifests
from objectstore_watcher.closer import Closer
from objectstore_watcher.conditions import Conditions
from objectstore_watcher.contract import MOST_MATCHES, MOST_PATHS, Request
from objectstore_watcher.errors import TooManyObjects
from objectstore_watcher.stores import Found, Store
from objectstore_watcher.stores.hints import Hints
from objectstore_watcher.targets import Target, flags, targets

MOST_OBJECTS = 100_000
"""Objects that the patterns of one wait may match together: some 100 MiB."""

TimeLeft = Callable[[], float]

LookCloser = Callable[[Target, Sequence[Found]], Sequence[tuple[Found, str]]]


@dataclass(frozen=True)
class Verdict:
    """What is said of what a look found.

    Attributes:
        counts: whether it is what is waited for.
        unmet: why something that is there does not count; empty where nothing is there, or it counts.
    """

    counts: bool
    unmet: str = ""


@dataclass(frozen=True)
class _Seen:
    """What the last look at a path found: whether it is what is waited for, which objects count, else why not."""

    is_met: bool = False
    objects: Sequence[Found] = ()
    unmet: str = ""


_NOTHING = _Seen()

_EVERYTHING = Hints()


class Wanted:
    """All that one wait looks at.

    A path that is there is not asked for again while others are missing: with 9,999 of 10,000 there, a look is one
    request. When the last one comes, a look at all of them says whether they are there together.

    Args:
        request: what is waited for, and since when.
        clock: seconds that only grow.

    Raises:
        InvalidArgument: there can be no object of the name of the flag beside a path.
    """

    def __init__(self, request: Request, clock: Callable[[], float]) -> None:
        self._spec = request.spec
        self._named = targets(request.spec)
        self._flags = flags(request.spec, self._named)
        self._each_flag = tuple(dict.fromkeys(self._flags.values()))
        self._flag_names = {(getattr(flag.location, "bucket", ""), flag.name) for flag in self._each_flag}
        self._told: dict[str, str] = {}  # of flags and manifests that are there: why they do not count; empty: they do
        self._manifests: dict[Target, tuple[Found, Sequence[Target]]] = {}
        self._conditions = Conditions(request, clock)
        self._closer = Closer(request.spec, clock)
        self._targets: Sequence[Target] = []
        self._seen: dict[Target, _Seen] = {}

    def stable_in(self) -> float:
        """Seconds until a look can find one more object unchanged for long enough; infinite where none will."""
        return self._conditions.stable_in()

    def look(self, store: Store, time_left: TimeLeft, hints: Hints = _EVERYTHING) -> Verdict:
        """Look at what is missing, and if nothing is any more, at all of it.

        Args:
            store: where to look.
            time_left: seconds until the deadline.
            hints: what of it has changed.

        Raises:
            StoreError: the store cannot say, or a manifest does not list objects.
            TooManyObjects: more match than a wait can have, or than can be judged.
        """
        was_whole = self._look_at_missing(store, time_left, hints)
        verdict = self._verdict()
        if was_whole or not verdict.counts:
            return verdict
        self._seen.clear()
        self._told.clear()
        self._look_at_missing(store, time_left, _EVERYTHING)
        return self._verdict()

    def _look_at_missing(self, store: Store, time_left: TimeLeft, hints: Hints) -> bool:
        """Returns whether all of it was missing, so that the look was at the whole."""
        before = set(self._targets)
        looked_for = [flag for flag in self._each_flag if not self._counts(flag.uri) and _may_have_changed(flag, hints)]
        self._judge_named(looked_for, self._look_at(looked_for, store, time_left))
        named = [each for each in self._named if each not in self._flags or self._counts(self._flags[each].uri)]
        self._targets = self._listed_by(named, store, time_left) if self._spec.match == "manifest" else named
        looked = [
            each
            for each in self._targets
            if not self._is_met(each) and (each not in before or _may_have_changed(each, hints))
        ]
        self._judge(looked, self._look_at(looked, store, time_left), partial(self._closer.look, store, time_left))
        return len(looked_for) == len(self._each_flag) and len(looked) == len(self._targets)

    def _look_at(self, looked: Sequence[Target], store: Store, time_left: TimeLeft) -> Sequence[Found]:
        return store.look(time_left(), looked) if looked else ()

    def _judge_named(self, looked: Sequence[Target], found: Sequence[Found]) -> None:
        """Whether flags or manifests count: what they say must be of this run, as the objects must."""
        for each in looked:
            self._told.pop(each.uri, None)
        self._told.update((each.asked, self._conditions.of_this_run(each)) for each in found)

    def _counts(self, uri: str) -> bool:
        return self._told.get(uri) == ""

    def _listed_by(self, named: Sequence[Target], store: Store, time_left: TimeLeft) -> Sequence[Target]:
        """What the manifests list that are there; each is read again only when it has changed."""
        there = self._look_at(named, store, time_left)
        self._judge_named(named, there)
        found = {each.asked: each for each in there if self._counts(each.asked)}
        listed: dict[str, Target] = {}
        before, self._manifests = self._manifests, {}
        for each in (each for each in named if each.uri in found):
            known = before.get(each)
            if known is None or known[0] != found[each.uri]:
                data = store.read(time_left(), each)
                known = (found[each.uri], manifests.listed(each, data)) if data is not None else None
            if known:
                self._manifests[each] = known
                listed.update((entry.uri, entry) for entry in known[1])
            if len(listed) > MOST_PATHS:  # before the next one is read: there can be thousands
                raise TooManyObjects(self._spec.name, f"{len(listed)} of at most {MOST_PATHS} objects are listed")
        # What is known of an object stays known, unless the list wants another size of it now.
        same = {(each.uri, each.size): each for each in self._targets}
        return [same.get((each.uri, each.size), each) for each in listed.values()]

    def _is_met(self, target: Target) -> bool:
        return self._seen.get(target, _NOTHING).is_met

    def _judge(self, looked: Sequence[Target], found: Sequence[Found], closer: LookCloser) -> None:
        by_path: dict[str, list[Found]] = {}
        for each in found:
            if (each.bucket, each.key) in self._flag_names:  # which a pattern may match
                continue
            by_path.setdefault(each.asked, []).append(each)
        for target in looked:
            self._seen[target] = self._judge_target(target, by_path.get(target.uri, ()), closer)
        if (total := sum(len(seen.objects) for seen in self._seen.values())) > MOST_OBJECTS:
            raise TooManyObjects(self._spec.name, f"{total} of at most {MOST_OBJECTS} objects match")

    def _judge_target(self, target: Target, found: Sequence[Found], closer: LookCloser) -> _Seen:
        if self._spec.absent:
            left = [each for each in found if not each.is_deleted]
            return _Seen(is_met=not left, unmet=_still_there(left))
        reasons = self._conditions.judge(target, found)
        passed = closer(target, [each for each, reason in zip(found, reasons, strict=True) if not reason])
        objects = [each for each, reason in passed if not reason]
        exactly = self._spec.expected_count
        if len(found) > MOST_MATCHES:
            self._check_cut(target, max(len(objects), self._conditions.steady(target)))
        if len(objects) == exactly if exactly else len(objects) >= self._spec.min_count:
            return _Seen(is_met=True, objects=objects[:MOST_MATCHES])
        judged = [*zip(found, reasons, strict=True), *passed]
        key, reason = next(((each.key, reason) for each, reason in judged if reason), ("", ""))
        if self._spec.match != "glob":
            return _Seen(unmet=f"the object {reason}" if reason else "")
        enough = f"{len(objects)} of {f'exactly {exactly}' if exactly else f'at least {self._spec.min_count}'} objects"
        return _Seen(unmet=f"{enough}; {key!r} {reason}" if reason else enough if found else "")

    def _check_cut(self, target: Target, passed: int) -> None:
        """Refuse to wait for what may be there among those that no look tells of: it would be in vain."""
        exactly = self._spec.expected_count
        if passed <= exactly if exactly else passed < self._spec.min_count:
            told = f"more than {MOST_MATCHES} objects match, of which only the first, by their keys, can be judged"
            raise TooManyObjects(target.uri, told)

    @property
    def objects(self) -> Sequence[tuple[Target, Found]]:
        """Those that count, path by path as they were asked for, in the order of their keys."""
        met = (each for each in self._targets if self._is_met(each))
        return [(target, found) for target in met for found in self._seen[target].objects]

    @property
    def gone(self) -> Sequence[str]:
        """The paths where nothing is, where that is what counts."""
        return [each.uri for each in self._targets if self._spec.absent and self._is_met(each)]

    def _verdict(self) -> Verdict:
        if self._spec.require == "any":
            reasons = (self._seen.get(each, _NOTHING).unmet for each in self._targets)
            is_there = any(map(self._is_met, self._targets))
            return Verdict(counts=is_there, unmet="" if is_there else next(filter(None, reasons), self._not_there()))
        if not_there := self._not_there():
            return Verdict(counts=False, unmet=not_there)
        unmet = [each for each in self._targets if not self._is_met(each)]
        if not unmet:
            return Verdict(counts=bool(self._targets))
        reason = self._seen.get(unmet[0], _NOTHING).unmet
        if len(self._targets) == 1 and self._spec.match != "manifest":
            return Verdict(counts=False, unmet=reason)
        what = "are gone" if self._spec.absent else "are there"
        told = f"{len(self._targets) - len(unmet)} of {len(self._targets)} objects {what}"
        return Verdict(counts=False, unmet=f"{told}; {unmet[0].uri!r}: {reason or 'not there yet'}")

    def _not_there(self) -> str:
        """A flag or a manifest that does not count, or is missing where something else is not; in words, else empty."""
        for flag in self._each_flag:
            if not self._counts(flag.uri):
                return f"the flag {flag.uri!r} {self._told.get(flag.uri, 'is not there')}"
        if self._spec.match == "manifest":
            missing = next((each.uri for each in self._named if each not in self._manifests), "")
            told = self._told.get(missing) or ("is not there" if len(self._named) > 1 else "")
            return f"the manifest {missing!r} {told}" if missing and told else ""
        return ""


def _may_have_changed(target: Target, hints: Hints) -> bool:
    return hints.everything or target.is_among(hints.names)


def _still_there(found: Sequence[Found]) -> str:
    if found and found[0].refused:
        return f"cannot be told: {found[0].refused}"
    if len(found) > 1:
        return f"{len(found)} objects are still there"
    return "the object is still there" if found else ""
