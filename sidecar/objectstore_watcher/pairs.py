"""Names and values that an object must have: its user metadata, and its tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from objectstore_watcher.errors import InvalidArgument

Pairs = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

MOST_TAGS = 10
"""S3's limit for an object."""

_LONGEST = {"user_metadata": (1024, 2048), "tags": (128, 256)}
"""Characters of a name, and of a value: S3's limits."""

_HEADER = "x-amz-meta-"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?", re.ASCII)


def pairs(option: str, name: str, given: object) -> Pairs:
    """What an option of such pairs says.

    Args:
        option: ``user_metadata`` or ``tags``.
        name: how errors call it.
        given: a mapping; pairs; ``name=value`` or several of them, as the command line has them, or, as the environment
            has them, each on a line.

    Raises:
        InvalidArgument: they are none, a name is there twice, or no object can have them.
    """
    found = [_checked(option, name, each, value) for each, value in _split(given, name)]
    by_name = dict(found)
    if len(by_name) < len(found):
        raise InvalidArgument(name, "names one twice", cure="give each name once")
    if option == "tags" and len(found) > MOST_TAGS:
        raise InvalidArgument(name, f"{len(found)} are more than an object can have", cure=f"use {MOST_TAGS} at most")
    return tuple(sorted(by_name.items()))


def _split(given: object, name: str) -> Iterator[tuple[object, object]]:
    if isinstance(given, Mapping):
        yield from given.items()
        return
    each_alone = given.splitlines() if isinstance(given, str) else given
    if each_alone is not None and not isinstance(each_alone, list | tuple):
        raise InvalidArgument(name, f"is a {type(given).__name__}", cure='give a dict: {"name": "value"}')
    for each in each_alone or ():
        if isinstance(each, str) and "=" in each:
            before, _, value = each.partition("=")
            yield before, value
        elif isinstance(each, list | tuple) and len(each) == 2:  # noqa: PLR2004  # a name and a value
            yield each[0], each[1]
        else:
            raise InvalidArgument(name, f"{each!r} is no pair", cure="write NAME=VALUE")


def _checked(option: str, name: str, key: object, value: object) -> tuple[str, str]:
    if not isinstance(key, str) or not isinstance(value, str):
        raise InvalidArgument(name, f"{key!r}: {value!r} is no text", cure="give strings")
    is_header = option == "user_metadata"
    if is_header:  # HTTP does not tell upper from lower case in names
        key = key.lower().removeprefix(_HEADER)
    longest = _LONGEST[option]
    if not key or len(key) > longest[0] or len(value) > longest[1] or "=" in key or not _travels(key + value):
        raise InvalidArgument(name, f"{key[:50]!r}: no object can have it", cure="see S3's limits for names and values")
    if is_header and not (_TOKEN.fullmatch(key) and _HEADER_VALUE.fullmatch(value)):
        raise InvalidArgument(
            name, f"{key[:50]!r}: a header cannot have this name or value", cure="use ASCII, without space at the ends"
        )
    return key, value


def _travels(text: str) -> bool:
    return text.isprintable()  # no control character, no half of a character
