"""Sizes as people write them: bytes, or text such as ``10MiB``, ``1.5GB``."""

from __future__ import annotations

import re

from objectstore_watcher.errors import InvalidArgument

Size = int | str

_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
_SIZE = re.compile(r"(\d{1,30}(?:\.\d{1,30})?) *([a-z]*)", re.IGNORECASE | re.ASCII)  # 30 digits: no number overflows

LARGEST = 50 * 1024**4
"""Bytes: ten times the largest object of S3; more is a typing error."""


def in_bytes(value: Size, name: str) -> int:
    """The size ``value`` in bytes, rounded up.

    Args:
        value: a number of bytes, or text (``"1000"``, ``"10MiB"``, ``"1.5GB"``).
        name: the flag or argument that it was given for; named in the error.

    Raises:
        InvalidArgument: it is no size, below zero, or larger than any object.
    """
    result = _parse(value)
    if result is None:
        raise InvalidArgument(name, f"{value!r} is not a size", cure='use bytes or text such as "10MiB", "1.5GB"')
    if not 0 <= result <= LARGEST:
        raise InvalidArgument(name, f"{value!r} is out of range", cure="use a size from zero to that of an object")
    return result


def _parse(value: Size) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found.group(2).lower() not in _UNITS:
        return None
    return -int(-(float(found.group(1)) * _UNITS[found.group(2).lower()]) // 1)
