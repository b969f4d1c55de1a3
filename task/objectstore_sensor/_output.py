"""What a sensor returns: paths, files that nobody has downloaded yet, or `MatchedObject`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flytekit import FlyteFile
from objectstore_watcher import mains
from objectstore_watcher import uri as paths
from objectstore_watcher.contract import Ready, WatchSpec
from objectstore_watcher.errors import InvalidArgument

from objectstore_sensor._matched import MatchedObject
from objectstore_sensor.errors import MarkerError, as_flyte

_ONE_OF = "use str, FlyteFile or MatchedObject"


def check(output: Any, *, absent: bool, is_manifest: bool) -> None:  # noqa: ANN401  # whatever users give
    """Refuse an ``output`` that is none, or that such a wait has not.

    Args:
        output: the argument.
        absent: the wait is for the end of the object.
        is_manifest: the path is that of one manifest, which is what comes back.

    Raises:
        InvalidArgument: as said.
    """
    if not isinstance(output, type) or not (output in (str, MatchedObject) or issubclass(output, FlyteFile)):
        raise InvalidArgument("output", f"{getattr(output, '__name__', output)!r} is unknown", cure=_ONE_OF)
    if output is not str and absent:
        raise InvalidArgument("output", "nothing is there when absent=True ends the wait", cure="leave it out")
    if output is MatchedObject and is_manifest:
        raise InvalidArgument(
            "output", "one manifest stands for many objects", cure="use WaitForObjectStoreFiles, or FlyteFile"
        )


def values(output: type[Any], spec: WatchSpec, ready: Ready) -> list[Any]:
    """What was found, path by path, as ``output`` says.

    Raises:
        MarkerError: the marker tells of something that was not asked for, or not of something that was.
    """
    if output is MatchedObject:
        return list(matched(spec, ready))
    try:
        return [file(output, path) for path in mains.found_for(spec, ready)]
    except MarkerError as error:
        raise as_flyte(error) from None


def file(output: type[Any], path: str) -> Any:  # noqa: ANN401  # a str or a FlyteFile
    """``path`` as a value of ``output``, `str` or `FlyteFile`."""
    if output is str:
        return path
    # Of a remote path, flytekit keeps the path alone; of a file, it makes no copy.
    location = paths.parse(path)
    return output(location.path if isinstance(location, paths.FileLocation) else path, remote_path=False)


def matched(spec: WatchSpec, ready: Ready) -> Sequence[MatchedObject]:
    """The objects that were found, path by path; raises as `values` does."""
    try:
        return [MatchedObject.of(each, ready.detected_at) for each in mains.told_of(spec, ready)]
    except MarkerError as error:
        raise as_flyte(error) from None
