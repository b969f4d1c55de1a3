"""``ObjectStoreWait``: what a wait is configured with, whatever task it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from flytekit import ImageSpec, TaskMetadata
from objectstore_watcher import contract
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.durations import Duration, seconds_or_0
from objectstore_watcher.sizes import Size

from objectstore_sensor import _arguments, _lean, _metadata, _when
from objectstore_sensor._inputs import FromInput
from objectstore_sensor._lean import AUTO
from objectstore_sensor._when import When

METRICS_PORT = 9464
"""The port that Prometheus exporters of OpenTelemetry use."""

DEFAULT_LINGER = 30.0
"""Seconds: Prometheus mostly scrapes every 15 s to 30 s, and a pod that nobody scrapes should not stay for long."""

_PLACEHOLDER = "s3://bucket/key*"
"""For the path that is not known yet: a key, and a pattern, too."""


class WaitClass(type):
    """The class of `ObjectStoreWait` itself: refuses what is no argument of it, with a cure."""

    def __call__(cls, *args: object, **options: object) -> Any:  # noqa: ANN401  # as any class
        """Make a configuration."""
        _arguments.check_wait_options(args, options, [each.name for each in fields(cls)])  # type: ignore[arg-type]
        return super().__call__(**options)


@dataclass(frozen=True, kw_only=True)
class ObjectStoreWait(metaclass=WaitClass):
    """Configuration of a task that waits for an object before its function runs: ``@task(task_config=...)``.

    Attributes:
        input: name of the function's input that holds the path, a ``str`` or a ``FlyteFile``, or a list of them.

    The others are arguments of `WaitForObjectStoreFile` of the same names.

    Raises:
        InvalidArgument: one of them cannot be right.
    """

    input: str = "path"
    poll_interval: Duration | None = None
    timeout: Duration | None = None
    request_timeout: Duration = contract.DEFAULT_REQUEST_TIMEOUT
    heartbeat_interval: Duration = contract.DEFAULT_HEARTBEAT_INTERVAL
    endpoint: str = ""
    region: str = ""
    ca_file: str = ""
    on_missing_bucket: str = "fail"
    on_forbidden: str = "fail"
    require: str = "all"
    match: str = "exact"
    flag: str = ""
    min_count: int = 1
    expected_count: int = 0
    absent: bool = False
    min_size: Size = 0
    stable_for: Duration = 0.0
    newer_than: str | datetime | timedelta | FromInput = ""
    etag: str = ""
    version_id: str = ""
    detection: str = "auto"
    sha256: str = ""
    user_metadata: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None
    expected_within: Duration = 0.0
    when: When | None = None
    main: str = AUTO
    watcher_image: str | ImageSpec | None = None
    metrics_port: int | None = METRICS_PORT
    linger: Duration = DEFAULT_LINGER
    run_as_user: int | None = None
    credentials_secret: str | None = None

    def __post_init__(self) -> None:
        """Check all that can be checked without the task."""
        _arguments.check_port(self.metrics_port)
        _arguments.check_user(self.run_as_user)
        seconds_or_0(self.linger, "linger")
        _arguments.check_type("watcher_image", self.watcher_image, str, ImageSpec)
        _arguments.check_type("credentials_secret", self.credentials_secret, str)
        _arguments.check_names(self.watcher_image, self.credentials_secret)
        _arguments.check_type("absent", self.absent, bool)
        _when.check(self.when, absent=self.absent)
        _lean.check(self.main)
        self.spec(TaskMetadata())

    def spec(
        self,
        metadata: TaskMetadata,
        path: str | Sequence[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> WatchSpec:
        """What the watcher is told, in a task with that metadata.

        Args:
            metadata: the task's.
            path: what to wait for.
            inputs: what the task was given; None: not yet known.

        Raises:
            InvalidArgument: an option, the path or an input cannot be right.
        """
        limit = _metadata.sensor_timeout(self.timeout, metadata)
        told: dict[str, Any] = {option.name: getattr(self, option.name) for option in contract.options()}
        told["timeout"] = limit
        if isinstance(self.newer_than, FromInput):
            told["newer_than"] = "" if inputs is None else self.newer_than.text(inputs)
        if self.poll_interval is None:
            told["poll_interval"] = contract.default_poll_interval(limit)
        asked = _placeholder(self.endpoint, self.flag) if path is None else path
        return WatchSpec(uri=asked if isinstance(asked, str) else tuple(asked), **told)

    def pod_options(self) -> dict[str, Any]:
        """What the pod is built with."""
        own = {name: getattr(self, name) for name in ("metrics_port", "run_as_user", "credentials_secret")}
        linger = seconds_or_0(self.linger, "linger") if self.metrics_port else 0.0
        return {**own, "linger": linger}


def _placeholder(endpoint: str, flag: object) -> str:
    """A path to check the other arguments with: where the flag is, or of Azure where the endpoint names an account."""
    if isinstance(flag, str) and "://" in flag:
        return f"{flag}*"
    has_account = len(list(filter(None, endpoint.split("/")))) > len(("scheme", "host"))
    return "abfs://container/key*" if has_account else _PLACEHOLDER
