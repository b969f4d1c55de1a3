"""``when=``: the user's own condition, a function that runs in main."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

from objectstore_watcher.contract import Ready, WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.waiting import Judge

from objectstore_sensor import _output
from objectstore_sensor.errors import ObjectChanged

When = Callable[..., bool]
"""Takes a `MatchedObject`, or a list of them."""

_AT_MODULE_LEVEL = "write it as def at module level: def is_complete(found: MatchedObject) -> bool"


def check(when: object, *, absent: bool) -> None:
    """Refuse what is no function that any process finds by its name.

    Args:
        when: the argument.
        absent: the wait is for the end of the object.

    Raises:
        InvalidArgument: as said; or nothing would be there to be judged.
    """
    if when is None:
        return
    if not inspect.isfunction(when):
        kind = "method" if inspect.ismethod(when) else type(when).__name__
        raise InvalidArgument("when", f"is a {kind}, not a function", cure=_AT_MODULE_LEVEL)
    known: object = getattr(sys.modules.get(when.__module__), when.__name__, None)
    if known is not when:
        raise InvalidArgument("when", f"{when.__qualname__!r} has no name in its module", cure=_AT_MODULE_LEVEL)
    if inspect.iscoroutinefunction(when):
        raise InvalidArgument("when", f"{when.__name__!r} is a coroutine", cure="write def, without async")
    try:
        inspect.signature(when).bind(object())
    except TypeError:
        raise InvalidArgument("when", f"{when.__name__!r} does not take one argument", cure=_AT_MODULE_LEVEL) from None
    if absent:
        raise InvalidArgument("when", "nothing is there when absent=True ends the wait", cure="leave one of them out")


def judge(when: When, spec: WatchSpec, *, is_list: bool) -> Judge:
    """``when`` as the wait asks it.

    Args:
        when: the user's function; what it raises is the task's error, but for `ObjectChanged`: it was too late.
        spec: what is waited for.
        is_list: the task waits for a list of paths.
    """
    takes_list = is_list or spec.match != "exact"

    def ask(ready: Ready) -> bool:
        found = _output.matched(spec, ready)
        try:
            answer = when(found if takes_list else found[0])
        except ObjectChanged:  # what is there now is another candidate, which the next look finds
            return False
        if not isinstance(answer, bool):
            raise InvalidArgument(
                "when", f"{when.__name__!r} returned a {type(answer).__name__}", cure="return True or False"
            )
        return answer

    return ask
