"""``FromInput``: a time that the task gets as an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from objectstore_watcher.durations import Duration, seconds
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.mains import moment_before


@dataclass(frozen=True)
class FromInput:
    """For ``newer_than``: the time that the task's input ``name`` has, or one before it.

    `WaitForObjectStoreFile` gets a further input of that name, a ``datetime``; a decorated function has it already. A
    launch plan with a ``CronSchedule`` can fill it in with the time that a run was scheduled for.

    Args:
        name: the input.
        minus: so long before it: an object may be that much older; a duration, by default none.

    Raises:
        InvalidArgument: the name is none, or ``minus`` no duration.
    """

    name: str
    minus: Duration = 0

    def __post_init__(self) -> None:
        """Check both."""
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InvalidArgument("newer_than", f"{self.name!r} is no name of an input", cure="give that of a datetime")
        object.__setattr__(self, "minus", seconds(self.minus, "minus") if self.minus != 0 else 0)

    def text(self, inputs: Mapping[str, Any]) -> str:
        """The time as the watcher is told it: ISO 8601; of no zone, it is UTC, as Flyte takes it.

        Raises:
            InvalidArgument: the input is no datetime.
        """
        moment = inputs.get(self.name)
        if not isinstance(moment, datetime):
            raise InvalidArgument(f"input {self.name!r}", f"is a {type(moment).__name__}", cure="give a datetime")
        return moment_before(moment, float(self.minus))  # type: ignore[arg-type]  # normalized above
