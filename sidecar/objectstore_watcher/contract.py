"""The contract between main and the watcher: what is asked, and the files through which both speak.

This module is the only place that knows file names, flag names and payloads. It needs the standard library only.

One directory on a volume that both containers mount holds:

=============== ========= ======================================================================================
file            writer    meaning
=============== ========= ======================================================================================
``request``     main      JSON: the `WatchSpec` and when it was asked; the watcher idles until it is there
``heartbeat``   watcher   its modification time changes while the watcher lives
``progress``    watcher   JSON: what has happened so far, for people; replaced with heartbeats, gone with the answer
``candidate-N`` watcher   JSON, as ``ready``: what main's own condition is to judge; only where main asks for it
``verdict-N``   main      JSON: whether ``candidate-N`` is what is waited for
``ready``       watcher   JSON: the objects that were found, and how
``failed``      watcher   JSON: why the wait ended without it, and whether a new attempt can help
=============== ========= ======================================================================================

Existence is the state: ``until [ -e ready ]; do [ ! -e failed ] || exit 1; sleep 1; done`` is a correct reader. Each
file appears whole or not at all, all but ``progress`` once, and ``ready`` and ``failed`` exclude each other.

Candidates are numbered from 1. The last one that has no verdict is main's to judge, by whichever main is there; the
watcher offers no other before. It removes older ones when it offers a new one; the last pair stays. So either side may
be killed and restarted at any point: main judges again what has no verdict, the watcher takes up what has one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone

from objectstore_watcher import markers
from objectstore_watcher import uri as paths
from objectstore_watcher.cloud_uris import CloudLocation, WebLocation
from objectstore_watcher.durations import seconds, seconds_or_0
from objectstore_watcher.errors import InvalidArgument, MarkerError, TooManyObjects, WaitError, rebuild
from objectstore_watcher.history import NOTHING, History
from objectstore_watcher.pairs import Pairs, pairs
from objectstore_watcher.patterns import Pattern
from objectstore_watcher.payloads import known
from objectstore_watcher.sizes import in_bytes

TYPE_CHECKING = False  # mypy takes it for typing's, whose import, with pathlib's, is a fifth of this module's
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, TypeVar

ENV_PREFIX = "OBJECTSTORE_WATCHER_"
"""Each flag can be given as an environment variable with this prefix; the flag wins."""

DIRECTORY_VARIABLE = ENV_PREFIX + "DIR"
"""Where both containers of a pod find the marker directory."""

DEFAULT_DIRECTORY = "/var/run/objectstore-watcher"
"""Where pods made by this project mount the marker volume."""

DEFAULT_POLL_INTERVAL = 10.0
"""Seconds between two looks at the object: the value of Flyte's tutorial, and $0.0001 an hour of HEADs on S3."""

DEFAULT_TIMEOUT = 86400.0
"""Seconds, a day: nothing waits for ever, and Flyte's scheduled workflows mostly come round within a day."""

DEFAULT_REQUEST_TIMEOUT = 10.0
"""Seconds that an answer may take: to resolve the server's name, connect, ask, and read the whole of it. A look is one
request, mostly; those that need many go on while answers come."""

DEFAULT_HEARTBEAT_INTERVAL = 10.0
"""Seconds between two heartbeats. Three of them outlast the first two restarts of a watcher:
the kubelet waits 0 s, then 10 s. With shorter ones, the second restart is taken for death."""

SHORTEST_HEARTBEAT_INTERVAL = 0.5
"""Seconds: a watcher that is throttled on a busy node needs as long to come round."""

HEARTBEATS_MISSED = 3
"""So many heartbeats may stay out before main gives the watcher up: one late on a busy node is no death."""

PATIENCE = 60.0
"""Seconds after its last look that a watcher which lives may take to answer: a throttled one needs some. Without this
end, one that cannot answer would be waited for for ever."""

LAST_LOOK = PATIENCE / 2
"""Seconds after the deadline for which the last look may go on while answers come, as those of a listing do: some 300
pages. The rest of main's patience is for what follows."""

MATCHES = ("exact", "glob", "manifest")
"""What a path may be; chosen by the author of the task or command, never by what the path contains."""

REQUIRES = ("all", "any")
"""How many of several paths must be there."""

POLICIES = ("fail", "wait")
"""What to do where it depends on the user whether waiting can help."""

DETECTIONS = ("auto", "poll", "events")
"""How to notice the object: by polling alone, or by the server's events with polling as the net."""

MAX_FILE_BYTES = 4 * 1024 * 1024
"""No file of the contract is longer: 10,000 objects take 250 bytes each, and their keys; a reader needs some 90 MiB for
the worst that fits."""

MOST_PATHS = 10_000
"""Paths of one wait."""

MOST_MATCHES = 10_000
"""Objects that a look at a pattern finds at most, in the order of their keys: more need not fit into memory."""

MAX_TEXT = 1024
"""Characters of an option: no region, endpoint or file name that works is longer."""

VERSION = 1
"""Of the files; a reader refuses another."""

HEARTBEAT = "heartbeat"

CANDIDATE = "candidate"


def now_iso() -> str:
    """Now, ISO 8601 in UTC, to the millisecond."""
    return iso(datetime.now(timezone.utc))


def iso(moment: datetime) -> str:
    """``moment`` as ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True)
class WatchSpec:
    """Everything the watcher is told. Never a credential.

    Its fields are the JSON of ``request`` and the command line's flags: ``poll_interval`` is ``--poll-interval``.

    Attributes:
        uri: the object: ``s3://bucket/key``, ``file:///path``, a plain path, or one of `cloud_uris`; or several.
        poll_interval: seconds between two looks.
        timeout: seconds from the request to the deadline.
        request_timeout: seconds that one answer may take, from resolving the server's name to the whole of it.
        heartbeat_interval: seconds between two heartbeats.
        endpoint: URL of the object store's API; empty: from the environment, else that of its cloud.
        region: region that signs the requests; empty: from the environment, else us-east-1.
        ca_file: PEM file of the authorities to trust; empty: from the environment, else certifi's.
        on_missing_bucket: ``fail`` or ``wait``, one of `POLICIES`.
        on_forbidden: the same, where the server refuses access.
        require: ``all`` of several paths must be there, or ``any``, one of `REQUIRES`.
        match: ``exact``: the path is that of one object; ``glob``: a pattern, see `objectstore_watcher.patterns`;
            ``manifest``: that of a list of objects, see `objectstore_watcher.manifests`.
        flag: the object that says that the others are complete, such as ``_SUCCESS``: looked for beside each path,
            or where it is, if it is a whole path; a pattern that stands for several folders needs such; empty: none.
        min_count: so many objects that match must be there.
        expected_count: exactly so many must be there; 0: any number.
        absent: wait until the object is gone.
        min_size: bytes; a smaller object does not count.
        stable_for: seconds for which the watcher must have seen the object unchanged, fewer than until the deadline; 0:
            none.
        newer_than: an ISO 8601 time, or an age such as ``1h`` at the time of the request; an object, flag or manifest
            last modified before does not count; empty: any does.
        etag: the ETag that the object must have, without quotes; empty: any.
        version_id: the version that is waited for; empty: the latest.
        detection: ``auto``: events where the server has them, and slower polls beside them, else polls; ``poll``; or
            ``events``: as ``auto``, and a warning where there are none. One of `DETECTIONS`.
        sha256: the checksum of its content that the object must have been stored with, in hexadecimal; empty: any.
        user_metadata: names and values of ``x-amz-meta-*`` that the object must have, the names in lower case.
        tags: names and values of the tags that the object must have.
        expected_within: seconds from the request in which the author expects the object; 0: nothing is known. It
            changes nothing about the wait: a metric tells the time, for alerts.
    """

    uri: str | tuple[str, ...]
    poll_interval: float = field(
        default=DEFAULT_POLL_INTERVAL, metadata={"help": "seconds, or 500ms, 10s, 5m, between two looks"}
    )
    timeout: float = field(default=DEFAULT_TIMEOUT, metadata={"help": "give up after this long (5m, 1h30m, 1d)"})
    request_timeout: float = field(
        default=DEFAULT_REQUEST_TIMEOUT,
        metadata={"help": "longest time without an answer: to connect, to ask, to be answered"},
    )
    heartbeat_interval: float = field(
        default=DEFAULT_HEARTBEAT_INTERVAL,
        metadata={"help": f"refresh the heartbeat this often; main gives up after {HEARTBEATS_MISSED} missing ones"},
    )
    endpoint: str = field(
        default="", metadata={"help": "URL of the object store's API (default: from the environment, else its cloud)"}
    )
    region: str = field(default="", metadata={"help": "region (default: from the environment, else us-east-1)"})
    ca_file: str = field(default="", metadata={"help": "PEM file of the certificate authorities to trust"})
    on_missing_bucket: str = field(
        default="fail", metadata={"help": "fail, or wait until somebody makes the bucket", "choices": POLICIES}
    )
    on_forbidden: str = field(
        default="fail",
        metadata={
            "help": "fail, or wait on: without s3:ListBucket, S3 answers 403 for an absent object",
            "choices": POLICIES,
        },
    )
    require: str = field(
        default="all", metadata={"help": "all of several PATHs must be there, or any", "choices": REQUIRES}
    )
    match: str = field(
        default="exact",
        metadata={
            "help": "exact; glob: PATH is a pattern with *, **, ?, [a-z] and \\; manifest: PATH lists objects",
            "choices": MATCHES,
        },
    )
    flag: str = field(
        default="",
        metadata={"help": "an object, such as _SUCCESS, beside each PATH or elsewhere, without which nothing counts"},
    )
    min_count: int = field(default=1, metadata={"help": "so many objects that match must be there"})
    expected_count: int = field(default=0, metadata={"help": "exactly so many objects that match must be there"})
    absent: bool = field(default=False, metadata={"help": "wait until the object is gone"})
    min_size: int = field(default=0, metadata={"help": "a smaller object does not count: bytes, or 10MiB, 1.5GB"})
    stable_for: float = field(
        default=0.0, metadata={"help": "count an object once it has been seen unchanged for this long (30s, 5m)"}
    )
    newer_than: str = field(
        default="",
        metadata={
            "help": "an object, flag or manifest last modified before does not count: 2026-06-01T12:00:00Z, or an age"
            " such as 1h"
        },
    )
    etag: str = field(default="", metadata={"help": "the ETag that the object must have"})
    version_id: str = field(default="", metadata={"help": "the version to wait for (default: the latest)"})
    detection: str = field(
        default="auto",
        metadata={
            "help": "auto: MinIO's events where they can be had, with slow polls as the net, else polls;"
            " poll; or events: as auto, with a warning where they cannot",
            "choices": DETECTIONS,
        },
    )
    sha256: str = field(
        default="", metadata={"help": "the SHA-256 that the object must have been stored with: hexadecimal or base64"}
    )
    user_metadata: Pairs = field(
        default=(), metadata={"help": "x-amz-meta-NAME that the object must have: NAME=VALUE; may be repeated"}
    )
    tags: Pairs = field(default=(), metadata={"help": "tag that the object must have: NAME=VALUE; may be repeated"})
    expected_within: float = field(
        default=0.0, metadata={"help": "when the object is expected, after the request (30m, 2h): for alerts alone"}
    )

    DURATIONS = ("poll_interval", "timeout", "request_timeout", "heartbeat_interval")

    def __post_init__(self) -> None:
        """Check all fields.

        Raises:
            InvalidArgument: a field cannot be right; the message names its flag.
        """
        object.__setattr__(self, "uri", _paths(self.uri))
        locations = self.locations
        self._normalize()
        for option in options():
            if isinstance(option.default, str):
                _check_text(title(option.name), getattr(self, option.name), option.metadata.get("choices"))
        newer_than(self.newer_than, datetime.now(timezone.utc))
        self._check_match(locations)
        self._check_schemes(locations)
        self._check_flag(locations)
        if self.detection == "events":
            self._check_events(locations)
        for name in ("sha256", "user_metadata", "tags"):
            if getattr(self, name):
                self._check_detail(name, locations)
        self._check_durations()
        self._check_flag_is_another(locations)
        self._check_server(locations[0])

    def _check_durations(self) -> None:
        if self.heartbeat_interval < SHORTEST_HEARTBEAT_INTERVAL:
            raise InvalidArgument(
                title("heartbeat_interval"),
                f"{self.heartbeat_interval:g} s is too short",
                cure=f"use {SHORTEST_HEARTBEAT_INTERVAL:g} s or more: a busy node takes as long to run the watcher",
            )
        if self.timeout < self.poll_interval:
            raise InvalidArgument(
                title("timeout"),
                f"{self.timeout:g} s is shorter than the poll interval of {self.poll_interval:g} s",
                cure="raise the timeout or lower the poll interval",
            )
        if self.stable_for >= self.timeout:  # it counts from the first look, and the last one is at the deadline
            raise InvalidArgument(
                title("stable_for"),
                f"{self.stable_for:g} s is not shorter than the timeout of {self.timeout:g} s",
                cure="lower it, or raise the timeout",
            )
        if self.expected_within > self.timeout:
            raise InvalidArgument(
                title("expected_within"),
                f"{self.expected_within:g} s is longer than the timeout of {self.timeout:g} s",
                cure="lower it, or raise the timeout",
            )

    def _check_server(self, location: paths.Location) -> None:
        if self.region:
            paths.check_region(self.region, title("region"))
        if self.endpoint:
            cloud = location.cloud if isinstance(location, CloudLocation) else ""
            paths.parse_endpoint(self.endpoint, title("endpoint"), cloud)

    def _check_events(self, locations: Sequence[paths.Location]) -> None:
        what = _NOT_OF[type(locations[0])][0]
        if not isinstance(locations[0], paths.ObjectLocation):
            raise InvalidArgument(title("detection"), f"events are of MinIO, and the path is {what}", cure="use auto")
        if self.match == "manifest":
            raise InvalidArgument(
                title("detection"), "what a manifest lists is not known when events are asked for", cure="use auto"
            )

    def _check_schemes(self, locations: Sequence[paths.Location]) -> None:
        """Refuse paths that do not go together, and options that mean nothing where they point."""
        what, none = _NOT_OF[type(locations[0])]
        for location in [*locations, *self._flag_elsewhere()]:
            if paths.kind_of(location) != paths.kind_of(locations[0]):
                raise InvalidArgument(
                    f"path {location.uri!r}",
                    f"is in another kind of store than {locations[0].uri!r}",
                    cure="use a wait for each kind: they share endpoint and credentials",
                )
        for name in none:
            if getattr(self, name):
                raise InvalidArgument(title(name), f"means nothing here: the path is {what}", cure="leave it out")
        if self.match != "exact" and isinstance(locations[0], WebLocation):
            raise InvalidArgument(
                title("match"), "a web server has no list of what it has", cure="use match=exact with the whole URL"
            )

    def _flag_elsewhere(self) -> list[paths.Location]:
        """Where the flag is, if it is a whole path."""
        try:
            return [paths.parse(self.flag)] if "://" in self.flag else []
        except InvalidArgument as error:
            raise InvalidArgument(title("flag"), f"{self.flag!r}: {error.detail}", cure=error.cure) from None

    def _check_flag_is_another(self, locations: Sequence[paths.Location]) -> None:
        """Refuse a path that is also the flag: nothing counts that only says that others are complete."""
        flags = {paths.beside(each, paths.pattern_of(each), self.flag) for each in locations if self.flag}
        both = sorted(flags.intersection(self.uris))
        if both and self.match != "manifest":
            raise InvalidArgument(title("flag"), f"{both[0]!r} is the path itself", cure="leave one of them out")

    def _check_flag(self, locations: Sequence[paths.Location]) -> None:
        """Refuse the name of a flag that can be beside none of the paths, or of which nobody knows where it is."""
        for location in locations if self.flag else ():
            key = paths.pattern_of(location)
            if self.match == "glob":
                pattern = Pattern(key)
                if pattern.has_wildcard_folders and not paths.is_whole(self.flag, location):
                    raise InvalidArgument(
                        title("flag"),
                        f"{self.flag!r} is looked for beside the path, and {location.uri!r} stands for several folders",
                        cure="write the flag's whole path",
                    )
                key = pattern.prefix
            try:
                paths.parse(paths.beside(location, key, self.flag))
            except InvalidArgument as error:
                raise InvalidArgument(
                    title("flag"), f"{self.flag!r} cannot be beside the path: {error.detail}", cure=error.cure
                ) from None

    @property
    def locations(self) -> Sequence[paths.Location]:
        """Where the paths point to."""
        return [self._located(uri) for uri in self.uris]

    @property
    def location(self) -> paths.Location:
        """Where the first of them points to: all are in one kind of store."""
        return self._located(self.uris[0])

    def _located(self, uri: str) -> paths.Location:
        return paths.parse(uri, is_pattern=self.match == "glob")

    @property
    def uris(self) -> tuple[str, ...]:
        """The paths, each once."""
        return (self.uri,) if isinstance(self.uri, str) else tuple(dict.fromkeys(self.uri))

    @property
    def name(self) -> str:
        """The path, or of several the first and how many there are: for people."""
        first, *others = self.uris
        return f"{first} and {len(others)} more" if others else first

    def _check_match(self, locations: Sequence[paths.Location]) -> None:
        for location in locations if self.match == "glob" else ():
            self._check_pattern(location)
        for name, none in (("min_count", 1), ("expected_count", 0)):
            if self.match != "glob" and getattr(self, name) != none:
                raise InvalidArgument(title(name), "is of patterns", cure="add --match=glob (match=) or leave it out")
        if self.min_count != 1 and self.expected_count:
            raise InvalidArgument(title("min_count"), "says the same as expected_count", cure="use one of them")
        for option in options() if self.absent else ():
            value = getattr(self, option.name)
            is_told = value == "manifest" if option.name == "match" else value != option.default
            if option.name in _OF_WHAT_IS_THERE and is_told:
                raise InvalidArgument(
                    title("absent"), f"cannot be had with {option.name}", cure="leave one of them out"
                )
        for name in ("etag", "version_id"):
            several = ("manifest",) if name == "etag" else ("glob", "manifest")
            if getattr(self, name) and (len(locations) > 1 or self.match in several):
                raise InvalidArgument(
                    title(name), "is of one object, and the path stands for several", cure="leave it out"
                )

    def _check_pattern(self, location: paths.Location) -> None:
        pattern = Pattern(paths.pattern_of(location))
        if not pattern.is_literal:
            return
        paths.parse(paths.begin(location) + pattern.prefix)
        name = "expected_count" if self.expected_count else "min_count"
        if getattr(self, name) > 1:
            raise InvalidArgument(
                title(name),
                f"{getattr(self, name)} objects can never match {location.uri!r}, in which no pattern is",
                cure="write a pattern, such as part-*, or leave it out",
            )

    def _check_detail(self, name: str, locations: Sequence[paths.Location]) -> None:
        if not all(isinstance(location, paths.ObjectLocation) for location in locations):
            raise InvalidArgument(title(name), "is of objects in S3, and the path is elsewhere", cure="leave it out")
        if name == "sha256" and (len(locations) > 1 or self.match != "exact"):
            raise InvalidArgument(title(name), "is of one object, and the path stands for several", cure="leave it out")

    def _normalize(self) -> None:
        """Bring what may be written in several ways into the one that travels."""

        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        for name in self.DURATIONS:
            put(name, seconds(getattr(self, name), title(name)))
        for name in ("stable_for", "expected_within"):
            put(name, seconds_or_0(getattr(self, name), title(name)))
        put("min_size", in_bytes(self.min_size, title("min_size")))
        put("min_count", count(self.min_count, title("min_count")))
        put("expected_count", count(self.expected_count, title("expected_count"), least=0))
        put("absent", truth(self.absent, title("absent")))
        put("newer_than", _moment_text(self.newer_than))
        put("sha256", digest(self.sha256, title("sha256")))
        put("etag", _unquoted(self.etag, title("etag")))
        for name in ("user_metadata", "tags"):
            put(name, pairs(name, title(name), getattr(self, name)))

    def to_args(self) -> list[str]:
        """The command line that asks for this, defaults left out; the command line reads it back to an equal spec."""
        told = [(f.name, getattr(self, f.name)) for f in options() if getattr(self, f.name) != f.default]
        args = [arg for name, value in told for arg in _args(flag(name), value)]
        return [*args, "--", *([self.uri] if isinstance(self.uri, str) else self.uri)]

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> WatchSpec:
        """The spec of a JSON object.

        Raises:
            InvalidArgument: a field is unknown, missing, of another type, or cannot be right.
        """
        if unknown := sorted(values.keys() - {f.name for f in fields(cls)}):
            raise InvalidArgument(
                "request",
                f"unknown field {unknown[0]!r}",
                cure="use the watcher image of the same version as the sensor package",
            )
        try:
            return cls(**known(cls, values))
        except TypeError as error:
            raise InvalidArgument(
                "request", str(error), cure="write it with objectstore_watcher.waiting.ask"
            ) from error


def _paths(given: object) -> str | tuple[str, ...]:
    """A path, or a tuple of several, from whatever holds them; of one, the path alone."""
    if isinstance(given, str):
        return given
    several = tuple(given) if isinstance(given, list | tuple) else ()
    if not all(isinstance(path, str) for path in several) or not 0 < len(several) <= MOST_PATHS:
        found = f"{len(several)} paths" if isinstance(given, list | tuple) else f"a {type(given).__name__}"
        raise InvalidArgument("path", f"is {found}", cure=f"give a path, or a list of 1 to {MOST_PATHS} of them")
    return several[0] if len(several) == 1 else several


_OF_WHAT_IS_THERE = {
    "match",  # as a manifest
    "flag",
    "min_count",
    "expected_count",
    "min_size",
    "stable_for",
    "newer_than",
    "etag",
    "sha256",
    "user_metadata",
    "tags",
}
"""Options that mean nothing where absence is waited for: any object that is there stands against it."""

_NOT_OF: dict[type, tuple[str, tuple[str, ...]]] = {
    paths.ObjectLocation: ("in S3", ()),
    paths.FileLocation: ("a file", ("etag", "version_id")),
    CloudLocation: ("in another cloud than AWS", ("region",)),
    WebLocation: ("the URL of a web server", ("endpoint", "region", "version_id", "flag")),
}
"""By kind of path: how errors call it, and the options that mean nothing there."""


def _check_text(name: str, value: object, choices: tuple[str, ...] | None) -> None:
    if not isinstance(value, str):
        raise InvalidArgument(name, f"is a {type(value).__name__}", cure="give a string")
    if value == "--" or len(value) > MAX_TEXT or not _is_unicode(value):  # argparse takes "--" for its own
        raise InvalidArgument(
            name, f"{value[:50]!r} cannot be right", cure=f"use at most {MAX_TEXT} characters of text"
        )
    if choices and value not in choices:
        raise InvalidArgument(name, f"{value!r} is unknown", cure=f"use {' or '.join(choices)}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def options() -> Iterator[Any]:
    """The fields of `WatchSpec` that are flags: all but the positional ``uri``."""
    return (f for f in fields(WatchSpec) if f.default is not MISSING)


def flag(name: str) -> str:
    """The command line's flag for the field ``name``."""
    return "--" + name.replace("_", "-")


def title(name: str) -> str:
    """How errors call the field ``name``: as the command line and as Python know it."""
    return f"{flag(name)} ({name})"


def default_poll_interval(timeout: float) -> float:
    """The poll interval in seconds where none was asked for: never longer than the timeout."""
    return min(DEFAULT_POLL_INTERVAL, timeout)


def variable(name: str) -> str:
    """The environment variable that stands in for the flag of the field ``name``."""
    return ENV_PREFIX + name.upper()


def truth(value: object, name: str) -> bool:
    """A switch: a bool, or ``true`` or ``false`` in the environment; raises InvalidArgument where it is neither."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = value if isinstance(value, bool) else known.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise InvalidArgument(name, f"{value!r} is neither true nor false", cure="use true or false")
    return found


def count(value: object, name: str, least: int = 1) -> int:
    """A number of objects: an int or digits; raises InvalidArgument where it is none."""
    text = str(value)
    is_number = text.isascii() and text.isdigit() and not isinstance(value, bool)
    if not is_number or not least <= int(text[:9]) <= MOST_MATCHES:
        raise InvalidArgument(name, f"{value!r} is no number of objects", cure=f"use {least} to {MOST_MATCHES}")
    return int(text)


def newer_than(text: str, asked: datetime) -> float | None:
    """The time that ``text`` means for a wait that was asked for at ``asked``: Unix time; None where it is empty.

    Raises:
        InvalidArgument: it is neither a time with a zone nor a duration.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(_with_offset(text))
    except ValueError:
        return asked.timestamp() - _age(text)
    if moment.tzinfo is None:
        raise InvalidArgument(
            title("newer_than"), f"{text!r} is a time of no zone", cure="add Z for UTC, or an offset such as +02:00"
        )
    return moment.timestamp()


def _age(text: str) -> float:
    """The age ``text`` in seconds."""
    try:
        return seconds_or_0(text, title("newer_than"))
    except InvalidArgument:
        raise InvalidArgument(
            title("newer_than"),
            f"{text!r} is neither a time nor an age",
            cure="write 2026-06-01T12:00:00Z, or an age such as 1h",
        ) from None


def _with_offset(text: str) -> str:
    """``Z`` written as Python 3.10 reads it."""
    return text[:-1] + "+00:00" if text[-1:] in "zZ" else text


def _moment_text(value: object) -> object:
    """A datetime or a timedelta as text; anything else as it is."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}s"
    return value


def _unquoted(etag: object, name: str) -> object:
    """An ETag without the quotes that HTTP, and so many clients, put around it; what is no text, as it is.

    Raises:
        InvalidArgument: nothing is between the quotes: it would be no condition.
    """
    if not isinstance(etag, str) or not etag:
        return etag
    text = etag.removeprefix("W/").strip('"')
    if not text:
        raise InvalidArgument(name, f"{etag!r} is an ETag without a character", cure="correct it, or leave it out")
    return text


def digest(value: object, name: str) -> object:
    """A SHA-256 in lower-case hexadecimal, from that or from base64; what is no text, as it is.

    Raises:
        InvalidArgument: it is a text, and no SHA-256.
    """
    if not isinstance(value, str) or not value:
        return value
    from base64 import b64decode  # late: few ask for it

    try:
        data = bytes.fromhex(value) if len(value) == _HEX_DIGITS else b64decode(value, validate=True)
    except ValueError:
        data = b""
    if len(data) * 2 != _HEX_DIGITS:
        raise InvalidArgument(name, f"{value[:100]!r} is no SHA-256", cure="give 64 hexadecimal digits, or base64")
    return data.hex()


_HEX_DIGITS = 64


def _args(name: str, value: float | str | Pairs) -> Iterator[str]:
    if value is True:
        yield name
    elif isinstance(value, tuple):
        yield from (f"{name}={each}={text}" for each, text in value)
    else:
        yield f"{name}={_text(value)}"


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    from decimal import Decimal  # late: only who writes a command line needs it

    return format(Decimal(repr(value)), "f")  # exact, and never 1e-05, which is no duration


@dataclass(frozen=True, kw_only=True)
class Request:
    """The file ``request``: what to wait for, and since when.

    Attributes:
        spec: what to wait for.
        requested_at: when it was asked, ISO 8601 in UTC: for people.
        requested_monotonic: the same on the kernel's monotonic clock, in seconds, which all containers of a pod
            share: the deadline counts from here, so neither a restart nor a step of the wall clock moves it.
        candidates: main judges what is found before it counts.
    """

    NAME = "request"

    spec: WatchSpec
    candidates: bool = False
    requested_at: str = field(default_factory=now_iso)
    requested_monotonic: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        """When the wait ends without the object: seconds on the monotonic clock."""
        return self.requested_monotonic + self.spec.timeout

    @property
    def asked(self) -> datetime:
        """When it was asked, by the wall clock; now where the request does not say so in our way."""
        try:
            return datetime.fromisoformat(_with_offset(self.requested_at))
        except ValueError:
            return datetime.now(timezone.utc)

    @property
    def answer_due(self) -> float:
        """When the watcher must have answered: seconds on the monotonic clock."""
        return self.deadline + self.spec.request_timeout + PATIENCE

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Request:
        """The request of a JSON object; raises InvalidArgument where its spec is none."""
        told = known(cls, values)
        # A time to come is of a clock that began anew, with the machine: it must not put the deadline off.
        told["requested_monotonic"] = min(time.monotonic(), told.get("requested_monotonic", math.inf))
        return cls(**{**told, "spec": WatchSpec.from_mapping(told["spec"])})


@dataclass(frozen=True, kw_only=True)
class Matched:
    """An object that was found.

    Attributes:
        uri: its path: as it was asked, or that of the object which a pattern or a manifest stands for.
        size: bytes.
        etag: ETag without quotes; empty for files.
        version_id: version of the object in a versioned bucket, else empty; a listing does not tell it.
        last_modified: when the object was written, by the server's clock, ISO 8601 in UTC.
    """

    uri: str
    size: int = 0
    etag: str = ""
    version_id: str = ""
    last_modified: str = ""

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Matched:
        """The object of a JSON object."""
        return cls(**known(cls, values))


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The file ``ready``: the objects that were found, and how.

    Attributes:
        uri: the path, as it was asked; of several, the first and how many there were.
        objects: those that count, path by path as they were asked for, and in the order of their keys; none where
            their absence was waited for.
        gone: the paths where nothing is, as they were asked for, where that was waited for.
        detected_at: when the watcher saw it, ISO 8601 in UTC.
        detected_by: ``event`` where an event caused the look that found it, else ``poll``.
        polls: looks that were needed.
        requests: requests to the object store that were needed.
        waited: seconds from the request to the detection.
        history: what happened until then, for people: two that differ in it alone are equal.
    """

    NAME = "ready"

    uri: str
    objects: tuple[Matched, ...] = ()
    gone: tuple[str, ...] = ()
    detected_at: str = ""
    detected_by: str = "poll"
    polls: int = 0
    requests: int = 0
    waited: float = 0.0
    history: History = field(default_factory=History, compare=False)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Ready:
        """The marker of a JSON object."""
        told = known(cls, values)
        told["objects"] = tuple(Matched.from_mapping(each) for each in told.get("objects", ()))
        told["gone"] = tuple(told.get("gone", ()))
        if not all(isinstance(path, str) for path in told["gone"]):
            raise TypeError("'gone' has what is no path")
        return cls(**_with_history(told))


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The file ``failed``: why the wait ended without the object.

    Attributes:
        uri: the path, as it was asked.
        kind: label of the row in the table of errors.
        subject: what it happened to.
        detail: what exactly was seen.
        cure: what to do about it.
        message: the three of them in one line, for people.
        retryable: whether a new attempt can help.
        failed_at: when, ISO 8601 in UTC.
        history: what happened until then, for people: two that differ in it alone are equal.
    """

    NAME = "failed"

    uri: str
    kind: str
    subject: str
    detail: str
    cure: str
    message: str
    retryable: bool
    failed_at: str
    history: History = field(default_factory=History, compare=False)

    @classmethod
    def of(cls, uri: str, error: WaitError) -> Failed:
        """The marker for ``error``."""
        return cls(
            uri=uri,
            kind=error.kind.label,
            subject=error.subject,
            detail=error.detail,
            cure=error.cure,
            message=str(error),
            retryable=error.retryable,
            failed_at=now_iso(),
        )

    def error(self) -> WaitError:
        """The error that this marker tells of; main raises it."""
        return rebuild(self.kind, self.subject, self.detail, self.cure)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Failed:
        """The marker of a JSON object."""
        return cls(**_with_history(known(cls, values)))


def _with_history(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "history": History.from_mapping(told["history"])} if "history" in told else told


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A file ``verdict-N``: main's answer to ``candidate-N``.

    Attributes:
        accepted: whether it is what is waited for.
    """

    NAME = "verdict"

    accepted: bool

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Verdict:
        """The verdict of a JSON object."""
        return cls(**known(cls, values))


if TYPE_CHECKING:
    File = Request | Ready | Failed | Verdict | History
    F = TypeVar("F", Request, Ready, Failed, Verdict, History)


def encoded(content: File) -> bytes:
    """What a file of the contract holds; without its history, where that has no room.

    Raises:
        TooManyObjects: it would be longer than `MAX_FILE_BYTES`.
    """
    data = json.dumps({"version": VERSION, **asdict(content)}, indent=1).encode() + b"\n"
    if len(data) > MAX_FILE_BYTES and isinstance(content, Ready | Failed) and content.history != NOTHING:
        return encoded(replace(content, history=NOTHING))
    if len(data) > MAX_FILE_BYTES:
        name = content.spec.name if isinstance(content, Request) else getattr(content, "uri", "")
        raise TooManyObjects(name, f"{content.NAME!r} would have {len(data)} of at most {MAX_FILE_BYTES} bytes")
    return data


def write(directory: Path, content: File) -> None:
    """Publish a file of the contract: whole or not at all, and never over another.

    Raises:
        FileExistsError: it is there already; for ``ready`` and ``failed``: one of them is.
        MarkerError: the directory is missing, read-only or full; nothing is left behind.
        TooManyObjects: as `encoded`.
    """
    data = encoded(content)
    markers.publish(directory, content.NAME, data, () if isinstance(content, Request) else (Ready.NAME, Failed.NAME))


def read(directory: Path, kind: type[F], name: str = "") -> F | None:
    """The file of that kind, or None where it is not there.

    Args:
        directory: where.
        kind: what it holds.
        name: the file's, where that is not the kind's.

    Raises:
        MarkerError: it cannot be read, is too long, or is not what this contract writes.
        InvalidArgument: a request asks for something that cannot be right.
    """
    name = name or kind.NAME
    data = markers.load(directory, name, MAX_FILE_BYTES)
    if data is None:
        return None
    try:
        values = json.loads(data, parse_constant=_refuse)
        if values["version"] != VERSION:
            raise ValueError(f"version {values['version']!r}, not {VERSION}")
        return kind.from_mapping(values)
    except InvalidArgument:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise MarkerError(
            str(directory / name),
            f"is not what this version writes ({error!r})",
            cure="use the same version of the watcher image and of the sensor package;"
            " if it is, find out who else writes there, and try again",
        ) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def answered(directory: Path) -> bool:
    """Whether a terminal marker is there, without opening one: main asks fifty times a second."""
    return not {Ready.NAME, Failed.NAME}.isdisjoint(markers.names(directory))


def terminal(directory: Path) -> Ready | Failed | None:
    """The marker that ended the wait, or None while it goes on; raises as `read` does."""
    return read(directory, Ready) or read(directory, Failed)


def refuse(directory: Path, name: str, error: WaitError) -> None:
    """Tell why there will be no wait for ``name``, where that can be told."""
    with suppress(FileExistsError, MarkerError):
        write(directory, Failed.of(name, error))


def offer(directory: Path, candidate: Ready, number: int) -> bool:
    """Publish ``candidate`` for main to judge, and remove those before it; whether it was not there already.

    Args:
        directory: where.
        candidate: what was found.
        number: one more than the last, which has a verdict. Where another watcher has taken it, that one counts.

    Raises:
        MarkerError: the directory is missing, read-only or full.
        TooManyObjects: as `encoded`.
    """
    is_first = True
    try:
        markers.publish(directory, f"{CANDIDATE}-{number}", encoded(candidate))
    except FileExistsError:
        is_first = False
    for before in _numbered(directory):  # only now: whoever is killed here must still find the highest number
        if before < number:
            markers.remove(directory, f"{CANDIDATE}-{before}", f"{Verdict.NAME}-{before}")
    return is_first


def offered(directory: Path) -> tuple[int, Ready] | None:
    """The last candidate and its number, whether it has a verdict or not; None where there is none.

    Raises:
        MarkerError: it cannot be read.
    """
    for number in sorted(_numbered(directory), reverse=True):
        if candidate := read(directory, Ready, f"{CANDIDATE}-{number}"):
            return number, candidate
    return None


def undecided(directory: Path) -> int:
    """The number of the last candidate, if it waits for a verdict; else 0. Opens no file."""
    last = last_number(directory)
    names = markers.names(directory)
    return last if f"{CANDIDATE}-{last}" in names and f"{Verdict.NAME}-{last}" not in names else 0


def decide(directory: Path, number: int, verdict: Verdict) -> None:
    """Publish the verdict on the candidate of that number, unless there is one already.

    Raises:
        MarkerError: the directory is missing, read-only or full.
    """
    with suppress(FileExistsError):
        markers.publish(directory, f"{Verdict.NAME}-{number}", encoded(verdict))


def decided(directory: Path, number: int) -> Verdict | None:
    """The verdict on the candidate of that number, or None where there is none.

    Raises:
        MarkerError: it cannot be read.
    """
    return read(directory, Verdict, f"{Verdict.NAME}-{number}")


def last_number(directory: Path) -> int:
    """The number of the last candidate, 0 where there was none."""
    return max(_numbered(directory), default=0)


def _numbered(directory: Path) -> set[int]:
    """The numbers that candidates and verdicts have."""
    parts = (name.partition("-") for name in markers.names(directory))
    kinds = {CANDIDATE, Verdict.NAME}
    return {int(number) for kind, _, number in parts if kind in kinds and number.isascii() and number.isdecimal()}


def beat(directory: Path) -> None:
    """Refresh the heartbeat.

    Raises:
        MarkerError: the directory is missing, read-only or full.
    """
    markers.touch(directory, HEARTBEAT)


def tell_progress(directory: Path, history: History) -> None:
    """Publish what has happened so far, where that can be: nothing depends on it."""
    markers.replace(directory, History.NAME, encoded(history))


def end_progress(directory: Path) -> None:
    """Remove it: the answer tells the whole."""
    markers.remove(directory, History.NAME)


def progress(directory: Path) -> History:
    """What has happened so far; nothing where that cannot be known."""
    with suppress(MarkerError):
        return read(directory, History) or NOTHING
    return NOTHING


def last_heartbeat(directory: Path) -> int:
    """The heartbeat's modification time in nanoseconds, or 0 where there is none.

    Readers compare it with what they saw before, never with their own clock: clocks step.
    """
    return markers.modified(directory, HEARTBEAT)
