"""What a wait costs here and elsewhere: each tool really waits for an object, behind the proxy that counts."""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from minio.commonconfig import SnowballObject

from tests.bench import cost
from tests.bench.instruments import MIB, Usage
from tests.bench.laboratory import Laboratory
from tests.bench.waiters import Waiter, name_of
from tests.servers import MinioServer, eventually

COMMON_INTERVAL = 10.0
"""Seconds between two looks at which all are compared: this product's default."""

HEADER = (
    "who waits",
    "requests of a look",
    "looks like that",
    "a look each",
    "requests an hour",
    "$ an hour",
    f"$ an hour, a look each {COMMON_INTERVAL:g} s",
    "memory",
    "PUT just after a look -> end",
)


METHOD = (
    "each tool really waits behind a TCP proxy that counts its requests, with its own settings but for the interval;"
    " its first look, in which it sets itself up, is left out, and of the others the usual one counts",
    "requests and dollars of an hour: that look at the tool's own interval, by AWS's list prices for S3 Standard in"
    " us-east-1; on AWS, `exact` asks one GET more in 60 looks, which MinIO makes unnecessary, and `glob` one LIST more"
    " where the prefix holds whole pages of 1,000 objects",
    "memory: the most resident bytes of the waiting process in any run",
    "end: the median time from the return of a PUT just after a look to the end of the process, at the"
    " interval named beside it",
    "flytekit's sensor runs in its local loop, a look a second; the interval in the table is that of Flyte's engine",
)
"""How it is done, for the reader of the table."""


@dataclass(frozen=True)
class Wait:
    """A wait: the requests of each look, resident bytes while it lasted, seconds from the return of PUT to its end."""

    looks: Sequence[Mapping[str, int]]
    rss: int
    taken: float


def compare(lab: Laboratory, waiters: Sequence[Waiter], runs: int, looks: int) -> Iterator[tuple[str, ...]]:
    """A row of the table for each of ``waiters``, each of which waits ``runs`` times for ``looks`` looks."""
    for objects in sorted({waiter.objects for waiter in waiters if waiter.objects}):
        _fill(lab, objects)
    for waiter in waiters:
        yield row(waiter, [_wait(lab, waiter, looks) for _ in range(runs)])


def row(waiter: Waiter, waits: Sequence[Wait]) -> tuple[str, ...]:
    """What is told of ``waits``."""
    looks = [look for wait in waits for look in wait.looks]
    look = cost.usual(looks)
    return (
        waiter.name,
        cost.told(look),
        f"{looks.count(look)} of {len(looks)}",
        f"{waiter.default:g} s",
        f"{sum(look.values()) * 3600 / waiter.default:,.0f}",
        *(f"{cost.dollars_per_hour(look, interval):.6f}" for interval in (waiter.default, COMMON_INTERVAL)),
        f"{max(wait.rss for wait in waits) / MIB:.0f} MiB",
        f"{statistics.median(wait.taken for wait in waits):.2f} s at {waiter.interval:g} s",
    )


def _fill(lab: Laboratory, objects: int) -> None:
    """Put so many small objects under one prefix, in one request."""
    keys = (_prefix(objects) + name_of(number) for number in range(objects))
    archive = [SnowballObject(key, data=io.BytesIO(b""), length=0) for key in keys]
    lab.minio.client().upload_snowball_objects(lab.bucket, archive)


def _prefix(objects: int) -> str:
    return f"many-{objects}/"


def _wait(lab: Laboratory, waiter: Waiter, looks: int) -> Wait:
    """One wait, whose first look is left out: tools set themselves up in it."""
    name, apart, requests = uuid.uuid4().hex, waiter.interval / 2, lab.proxy.requests
    key = f"{_prefix(waiter.objects)}x.{name}" if waiter.objects else name
    pattern = f"{_prefix(waiter.objects)}*.{name}" if waiter.objects else name
    requests.clear()
    with _running(lab, waiter.command(f"s3://{lab.bucket}/{pattern}")) as process:
        eventually(lambda: len(cost.looks(requests, apart)) > looks, f"looks of {waiter.name}", timeout=120)
        eventually(lambda: time.monotonic() - requests[-1][0] > apart / 2, "the end of a look")
        seen, rss = cost.looks(list(requests), apart)[1:], Usage.of(process.pid).rss
        lab.minio.put(lab.bucket, key)
        returned = time.monotonic()
        status = process.wait(timeout=60)
        taken = time.monotonic() - returned
    assert status == 0, f"{waiter.name} ended with {status}"
    lab.minio.client().remove_object(lab.bucket, key)
    return Wait(seen, rss, taken)


@contextmanager
def _running(lab: Laboratory, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """``command``, with the settings by which each of the tools finds the server and its credentials."""
    home = {name: os.environ[name] for name in ("PATH", "HOME")}
    aws = {
        "AWS_ACCESS_KEY_ID": MinioServer.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": MinioServer.SECRET_KEY,
        "AWS_ENDPOINT_URL": lab.proxy.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    flyte = {**lab.minio.flyte_env(), "FLYTE_AWS_ENDPOINT": lab.proxy.endpoint}
    airflow = {"AIRFLOW_HOME": str(lab.place / "airflow"), "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**home, **aws, **flyte, **airflow}, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
