"""``main="lean"``: a sensor whose main container is not flytekit; see `objectstore_watcher.lean`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flytekit import FlyteFile
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.lean.task import LeanTask, told_of

from objectstore_sensor._inputs import FromInput
from objectstore_sensor._matched import MatchedObject

FLYTEKIT, LEAN = "flytekit", "lean"

COMMAND = "objectstore-watcher-main"
"""On the PATH of the watcher's image."""


def check(main: object, when: object) -> None:
    """Refuse a ``main`` that is none, or that cannot do what is asked.

    Raises:
        InvalidArgument: as said.
    """
    if main not in (FLYTEKIT, LEAN):
        raise InvalidArgument("main", f"{main!r} is unknown", cure=f"use {FLYTEKIT} or {LEAN}")
    if main == LEAN and when is not None:
        raise InvalidArgument(
            "main", "when= is a function of yours, which only flytekit can load", cure=f"use main={FLYTEKIT!r} for it"
        )


def check_task(options: Mapping[str, Any]) -> None:
    """Refuse what flytekit's main alone could heed.

    Args:
        options: flytekit's own arguments.

    Raises:
        InvalidArgument: as said.
    """
    for name in ("container_image", "task_resolver"):
        if options.get(name) is not None:
            raise InvalidArgument(
                name, "is not for the lean main, which runs the watcher's image", cure=f"use main={FLYTEKIT!r} for it"
            )


def check_command(command: Sequence[str]) -> None:
    """Refuse to take the place of a ``command`` of flytekit's that does more than to run the task.

    Raises:
        InvalidArgument: as said.
    """
    if "pyflyte-map-execute" in command:
        raise InvalidArgument(
            "main",
            "the lean main does not know which element of a map_task is its own",
            cure=f"use WaitForObjectStoreFiles for a list of paths, or main={FLYTEKIT!r}",
        )


def arguments(
    name: str, spec: WatchSpec, newer_than: object, *, path: str, is_list: bool, output: type[Any], deck: bool
) -> list[str]:
    """The arguments of the main container, with Flyte's own variables for where inputs and outputs are.

    Args:
        name: the task's.
        spec: the options of the wait; its path is not the task's.
        newer_than: as the sensor was given it.
        path: name of the input.
        is_list: it holds a list.
        output: what the task returns, or a list of them.
        deck: Flyte's console is to show the wait.
    """
    moment = newer_than if isinstance(newer_than, FromInput) else None
    is_file = issubclass(output, FlyteFile)
    task = LeanTask(
        name=name,
        input=path,
        is_list=is_list,
        spec=told_of(spec),
        moment=moment.name if moment else "",
        minus=float(moment.minus) if moment else 0.0,  # type: ignore[arg-type]  # normalized by FromInput
        output="object" if output is MatchedObject else "file" if is_file else "str",
        format=output.extension() if is_file else "",
        deck=deck,
    )
    return [f"--task={task.encoded()}", "--inputs={{.input}}", "--outputs={{.outputPrefix}}"]
