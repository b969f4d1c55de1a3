"""Paths that break careless code: all of them legal S3 keys."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote, unquote

from hypothesis import strategies as st
from objectstore_watcher.uri import MAX_KEY_BYTES

SECRET_VARIABLE = "$(FLYTE_AWS_SECRET_ACCESS_KEY)"

LONGEST = "/".join(["é" * 100] * 5) + "x" * 20
"""1,024 bytes of UTF-8, in parts that a file system, and so MinIO, can store."""

KEYS = [
    "a b",
    " lead",
    "trail ",
    "it's",
    'say "it"',
    "back`tick",
    "ünï/ç☃/😀",
    "new\nline",
    "car\rriage",
    "tab\tbed",
    "query?x=1",
    "frag#ment",
    "per%41cent",
    "per%2Fcent",
    "100%",
    "{{.inputs.path}}",
    "{{",
    SECRET_VARIABLE,
    "$HOME",
    "-dash",
    "--timeout=1",
    "--",
    "pl+us",
    "am&per=sand;",
    "back\\slash",
    "star*[a-z]?",
    "\x1b[31mred",
    "e\u0301",
    "\u00e9",
    "right\u202eleft",
    "line\u2028separator",
    "\ufeffbom",
    "a..b/...",
    "a:b",
    LONGEST,
]
"""Without what MinIO does not store as it is: ``//``, a leading ``/``, a part of more than 255 bytes."""

_PARTS = [*KEYS[:-1], "/", "?", "#", "%", "\n", "$(", "'", '"']


def _is_key(text: str) -> bool:
    return bool(text.strip()) and len(text.encode()) <= MAX_KEY_BYTES and {".", ".."}.isdisjoint(text.split("/"))


def keys() -> st.SearchStrategy[str]:
    """Any key that S3 allows, mostly made of the unpleasant."""
    any_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    return st.lists(st.sampled_from(_PARTS) | any_text, min_size=1, max_size=8).map("".join).filter(_is_key)


def uris() -> st.SearchStrategy[str]:
    """Any path that can be waited for."""
    bucket = st.from_regex(r"[a-z0-9]([a-z0-9-]{1,20})[a-z0-9]", fullmatch=True)
    plain = keys().filter(lambda key: not key.lower().startswith(("s3:", "file:")) and "://" not in key)
    return st.builds("s3://{}/{}".format, bucket, keys()) | keys().map("file:///{}".format) | plain


def near_misses(key: str) -> set[str]:
    """What careless code would look for instead of ``key``."""
    cut = {key[: key.index(c)] for c in "?#\n\r\t%;" if c in key}
    changed = {
        key.strip(),
        key.translate({ord(c): None for c in "\n\r\t"}),
        unquote(key),
        quote(key),
        key.replace("+", " "),
        key.replace(" ", "+"),
        unicodedata.normalize("NFC", key),
        unicodedata.normalize("NFD", key),
        key.upper(),
        key[:-1],
        key + "x",
    }
    return {
        miss for miss in cut | changed if miss != key and miss.strip("/") == miss and _is_key(miss) and len(miss) < 200
    }
