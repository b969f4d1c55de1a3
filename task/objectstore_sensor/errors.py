"""The errors of a wait as Flyte knows them: one that a new attempt can help is also a FlyteRecoverableException."""

from __future__ import annotations

from types import new_class

from flytekit.exceptions.user import FlyteRecoverableException
from objectstore_watcher.errors import (
    DeadlineExceeded,
    InvalidArgument,
    MarkerError,
    StoreError,
    TooManyObjects,
    WaitError,
    WatcherDied,
    one_line,
)

__all__ = [
    "DeadlineExceeded",
    "InvalidArgument",
    "MarkerError",
    "ObjectChanged",
    "StoreError",
    "TooManyObjects",
    "WaitError",
    "WatcherDied",
    "as_flyte",
]


def as_flyte(error: WaitError) -> WaitError:
    """``error`` itself, or, where a new attempt can help, its equal that Flyte retries."""
    if not error.retryable:
        return error.with_traceback(None)  # where in the watcher it was met is nobody's business
    return _recoverable(type(error))(error.subject, error.detail, cure=error.cure, kind=error.kind.label)


def _recoverable(cls: type[WaitError]) -> type[WaitError]:
    """A subclass of ``cls`` and of Flyte's, under the name of ``cls``: Flyte shows it, users catch ``cls``."""
    return new_class(
        cls.__name__, (cls, _FlyteRecoverable), exec_body=lambda body: body.update(__module__=cls.__module__)
    )


class _FlyteRecoverable(FlyteRecoverableException):
    """Flytekit's class, whose own text and code would hide ours, reduced to its meaning."""

    timestamp = None  # flytekit then takes the time at which it writes the error


class ObjectChanged(Exception):
    """The object is no longer the one that the sensor found.

    Args:
        uri: the object.
        detail: what happened to it.
    """

    def __init__(self, uri: str, detail: str) -> None:
        self.uri = uri
        self.detail = detail
        super().__init__(uri, detail)

    def __str__(self) -> str:
        return (
            f"{one_line(self.uri)}: {one_line(self.detail)}; have each object written once, or wait for its exact path"
            " in a bucket with versioning, which keeps what was found"
        )
