"""``python -m tests.bench.comparison``: what waiting takes here and elsewhere; each tool really waits for an object.

Writes the figures, a table and a plot: ``docs/bench-peers.*``.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from minio.commonconfig import SnowballObject

from tests.bench import cost, published, waiters
from tests.bench.laboratory import Laboratory, laboratory
from tests.bench.published import Measured
from tests.bench.report import machine, ms, p99
from tests.bench.tool import Tool
from tests.bench.waiters import Waiter, name_of
from tests.servers import eventually

HOUR = 3600


def main() -> None:
    arguments = _arguments()
    everybody = [*waiters.ours(), *waiters.peers()]
    chosen = [waiter for waiter in everybody if arguments.only in waiter.name]
    began = time.monotonic()
    with laboratory() as lab:
        rows = [_told(measured) for measured in compare(lab, chosen, arguments.runs, arguments.seconds)]
        late = p99([late for _, late in lab.noise.late])
    method = f"{machine()}; a sleep of {ms(lab.noise.PAUSE)} ended {ms(late)} late at p99; {waiters.versions()}"
    passed = time.monotonic() - began
    print(f"measured in {passed / 60:.0f} minutes", file=sys.stderr)
    if len(chosen) == len(everybody):
        published.write(rows, time.strftime("%Y-%m-%d"), method, arguments.seconds, STARTS)
    print(published.full_table(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.comparison", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="objects that each tool waits for (default: 100)")
    parser.add_argument("--seconds", type=int, default=60, help="how long each waits to be measured (default: 60)")
    parser.add_argument("--only", default="", help="only those whose name has this in it; nothing is written to docs/")
    return parser.parse_args()


def _told(measured: Measured) -> Measured:
    found = f"median {ms(measured.p50)}, p99 {ms(measured.p99)}, n = {measured.runs}"
    print(f"{measured.name}: {found}; start {measured.start:.2f} s", file=sys.stderr)
    return measured


def compare(lab: Laboratory, chosen: Sequence[Waiter], runs: int, seconds: int) -> Iterator[Measured]:
    """What was measured of each of ``chosen``, which waits ``runs`` times, and once for ``seconds``."""
    for objects in sorted({waiter.objects for waiter in chosen if waiter.objects}):
        _fill(lab, objects)
    for waiter in chosen:
        yield _measure(lab, waiter, max(2, runs // waiter.fewer), seconds)


def _fill(lab: Laboratory, objects: int) -> None:
    """Put so many small objects under one prefix, in one request."""
    keys = (_prefix(objects) + name_of(number) for number in range(objects))
    archive = [SnowballObject(key, data=io.BytesIO(b""), length=0) for key in keys]
    lab.minio.client().upload_snowball_objects(lab.bucket, archive)


def _prefix(objects: int) -> str:
    return f"many-{objects}/"


STARTS = 5
"""Fresh processes of a tool that lasts whose start is measured."""


def _measure(lab: Laboratory, waiter: Waiter, runs: int, seconds: int) -> Measured:
    with Tool(lab, waiter) as tool:
        waits = [_wait(lab, waiter, tool, fresh=number < STARTS) for number in range(runs)]
        starts = [wait.start for wait in waits if wait.start]
        found = [wait.found for wait in waits]
        tool.end()
        key = _begin(lab, waiter, tool)
        time.sleep(waiter.settles)
        hour = _hour(lab, tool, waiter.interval / 2, max(seconds, 2 * waiter.interval))
        _found(lab, tool, key)
    return Measured(
        name=waiter.name,
        interval=waiter.interval,
        default=waiter.default,
        objects=waiter.objects or 0,
        runs=len(found),
        p50=round(statistics.median(found), 4),
        p99=round(p99(found), 4),
        start=round(statistics.median(starts), 3),
        default_dollars=cost.dollars_per_hour(hour.look, waiter.default),
        **asdict(hour),
    )


@dataclass(frozen=True)
class _Wait:
    """Seconds from the start of fresh processes to their first request, and from the return of PUT to its notice."""

    start: float | None
    found: float


def _wait(lab: Laboratory, waiter: Waiter, tool: Tool, *, fresh: bool) -> _Wait:
    if fresh:
        tool.end()
    before = tool.began
    key = _begin(lab, waiter, tool)
    start = lab.proxy.requests[0][0] - tool.began if tool.began != before else None
    time.sleep(random.uniform(0, waiter.interval))
    return _Wait(start, _found(lab, tool, key))


def _begin(lab: Laboratory, waiter: Waiter, tool: Tool) -> str:
    """Begin to wait, and see the first look done: tools set themselves up in it, or subscribe. Returns the key."""
    name, quiet = uuid.uuid4().hex, waiter.interval / 4
    lab.proxy.requests.clear()
    prefix = _prefix(waiter.objects) if waiter.objects else ""
    tool.begin(f"s3://{lab.bucket}/{prefix}{'*.' if prefix else ''}{name}")
    eventually(lambda: bool(lab.proxy.requests), f"the first look of {waiter.name}", timeout=120)
    eventually(lambda: time.monotonic() - lab.proxy.requests[-1][0] > quiet, "the end of a look")
    return f"{prefix}{'x.' if prefix else ''}{name}"


def _found(lab: Laboratory, tool: Tool, key: str) -> float:
    """Put the object; returns the seconds that the tool needs to notice it."""
    assert tool.still_waits(), "it ended before its object was there"
    lab.minio.put(lab.bucket, key)
    returned = time.monotonic()
    seconds = tool.noticed() - returned
    lab.minio.client().remove_object(lab.bucket, key)
    return seconds


@dataclass(frozen=True)
class _Hour:
    """What an hour of waiting takes: see `Measured`."""

    look: dict[str, int]
    requests: int
    dollars: float
    memory: int
    cpu: float


def _hour(lab: Laboratory, tool: Tool, apart: float, seconds: float) -> _Hour:
    """Measured for ``seconds``, and scaled."""
    began, cpu, listens = time.monotonic(), tool.cpu(), lab.proxy.listens
    time.sleep(seconds)
    cpu, passed = tool.cpu() - cpu, time.monotonic() - began
    seen = [(arrived, name) for arrived, name in lab.proxy.requests if began < arrived < began + passed]
    requests = Counter(name for _, name in seen)
    requests["GET"] += lab.proxy.listens - listens
    scale = HOUR / passed
    return _Hour(
        look=cost.usual(cost.looks(seen, apart)),
        requests=round(requests.total() * scale),
        dollars=cost.dollars(requests) * scale,
        memory=tool.rss(),
        cpu=round(cpu * scale, 2),
    )


if __name__ == "__main__":
    main()
