"""Sensors with either main, each a variable of its own, as Flyte loads them: ``plain_lean``, ``plain_flytekit``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from flytekit import FlyteFile
from objectstore_sensor import FromInput, MatchedObject, WaitForObjectStoreFile, WaitForObjectStoreFiles

MAINS = ("flytekit", "lean")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A wait that either main must end in the same way.

    Attributes:
        of: the class of the sensor.
        options: its arguments.
        asked: the key, or the keys, or whole paths.
        inputs: what the task is given besides.
    """

    asked: str | list[str]
    of: type[WaitForObjectStoreFile] = WaitForObjectStoreFile
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)


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
}
"""Waits that end without it."""


def sensor(name: str, main: str) -> WaitForObjectStoreFile:
    """The sensor of a case."""
    made: WaitForObjectStoreFile = globals()[f"{name}_{main}"]
    return made


for _name, _case in {**GIVEN, **REFUSED}.items():
    for _main in MAINS:
        _options = {"poll_interval": 0.2, "timeout": 60, "metrics_port": None, **_case.options}
        globals()[f"{_name}_{_main}"] = _case.of(main=_main, **_options)
