"""What can be waited for besides one object, with what each wait must give: locally, and in a pod, the same.

Of each, something comes first that only its option refuses: without it, the wait would be over too soon.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from flytekit import FlyteFile
from flytekit.core.base_task import PythonTask
from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from objectstore_sensor import MatchedObject

from tests.e2e import workflows
from tests.servers import eventually

Given = str | Sequence[str]
"""A key, or a list of them."""

Line = Mapping[str, Any]
"""Of a watcher's log."""

GOES_ON = 0.5
"""Seconds in which a wait that is over too soon would end."""

MARKS = {
    "metadata": {"x-amz-meta-owner": "etl"},
    "tags": {"x-amz-tagging": urlencode({"quality": "passed"})},
}
"""Headers that objects may be stored with, and ``checksum``, which each has its own of."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens to objects.

    Attributes:
        objects: what is stored, by key; None: it goes.
        marks: which of `MARKS` it is stored with.
        told: what the watcher's log says then: why it waits on; empty where it sees nothing to speak of.
        after: seconds between what was told of the last step and this one.
    """

    objects: Mapping[str, bytes | None] = field(default_factory=dict)
    marks: Collection[str] = ()
    told: str = ""
    after: float = 0


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A wait.

    Attributes:
        asked: the keys that it is given, below the test's own prefix.
        steps: what happens: first before it begins, at last what ends it; between them, what does not.
        found: the keys that it must return.
        inputs: what the task is given besides: moments, from its beginning on.
        age: seconds that the objects of the first step are old when it begins.
        output: the type of what it returns, or of each.
        by: ``event``, where it must have been that.
        unchanged_for: seconds for which what was found must have been there.
        version: its id; the bucket has versions then.
    """

    asked: Given
    steps: Sequence[Step]
    found: Given
    inputs: Mapping[str, timedelta] = field(default_factory=dict)
    age: float = 0
    output: type[Any] = str
    by: str = ""
    unchanged_for: float = 0
    version: str = ""


FEATURES = {
    "pattern": Feature(
        asked="2026-??-*/part-[0-9].csv",
        steps=[
            Step(objects={"2026-06-01/part-2.csv": b"2"}, told="1 of at least 2 objects"),
            Step(objects={"2026-06-01/sub/part-1.csv": b"1", "2026-06-02/part-x.csv": b"x"}),
            Step(objects={"2026-06-01/part-1.csv": b"1"}),
        ],
        found="2026-06-01/part-1.csv",
    ),
    "counted": Feature(
        asked="in/*",
        steps=[Step(objects={"in/1": b"1"}, told="1 of at least 2 objects"), Step(objects={"in/2": b"2"})],
        found="in/*",
    ),
    "whole": Feature(
        asked="data",
        steps=[
            Step(objects={"data": b"half"}, told="the object has 4 of at least 1024 bytes"),
            Step(objects={"data": b"x" * 2048}, told="the object has not yet been unchanged for 3 s"),
            # Later by more than the second to which servers tell it: else nobody could see that it began again.
            Step(objects={"data": b"y" * 4096}, after=1.2),
        ],
        found="data",
        unchanged_for=3,
    ),
    "fresh": Feature(
        asked="data",
        steps=[Step(objects={"data": b"old"}, told="the object is older than 2s"), Step(objects={"data": b"new"})],
        age=4,
        found="data",
    ),
    "scheduled": Feature(
        asked="data",
        steps=[Step(objects={"data": b"old"}, told="the object is older than 20"), Step(objects={"data": b"new"})],
        inputs={"scheduled_at": timedelta(hours=1)},
        age=4,
        found="data",
    ),
    "gone": Feature(
        asked="lock",
        steps=[Step(objects={"lock": b""}, told="the object is still there"), Step(objects={"lock": None})],
        found="lock",
    ),
    "complete": Feature(
        asked=["1/b", "1/a", "2/c"],
        steps=[
            Step(objects={"1/a": b"a", "1/b": b"b", "1/_SUCCESS": b"", "2/c": b"c"}, told="/2/_SUCCESS' is not there"),
            Step(objects={"2/_SUCCESS": b""}),
        ],
        found=["1/b", "1/a", "2/c"],
    ),
    "first": Feature(asked=["a", "b", "c"], steps=[Step(), Step(objects={"b": b"b"})], found=["b"]),
    "exactly": Feature(
        asked=["in/*"],
        steps=[
            Step(objects={"in/1": b"", "in/2": b"", "in/3": b""}, told="3 of exactly 2 objects"),
            Step(objects={"in/2": None}),
        ],
        found=["in/1", "in/3"],
    ),
    "judged": Feature(
        asked="data",
        steps=[
            Step(objects={"data": b"half a li"}, told="the task's own condition (when=) refuses it"),
            Step(objects={"data": b"a line\n"}),
        ],
        found="data",
    ),
    "released": Feature(
        asked="data",
        steps=[
            Step(objects={"data": b"raw"}, told="the object lacks the metadata owner=etl"),
            Step(objects={"data": b"done"}, marks=["metadata"], told="the object lacks the tag quality=passed"),
            Step(objects={"data": b"checked"}, marks=["metadata", "tags"]),
        ],
        found="data",
    ),
    "summed": Feature(
        asked="data",
        steps=[
            Step(objects={"data": b"whole"}, told="the object was stored without a SHA-256"),
            Step(objects={"data": b"half"}, marks=["checksum"], told="the object has the SHA-256 "),
            Step(objects={"data": b"whole"}, marks=["checksum"]),
        ],
        found="data",
    ),
    "hashed": Feature(
        asked="data",
        steps=[Step(objects={"data": b"half"}, told="the object has the ETag "), Step(objects={"data": b"whole"})],
        found="data",
    ),
    "pinned": Feature(
        asked="data",
        steps=[Step(objects={"data": b"another version"}), Step(objects={"data": b"data"})],
        output=MatchedObject,
        version=workflows.VERSION,
        found="data",
    ),
    "told": Feature(
        asked="data",
        steps=[
            Step(told="the object store tells of events"),
            # What is there by then may be found by the look after subscribing; what comes after it, by an event alone.
            Step(objects={"data": b"1"}, told="the object has 1 of at least 2 bytes"),
            Step(objects={"data": b"data"}),
        ],
        by="event",
        found="data",
    ),
    "matched": Feature(
        asked="data", steps=[Step(), Step(objects={"data": b"data"})], output=MatchedObject, found="data"
    ),
    "linked": Feature(
        asked=["a", "b"],
        steps=[
            Step(objects={"b": b"b"}, told="1 of 2 objects are there"),
            Step(objects={"a": b"a"}),
        ],
        output=FlyteFile,
        found=["a", "b"],
    ),
    "listed": Feature(
        asked=["manifest"],
        steps=[
            Step(objects={"a": b"a"}),
            Step(objects={"manifest": b"b\na\n"}, told="1 of 2 objects are there"),
            Step(objects={"b": b"b"}),
        ],
        found=["b", "a"],
    ),
}


def sensor_of(name: str, main: str = "flytekit") -> PythonTask | None:
    """The task of a feature, with the main that is asked for; None where it cannot have that."""
    return getattr(workflows, f"lean_{name}" if main == "lean" else name, None)


class Story:
    """A feature's objects: what happens to them while one or several wait.

    Args:
        feature: the wait.
        client: where they are.
        bucket: the test's own, or where `Feature.version` is given, that of versions.
        prefix: what their keys begin with.
    """

    def __init__(self, feature: Feature, client: Minio, bucket: str, prefix: str = "") -> None:
        self.feature = feature
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def begin(self) -> None:
        """What is there before the wait."""
        if self.feature.version:
            self._client.set_bucket_versioning(self._bucket, VersioningConfig(ENABLED))
        self._take(self.feature.steps[0])

    def go_on(self, logs: Sequence[Callable[[], Iterable[Line]]], patience: float) -> None:
        """What happens during it, each step once the last one is known not to have ended it.

        Args:
            logs: of those who wait.
            patience: seconds that each of them may take to tell what it sees.
        """
        for before, step in pairwise(self.feature.steps):
            for log in logs:
                self._see(before, log, patience)
            time.sleep(step.after)
            self._take(step)

    def _see(self, step: Step, log: Callable[[], Iterable[Line]], patience: float) -> None:
        told = step.told or "waiting for "
        eventually(lambda: _tell(log(), told) or bool(_end(log())), f"the watcher says: {told}", patience)
        assert _tell(log(), told), f"the wait ended before the watcher said: {told}"
        if not step.told:
            time.sleep(GOES_ON)
            assert not _end(log()), "it must wait for what comes"

    def _take(self, step: Step) -> None:
        is_last = step is self.feature.steps[-1]
        for key, data in step.objects.items():
            if data is None:
                self._client.remove_object(self._bucket, self._prefix + key)
            else:
                self._store(key, data, step.marks, self.feature.version if is_last else "")

    def _store(self, key: str, data: bytes, marks: Collection[str], version: str) -> None:
        headers: dict[str, str | list[str] | tuple[str]] = {}
        for mark in marks:
            headers.update(MARKS.get(mark, {}))
        if "checksum" in marks:
            headers["x-amz-checksum-sha256"] = base64.b64encode(hashlib.sha256(data).digest()).decode()
        # put_object takes no checksum, nor a version, which MinIO lets root choose.
        query: Any = {"versionId": version} if version else None
        self._client._execute("PUT", self._bucket, self._prefix + key, data, headers, query)

    @property
    def asked(self) -> Any:  # noqa: ANN401  # the input of a task
        """The path, or the paths."""
        return self._paths(self.feature.asked)

    def inputs(self, begin: datetime) -> Mapping[str, Any]:
        """The task's other inputs, where the wait begins at ``begin``."""
        return {name: begin + after for name, after in self.feature.inputs.items()}

    def check(self, output: object, log: Iterable[Line]) -> None:
        """Refuse a wait that did not give what it should, or not as it should."""
        feature, end = self.feature, _end(log)
        assert told(output) == self._paths(feature.found)
        outputs: list[Any] = output if isinstance(output, list) else [output]
        assert all(isinstance(each, feature.output) for each in outputs)
        assert feature.by in ("", end["detected_by"])
        if feature.version:
            assert [each.version_id for each in outputs] == [feature.version]
        if feature.unchanged_for:
            last = self._client.stat_object(self._bucket, self._prefix + str(feature.found))
            assert last.last_modified
            # On a very slow machine what came before it has been unchanged for long enough.
            seen_for = datetime.fromisoformat(end["time"].replace("Z", "+00:00")) - last.last_modified
            assert end["size"] != last.size or seen_for.total_seconds() >= feature.unchanged_for

    def _paths(self, given: Given) -> str | list[str]:
        begin = f"s3://{self._bucket}/{self._prefix}"
        return begin + given if isinstance(given, str) else [begin + key for key in given]


def lines_of(log: str) -> Sequence[Line]:
    """The lines of a watcher's log as JSON; of the last one, there may be a part."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{") and line.endswith("}")]


def _tell(log: Iterable[Line], words: str) -> bool:
    return any(words in line["message"] for line in log)


def _end(log: Iterable[Line]) -> Line:
    """The line that tells how the wait ended; empty while it goes on."""
    return next((line for line in log if "detected_by" in line or line["level"] == "error"), {})


def told(output: object) -> object:
    """The path, or the paths, that a task's output tells of."""
    if isinstance(output, list):
        return [told(each) for each in output]
    if isinstance(output, MatchedObject):
        return output.uri
    return str(output.remote_source or output.path) if isinstance(output, FlyteFile) else output


def now() -> datetime:
    """The time, as tasks get it."""
    return datetime.now(timezone.utc)
