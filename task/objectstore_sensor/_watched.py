"""What tasks have in common in whose pods a watcher is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flytekit import PodTemplate, TaskMetadata
from flytekit.configuration import SerializationSettings
from flytekit.core.python_auto_container import PythonAutoContainerTask
from flytekit.models.task import K8sPod
from objectstore_watcher.contract import Failed, Ready, WatchSpec

from objectstore_sensor import _arguments, _metadata, _when
from objectstore_sensor._config import ObjectStoreWait
from objectstore_sensor._wait import wait_for


class WatchedTask(PythonAutoContainerTask[Any]):
    """A task whose pod has the watcher as a native sidecar.

    Args:
        wait: the configuration of the wait.
        metadata: the task's, of which Flyte's timeout counts.
        pod_template: the user's own, to which the watcher is added.
        rest: flytekit's own arguments.
    """

    def __init__(self, *, wait: ObjectStoreWait, metadata: TaskMetadata, **rest: Any) -> None:  # noqa: ANN401
        self._wait = wait
        self._own_template: PodTemplate | None = None
        self._pod_template: PodTemplate | None = None
        _arguments.check_type("pod_template", rest.get("pod_template"), PodTemplate)
        _warn_if_cut_off(wait.spec(metadata).timeout, metadata)
        super().__init__(metadata=metadata, **rest)

    @property
    def pod_template(self) -> PodTemplate:
        """The pod; built when first asked for: kubernetes' models double flytekit's start and main's memory."""
        if self._pod_template is None:
            self._pod_template = self._with_watcher()
        return self._pod_template

    @pod_template.setter
    def pod_template(self, own: PodTemplate | None) -> None:
        self._own_template = own
        self._pod_template = self._with_watcher() if own else None

    def _with_watcher(self) -> PodTemplate:
        from objectstore_sensor import _pod

        return _pod.with_watcher(self._own_template, **self._wait.pod_options())

    def _wait_for(self, path: str | Sequence[str], inputs: Mapping[str, Any]) -> tuple[WatchSpec, Ready]:
        """Wait for ``path``; what was waited for, and what was found."""
        spec = self._wait.spec(self.metadata, path, inputs)
        judge = self._wait.when and _when.judge(self._wait.when, spec, is_list=not isinstance(path, str))
        return spec, wait_for(spec, judge, partial(self._tell, spec))

    def _tell(self, spec: WatchSpec, answer: Ready | Failed) -> None:
        """Show the wait in Flyte's console, where that is asked for."""
        if self.enable_deck:
            from objectstore_sensor import _deck

            _deck.tell(spec, answer)

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod:
        """The pod as Flyte gets it. The same each time: fast registration asks twice.

        Raises:
            InvalidArgument: the watcher's image is not known.
        """
        from objectstore_sensor import _pod

        pod = super().get_k8s_pod(settings)
        _pod.resolve_images(pod.pod_spec, self._wait.watcher_image, settings.image_config)
        return pod


def _warn_if_cut_off(timeout: float, metadata: TaskMetadata) -> None:
    longest = _metadata.longest_timeout(metadata)
    if metadata.timeout and longest is not None and timeout > longest:
        warnings.warn(
            f"timeout of {timeout:g} s: Flyte ends the attempt after metadata.timeout,"
            f" {metadata.timeout.total_seconds():g} s, the pod's start included, without saying what was waited for;"
            f" lower the sensor's timeout to {longest:g} s or less, or raise metadata.timeout",
            stacklevel=5,  # the task's own constructor and flytekit's metaclass are between
        )
