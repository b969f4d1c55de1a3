"""What a web server has at a URL: a plain HEAD, without credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import urllib3
from urllib3 import exceptions as http_errors

from objectstore_watcher.cloud_uris import WebLocation
from objectstore_watcher.contract import MAX_TEXT, WatchSpec
from objectstore_watcher.errors import StoreError, one_line
from objectstore_watcher.stores import MANIFEST, Found, OnRequest
from objectstore_watcher.stores.causes import connection_kind, in_words
from objectstore_watcher.stores.http import Http, ca_file
from objectstore_watcher.targets import Target

_ABSENT = {404, 410}

_REDIRECTS = {301, 302, 303, 307, 308}

_KIND_OF_STATUS = {401: "credentials_missing", 403: "forbidden", 408: "timeout", 429: "throttled", 503: "throttled"}

_CURE = {
    "credentials_missing": "watch the object by its own scheme (s3://, gs://, abfs://): only these know credentials",
    "forbidden": "let the server answer HEAD without credentials; where it says 403 for what is absent,"
    " --on-forbidden=wait (on_forbidden=) waits on",
    "malformed_answer": "check the URL: the server must answer HEAD with 200 or 404",
    "server_error": "look at the server's own logs",
}
"""Where the table's words are those of an object store."""


class WebStore:
    """Whatever is at URLs of one server.

    No redirect is followed: a server could send the watcher to any host that it can reach.
    """

    def __init__(self, location: WebLocation, spec: WatchSpec, on_request: OnRequest) -> None:
        self._uri = location.uri
        self._on_request = on_request
        self._needs_size = bool(spec.min_size)
        is_tls = location.uri.lower().startswith("https:")
        self._http = Http(spec.request_timeout, (spec.ca_file or ca_file()) if spec.ca_file or is_tls else None)
        self.answers = 0
        self._has_answered = False

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """What is there, of URLs of one server.

        Raises:
            StoreError: the server, or the way to it, failed.
        """
        self._http.limit = within
        return [found for target in targets for found in self._head(target.uri)]

    def _head(self, uri: str) -> Sequence[Found]:
        self._uri = uri
        outcome = "error"
        try:
            found = self._judge(self._http.request("HEAD", self._uri, redirect=False))
            outcome = "found" if found else "absent"
            return found
        except http_errors.HTTPError as error:
            kind = connection_kind(error)
            kind = "tls_changed" if kind == "tls" and self._has_answered else kind
            raise self._error(kind, in_words(error)) from error
        finally:
            self._on_request("head", outcome)

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """Not offered: web servers have no manifests, as the contract says."""
        raise NotImplementedError

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """None: URLs have no tags, and no spec of them asks for any."""
        return None

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Not offered: Flyte keeps nothing on web servers."""
        raise NotImplementedError

    def give_up(self, after: float) -> StoreError:
        """Break off the look that is under way; the error for a server that does not answer in time."""
        self._http.abort()
        return self._error("timeout", f"timed out: no whole answer within {after:g} s")

    def _judge(self, answer: urllib3.BaseHTTPResponse) -> Sequence[Found]:
        self._has_answered = True
        self.answers += 1
        status, headers = answer.status, answer.headers
        if status in _ABSENT:
            return ()
        if status in _REDIRECTS:
            target = headers.get("Location", "").partition("?")[0]
            detail = f"the server sends elsewhere (HTTP {status}: {one_line(target, 300)}), which is not followed"
            raise StoreError(self._uri, detail, cure="write the URL that it leads to", kind="redirect")
        if status != 200:  # noqa: PLR2004  # HTTP's own
            kind = _KIND_OF_STATUS.get(status, "server_error" if status >= 500 else "malformed_answer")  # noqa: PLR2004
            raise self._error(kind, f"HTTP {status}")
        return (self._found(headers),)

    def _found(self, headers: Mapping[str, str]) -> Found:
        length = headers.get("Content-Length", "")
        has_size = length.isascii() and length.isdigit() and len(length) < MAX_TEXT
        etag = headers.get("ETag", "")
        if len(etag) > MAX_TEXT:
            raise self._error("malformed_answer", "an ETag that is too long")
        return Found(
            bucket="",
            key=self._uri,
            asked=self._uri,
            size=int(length) if has_size else 0,
            etag=etag.removeprefix("W/").strip('"'),
            last_modified=_seconds(headers.get("Last-Modified", "")),
            unreadable="" if has_size or not self._needs_size else "the server does not tell its size",
        )

    def _error(self, kind: str, seen: str) -> StoreError:
        cause = StoreError(self._uri, kind=kind).detail
        return StoreError(self._uri, f"{cause} ({one_line(seen, 300)})", cure=_CURE.get(kind, ""), kind=kind)


def _seconds(date: str) -> float:
    """An HTTP date as Unix time; 0 where it is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return 0.0
