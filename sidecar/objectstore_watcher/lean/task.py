"""What the lean main is told of its task: one argument of its container, made when the task is registered."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field, fields

from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.mains import moment_before

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

VERSION = 1
"""Of the argument; another is refused."""


@dataclass(frozen=True, kw_only=True)
class LeanTask:
    """A sensor, as far as its pod must know it.

    Attributes:
        input: name of the input that holds the path, and of the output.
        is_list: it holds a list of them.
        spec: the fields of the `WatchSpec` but the path, as far as they are not the defaults.
        moment: name of the input that says what ``newer_than`` is; empty: none does.
        minus: so many seconds before it.
        output: what a path becomes: ``str``; ``file``, a blob; or ``object``, a `MatchedObject` of the sensor package.
        format: of a blob, such as ``csv``; empty: any.
        deck: Flyte's console is to show the wait.
    """

    input: str
    is_list: bool
    spec: Mapping[str, Any] = field(default_factory=dict)
    moment: str = ""
    minus: float = 0.0
    output: str = "str"
    format: str = ""
    deck: bool = False

    def encoded(self) -> str:
        """As text of letters, digits, ``-``, ``_`` and ``=``.

        Flyte replaces ``{{.name}}`` in arguments, and the kubelet ``$(NAME)``: of this neither can touch anything.
        """
        return base64.urlsafe_b64encode(json.dumps({"version": VERSION, **asdict(self)}).encode()).decode()

    @classmethod
    def decoded(cls, text: str) -> LeanTask:
        """The task that `encoded` wrote.

        Raises:
            InvalidArgument: it did not, or one of another version did.
        """
        try:
            values = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            if values.pop("version") != VERSION:
                raise ValueError("of another version")
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidArgument(
                "--task",
                f"is not what this version reads: {error}",
                cure="use the watcher image of the same version as the sensor package",
            ) from None

    def watch_spec(self, path: str | list[str], moment: datetime | None) -> WatchSpec:
        """What the watcher is told.

        Args:
            path: the input.
            moment: the other input, where there is one.

        Raises:
            InvalidArgument: one of them, or what goes together, cannot be right.
        """
        newer_than = {"newer_than": moment_before(moment, self.minus)} if moment else {}
        return WatchSpec.from_mapping({**self.spec, **newer_than, "uri": path})


def told_of(spec: WatchSpec) -> dict[str, Any]:
    """The fields of ``spec`` for `LeanTask.spec`."""
    return {
        f.name: getattr(spec, f.name) for f in fields(spec) if f.name != "uri" and getattr(spec, f.name) != f.default
    }
