"""``WaitForObjectStoreFile``: the task, and ``WaitForObjectStoreFiles``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

from flytekit import ImageSpec, PodTemplate, TaskMetadata
from flytekit.configuration import SerializationSettings
from flytekit.core.base_task import PythonTask
from flytekit.core.context_manager import FlyteEntities
from flytekit.core.interface import Interface
from flytekit.core.python_function_task import PythonInstanceTask
from flytekit.core.tracker import extract_task_module
from flytekit.models.task import K8sObjectMetadata, K8sPod
from objectstore_watcher import contract
from objectstore_watcher.durations import Duration
from objectstore_watcher.sizes import Size

from objectstore_sensor import _arguments, _lean, _metadata, _output
from objectstore_sensor._config import DEFAULT_LINGER, METRICS_PORT, ObjectStoreWait
from objectstore_sensor._inputs import FromInput
from objectstore_sensor._lean import AUTO, FLYTEKIT, LEAN
from objectstore_sensor._watched import WatchedTask
from objectstore_sensor._when import When
from objectstore_sensor.errors import InvalidArgument

_AT_MODULE_LEVEL = "assign it to a variable of its own at module level: sensor = WaitForObjectStoreFile(...)"


class WaitForObjectStoreFile(WatchedTask, PythonInstanceTask[None]):
    """A task that waits until the object ``path`` is there, and returns ``path``, or what it stands for as a pattern.

    On Kubernetes its pod has a slim watcher as a native sidecar; locally the same watch runs in this process.

    Args:
        name: the task's name in Flyte, unique; by default the module and variable that it is assigned to.
        output: what the task returns: ``str``, the path; ``FlyteFile``, which nobody downloads before it is opened; or
            ``MatchedObject``, which says what was found, and reads just that.
        poll_interval: time between two looks; by default 10 s, or the timeout where that is shorter.
        timeout: gives up after this long; by default a little before ``metadata.timeout``, or after a day.
        metadata: ``metadata(timeout="1H", retries=10)`` or flytekit's own TaskMetadata.
        request_timeout: longest time without an answer: to connect, to ask, to be answered; 10 s by default.
        heartbeat_interval: time between the watcher's signs of life; after three missing ones main gives up. With the
            default of 10 s a watcher may be restarted twice; with less, main takes the second restart for its death.
        endpoint: URL of the object store's API; by default as Flyte itself is configured, else that of its cloud.
        region: region that signs the requests to S3; by default from the environment.
        ca_file: PEM file, in the watcher's container, of the certificate authorities to trust.
        on_missing_bucket: ``fail``, or ``wait`` until somebody makes the bucket.
        on_forbidden: ``fail``, or ``wait`` on where the server refuses access: without s3:ListBucket, S3 answers 403
            for an absent object, and the object is found once it is there.
        require: ``all`` of several paths must be there, or ``any``: for `WaitForObjectStoreFiles`.
        match: ``exact``; ``glob``: the path is a pattern, and the task returns the first object that matches;
            ``manifest``: the path is that of a list of objects, which must be there, too; ``newer_than`` is for the
            list, too.
        flag: an object such as ``_SUCCESS``, beside the path or, as a whole path, elsewhere: nothing counts without it,
            nor with one that is older than ``newer_than`` or archived. Of a pattern that stands for several folders, a
            whole path.
        min_count: so many objects that match must be there.
        expected_count: exactly so many objects that match must be there.
        absent: wait until the object is gone.
        min_size: a smaller object does not count: bytes, or text such as ``10MiB``, ``1.5GB``.
        stable_for: count the object once the watcher has seen it unchanged (ETag, size, last modification) for this
            long; an overwrite starts again.
        newer_than: an object, flag or manifest last modified before does not count: a datetime, ISO 8601 text, or an
            age at the time of the request (a timedelta, or text such as ``1h``; ``0s``: since the request). Servers
            tell whole seconds; of an upload in parts, AWS tells when it began. Or ``FromInput("scheduled_at")``: the
            sensor's further input of that name, a datetime.
        etag: the ETag that the object must have.
        version_id: the version to wait for; by default the latest.
        detection: ``auto``: MinIO's events where they can be had, with polls at six times the interval, at most a
            minute, as the net; else polls alone. ``poll``: polls alone. ``events``: as ``auto``, with a warning in the
            watcher's log where there are no events; refused for AWS, which has none.
        sha256: the SHA-256 of its content (hexadecimal or base64) that the object must have been stored with; the
            server checked it at the upload. What was stored without one, or in parts, does not count.
        user_metadata: what the object's ``x-amz-meta-*`` must have, such as ``{"owner": "etl"}``. The HEAD tells it; of
            what a listing found, each object that passes everything else is asked for once.
        tags: tags that the object must have, such as ``{"quality": "passed"}``: one more request at each look, for what
            passes everything else; needs s3:GetObjectTagging.
        expected_within: time after the request in which the object is expected; it does not end the wait, but an alert
            can tell that the object is late.
        when: a condition of your own, a function at module level: it gets the ``MatchedObject`` that passes everything
            else, or of a pattern, a manifest or several paths the list of them, and returns True, or False to wait on.
        main: what the main container runs: ``lean``, a small program in the watcher's image; ``flytekit``, in your
            image; or ``auto``, lean where nothing in the sensor needs your image. Both give Flyte the same; the lean
            one starts in a quarter of the time and waits in a tenth of the memory.
        watcher_image: image of the watcher: a name, ``{{.image.NAME.fqn}}:{{.image.NAME.version}}``, or an ImageSpec;
            by default the environment variable OBJECTSTORE_WATCHER_IMAGE when the workflow is registered, else
            ``objectstore-watcher:<version of this package>``.
        metrics_port: port of the watcher's metrics; None switches them off.
        linger: longest time that the pod stays after its task has ended, until Prometheus has scraped the last values;
            30 s by default. Flyte does not wait for it; 0: not at all.
        run_as_user: numeric user for the main container, for namespaces that enforce Pod Security "restricted".
        credentials_secret: name of a Kubernetes Secret with the keys ACCESS_KEY_ID, SECRET_ACCESS_KEY and, optionally,
            SESSION_TOKEN (for Azure: the storage account and its key; for Google: a service account and the JSON of
            its key); by default the watcher takes the credentials that Flyte gives to all containers.
        pod_template: a pod template to add the watcher to.
        options: any other argument of flytekit's tasks: ``container_image``, ``requests``, ``limits``, ``environment``,
            ``enable_deck``.

    Raises:
        InvalidArgument: an argument cannot be right, or the sensor is made where Flyte could not load it again.

    Running it raises `DeadlineExceeded`, `StoreError`, `WatcherDied`, `MarkerError` or `InvalidArgument`.
    """

    _PATH: ClassVar = "path"
    _IS_LIST: ClassVar = False

    def __init__(
        self,
        name: str | None = None,
        *,
        output: type[Any] = str,
        poll_interval: Duration | None = None,
        timeout: Duration | None = None,
        metadata: TaskMetadata | None = None,
        request_timeout: Duration = contract.DEFAULT_REQUEST_TIMEOUT,
        heartbeat_interval: Duration = contract.DEFAULT_HEARTBEAT_INTERVAL,
        endpoint: str = "",
        region: str = "",
        ca_file: str = "",
        on_missing_bucket: str = "fail",
        on_forbidden: str = "fail",
        require: str = "all",
        match: str = "exact",
        flag: str = "",
        min_count: int = 1,
        expected_count: int = 0,
        absent: bool = False,
        min_size: Size = 0,
        stable_for: Duration = 0.0,
        newer_than: str | datetime | timedelta | FromInput = "",
        etag: str = "",
        version_id: str = "",
        detection: str = "auto",
        sha256: str = "",
        user_metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        expected_within: Duration = 0.0,
        when: When | None = None,
        main: str = AUTO,
        watcher_image: str | ImageSpec | None = None,
        metrics_port: int | None = METRICS_PORT,
        linger: Duration = DEFAULT_LINGER,
        run_as_user: int | None = None,
        credentials_secret: str | None = None,
        pod_template: PodTemplate | None = None,
        **options: Any,  # noqa: ANN401  # flytekit's own
    ) -> None:
        _refuse_workflow_body()
        _arguments.check_options(options, WaitForObjectStoreFile)
        self._check_number(require)
        _output.check(output, absent=absent, is_manifest=match == "manifest" and not self._IS_LIST)
        self._output = output
        self._given_name = name
        super().__init__(
            wait=ObjectStoreWait(
                poll_interval=poll_interval,
                timeout=timeout,
                request_timeout=request_timeout,
                heartbeat_interval=heartbeat_interval,
                endpoint=endpoint,
                region=region,
                ca_file=ca_file,
                on_missing_bucket=on_missing_bucket,
                on_forbidden=on_forbidden,
                require=require,
                match=match,
                flag=flag,
                min_count=min_count,
                expected_count=expected_count,
                absent=absent,
                min_size=min_size,
                stable_for=stable_for,
                newer_than=newer_than,
                etag=etag,
                version_id=version_id,
                detection=detection,
                sha256=sha256,
                user_metadata=user_metadata,
                tags=tags,
                expected_within=expected_within,
                when=when,
                main=main,
                watcher_image=watcher_image,
                metrics_port=metrics_port,
                linger=linger,
                run_as_user=run_as_user,
                credentials_secret=credentials_secret,
            ),
            name=name or type(self).__name__,
            task_config=None,
            interface=self._interface(output, newer_than),
            metadata=_metadata.own_copy(metadata),
            pod_template=pod_template,
            # flytekit's own tabs of inputs and outputs would run what a path says as HTML; that of the wait shows both.
            **{"deck_fields": (), **options},
        )
        self._obstacle = _lean.obstacle(type(self), when, options, pod_template)
        if main == LEAN and self._obstacle:
            raise _lean.refused(self._obstacle)

    @property
    def name(self) -> str:
        """The task's name in Flyte; where it cannot be known, as in a notebook's local run, the class's name."""
        if self._given_name:
            return self._given_name
        if variable := _variable_of_script(self):  # flytekit would import the script a second time, and not find it
            self._lhs = variable
            return ".".join(filter(None, [self.instantiated_in, variable]))
        return _location(self) or str(super().name)

    def _check_number(self, require: str) -> None:
        if require != "all":
            raise InvalidArgument("require", "is of several paths", cure="use WaitForObjectStoreFiles")

    def _interface(self, output: type[Any], newer_than: object) -> Interface:
        """What Flyte passes in and out."""
        path = self._PATH
        further = {newer_than.name: datetime} if isinstance(newer_than, FromInput) else {}
        if path in further:
            raise InvalidArgument("newer_than", f"the input {path!r} is the path", cure="use another name")
        given, found = (list[str], list[output]) if self._IS_LIST else (str, output)  # type: ignore[valid-type]
        return Interface(inputs={path: given, **further}, outputs={path: found})

    def execute(self, **kwargs: Any) -> Any:  # noqa: ANN401  # flytekit's signature
        """Wait for ``path`` and return it; for a pattern, the first object that matches."""
        path: str = _arguments.given_path("path", kwargs)
        spec, ready = self._wait_for(path, kwargs)
        if spec.match == "manifest":
            return _output.file(self._output, path)
        return _output.values(self._output, spec, ready)[0]

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod:
        """The pod as Flyte gets it.

        Raises:
            InvalidArgument: Flyte could not load the task again, or the watcher's image is not known.
        """
        from objectstore_sensor import _pod  # late, as `WatchedTask.pod_template` says

        self._check_loadable()
        pod = super().get_k8s_pod(settings)
        obstacle = _lean.MAPPED if _lean.is_mapped(self.get_command(settings)) else self._obstacle
        if self._wait.main == LEAN and obstacle:
            raise _lean.refused(obstacle)
        if self._wait.main == AUTO and obstacle:
            why = {_lean.ANNOTATION: f"{FLYTEKIT}: {obstacle}"}
            labels, own = pod.metadata.labels, pod.metadata.annotations
            return K8sPod(metadata=K8sObjectMetadata(labels, {**own, **why}), pod_spec=pod.pod_spec)
        if self._wait.main != FLYTEKIT:
            _pod.run_lean_main(pod.pod_spec, self._lean_arguments(), self._wait.run_as_user, self._own_template)
        return pod

    def _lean_arguments(self) -> list[str]:
        return _lean.arguments(
            self._wait.spec(self.metadata),
            self._wait.newer_than,
            path=self._PATH,
            is_list=self._IS_LIST,
            output=self._output,
            deck=self.enable_deck,
        )

    def _check_loadable(self) -> None:
        location = _location(self)
        if location is None:
            raise InvalidArgument(f"sensor {self.name!r}", "Flyte cannot load it in the pod", cure=_AT_MODULE_LEVEL)
        for other in FlyteEntities.entities:
            if isinstance(other, PythonTask) and other is not self and other.name == self.name:
                where = _location(other)
                if where not in (None, location):
                    raise InvalidArgument(
                        f"sensor {self.name!r}", f"{where} has the same name", cure="give each sensor a name of its own"
                    )


class WaitForObjectStoreFiles(WaitForObjectStoreFile):
    """The same for a list: waits until all of ``paths`` are there, or any, and returns those that are.

    All that have to be there are returned as they were asked for; with ``match="glob"`` or ``"manifest"``, the objects
    that they stand for. Its arguments are those of `WaitForObjectStoreFile`.
    """

    _PATH: ClassVar = "paths"
    _IS_LIST: ClassVar = True

    def _check_number(self, require: str) -> None:
        """Any number is right."""

    def execute(self, **kwargs: Any) -> Any:  # noqa: ANN401  # flytekit's signature
        """Wait for ``paths`` and return those that are there, or the objects that they stand for."""
        return _output.values(self._output, *self._wait_for(_arguments.given_path("paths", kwargs), kwargs))


def _location(task: PythonTask) -> str | None:
    """Module and variable of ``task``, or None where it has none: in a list, a function, an older reload."""
    try:
        return str(extract_task_module(task)[0])
    except Exception:  # flytekit imports the module, which can raise anything
        return None


def _variable_of_script(sensor: WaitForObjectStoreFile) -> str | None:
    """The variable of ``sensor`` in the script or notebook that runs as ``__main__``, if it was made there."""
    main = sys.modules["__main__"]
    if sensor.instantiated_in and sensor._module_file != Path(getattr(main, "__file__", None) or "").resolve():
        return None
    return next((name for name, value in vars(main).items() if value is sensor), None)


def _refuse_workflow_body() -> None:
    """A sensor made in the body of a workflow serializes well, and then cannot be loaded in the pod."""
    frame: FrameType | None = sys._getframe(2)
    while frame and frame.f_code.co_name != "<module>":
        if frame.f_globals.get("__name__") == "flytekit.core.workflow":
            raise InvalidArgument("sensor", "is made in the body of a workflow", cure=_AT_MODULE_LEVEL)
        frame = frame.f_back
