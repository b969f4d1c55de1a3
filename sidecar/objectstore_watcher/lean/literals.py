"""Flyte's messages: inputs in, outputs and errors out, exactly as flytekit writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import msgpack
from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.execution_pb2 import ExecutionError
from flyteidl.core.literals_pb2 import Literal, LiteralMap
from google.protobuf.message import DecodeError

from objectstore_watcher import mains
from objectstore_watcher import uri as paths
from objectstore_watcher.contract import Matched, Ready, WatchSpec
from objectstore_watcher.errors import WaitError
from objectstore_watcher.lean.task import LeanTask


class NotInputs(Exception):
    """``inputs.pb`` does not hold what the task takes."""


@dataclass(frozen=True)
class Inputs:
    """What the task was given.

    Attributes:
        path: the path, or the list of them.
        moment: the input that says what ``newer_than`` is, if there is one.
    """

    path: str | list[str]
    moment: datetime | None


def inputs(task: LeanTask, data: bytes, read: Callable[[str], bytes]) -> Inputs:
    """The inputs that ``data``, a LiteralMap, holds.

    Args:
        task: says which.
        data: ``inputs.pb``.
        read: what is at a path: Flyte moves large literals out of ``inputs.pb``.

    Raises:
        NotInputs: one of them is missing, or of another type.
    """
    try:
        literals = LiteralMap.FromString(data).literals
        path = _value(literals[task.input], read)
        moment = _value(literals[task.moment], read) if task.moment else None
        moment = mains.moment_of(moment) if isinstance(moment, str) else moment
    except DecodeError:
        raise NotInputs("inputs.pb is no LiteralMap") from None
    except (ValueError, OverflowError, msgpack.UnpackException) as error:
        raise NotInputs(f"an input cannot be read: {error}") from None
    if not _is_path(path, is_list=task.is_list):
        raise NotInputs(f"the input {task.input!r} is no {'list of texts' if task.is_list else 'text'}, or is missing")
    if task.moment and not isinstance(moment, datetime):
        raise NotInputs(f"the input {task.moment!r} is no datetime, or is missing")
    return Inputs(path, moment)


def _is_path(path: object, *, is_list: bool) -> bool:
    if is_list:
        return isinstance(path, list) and all(isinstance(each, str) for each in path)
    return isinstance(path, str)


def _value(literal: Literal, read: Callable[[str], bytes]) -> Any:  # noqa: ANN401  # whatever Flyte passes
    """What ``literal`` holds; None of what no sensor takes."""
    if literal.HasField("offloaded_metadata"):
        return _value(Literal.FromString(read(literal.offloaded_metadata.uri)), read)
    if literal.HasField("collection"):
        return [_value(each, read) for each in literal.collection.literals]
    if literal.scalar.HasField("binary"):  # what a workflow takes out of a dataclass, ``found.uri``
        return msgpack.loads(literal.scalar.binary.value)
    kind = literal.scalar.primitive.WhichOneof("value")
    if kind == "datetime":
        return literal.scalar.primitive.datetime.ToDatetime(tzinfo=timezone.utc)
    return getattr(literal.scalar.primitive, kind) if kind else None


def outputs(task: LeanTask, spec: WatchSpec, ready: Ready) -> bytes:
    """``outputs.pb``: what the task returns.

    Raises:
        MarkerError: the marker tells of something that was not asked for, or not of something that was.
    """
    values = _values(task, spec, ready)
    literal = Literal() if task.is_list else values[0]
    if task.is_list:
        literal.collection.literals.extend(values)
    return LiteralMap(literals={task.input: literal}).SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def _values(task: LeanTask, spec: WatchSpec, ready: Ready) -> Sequence[Literal]:
    if task.output == "object":
        return [_object(each, ready.detected_at) for each in mains.told_of(spec, ready)]
    is_itself = spec.match == "manifest" and not task.is_list  # one manifest stands for many objects
    found = spec.uris if is_itself else mains.found_for(spec, ready)
    return [_blob(path, task.format) if task.output == "file" else _string(path) for path in found]


def _string(path: str) -> Literal:
    literal = Literal()
    literal.scalar.primitive.string_value = path
    return literal


def _blob(path: str, kind: str) -> Literal:
    literal = Literal()
    literal.scalar.blob.uri = path
    literal.scalar.blob.metadata.type.format = kind
    literal.scalar.blob.metadata.type.SetInParent()
    return literal


def _object(found: Matched, detected_at: str) -> Literal:
    """The sensor package's ``MatchedObject``, its fields in their order: flytekit writes dataclasses as MessagePack."""
    fields: dict[str, Any] = {
        "uri": found.uri,
        "key": paths.pattern_of(paths.parse(found.uri)),
        "size": found.size,
        "etag": found.etag,
        "version_id": found.version_id,
        "last_modified": _iso(found.last_modified),
        "detected_at": _iso(detected_at),
    }
    literal = Literal()
    literal.scalar.binary.value = msgpack.packb(fields)
    literal.scalar.binary.tag = "msgpack"
    return literal


def _iso(text: str) -> str | None:
    moment = mains.moment_of(text)
    return moment.isoformat() if moment else None


def failure(error: WaitError) -> bytes:
    """``error.pb`` for a wait that failed: an error of the user's."""
    return _document(error.error_code, error, is_retryable=error.retryable, origin=ExecutionError.USER)


def broken(error: Exception) -> bytes:
    """``error.pb`` for a wait that met what no wait should: flytekit takes it for a bug of the user's."""
    return _document("USER:RuntimeError", error, is_retryable=False, origin=ExecutionError.USER)


def system_failure(error: Exception, *, is_retryable: bool) -> bytes:
    """``error.pb`` for what went wrong around the wait: the platform's error."""
    return _document("SYSTEM", error, is_retryable=is_retryable, origin=ExecutionError.SYSTEM)


def _document(code: str, error: Exception, *, is_retryable: bool, origin: int) -> bytes:
    document = ErrorDocument()
    document.error.code = code
    # flytekit puts a trace before this, of its own frames; of the message the form is the same.
    document.error.message = f"Message:\n\n    {type(error).__name__}: {error}"
    document.error.kind = ContainerError.RECOVERABLE if is_retryable else ContainerError.NON_RECOVERABLE
    document.error.origin = origin
    document.error.timestamp.GetCurrentTime()
    return document.SerializeToString(deterministic=True)  # type: ignore[no-any-return]
