"""Who waits in the comparison: this product's modes, and its peers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from objectstore_watcher.lean.main import SOON
from objectstore_watcher.watch import SAFETY_POLLS

from tests.bench import pods
from tests.bench.laboratory import Laboratory
from tests.servers import ROOT, Watcher

Command = Callable[[Laboratory, str], Sequence[str]]
"""Takes the URI to wait for, and gives the command that does."""

_INTERVALS = {900: 1, 9_900: 5}
"""Objects under a prefix, and a poll interval in seconds that is longer than a look at them takes.

One page and ten: the last one is not full, since at a full one not even servers agree how many LISTs it takes."""


_ALL = 9_901
"""Exact keys of one wait, of which the last comes late: the others are the objects of the patterns' larger prefix."""


_FEWER = 10
"""Of waits among many objects, what counts is what a look costs."""

PEERS = ROOT / "tests" / "bench" / "peers"


def name_of(number: int) -> str:
    """How the objects under a prefix are called."""
    return f"{number:06}"


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """A command that waits for an object.

    Attributes:
        name: what it is, and what it waits for.
        command: the command that waits for a URI, and ends once the object is there.
        default: seconds between two of its looks, where nobody says otherwise.
        interval: the same while it is measured.
        objects: how many objects are under its pattern's prefix; None where it waits for an exact key.
        lasts: it reads URIs from standard input instead, waits for one after the other, and says when each is there.
        fewer: it is measured so many times less often than others: each time takes long.
        settles: seconds until it does nothing but wait: the lean main goes on as another process.
    """

    name: str
    command: Command
    default: float
    interval: float = 1.0
    objects: int | None = None
    lasts: bool = False
    fewer: int = 1
    settles: float = 0.0


def ours() -> list[Waiter]:
    """This product's modes: a new one gets its line here."""
    return [
        Waiter(name="watcher, polls alone", command=_watcher(1, "--detection=poll"), default=10),
        # While events flow, a poll each six intervals is the net: a minute at the default.
        Waiter(name="watcher, events", command=_watcher(1), default=60, interval=SAFETY_POLLS),
        *(
            Waiter(
                name=f"watcher + {main} main, events",
                command=partial(pods.command, main=main),
                default=60,
                interval=SAFETY_POLLS,
                fewer=4,
                settles=SOON + 2,
            )
            for main in pods.MAINS
        ),
        Waiter(
            name=f"watcher, {_ALL:,} exact keys, one missing",
            command=_watcher_of_many,
            default=10,
            objects=_ALL - 1,
            fewer=_FEWER,
        ),
        *(
            Waiter(
                name=f"watcher, `glob`, {objects:,} objects",
                command=_watcher(interval, "--match=glob", "--detection=poll"),
                default=10,
                interval=interval,
                objects=objects,
                fewer=_FEWER,
            )
            for objects, interval in _INTERVALS.items()
        ),
    ]


def peers() -> list[Waiter]:
    """The others, with intervals as their own code has them."""
    pythons = peer_pythons()
    return [
        Waiter(
            name="Flyte's tutorial sensor",
            command=_program(pythons["flytekit"], "tutorial_sensor.py", "1"),
            default=10,
            lasts=True,
        ),
        # 30 s: how often Flyte's engine asks the connector that runs the sensor (ResyncInterval). Locally it is 1 s.
        Waiter(
            name="flytekit `FileSensor`",
            command=_program(pythons["flytekit"], "flytekit_sensor.py"),
            default=30,
            lasts=True,
        ),
        # A loop has the interval that it is given.
        Waiter(name="s3fs `exists`", command=_program(pythons["s3fs"], "s3fs_exists.py", "1"), default=10, lasts=True),
        Waiter(name="`aws s3api wait object-exists`", command=partial(_aws, pythons["awscli"]), default=5),
        Waiter(
            name="Airflow `S3KeySensor`",
            command=_program(pythons["airflow"], "airflow_sensor.py", "1", "exact"),
            default=60,
            lasts=True,
        ),
        Waiter(
            name="Airflow `S3KeySensor`, deferrable",
            command=_program(pythons["airflow"], "airflow_trigger.py", "1"),
            default=60,
            lasts=True,
        ),
        *(
            Waiter(
                name=f"Airflow `S3KeySensor`, wildcard, {objects:,} objects",
                command=_program(pythons["airflow"], "airflow_sensor.py", f"{interval:g}", "wildcard"),
                default=60,
                interval=interval,
                objects=objects,
                lasts=True,
                fewer=_FEWER,
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
    pins = [pin for python in peer_pythons().values() for pin in Path(python).parents[1].name.split("+")]
    return ", ".join(dict.fromkeys(pins))


def _watcher(interval: float, *options: str) -> Command:
    return lambda lab, uri: [*Watcher.COMMAND, f"--poll-interval={interval:g}", *options, "--", uri]


def _watcher_of_many(lab: Laboratory, uri: str) -> Sequence[str]:
    """Waits for ``uri`` and all objects that are under its prefix."""
    folder = uri.rpartition("/")[0]
    there = [f"{folder}/{name_of(number)}" for number in range(_ALL - 1)]
    return [*Watcher.COMMAND, "--poll-interval=1", "--detection=poll", "--", *there, uri.replace("/*.", "/x.")]


def _program(python: str, name: str, *args: str) -> Command:
    return lambda lab, uri: [python, str(PEERS / name), *args]


def _aws(python: str, lab: Laboratory, uri: str) -> Sequence[str]:
    """It has no option for its interval, which its model of the service tells: this one's says a second, not five."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    told = ["env", f"AWS_DATA_PATH={PEERS / 'aws'}", python, "-m", "awscli", "s3api", "wait", "object-exists"]
    return [*told, "--bucket", bucket, "--key", key]
