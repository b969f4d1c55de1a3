"""Checks of arguments that flytekit drops without a word, or that would fail in the pod only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from flytekit import TaskMetadata, task
from flytekit.core.python_function_task import PythonInstanceTask
from objectstore_watcher.errors import InvalidArgument

HIGHEST_PORT = 65535

_LATE = {"labels", "annotations"}
"""What flytekit takes from its ``**kwargs``."""

_OF_FUNCTIONS = {
    "metadata": "write @task(..., retries=..., timeout=...)",
    "name": "the task is called as the function is",
    "output": "let the function return it",
}
"""Arguments of sensors, and what to do about them with a decorated function."""


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


def check_names(image: object, secret: str | None) -> None:
    """Refuse a ``watcher_image`` and a ``credentials_secret`` that Kubernetes would."""
    if isinstance(image, str) and not re.fullmatch(r"\S+", re.sub(r"\{\{.*?\}\}", "x", image)):
        raise InvalidArgument(
            "watcher_image", f"{image!r} is no name of an image", cure="use registry/name:tag, or None"
        )
    if secret is not None and not re.fullmatch(r"(?a)(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?", secret):
        raise InvalidArgument(
            "credentials_secret",
            f"{secret!r} is no name of a Secret",
            cure="use lower-case letters, digits, hyphens and dots, or None",
        )


def check_options(options: Iterable[str], own: type[Any]) -> None:
    """Refuse names that neither ``own`` nor flytekit's tasks take: a misspelled one would have no effect."""
    known = _LATE.union(*(_parameters(cls) for cls in (own, *PythonInstanceTask.__mro__)))
    for name in options:
        if name not in known:
            is_metadata = name in _parameters(TaskMetadata)
            cure = f"write metadata=metadata({name}=...)" if is_metadata else _closest(name, known)
            raise InvalidArgument(name, "is no argument of a sensor", cure=cure)


def check_wait_options(positional: Sequence[object], options: Iterable[str], own: Sequence[str]) -> None:
    """Refuse arguments that `ObjectStoreWait`, whose are ``own``, does not take."""
    if positional:
        raise InvalidArgument("ObjectStoreWait", "takes arguments by name only", cure='write timeout="1h", say')
    for name in (name for name in options if name not in own):
        if name in signature(task).parameters:
            raise InvalidArgument(name, "is an argument of the decorator", cure=f"write @task(..., {name}=...)")
        raise InvalidArgument(
            name, "is no argument of ObjectStoreWait", cure=_OF_FUNCTIONS.get(name) or _closest(name, own)
        )


def given_path(name: str, inputs: Mapping[str, Any]) -> Any:  # noqa: ANN401  # a path, a file, a list
    """The input that holds the path; flytekit does not miss it in local calls."""
    if name not in inputs:
        raise InvalidArgument(f"input {name!r}", "is missing", cure=f"call the task with {name}=...")
    return inputs[name]


def _closest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "remove it"


def _parameters(cls: type[Any]) -> set[str]:
    given = signature(vars(cls)["__init__"]).parameters.values() if "__init__" in vars(cls) else []
    return {
        p.name for p in given if p.name != "self" and p.kind not in {Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL}
    }
