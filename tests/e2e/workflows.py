"""The sensors that run on kind. Their pods get this very file from a ConfigMap: the example image serves all."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from flytekit import FlyteFile, PodTemplate, Resources, task
from kubernetes.client import (
    V1ConfigMapVolumeSource,
    V1Container,
    V1EnvVar,
    V1PodSpec,
    V1Volume,
    V1VolumeMount,
)
from objectstore_sensor import (
    FromInput,
    MatchedObject,
    ObjectStoreWait,
    WaitForObjectStoreFile,
    WaitForObjectStoreFiles,
    metadata,
)

CONFIG_MAP = "workflows"

TEMPLATE = PodTemplate(
    pod_spec=V1PodSpec(
        containers=[
            V1Container(
                name="primary",
                env=[V1EnvVar(name="PYTHONPATH", value="/workflows")],
                volume_mounts=[V1VolumeMount(name=CONFIG_MAP, mount_path="/workflows/tests/e2e")],
            )
        ],
        volumes=[V1Volume(name=CONFIG_MAP, config_map=V1ConfigMapVolumeSource(name=CONFIG_MAP))],
    )
)

# Room to start quickly on a small machine: at Flyte's default of 100m CPU flytekit takes some 18 s.
ROOM = {"requests": Resources(cpu="20m", mem="150Mi"), "limits": Resources(cpu="2", mem="500Mi")}
QUICK: dict[str, Any] = {"main": "flytekit", **ROOM}

sensor = WaitForObjectStoreFile(
    poll_interval=1,
    timeout="10m",
    metadata=metadata(retries=2),
    pod_template=TEMPLATE,
    run_as_user=1000,
    **QUICK,
)

with_own_secret = WaitForObjectStoreFile(
    poll_interval=1, timeout="10m", pod_template=TEMPLATE, credentials_secret="objectstore-watcher", **QUICK
)

hasty = WaitForObjectStoreFile(poll_interval=1, timeout="10m", linger=0, pod_template=TEMPLATE, **QUICK)

late = WaitForObjectStoreFile(poll_interval=1, timeout="10m", expected_within=1, pod_template=TEMPLATE, **QUICK)

lost = WaitForObjectStoreFile(
    poll_interval=1, timeout="10m", endpoint="http://127.0.0.1:9999", pod_template=TEMPLATE, **QUICK
)

impatient = WaitForObjectStoreFile(poll_interval=1, timeout=5, pod_template=TEMPLATE, **QUICK)

without_image = WaitForObjectStoreFile(pod_template=TEMPLATE, watcher_image="objectstore-watcher:never-built", **QUICK)

# For many at once (tests/e2e/scale.py), at the interval that users get.
waits_with_flytekit = WaitForObjectStoreFile(timeout="1h", pod_template=TEMPLATE, **QUICK)
waits_with_lean = WaitForObjectStoreFile(timeout="1h", main="lean")


# What else can be waited for: see tests/features.py.
WAIT: dict[str, Any] = {"poll_interval": 1, "timeout": "10m", "pod_template": TEMPLATE, **QUICK}

# The lean main needs nothing of the user's image, nor its room.
LEAN: dict[str, Any] = {"poll_interval": 1, "timeout": "10m", "main": "lean"}

lean_sensor = WaitForObjectStoreFile(metadata=metadata(retries=2), **LEAN)
lean_impatient = WaitForObjectStoreFile(**{**LEAN, "timeout": 5})


def ends_well(found: MatchedObject) -> bool:
    return found.read().endswith(b"\n")


VERSION = "6f1ed002-ab59-4a8b-9b1c-000000000006"
"""An id that a test gives the object which ``pinned`` waits for."""

FEATURES: dict[str, tuple[type[WaitForObjectStoreFile], dict[str, Any]]] = {
    "pattern": (WaitForObjectStoreFile, {"match": "glob", "min_count": 2}),
    "whole": (WaitForObjectStoreFile, {"min_size": "1KiB", "stable_for": 3}),
    "fresh": (WaitForObjectStoreFile, {"newer_than": "2s"}),
    "gone": (WaitForObjectStoreFile, {"absent": True}),
    "complete": (WaitForObjectStoreFiles, {"flag": "_SUCCESS"}),
    "first": (WaitForObjectStoreFiles, {"require": "any"}),
    "exactly": (WaitForObjectStoreFiles, {"match": "glob", "expected_count": 2}),
    "listed": (WaitForObjectStoreFiles, {"match": "manifest"}),
    "judged": (WaitForObjectStoreFile, {"when": ends_well}),
    "released": (WaitForObjectStoreFile, {"user_metadata": {"owner": "etl"}, "tags": {"quality": "passed"}}),
    "summed": (WaitForObjectStoreFile, {"sha256": hashlib.sha256(b"whole").hexdigest()}),
    "hashed": (WaitForObjectStoreFile, {"etag": hashlib.md5(b"whole").hexdigest()}),  # noqa: S324  # which S3 takes
    "pinned": (WaitForObjectStoreFile, {"version_id": VERSION, "output": MatchedObject}),
    "told": (WaitForObjectStoreFile, {"detection": "events", "poll_interval": 60, "min_size": 2}),
    "matched": (WaitForObjectStoreFile, {"output": MatchedObject}),
    "linked": (WaitForObjectStoreFiles, {"output": FlyteFile}),
    "scheduled": (WaitForObjectStoreFile, {"newer_than": FromInput("scheduled_at", minus="1h")}),
}

# Variables of this module, as Flyte loads them: `pattern` with flytekit's main, `lean_pattern` with the lean one.
for _name, (_of, _options) in FEATURES.items():
    globals()[_name] = _of(**{**WAIT, **_options})
    if "when" not in _options:
        globals()[f"lean_{_name}"] = _of(**{**LEAN, **_options})

heard = WaitForObjectStoreFile(**{**WAIT, "poll_interval": 60})
overdue = WaitForObjectStoreFile(expected_within=5, **WAIT)


@task(
    task_config=ObjectStoreWait(poll_interval=1, timeout="10m", run_as_user=1000),
    pod_template=TEMPLATE,
    environment={"GREETING": "found"},
    **ROOM,
)
def greet(path: str) -> str:
    return f"{os.environ['GREETING']} {path}"


@task(
    task_config=ObjectStoreWait(match="glob", min_count=2, poll_interval=1, timeout="10m"),
    pod_template=TEMPLATE,
    **ROOM,
)
def counted(path: str) -> str:
    return path
