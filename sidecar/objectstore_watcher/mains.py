"""What mains have in common, flytekit's and the lean one: whom they ask, and what of the answer they believe."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from objectstore_watcher import contract, uri, waiting
from objectstore_watcher.contract import Failed, Matched, Ready, Request, WatchSpec
from objectstore_watcher.errors import InvalidArgument, MarkerError, WaitError
from objectstore_watcher.targets import targets

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WHO_ELSE = "find out who else writes there"


def marker_directory() -> Path:
    """Where this pod's markers are."""
    return Path(os.environ.get(contract.DIRECTORY_VARIABLE) or contract.DEFAULT_DIRECTORY)


def attempt() -> int:
    """Which of Flyte's attempts of the task this is, from 1; 0 where Flyte does not say."""
    told = os.environ.get("FLYTE_ATTEMPT_NUMBER", "")
    return int(told) + 1 if told.isascii() and told.isdecimal() else 0


def ask(spec: WatchSpec, *, candidates: bool = False) -> Request:
    """Ask the watcher beside this container; returns the request that counts.

    Args:
        spec: what to wait for.
        candidates: main judges what is found before it counts.

    Raises:
        InvalidArgument: the path is a file.
        MarkerError: the directory is missing, read-only or full, or holds another request.
    """
    if isinstance(spec.location, uri.FileLocation):
        raise InvalidArgument(
            f"path {spec.uris[0]!r}", "is a file of this machine, which a pod cannot see", cure="write s3://bucket/key"
        )
    return waiting.ask(marker_directory(), spec, candidates=candidates)


def account_of(spec: WatchSpec, error: WaitError) -> Failed:
    """The watcher's own account of ``error``, or as much as main knows."""
    with suppress(WaitError):
        told = contract.read(marker_directory(), Failed)
        if told and told.message == str(error):
            return told
    return replace(Failed.of(spec.name, error), history=contract.progress(marker_directory()))


def moment_before(moment: datetime, seconds: float) -> str:
    """The time that many seconds before ``moment``, as the watcher is told it: ISO 8601; of no zone, it is UTC.

    Raises:
        InvalidArgument: there is none, as before the year 1.
    """
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    try:
        return (zoned - timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        detail = f"there is no time {seconds:g} s before {zoned.isoformat()}"
        raise InvalidArgument("newer_than", detail, cure="give a later one") from None


def moment_of(text: str) -> datetime | None:
    """A marker's time; None where it tells none. Raises ValueError where it is none."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def found_for(spec: WatchSpec, ready: Ready) -> list[str]:
    """The paths that were found: those that were asked for, or what they stand for as patterns or manifests.

    Raises:
        MarkerError: one of them was not asked for: somebody else than the watcher wrote the marker.
    """
    if spec.require == "all" and (spec.absent or spec.match == "exact"):
        return [spec.uri] if isinstance(spec.uri, str) else list(spec.uri)
    found = list(ready.gone) if spec.absent else [each.uri for each in ready.objects]
    was_asked = set(spec.uris).__contains__ if spec.absent else _asked(spec)
    other = [each for each in found if not was_asked(each)]
    if other or not found:
        told = repr(other[0]) if other else "no object"
        raise MarkerError(f"path {spec.name!r}", f"the marker tells of {told}", cure=_WHO_ELSE)
    return found


def told_of(spec: WatchSpec, ready: Ready) -> Sequence[Matched]:
    """The objects that were found, path by path.

    Raises:
        MarkerError: as `found_for`; or the marker does not tell of one, or of when it was.
    """
    told = {each.uri: each for each in ready.objects}
    try:
        found = [told[path] for path in found_for(spec, ready)]
        for text in (ready.detected_at, *(each.last_modified for each in found)):
            moment_of(text)
    except (KeyError, ValueError) as error:
        raise MarkerError(f"path {spec.name!r}", f"the marker does not tell of it: {error}", cure=_WHO_ELSE) from None
    return found


def _asked(spec: WatchSpec) -> Callable[[str], bool]:
    """Whether ``spec`` may stand for the object of a path; of what a manifest lists, only the store is known here."""
    wanted = targets(spec)
    exact = {target.uri for target in wanted if target.pattern is None}  # there can be thousands of either
    patterns = [(target.uri_of(""), target.pattern) for target in wanted if target.pattern]

    def was_asked(path: str) -> bool:
        if spec.match == "manifest":
            with suppress(InvalidArgument):
                return uri.kind_of(uri.parse(path)) == uri.kind_of(wanted[0].location)
            return False
        return path in exact or any(path.startswith(begin) and of.matches(path[len(begin) :]) for begin, of in patterns)

    return was_asked
