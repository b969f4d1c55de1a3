"""Object URIs, split by hand and byte for byte.

``urllib.parse`` drops newlines and tabs and cuts keys at ``?`` and ``#``, all of them legal in S3 keys: the watcher
would wait for another object than the one asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from objectstore_watcher.cloud_uris import (
    AZURE,
    CloudLocation,
    WebLocation,
    check_length,
    parse_azure,
    parse_gcs,
    parse_web,
)
from objectstore_watcher.cloud_uris import invalid as _invalid
from objectstore_watcher.errors import InvalidArgument

_ENDPOINT = re.compile(r"(https?)://([A-Za-z0-9._:\[\]-]+)/?", re.IGNORECASE | re.ASCII)
_AZURE_ENDPOINT = re.compile(_ENDPOINT.pattern + r"(?:[a-z0-9]{3,24}/?)?", re.IGNORECASE | re.ASCII)

MAX_KEY_BYTES = 1024
"""S3's limit for a key, in bytes of UTF-8."""

MAX_PATH_BYTES = 4096
"""Linux's limit for a path, in bytes."""

_REGION = re.compile(r"(?![_-])[A-Za-z0-9_-]{1,63}(?<![_-])", re.ASCII)
"""As minio-py has it, which takes a newline at its end for nothing."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(s3|file|gs|abfss?|az|https?):", re.IGNORECASE)
_BUCKET = re.compile(r"(?!.*(?:\.\.|\.-|-\.))[A-Za-z0-9][A-Za-z0-9._:-]{1,61}[A-Za-z0-9]", re.ASCII)


_CLOUDS: dict[str, Callable[[str, str], CloudLocation | WebLocation]] = {
    "gs": parse_gcs,
    "abfs": parse_azure,
    "abfss": parse_azure,
    "az": parse_azure,
    "https": parse_web,
    "http": parse_web,
}

_EXAMPLES = {
    "s3": "s3://bucket/key",
    "file": "file:///absolute/path",
    "gs": "gs://bucket/key",
    **{name: f"{name}://container@account.dfs.core.windows.net/key" for name in ("abfs", "abfss", "az")},
    **{name: f"{name}://host/path" for name in ("https", "http")},
}
_ALL_FORMS = (
    "s3://bucket/key, gs://bucket/key, abfs://container@account.dfs.core.windows.net/key, https://host/path,"
    " file:///absolute/path or a plain path"
)


@dataclass(frozen=True)
class ObjectLocation:
    """An object in S3: a bucket and a key, exactly as asked."""

    uri: str
    bucket: str
    key: str


@dataclass(frozen=True)
class FileLocation:
    """A file on this machine."""

    uri: str
    path: str


Location = ObjectLocation | FileLocation | CloudLocation | WebLocation


def parse(uri: str, *, is_pattern: bool = False) -> Location:
    """Where ``uri`` points to: ``s3://bucket/key``, ``file:///path``, a plain path, or what `cloud_uris` knows.

    A ``file://`` URI is not percent-decoded, as fsspec and with it Flyte do not decode it either.

    Args:
        uri: the path.
        is_pattern: it stands for keys, and may be longer than each of them.

    Raises:
        InvalidArgument: the path is empty, its scheme unknown, or its bucket or key cannot exist.
    """
    location = _location(uri)
    if isinstance(location, CloudLocation) and not is_pattern:
        check_length(location)
    elif isinstance(location, ObjectLocation) and not is_pattern and len(location.key.encode()) > MAX_KEY_BYTES:
        told = f"the key has {len(location.key.encode())} bytes"
        raise _invalid(uri, told, f"S3 allows {MAX_KEY_BYTES} bytes of UTF-8")
    return location


def _location(uri: str) -> Location:
    _check_text(uri)
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return FileLocation(uri, uri)
    if typo := scheme.group(2):
        raise _invalid(uri, f"there is no // after {typo}:", f"write {_EXAMPLES[typo.lower()]}")
    name, rest = scheme.group(1).lower(), uri[scheme.end() :]
    if name not in _EXAMPLES:
        raise _invalid(uri, f"the scheme {name}:// is not known", f"use {_ALL_FORMS}")
    if name in _CLOUDS:
        return _CLOUDS[name](uri, rest)
    return _parse_file(uri, rest) if name == "file" else _parse_s3(uri, rest)


def pattern_of(location: Location) -> str:
    """The part of a path that may be a pattern: the key, or the whole path of a file."""
    if isinstance(location, FileLocation):
        return location.path
    return location.uri if isinstance(location, WebLocation) else location.key


def begin(location: Location) -> str:
    """What of a path is before the key."""
    return location.uri[: len(location.uri) - len(pattern_of(location))]


def is_whole(name: str, location: Location) -> bool:
    """Whether ``name`` is a path of its own, not that of something beside ``location``."""
    return "://" in name or (isinstance(location, FileLocation) and name.startswith("/"))


def beside(location: Location, key: str, name: str) -> str:
    """The path of ``name`` in the folder of ``key``, which is in the store of ``location``; a whole path as it is."""
    folder, slash, _ = key.rpartition("/")
    return name if is_whole(name, location) else begin(location) + folder + slash + name


def kind_of(location: Location) -> tuple[type, str]:
    """The kind of store that a path is in: those of one wait, with its flags and manifests, are in one kind."""
    return type(location), getattr(location, "cloud", "")


def parse_endpoint(endpoint: str, name: str, cloud: str = "") -> tuple[str, bool]:
    """Host (with port) of the object store's API, and whether it speaks TLS.

    Of Azure's API, the account may stand behind it, as it does in URLs of its emulator.

    Raises:
        InvalidArgument: it is not ``http://host:port`` or ``https://host:port``; ``name`` says where it came from. A
            value that may hold a password is not repeated.
    """
    parts = (_AZURE_ENDPOINT if cloud == AZURE else _ENDPOINT).fullmatch(endpoint)
    if parts is None:
        is_secret = "@" in endpoint or not set(endpoint) & set(".:/")  # or may be one
        shown = "" if is_secret else f"{endpoint[:100]!r} "
        cure = "write http://host:port or https://host, without user or path"
        is_padded = endpoint != endpoint.strip()
        raise InvalidArgument(
            name, f"{shown}is not the URL of a server", cure="remove the white space around it" if is_padded else cure
        )
    return parts.group(2), parts.group(1).lower() == "https"


def check_region(region: str, name: str) -> None:
    """Refuse what no server's region is; raises InvalidArgument, in which ``name`` says where it came from."""
    if not _REGION.fullmatch(region):
        raise InvalidArgument(name, f"{region!r} is no region", cure="write it as in us-east-1, without white space")


def _check_text(uri: str) -> None:
    if not isinstance(uri, str) or not uri:
        raise InvalidArgument("path", "the path is empty", cure=f"use {_ALL_FORMS}")
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise _invalid(uri, "the path is not valid Unicode", "use text that can be encoded as UTF-8") from None
    if len(uri.encode()) > MAX_PATH_BYTES:
        raise _invalid(uri[:50] + "…", f"the path has {len(uri.encode())} bytes", f"use at most {MAX_PATH_BYTES}")
    if "\0" in uri:
        raise _invalid(uri, "the path contains a NUL character", "remove it")


def _parse_file(uri: str, rest: str) -> FileLocation:
    if not rest.startswith("/"):
        raise _invalid(uri, "a file:// URI names a path on this machine, not a host", "write file:///absolute/path")
    return FileLocation(uri, rest)


def _parse_s3(uri: str, rest: str) -> ObjectLocation:
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise _invalid(uri, "there is no bucket", "write s3://bucket/key")
    if not _BUCKET.fullmatch(bucket):
        raise _invalid(
            uri, f"{bucket!r} cannot be the name of a bucket", "use 3 to 63 letters, digits, dots and hyphens"
        )
    if not key:
        raise _invalid(uri, "there is no key", "write s3://bucket/key")
    if not key.strip() or not {".", ".."}.isdisjoint(key.split("/")):
        raise _invalid(
            uri,
            "the key is only white space, or a part of it is '.' or '..'",
            "S3 clients cannot address such a key; rename the object",
        )
    return ObjectLocation(uri, bucket, key)
