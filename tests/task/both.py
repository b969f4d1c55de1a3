"""Sensors with either main, each a variable of its own, as Flyte loads them: ``plain_lean``, ``plain_flytekit``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
from flyteidl.core.literals_pb2 import Literal, LiteralMap
from flytekit import FlyteFile
from objectstore_sensor import FromInput, MatchedObject, WaitForObjectStoreFile, WaitForObjectStoreFiles
from objectstore_watcher import contract
from objectstore_watcher.contract import Failed
from objectstore_watcher.errors import StoreError

MAINS = ("flytekit", "lean")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A wait that either main must end in the same way.

    Attributes:
        of: the class of the sensor.
        options: its arguments.
        asked: the key, or the keys, or whole paths.
        inputs: what the task is given besides.
        written: makes inputs.pb, where that is not what flytekit makes of values.
        prepare: makes the marker directory what it is before the pod.
        is_dead: the watcher is, from the start.
    """

    asked: str | list[str]
    of: type[WaitForObjectStoreFile] = WaitForObjectStoreFile
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    written: Callable[[Mapping[str, Any]], bytes] | None = None
    prepare: Callable[[Path], object] = lambda directory: None
    is_dead: bool = False


def of_dataclass(values: Mapping[str, Any]) -> bytes:
    """Inputs as a workflow passes them on from a dataclass: ``sensor(path=found.uri)``."""
    inputs = LiteralMap()
    for name, value in values.items():
        inputs.literals[name].CopyFrom(_binary(value))
    return inputs.SerializeToString()


def list_of_fields(values: Mapping[str, Any]) -> bytes:
    """The same for a list: ``parts(paths=[a.uri, b.uri])``."""
    inputs = LiteralMap()
    for name, value in values.items():
        inputs.literals[name].collection.literals.extend(map(_binary, value))
    return inputs.SerializeToString()


def number(values: Mapping[str, Any]) -> bytes:
    """A number instead of each."""
    inputs = LiteralMap()
    for name in values:
        inputs.literals[name].scalar.primitive.integer = 7
    return inputs.SerializeToString()


def another(values: Mapping[str, Any]) -> bytes:
    """What the task does not take."""
    inputs = LiteralMap()
    inputs.literals["other"].scalar.primitive.string_value = "s3://bucket/key"
    return inputs.SerializeToString()


def _binary(value: object) -> Literal:
    literal = Literal()
    literal.scalar.binary.value = msgpack.packb(value.isoformat() if isinstance(value, datetime) else value)
    literal.scalar.binary.tag = "msgpack"
    return literal


def fail(kind: str, directory: Path) -> None:
    """What a watcher leaves that has met an error of that kind."""
    uri = "s3://bucket/key"
    contract.write(directory, Failed.of(uri, StoreError(uri, f"HTTP 4xx \u2028{kind}", kind=kind)))


OBJECTS = {
    "in/a.csv": b"a",
    "in/b.csv": b"bb",
    "in/_SUCCESS": b"",
    "in/manifest": b"b.csv\na.csv\n",
    "$(HOME)/{{.input}}/ключ\n'\"": b"odd",
}
"""What is there."""

SEVERAL = WaitForObjectStoreFiles

GIVEN = {
    "plain": Case(asked="in/a.csv"),
    "odd": Case(asked="$(HOME)/{{.input}}/ключ\n'\""),
    "pattern": Case(asked="in/*.csv", options={"match": "glob", "min_count": 2}),
    "gone": Case(asked="in/lock", options={"absent": True}),
    "any_gone": Case(of=SEVERAL, asked=["in/a.csv", "in/lock"], options={"absent": True, "require": "any"}),
    "flagged": Case(of=SEVERAL, asked=["in/b.csv", "in/a.csv", "in/b.csv"], options={"flag": "_SUCCESS"}),
    "first": Case(of=SEVERAL, asked=["never", "in/b.csv", "in/a.csv"], options={"require": "any"}),
    "single": Case(of=SEVERAL, asked=["in/a.csv"]),
    "listed": Case(of=SEVERAL, asked=["in/manifest"], options={"match": "manifest"}),
    "manifest": Case(asked="in/manifest", options={"match": "manifest", "output": FlyteFile}),
    "file": Case(asked="in/a.csv", options={"output": FlyteFile["csv"]}),
    "files": Case(of=SEVERAL, asked=["in/*.csv"], options={"match": "glob", "output": FlyteFile}),
    "object": Case(asked="in/a.csv", options={"output": MatchedObject, "min_size": 1}),
    "shown": Case(asked="in/a.csv", options={"enable_deck": True}),
    "objects": Case(of=SEVERAL, asked=["in/*"], options={"match": "glob", "output": MatchedObject}),
    "scheduled": Case(
        asked="in/a.csv",
        options={"newer_than": FromInput("scheduled_at", minus="1h")},
        inputs={"scheduled_at": datetime.now(timezone.utc)},
    ),
    "chained": Case(
        asked="in/a.csv",
        options={"newer_than": FromInput("scheduled_at", minus="1h")},
        inputs={"scheduled_at": datetime.now(timezone.utc)},
        written=of_dataclass,
    ),
    "chained_list": Case(of=SEVERAL, asked=["in/b.csv", "in/a.csv"], written=of_dataclass),
    "list_of_fields": Case(of=SEVERAL, asked=["in/b.csv", "in/a.csv"], written=list_of_fields),
}
"""Waits that end with the object."""

REFUSED = {
    "shown_never": Case(asked="never", options={"timeout": 1, "enable_deck": True}),
    "never": Case(asked="never", options={"timeout": 1}),
    "late": Case(
        asked="in/a.csv",
        options={"newer_than": FromInput("scheduled_at"), "timeout": 1},
        inputs={"scheduled_at": datetime(2999, 1, 1, tzinfo=timezone.utc)},
    ),
    "no_bucket": Case(asked="s3://no-such-bucket-7f3e/key"),
    "no_path": Case(asked="s3://b"),
    "local_file": Case(asked="/etc/hostname"),
    "unmatched": Case(asked="in/[z-a]", options={"match": "glob"}),
    "nothing": Case(of=SEVERAL, asked=[]),
    "too_much": Case(of=SEVERAL, asked=[f"{number}{'x' * 600}" for number in range(8500)]),
    "year_1": Case(
        asked="in/a.csv",
        options={"newer_than": FromInput("scheduled_at", minus="1h")},
        inputs={"scheduled_at": datetime(1, 1, 1, tzinfo=timezone.utc)},
    ),
    "dead": Case(asked="never", options={"heartbeat_interval": 0.5}, is_dead=True),
    "forbidden": Case(asked="never", prepare=partial(fail, "forbidden")),
    "expired": Case(asked="never", prepare=partial(fail, "credentials_expired")),
    "unreadable": Case(asked="never", prepare=lambda directory: (directory / "ready").write_text("found it!")),
}
"""Waits that end without it."""

PLATFORMS = {
    "number": Case(asked="in/a.csv", written=number),
    "numbers": Case(of=SEVERAL, asked=["in/a.csv"], written=number),
    "another": Case(asked="in/a.csv", written=another),
    "another_list": Case(of=SEVERAL, asked=["in/a.csv"], written=another),
}
"""What is wrong around the wait."""


def sensor(name: str, main: str) -> WaitForObjectStoreFile:
    """The sensor of a case."""
    made: WaitForObjectStoreFile = globals()[f"{name}_{main}"]
    return made


for _name, _case in {**GIVEN, **REFUSED, **PLATFORMS}.items():
    for _main in MAINS:
        _options = {"poll_interval": 0.2, "timeout": 60, "metrics_port": None, **_case.options}
        globals()[f"{_name}_{_main}"] = _case.of(main=_main, **_options)
