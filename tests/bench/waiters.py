"""Who waits in the comparison of costs: this product's modes, and its peers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from objectstore_watcher.watch import SAFETY_POLLS

from tests.servers import ROOT, Watcher

Command = Callable[[str], Sequence[str]]
"""Takes a URI and gives the command that waits for it."""

_INTERVALS = {900: 1, 9_900: 5}
"""Objects under a prefix, and a poll interval in seconds that is longer than a look at them takes.

One page and ten: the last one is not full, since at a full one not even servers agree how many LISTs it takes."""


_ALL = 9_901
"""Exact keys of one wait, of which the last comes late: the others are the objects of the patterns' larger prefix."""


def name_of(number: int) -> str:
    """How the objects under a prefix are called."""
    return f"{number:06}"


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """A command that ends once its object is there.

    Attributes:
        name: what it is, and what it waits for.
        command: the command that waits for a URI.
        default: seconds between two of its looks, where nobody says otherwise.
        interval: the same while it is measured.
        objects: how many objects are under its pattern's prefix; None where it waits for an exact key.
    """

    name: str
    command: Command
    default: float
    interval: float = 1.0
    objects: int | None = None


def ours() -> list[Waiter]:
    """This product's modes: a new one gets its line here."""
    return [
        Waiter(name="`exact`, polls alone", command=_watcher(1, "--detection=poll"), default=10),
        # While events flow, a poll each six intervals is the net: a minute at the default.
        Waiter(name="`exact`, events", command=_watcher(1), default=60, interval=SAFETY_POLLS),
        Waiter(
            name=f"{_ALL:,} exact keys, one missing",
            command=_watcher_of_many,
            default=10,
            objects=_ALL - 1,
        ),
        *(
            Waiter(
                name=f"`glob`, {objects:,} objects",
                command=_watcher(interval, "--match=glob", "--detection=poll"),
                default=10,
                interval=interval,
                objects=objects,
            )
            for objects, interval in _INTERVALS.items()
        ),
    ]


def peers() -> list[Waiter]:
    """The others, with intervals as their own code has them."""
    aws, file_sensor, key_sensor = (peer_pythons()[name] for name in ("awscli", "flytekit", "airflow"))
    return [
        # It cannot be told another interval, and gives up after 20 looks.
        Waiter(name="`aws s3api wait object-exists`", command=partial(_aws, aws), default=5, interval=5),
        # 30 s: how often Flyte's engine asks the connector that runs the sensor (ResyncInterval). Locally it is 1 s.
        Waiter(name="flytekit `FileSensor` (s3fs)", command=_program(file_sensor, "flytekit_sensor.py"), default=30),
        Waiter(
            name="Airflow `S3KeySensor`",
            command=_program(key_sensor, "airflow_sensor.py", "1", "exact"),
            default=60,
        ),
        *(
            Waiter(
                name=f"Airflow `S3KeySensor`, wildcard, {objects:,} objects",
                command=_program(key_sensor, "airflow_sensor.py", f"{interval:g}", "wildcard"),
                default=60,
                interval=interval,
                objects=objects,
            )
            for objects, interval in _INTERVALS.items()
        ),
    ]


@cache
def peer_pythons() -> dict[str, str]:
    """The Pythons that have the peers, by name; installed on the first call ever, then cached outside the checkout."""
    told = subprocess.run([ROOT / "tools" / "peers.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(line.split(maxsplit=1) for line in told.splitlines())


def versions() -> str:
    """The pinned versions of the peers: their environments are named so."""
    return ", ".join(Path(python).parents[1].name.replace("+", ", ") for python in peer_pythons().values())


def _watcher(interval: float, *options: str) -> Command:
    return lambda uri: [*Watcher.COMMAND, f"--poll-interval={interval:g}", *options, "--", uri]


def _watcher_of_many(uri: str) -> Sequence[str]:
    """Waits for ``uri`` and all objects that are under its prefix."""
    folder = uri.rpartition("/")[0]
    there = [f"{folder}/{name_of(number)}" for number in range(_ALL - 1)]
    return [*Watcher.COMMAND, "--poll-interval=1", "--detection=poll", "--", *there, uri.replace("/*.", "/x.")]


def _program(python: str, name: str, *args: str) -> Command:
    return lambda uri: [python, str(ROOT / "tests" / "bench" / "peers" / name), *args, uri]


def _aws(python: str, uri: str) -> Sequence[str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return [python, "-m", "awscli", "s3api", "wait", "object-exists", "--bucket", bucket, "--key", key]
