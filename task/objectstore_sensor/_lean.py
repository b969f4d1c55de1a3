"""A sensor whose main container is not flytekit, and when it can be; see `objectstore_watcher.lean`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flytekit import FlyteFile, PodTemplate
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.lean.task import LeanTask, told_of

from objectstore_sensor._inputs import FromInput
from objectstore_sensor._matched import MatchedObject

AUTO, FLYTEKIT, LEAN = MAINS = ("auto", "flytekit", "lean")

COMMAND = "objectstore-watcher-main"
"""On the PATH of the watcher's image."""

ANNOTATION = "objectstore-sensor/main"
"""Of the pod: why ``main="auto"`` is flytekit's there."""

OF_IMAGE = ("image", "lifecycle", "liveness_probe", "readiness_probe", "startup_probe", "volume_mounts", "env_from")
"""Parts of a template's primary container that are there for what is in its image."""

HOOKS = ("execute", "pre_execute", "post_execute", "dispatch_execute")
"""Methods of a task, which only flytekit's main calls."""

MAPPED = "a map_task's element is known to flytekit alone"


def check(main: object) -> None:
    """Refuse a ``main`` that is none.

    Raises:
        InvalidArgument: as said.
    """
    if main not in MAINS:
        raise InvalidArgument("main", f"{main!r} is unknown", cure=f"use {', '.join(MAINS[:-1])} or {MAINS[-1]}")


def obstacle(sensor: type[Any], when: object, options: Mapping[str, Any], template: PodTemplate | None) -> str:
    """What in a sensor needs the user's image; empty where nothing does.

    Args:
        sensor: its class.
        when: the user's condition.
        options: flytekit's own arguments.
        template: the user's pod template.
    """
    if when is not None:
        return "when= is a function of yours, which only flytekit can load"
    for hook in HOOKS:
        if not getattr(sensor, hook).__module__.startswith(("flytekit.", "objectstore_sensor.")):
            return f"{sensor.__name__}.{hook} is yours, which only flytekit can load"
    for name in ("container_image", "task_resolver", "deck_fields"):
        if options.get(name) is not None:
            return f"{name}= is for flytekit's main alone"
    primary = primary_of(template) if template else None
    for part in OF_IMAGE:
        if getattr(primary, part, None):
            return f"the pod template's primary container has {part}"
    return ""


def primary_of(template: PodTemplate) -> Any:  # noqa: ANN401  # a V1Container, which is not loaded for this
    """What ``template`` says of the primary container; None where it says nothing."""
    named = (each for each in template.pod_spec.containers or [] if each.name == template.primary_container_name)
    return next(named, None)


def is_mapped(command: Sequence[str]) -> bool:
    """Whether flytekit's ``command`` runs an element of a map_task: which one, only flytekit knows."""
    return "pyflyte-map-execute" in command


def refused(obstacle: str) -> InvalidArgument:
    """Why ``main="lean"`` cannot be."""
    return InvalidArgument("main", f"cannot be {LEAN!r}: {obstacle}", cure=f"use {AUTO!r} or {FLYTEKIT!r}")


def arguments(
    spec: WatchSpec, newer_than: object, *, path: str, is_list: bool, output: type[Any], deck: bool
) -> list[str]:
    """The arguments of the main container, with Flyte's own variables for where inputs and outputs are.

    Args:
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
