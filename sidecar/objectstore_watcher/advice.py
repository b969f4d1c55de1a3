"""What a path may have been meant as, where it is taken for something else."""

from __future__ import annotations

import os

from objectstore_watcher.cloud_uris import WebLocation
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.uri import FileLocation, Location, pattern_of

_PATTERNS = "*?["
"""Characters that patterns are made of, and that keys seldom have."""


def advice(spec: WatchSpec) -> str:
    """One line about the first path that may have been meant otherwise; empty where none is."""
    return next(filter(None, (_advice(location, spec) for location in spec.locations)), "")


def _advice(location: Location, spec: WatchSpec) -> str:
    uri = location.uri
    if isinstance(location, FileLocation) and _looks_like_a_bucket(uri):
        return f"{uri!r} is taken for a file of this machine: for an object, write s3://{uri}"
    is_exact = spec.match == "exact" and not isinstance(location, WebLocation)
    if is_exact and any(character in pattern_of(location) for character in _PATTERNS):
        return f"{uri!r} is taken as it stands: for a pattern, add --match=glob (match=)"
    return ""


def _looks_like_a_bucket(uri: str) -> bool:
    """Whether it is relative, in a folder that is not there."""
    folder, slash, _ = uri.partition("/")
    return bool(folder.strip(".") and slash and ":" not in folder and not os.path.isdir(folder))
