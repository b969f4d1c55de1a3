"""One stream of MinIO's bucket notifications: a request whose answer never ends, a line of JSON for each event.

minio-py's own iterator reads the line three milliseconds late, and reconnects without a pause.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote, unquote_plus, urlsplit

import urllib3
from minio import time as amz_time
from minio.helpers import sha256_hash
from minio.signer import sign_v4_s3
from urllib3 import exceptions as http_errors

from objectstore_watcher.errors import KINDS, StoreError, one_line
from objectstore_watcher.stores import KeyPair, credentials
from objectstore_watcher.stores.causes import connection_kind, in_words
from objectstore_watcher.stores.hints import Name, Streamed
from objectstore_watcher.stores.http import BodyTooLong, Http, ca_file
from objectstore_watcher.uri import parse_endpoint

PING_INTERVAL = 2
"""Seconds between two signs of life that the server is asked for. The first tells that it listens, as MinIO sends
nothing, not even the answer's headers, before there is something to say."""

SILENCE = 15.0
"""Seconds without any sign of life after which a stream is given up: a busy server may be late with several."""

MAX_LINE_BYTES = 64 * 1024
"""Bytes of an event: MinIO's have two KiB, and a key of 1,024 bytes, escaped, adds six each time it is told."""

EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")

_CODE = re.compile(rb"<Code>(\w{1,100})</Code>")

_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True)
class Address:
    """Whose events: waits with equal ones can share a stream."""

    endpoint: str
    region: str
    ca_file: str
    bucket: str
    key_pair: KeyPair | None = field(default=None, repr=False)


class StreamEnded(Exception):  # streams end
    """The stream ended, or did not begin; ``why`` says how."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.why = Streamed(outcome, one_line(detail, 200))


class Listening:
    """A connection that is made anew for each stream: each is signed with the credentials of its moment."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._region = address.region
        self._credentials = credentials.chain(f"s3://{address.bucket}", address.key_pair, SILENCE)
        needs_tls = address.endpoint.lower().startswith("https:")
        self._http = Http(SILENCE, (address.ca_file or ca_file()) if needs_tls else None)

    def abort(self) -> None:
        """End the stream from another thread."""
        self._http.abort()
        self._credentials.abort()

    def names(self, prefix: str) -> Iterator[list[Name]]:
        """The objects below ``prefix`` that events come for; for each sign of life an empty list.

        What comes first, not the headers, says that the stream is there: a proxy may pass those on, and no more.

        Raises:
            StreamEnded: always, in the end.
        """
        try:
            with self._open(prefix) as answer:
                yield from _read(answer)
        except (http_errors.ReadTimeoutError, TimeoutError):
            raise StreamEnded("silent", f"nothing came for {SILENCE:g} s") from None
        except StoreError as error:
            raise StreamEnded("failed", error.detail) from None
        except BodyTooLong as error:
            raise StreamEnded("failed", str(error)) from None
        except (http_errors.HTTPError, OSError, ValueError) as error:
            kind = "malformed_answer" if isinstance(error, ValueError) else connection_kind(error)
            raise StreamEnded("failed", f"{KINDS[kind].cause}: {in_words(error)}") from None

    def _open(self, prefix: str) -> urllib3.BaseHTTPResponse:
        answer = self._ask(prefix)
        region = answer.headers.get("x-amz-bucket-region") or self._region
        if answer.status != HTTPStatus.OK and region != self._region:
            self._region = region
            answer = self._ask(prefix)
        kind = answer.headers.get("content-type", "")
        if answer.status == HTTPStatus.OK and kind.startswith("text/event-stream"):
            return answer
        if answer.status == HTTPStatus.OK:  # other servers take the request for a LIST
            answer.close()
            raise StreamEnded("unsupported", f"the answer is no stream of events, but {kind or 'of no type'}")
        raise _refusal(answer)

    def _ask(self, prefix: str) -> urllib3.BaseHTTPResponse:
        url = self._url(prefix)
        host, is_tls = urlsplit(url).netloc, url.startswith("https:")
        keys, now = self._credentials.retrieve(), amz_time.utcnow()
        body = "UNSIGNED-PAYLOAD" if is_tls else sha256_hash(None)
        headers = {"Host": host, "x-amz-content-sha256": body, "x-amz-date": amz_time.to_amz_date(now)}
        if keys.session_token:
            headers["X-Amz-Security-Token"] = keys.session_token
        signed = sign_v4_s3(
            method="GET",
            url=urlsplit(url),
            region=self._region,
            headers=dict(headers),
            credentials=keys,
            content_sha256=body,
            date=now,
        )
        return self._http.urlopen("GET", url, redirect=False, headers=signed, preload_content=False)

    def _url(self, prefix: str) -> str:
        host, is_tls = parse_endpoint(self._address.endpoint, "endpoint")
        asked = [("events", event) for event in EVENTS]
        asked += [("ping", str(PING_INTERVAL)), ("prefix", prefix), ("suffix", "")]
        query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in asked)
        return f"{'https' if is_tls else 'http'}://{host}/{self._address.bucket}?{query}"


def may_filter(prefix: str) -> str:
    """As much of ``prefix`` as MinIO takes for a filter."""
    prefix = prefix.partition("\\")[0]
    folder, slash, last = prefix.rpartition("/")
    return folder + slash if last in {".", ".."} else prefix


def _refusal(answer: urllib3.BaseHTTPResponse) -> StreamEnded:
    told = _CODE.search(answer.data)
    code = told.group(1).decode() if told else ""
    seen = f"HTTP {answer.status} {code}".strip()
    if answer.status in _REFUSED:
        return StreamEnded("refused", f"{seen}; grant s3:ListenBucketNotification on the bucket")
    can_pass = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED
    if can_pass or answer.status == HTTPStatus.TOO_MANY_REQUESTS or code == "NoSuchBucket":
        return StreamEnded("failed", seen)
    return StreamEnded("unsupported", seen)


def _read(answer: urllib3.BaseHTTPResponse) -> Iterator[list[Name]]:
    """Each line as soon as it is there; raises StreamEnded."""
    pending, alive = b"", time.monotonic()
    try:
        while part := answer.read1(MAX_LINE_BYTES, decode_content=False):
            *lines, pending = (pending + part).split(b"\n")
            pending = pending.lstrip()  # a MinIO that does not know pings sends spaces
            if len(pending) > MAX_LINE_BYTES:
                raise StreamEnded("lost", f"a line of more than {MAX_LINE_BYTES} bytes")
            if lines or not pending:
                alive = time.monotonic()
            elif time.monotonic() - alive > SILENCE:
                raise StreamEnded("silent", f"no line ended for {SILENCE:g} s")
            # Also where there are none: an answer on a connection that is not kept cannot be broken off in between.
            yield [name for line in lines for name in _names(line)]
    except (http_errors.ProtocolError, BodyTooLong, OSError, ValueError):
        raise StreamEnded("lost", "the stream broke off") from None
    raise StreamEnded("lost", "the server ended the stream")


def _names(line: bytes) -> Iterator[Name]:
    """The objects that a line tells of, each key as it stands there and decoded: servers differ in that."""
    if not line.strip():
        return
    try:
        for record in json.loads(line)["Records"] or ():
            bucket, key = str(record["s3"]["bucket"]["name"]), str(record["s3"]["object"]["key"])
            yield bucket, key
            if (decoded := unquote_plus(key)) != key:
                yield bucket, decoded
    except (ValueError, LookupError, TypeError, RecursionError):
        raise StreamEnded("lost", "a line that is no event") from None
