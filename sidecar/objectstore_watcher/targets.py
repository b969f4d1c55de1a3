"""What is looked for: each path of a wait, taken apart once."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.patterns import Pattern, literally
from objectstore_watcher.uri import FileLocation, Location, begin, beside, parse, pattern_of


@dataclass(frozen=True, eq=False)
class Target:
    """An object, or all that match a pattern.

    Attributes:
        uri: the path, as it was asked.
        location: where that points to.
        name: the key, or the file's path; for a pattern, what all that match begin with.
        pattern: what keys must match; None: the one object ``name``.
        size: bytes that the object must have; None: any number.
    """

    uri: str
    location: Location
    name: str
    pattern: Pattern | None = None
    size: int | None = None

    def uri_of(self, key: str) -> str:
        """The path of the object ``key``, which this stands for."""
        return begin(self.location) + key if self.pattern else self.uri

    def is_among(self, names: Collection[tuple[str, str]]) -> bool:
        """Whether one of these objects, each a bucket and a key, is what this stands for."""
        bucket = getattr(self.location, "bucket", "")
        if self.pattern is None:
            return (bucket, self.name) in names
        return any(of == bucket and self.pattern.matches(key) for of, key in names)

    def beside(self, name: str, size: int | None = None) -> Target:
        """The object ``name`` in the same folder, or wherever it is, if it is a whole path.

        Raises:
            InvalidArgument: such an object cannot be.
        """
        return exact(beside(self.location, self.name, name), size)


def exact(uri: str, size: int | None = None) -> Target:
    """The one object ``uri``; raises InvalidArgument where it cannot be."""
    location = parse(uri)
    return Target(uri, location, pattern_of(location), size=size)


def matching(uri: str) -> Target:
    """What the pattern ``uri`` stands for; raises InvalidArgument where it is none."""
    location = parse(uri, is_pattern=True)
    text = pattern_of(location)
    if isinstance(location, FileLocation):  # the directory that a relative path begins in is no pattern
        text = os.path.normpath(os.path.join(literally(os.getcwd()), text))
    pattern = Pattern(text)
    if pattern.is_literal:
        return exact(begin(location) + pattern.prefix)
    return Target(uri, location, pattern.prefix, pattern)


def flags(spec: WatchSpec, named: Sequence[Target]) -> dict[Target, Target]:
    """The flag of each of ``named``; those in one folder share theirs. None where ``spec`` asks for none.

    Raises:
        InvalidArgument: there can be no object of the flag's name beside one of them.
    """
    if not spec.flag:
        return {}
    known: dict[str, Target] = {}
    beside = [each.beside(spec.flag) for each in named]
    return {each: known.setdefault(flag.uri, flag) for each, flag in zip(named, beside, strict=True)}


def targets(spec: WatchSpec) -> Sequence[Target]:
    """What ``spec`` names, in its order."""
    return [matching(uri) if spec.match == "glob" else exact(uri) for uri in spec.uris]
