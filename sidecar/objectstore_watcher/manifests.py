"""Lists of objects that producers leave when a batch is complete.

=========================================================== =========================================================
content                                                     what it lists
=========================================================== =========================================================
``part-1.csv`` on each line                                 objects beside the manifest; a line is a name as it stands,
                                                            with its spaces, and none is a comment
``s3://bucket/key`` on each line                            objects wherever they are
``["part-1.csv", "s3://bucket/key"]``                       both, as JSON
``{"entries": [{"url": "s3://bucket/key"}]}``               the same, as Amazon Redshift reads and writes it, but all
                                                            must be there, be they ``mandatory`` or not; where an entry
                                                            has ``meta.content_length``, its object must have that many
                                                            bytes
=========================================================== =========================================================

Empty lines are left out. All objects must be in stores of the manifest's own kind: one in S3 cannot name files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from objectstore_watcher.contract import MOST_PATHS
from objectstore_watcher.errors import InvalidArgument, StoreError
from objectstore_watcher.targets import Target
from objectstore_watcher.uri import FileLocation, kind_of

MAX_BYTES = 4 * 1024 * 1024
"""No manifest is longer: 10,000 paths of 400 bytes."""


def listed(manifest: Target, data: bytes) -> Sequence[Target]:
    """What ``data``, the content of ``manifest``, lists, each object once.

    Raises:
        StoreError: it has more than `MAX_BYTES`, is none of the forms above, names what cannot be, or lists nothing
            or too much.
    """
    if len(data) > MAX_BYTES:
        cure = "split it, or check that the path is that of the list"
        told = f"the manifest has more than {MAX_BYTES} bytes"
        raise StoreError(manifest.uri, told, cure=cure, kind="manifest_invalid")
    try:
        entries = list(_entries(data.decode("utf-8-sig")))
        found = {each.uri: each for each in (_entry(manifest, path, size) for path, size in entries)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        detail = error.detail if isinstance(error, InvalidArgument) else _in_words(error)
        subject = f"{manifest.uri}: {error.subject}" if isinstance(error, InvalidArgument) else manifest.uri
        raise StoreError(subject, f"the manifest cannot be read: {detail}", kind="manifest_invalid") from error
    if not 0 < len(found) <= MOST_PATHS:
        raise StoreError(
            manifest.uri,
            f"the manifest lists {len(found)} objects, not 1 to {MOST_PATHS}",
            cure=f"wait for at most {MOST_PATHS} objects at a time"
            if found
            else "let it list what is to be waited for",
            kind="manifest_invalid",
        )
    for each in found.values():
        if kind_of(each.location) != kind_of(manifest.location):
            raise StoreError(
                manifest.uri, f"the manifest names {each.uri!r}, in another kind of store", kind="manifest_invalid"
            )
    return list(found.values())


def _entry(manifest: Target, path: str, size: int | None) -> Target:
    """What one entry names; beside an object, a path of slashes alone would be a key with an empty part."""
    if path.startswith("/") and not isinstance(manifest.location, FileLocation):
        raise InvalidArgument(repr(path), "it begins with a slash, and is neither a whole path nor a name", cure="")
    return manifest.beside(path, size)


def _in_words(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"it begins as JSON and is none: {error.msg} in line {error.lineno}"
    if isinstance(error, RecursionError):
        return "its JSON is nested too deeply"
    return str(error) if type(error) is ValueError else "its JSON has another form"


def _entries(text: str) -> Iterator[tuple[str, int | None]]:
    """Paths, and the bytes that their objects must have."""
    if not text.lstrip().startswith(("{", "[")):
        yield from ((line, None) for line in re.split(r"\r?\n", text) if line.strip())
        return
    content = json.loads(text)
    for number, entry in enumerate(content if isinstance(content, list) else content["entries"], start=1):
        try:
            found = (entry, None) if isinstance(entry, str) else (entry["url"], _length(entry))
        except (TypeError, KeyError, AttributeError):
            raise ValueError(f"entry {number} of its JSON has another form") from None
        except ValueError as error:
            raise ValueError(f"entry {number} of its JSON: {error}") from None
        yield found


def _length(entry: dict[str, Any]) -> int | None:
    length = entry.get("meta", {}).get("content_length")
    if length is not None and (type(length) is not int or length < 0):
        raise ValueError(f"content_length {str(length)[:50]!r} is no number of bytes")
    return length
