"""Task metadata as the tutorial writes it: ``metadata(timeout="1H", retries=10)``."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from typing import Any

from flytekit import TaskMetadata
from objectstore_watcher.contract import DEFAULT_TIMEOUT
from objectstore_watcher.durations import Duration, seconds
from objectstore_watcher.errors import InvalidArgument

ENGINE_MARGIN = 120.0
"""Seconds that the sensor gives up before Flyte's own timeout, at most: the pod starts, and its error is uploaded,
within them. Flyte's error would only say that the task timed out."""

ENGINE_SHARE = 0.5
"""The same as a share of Flyte's timeout, for short ones."""


def metadata(*, timeout: Duration | None = None, retries: int = 0, **options: Any) -> TaskMetadata:  # noqa: ANN401
    """Metadata of a sensor.

    Args:
        timeout: longest time for one attempt, enforced by Flyte: seconds, a timedelta, or text such as ``"1H"``.
            Over all attempts and queueing Flyte allows twice this.
        retries: further attempts after a failure that a new attempt can help.
        options: any other argument of `flytekit.TaskMetadata`.

    Raises:
        InvalidArgument: ``timeout`` is no duration above zero, ``retries`` no number from zero up.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise InvalidArgument("retries", f"{retries!r} is no number of retries", cure="use 0 or more")
    limit = None if timeout is None else timedelta(seconds=seconds(timeout, "timeout"))
    return TaskMetadata(timeout=limit, retries=retries, **options)


def own_copy(given: TaskMetadata | None) -> TaskMetadata:
    """A copy that flytekit may change: it writes into what it is given.

    Raises:
        InvalidArgument: it is no `flytekit.TaskMetadata`.
    """
    if given is None:
        return TaskMetadata()
    if not isinstance(given, TaskMetadata):
        raise InvalidArgument(
            "metadata", f"is a {type(given).__name__}", cure='write metadata(timeout="1H", retries=10)'
        )
    return copy(given)


def sensor_timeout(own: Duration | None, task: TaskMetadata) -> float:
    """Seconds until the sensor gives up: its own timeout, else a little less than Flyte's, else a day."""
    if own is not None:
        return seconds(own, "timeout")
    longest = longest_timeout(task)
    return DEFAULT_TIMEOUT if longest is None else longest


def longest_timeout(task: TaskMetadata) -> float | None:
    """Seconds that a sensor can wait and still say itself that it gave up; None where Flyte has no timeout."""
    if not task.timeout:
        return None
    engine = seconds(task.timeout, "metadata.timeout")
    return engine - min(ENGINE_MARGIN, ENGINE_SHARE * engine)
