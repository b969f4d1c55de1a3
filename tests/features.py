"""What can be waited for besides one object, with what each wait must give: locally, and in a pod, the same."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from flytekit import FlyteFile
from flytekit.core.base_task import PythonTask
from minio import Minio
from objectstore_sensor import MatchedObject

from tests.e2e import workflows

Given = str | Sequence[str]
"""A key, or a list of them."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A wait.

    Attributes:
        asked: the keys that it is given, below the test's own prefix.
        before: objects that are there before it begins.
        later: objects that come while it waits; None: the object goes. They have the metadata and tags of `MARKS`.
        inputs: what the task is given besides.
        found: the keys that it must return.
    """

    asked: Given
    before: Mapping[str, bytes] = field(default_factory=dict)
    later: Mapping[str, bytes | None] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    found: Given


FEATURES = {
    "pattern": Feature(
        asked="2026-??-*/part-[0-9].csv",
        before={"2026-06-01/part-2.csv": b"2", "2026-06-01/sub/part-1.csv": b"1"},
        later={"2026-06-02/part-x.csv": b"x", "2026-06-01/part-1.csv": b"1"},
        found="2026-06-01/part-1.csv",
    ),
    "whole": Feature(asked="data", before={"data": b"half"}, later={"data": b"x" * 2048}, found="data"),
    "fresh": Feature(asked="data", later={"data": b"new"}, found="data"),
    "gone": Feature(asked="lock", before={"lock": b""}, later={"lock": None}, found="lock"),
    "complete": Feature(
        asked=["1/b", "1/a", "2/c"],
        before={"1/a": b"a", "1/_SUCCESS": b"", "2/c": b"c"},
        later={"1/b": b"b", "2/_SUCCESS": b""},
        found=["1/b", "1/a", "2/c"],
    ),
    "first": Feature(asked=["a", "b", "c"], later={"b": b"b"}, found=["b"]),
    "exactly": Feature(
        asked=["in/*"],
        before={"in/1": b"", "in/2": b"", "in/3": b""},
        later={"in/2": None},
        found=["in/1", "in/3"],
    ),
    "judged": Feature(asked="data", before={"data": b"half a li"}, later={"data": b"a line\n"}, found="data"),
    "released": Feature(asked="data", before={"data": b"raw"}, later={"data": b"checked"}, found="data"),
    "summed": Feature(asked="data", before={"data": b"half"}, later={"data": b"whole"}, found="data"),
    "told": Feature(asked="data", later={"data": b"data"}, found="data"),
    "matched": Feature(asked="data", later={"data": b"data"}, found="data"),
    "linked": Feature(asked=["a", "b"], later={"b": b"b", "a": b"a"}, found=["a", "b"]),
    "scheduled": Feature(
        asked="data",
        later={"data": b"data"},
        inputs={"scheduled_at": datetime.now(timezone.utc)},
        found="data",
    ),
    "listed": Feature(
        asked=["manifest"],
        before={"a": b"a"},
        later={"manifest": b"b\na\n", "b": b"b"},
        found=["b", "a"],
    ),
}


def sensor_of(name: str, main: str = "flytekit") -> PythonTask | None:
    """The task of a feature, with the main that is asked for; None where it cannot have that."""
    return getattr(workflows, f"lean_{name}" if main == "lean" else name, None)


MARKS = {"metadata": {"owner": "etl"}, "tags": {"quality": "passed"}}


def store(client: Minio, bucket: str, key: str, data: bytes) -> None:
    """Store an object with `MARKS` and its SHA-256."""
    headers: dict[str, str | list[str] | tuple[str]] = {
        f"x-amz-meta-{name}": value for name, value in MARKS["metadata"].items()
    }
    headers["x-amz-tagging"] = urlencode(MARKS["tags"])
    headers["x-amz-checksum-sha256"] = base64.b64encode(hashlib.sha256(data).digest()).decode()
    client._execute("PUT", bucket, key, body=data, headers=headers)  # put_object takes no checksum


def told(output: object) -> object:
    """The path, or the paths, that a task's output tells of."""
    if isinstance(output, list):
        return [told(each) for each in output]
    if isinstance(output, MatchedObject):
        return output.uri
    return str(output.remote_source or output.path) if isinstance(output, FlyteFile) else output


def paths(given: Given, path: Callable[[str], str]) -> str | list[str]:
    """``given`` as ``path`` writes each key."""
    return path(given) if isinstance(given, str) else [path(key) for key in given]
