"""Checks of arguments that flytekit drops without a word, or that would fail in the pod only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from flytekit import TaskMetadata
from flytekit.core.python_function_task import PythonInstanceTask
from objectstore_watcher.errors import InvalidArgument

HIGHEST_PORT = 65535

_LATE = {"labels", "annotations"}
"""What flytekit takes from its ``**kwargs``."""

_OF_METADATA = {field.name for field in fields(TaskMetadata)}
"""What decorated functions take as arguments of their own."""


def check_port(port: int | None) -> None:
    """Refuse a ``metrics_port`` that is none."""
    if port is not None and (type(port) is not int or not 0 < port <= HIGHEST_PORT):
        raise InvalidArgument("metrics_port", f"{port!r} is no port", cure=f"use 1 to {HIGHEST_PORT}, or None")


def check_user(user: int | None) -> None:
    """Refuse a ``run_as_user`` that "restricted" does not allow."""
    if user is not None and (type(user) is not int or user < 1):
        raise InvalidArgument("run_as_user", f"{user!r} is no numeric user", cure="use 1 or more: 0 is root")


def check_type(name: str, value: object, *wanted: type[Any]) -> None:
    """Refuse what is of another type than the signature says."""
    if value is not None and not isinstance(value, wanted):
        names = " or ".join(cls.__name__ for cls in wanted)
        raise InvalidArgument(name, f"is a {type(value).__name__}", cure=f"give a {names}")


def check_options(options: Iterable[str], own: type[Any]) -> None:
    """Refuse names that neither ``own`` nor flytekit's tasks take: a misspelled one would have no effect."""
    known = _LATE.union(*(_parameters(cls) for cls in (own, *PythonInstanceTask.__mro__)))
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            cure = f"did you mean {close[0]}?" if close else "remove it"
            if name in _OF_METADATA:
                cure = f"write metadata=metadata({name}=...)"
            raise InvalidArgument(name, "is no argument of a sensor", cure=cure)


def _parameters(cls: type[Any]) -> set[str]:
    given = signature(vars(cls)["__init__"]).parameters.values() if "__init__" in vars(cls) else []
    return {
        p.name for p in given if p.name != "self" and p.kind not in {Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL}
    }
