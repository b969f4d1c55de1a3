"""``@task(task_config=ObjectStoreWait(...))``: waits for an object, then runs the function, in one pod."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, get_args, get_origin

from flytekit import FlyteFile, TaskMetadata
from flytekit.core.python_function_task import AsyncPythonFunctionTask, PythonFunctionTask
from flytekit.extend import TaskPlugins

from objectstore_sensor import _arguments, _lean, _metadata
from objectstore_sensor._config import ObjectStoreWait, WaitClass
from objectstore_sensor._inputs import FromInput
from objectstore_sensor._lean import LEAN
from objectstore_sensor._watched import WatchedTask
from objectstore_sensor.errors import InvalidArgument


class ObjectStoreWaitTask(WatchedTask, AsyncPythonFunctionTask[ObjectStoreWait]):
    """A function that runs once the object is there which one of its inputs names.

    flytekit looks up one class for a configuration, and wants a subclass of its asynchronous one for coroutines: this
    one is both.

    Args:
        task_config: the configuration of the wait.
        task_function: the user's function, synchronous or asynchronous.
        metadata: the task's.
        options: flytekit's own arguments.

    Raises:
        InvalidArgument: the function has no such input, or of another type.
    """

    def __init__(
        self,
        task_config: ObjectStoreWait,
        task_function: Callable[..., Any],
        metadata: TaskMetadata | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        if task_config.main == LEAN:
            raise _lean.refused("a decorated function is yours, which only flytekit can load")
        self._is_async = inspect.iscoroutinefunction(task_function)
        super().__init__(
            wait=task_config,
            task_config=task_config,
            task_function=task_function,
            metadata=_metadata.own_copy(metadata),
            **options,
        )
        self._check_input(task_config.input)
        if isinstance(task_config.newer_than, FromInput):
            self._check_moment(task_config.newer_than.name)

    def _check_moment(self, name: str) -> None:
        if _plain(self.python_interface.inputs.get(name)) is not datetime:
            raise InvalidArgument(
                f"task {self.name}",
                f"newer_than: has no input {name!r} that is a datetime",
                cure=f"add it: def function(path: str, {name}: datetime)",
            )

    def _check_input(self, name: str) -> None:
        inputs = self.python_interface.inputs
        if name not in inputs:
            raise InvalidArgument(
                f"task {self.name}",
                f"has no input {name!r} to take the path from, but: {', '.join(inputs) or 'none'}",
                cure='name it: ObjectStoreWait(input="...")',
            )
        kind = _plain(inputs[name])
        element = get_args(kind)[0] if get_origin(kind) is list else kind
        is_file = isinstance(element, type) and issubclass(element, FlyteFile)
        if not is_file and element is not str:
            raise InvalidArgument(
                f"task {self.name}",
                f"its input {name!r} is no path",
                cure="let it be a str or a FlyteFile, or a list of them",
            )
        if is_file and self._wait.match == "glob":
            raise InvalidArgument(
                f"task {self.name}",
                f"its input {name!r} is a file, which a pattern cannot name",
                cure="let it be a str, or let WaitForObjectStoreFile wait and pass on what it finds",
            )

    def __call__(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401  # a coroutine where the function is one
        """As flytekit calls such a function."""
        kind = AsyncPythonFunctionTask if self._is_async else PythonFunctionTask
        return kind.__call__(self, *args, **kwargs)

    def execute(self, **kwargs: Any) -> Any:  # noqa: ANN401
        """Wait for the object, then run the function."""
        # flytekit leaves defaults to the function.
        inputs = {**self.python_interface.default_inputs_as_kwargs, **kwargs}
        given = _arguments.given_path(self._wait.input, inputs)
        path = [_path(each) for each in given] if isinstance(given, list) else _path(given)
        self._wait_for(path, inputs)
        kind = AsyncPythonFunctionTask if self._is_async else PythonFunctionTask
        return kind.execute(self, **kwargs)


def _plain(annotation: Any) -> Any:  # noqa: ANN401  # any type
    """Without what `typing.Annotated` adds."""
    if get_origin(annotation) is list:
        return list[tuple(map(_plain, get_args(annotation)))]  # type: ignore[misc] # of a type that is known at runtime
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _path(value: str | FlyteFile) -> str:
    return value if isinstance(value, str) else str(value.remote_source or value.path)


class _WithoutParentheses(AsyncPythonFunctionTask[Any]):
    """What flytekit makes where the class is given for a configuration: a task that would not wait."""

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidArgument(
            "task_config", "is the class ObjectStoreWait, not a configuration", cure="write ObjectStoreWait(...)"
        )


TaskPlugins.register_pythontask_plugin(ObjectStoreWait, ObjectStoreWaitTask)
TaskPlugins.register_pythontask_plugin(WaitClass, _WithoutParentheses)
