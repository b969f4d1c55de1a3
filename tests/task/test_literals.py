"""The lean main reads inputs as flytekit does, in whatever form Flyte passes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import msgpack
import pytest
from flyteidl.core.literals_pb2 import Literal, LiteralMap
from flytekit import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.models import literals as models
from objectstore_watcher.lean import literals
from objectstore_watcher.lean.task import LeanTask

NOON = datetime(2026, 1, 2, 12, 0, 0, 250000, tzinfo=timezone(timedelta(hours=2)))
PATHS = ["s3://bucket/a", "s3://bucket/\u0444\n"]


def text(value: str) -> Literal:
    literal = Literal()
    literal.scalar.primitive.string_value = value
    return literal


def collection(*values: Literal) -> Literal:
    literal = Literal()
    literal.collection.literals.extend(values)
    literal.collection.SetInParent()
    return literal


def moment(value: datetime) -> Literal:
    literal = Literal()
    literal.scalar.primitive.datetime.FromDatetime(value)
    return literal


def field(value: Any) -> Literal:  # noqa: ANN401  # whatever a dataclass has
    """What flytepropeller makes of ``found.uri``: a value of a dataclass."""
    literal = Literal()
    literal.scalar.binary.value = msgpack.packb(value)
    literal.scalar.binary.tag = "msgpack"
    return literal


def of_flytekit(kind: type, **given: Literal) -> tuple[Any, Any]:
    types = {"path": kind, "at": datetime}
    read = models.LiteralMap.from_flyte_idl(LiteralMap(literals=given))
    values = TypeEngine.literal_map_to_kwargs(FlyteContextManager.current_context(), read, types)
    return values["path"], values.get("at")


def of_lean(kind: type, **given: Literal) -> tuple[Any, Any]:
    task = LeanTask(input="path", is_list=kind is not str, moment="at" if "at" in given else "")
    found = literals.inputs(task, LiteralMap(literals=given).SerializeToString(), pytest.fail)
    return found.path, found.moment


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        (str, text(PATHS[1]), PATHS[1]),
        (str, field(PATHS[1]), PATHS[1]),
        (str, text(""), ""),
        (list[str], collection(*map(text, PATHS)), PATHS),
        (list[str], collection(*map(field, PATHS)), PATHS),
        (list[str], field(PATHS), PATHS),
        (list[str], collection(), []),
    ],
)
def test_a_path_is_read_in_each_form(kind: type, path: Literal, value: object) -> None:
    assert of_lean(kind, path=path) == of_flytekit(kind, path=path) == (value, None)


@pytest.mark.parametrize("at", [moment(NOON.astimezone(timezone.utc)), field(NOON.isoformat())])
def test_a_moment_is_read_in_each_form(at: Literal) -> None:
    path = text(PATHS[0])
    assert of_lean(str, path=path, at=at) == of_flytekit(str, path=path, at=at) == (PATHS[0], NOON)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (str, field(7)),
        (str, field(None)),
        (str, collection(text(PATHS[0]))),
        (list[str], text(PATHS[0])),
        (list[str], Literal()),
        (list[str], collection(Literal())),
    ],
)
@pytest.mark.parametrize("read", [of_flytekit, of_lean])
def test_what_is_no_path_is_refused(read: Callable[..., object], kind: type, path: Literal) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011  # flytekit's are of all kinds
        read(kind, path=path)
    assert read is of_flytekit or refused.type is literals.NotInputs


def test_what_is_no_message_pack_is_refused() -> None:
    broken = field("")
    broken.scalar.binary.value = b"\xa9a"
    with pytest.raises(literals.NotInputs, match="an input cannot be read: "):
        of_lean(str, path=broken)
