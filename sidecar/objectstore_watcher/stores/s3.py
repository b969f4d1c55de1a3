"""S3 and MinIO, by minio-py: one HEAD for each look, with timeouts and without the library's retries."""

from __future__ import annotations

import random
import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import islice
from typing import NoReturn, TypeVar

from minio import Minio
from minio.datatypes import Object
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.helpers import check_bucket_name
from urllib3 import exceptions as http_errors

from objectstore_watcher.contract import MAX_TEXT, MOST_MATCHES, WatchSpec, title
from objectstore_watcher.errors import InvalidArgument, StoreError, one_line
from objectstore_watcher.patterns import Pattern
from objectstore_watcher.stores import MANIFEST, Found, KeyPair, OnRequest, credentials, media_type
from objectstore_watcher.stores.batches import Batches, Refused
from objectstore_watcher.stores.causes import EXPLAINED_FOR, RENEWABLE, connection_kind, in_words
from objectstore_watcher.stores.http import MAX_BODY_BYTES, BodyTooLong, Http, ca_file
from objectstore_watcher.targets import Target
from objectstore_watcher.uri import ObjectLocation, parse, parse_endpoint

T = TypeVar("T")

PAGE = 1000
"""Keys of a page of a listing: the most that S3 gives."""

AGAIN_IN_BATCH = 2
"""Times that one of many requests of a look is sent again before the look fails: outages last longer."""

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of such a page: 1,000 keys of 1,024 bytes, each written as %XX, and 500 bytes beside each."""

_ABSENT = {"NoSuchKey", "NoSuchVersion"}

_KIND_OF_CODE = {
    "NoSuchBucket": "bucket_missing",
    "XMinioInvalidObjectName": "invalid_argument",
    "KeyTooLongError": "invalid_argument",
    "InvalidBucketName": "invalid_argument",
    "InvalidURI": "invalid_argument",
    "InvalidArgument": "invalid_argument",  # a version id that is none
    "AccessDenied": "forbidden",
    "AllAccessDisabled": "forbidden",
    "InvalidAccessKeyId": "credentials_invalid",
    "SignatureDoesNotMatch": "credentials_invalid",
    "InvalidToken": "credentials_invalid",
    "InvalidTokenId": "credentials_invalid",
    "AuthorizationHeaderMalformed": "credentials_invalid",
    "ExpiredToken": "credentials_expired",
    "TokenRefreshRequired": "credentials_expired",
    "RequestTimeTooSkewed": "clock_skew",
    "RequestExpired": "clock_skew",
    "PermanentRedirect": "redirect",
    "RequestTimeout": "timeout",
    "SlowDown": "throttled",
    "SlowDownRead": "throttled",
    "TooManyRequests": "throttled",
    "RequestLimitExceeded": "throttled",
    "Throttling": "throttled",
    "ServiceUnavailable": "throttled",
}
"""Error codes of S3 and MinIO. Codes that are not here are judged by their HTTP status."""

_OF_TOKENS = {"InvalidToken", "InvalidTokenId"}
"""Codes that are of the session token, not of the keys."""

_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}
"""Storage classes whose objects must be restored before they can be read."""

_MARKED = {404, 405}
"""HTTP status with which S3 tells of a delete marker."""

_REDIRECTS = {301, 307, 400}
"""HTTP status with which S3 names another region: AWS answers a HEAD that was signed for the wrong one with 400."""

_KIND_OF_STATUS = {
    301: "redirect",
    308: "redirect",
    401: "credentials_invalid",
    403: "forbidden",
    429: "throttled",
    503: "throttled",
}

_TLS_ALERT = "\x15\x03"
"""The first bytes that a TLS server says to one who does not speak TLS; urllib3 shows them escaped or not."""

_TLS_WANTED = re.compile(r"HTTP request.{0,40}HTTPS", re.IGNORECASE | re.DOTALL)
"""What servers that are kinder answer: Go's and nginx's words."""


class S3Store:
    """A bucket in S3 or MinIO.

    Args:
        location: an object in it, which errors name until another is asked for.
        spec: how to ask.
        on_request: is told each request.
        key_pair: credentials that come before those of the environment.

    Raises:
        InvalidArgument: the endpoint, region or CA file cannot be used.
    """

    def __init__(
        self, location: ObjectLocation, spec: WatchSpec, on_request: OnRequest, key_pair: KeyPair | None = None
    ) -> None:
        self._bucket = location.bucket
        self._uri = location.uri  # of what is being asked for
        self._key = location.key
        self._batches = Batches()
        self.answers = 0
        self._version_id = spec.version_id or None
        self._wants_metadata = bool(spec.user_metadata)
        # Asked for only where it is wanted: with a KMS key, the server then wants leave to decrypt.
        self._head_headers = {"x-amz-checksum-mode": "ENABLED"} if spec.sha256 else {}
        self._endpoint = spec.endpoint or credentials.endpoint()
        self._region = spec.region or credentials.region()
        self._on_request = on_request
        self._http = _http_client(spec, self._endpoint)
        self._credentials = credentials.chain(location.uri, key_pair, spec.request_timeout)
        self._aborts = 0
        self._accepted = False
        self._refused = False  # by S3, in its own words
        self._explained: tuple[int, str] | None = None  # status of a HEAD, and the code behind it
        self._explained_looks = 0
        self._client = self._connect()

    def _connect(self) -> Minio:
        host, secure = parse_endpoint(self._endpoint, "endpoint")
        try:
            check_bucket_name(self._bucket)
            # Without a region, minio-py asks for it before the first request, which least-privilege users may not.
            return Minio(
                host,
                secure=secure,
                region=self._region,
                credentials=self._credentials,
                http_client=self._http,
            )
        except ValueError as error:
            raise InvalidArgument(
                f"endpoint {self._endpoint!r}, region {self._region!r}, path {self._uri!r}",
                str(error),
                cure=f"correct {title('endpoint')}, {title('region')} or the bucket",
            ) from error

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """Those of ``targets`` that are there.

        Raises:
            StoreError: the server, or the way to it, failed.
        """
        self._begin(within)
        found: list[Found] = []
        keys: dict[str, list[Target]] = {}
        for target in targets:
            if target.pattern:
                found += self._matching(target, target.pattern)
            else:
                keys.setdefault(target.name, []).append(target)
        there = self._batches.look(list(keys), partial(self._one, keys), partial(self._some, keys))
        return found + [replace(each, asked=target.uri) for each in there for target in keys[each.key]]

    def _begin(self, within: float) -> None:
        """Nothing is under way, so what is given up from now on is what begins here."""
        self._http.limit = within
        self._aborts = self._http.aborts

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The content of a small object, ``most`` bytes of it at most, or None where it is absent.

        Raises:
            StoreError: as `look`.
        """
        self._begin(within)
        self._uri, self._key = target.uri, target.name
        return self._answered(partial(self._request, "get", partial(self._content, most)), self._judge)

    def _content(self, most: int) -> bytes:
        answer = self._client.get_object(self._bucket, self._key)
        try:
            return answer.read(most, decode_content=False)
        finally:
            answer.close()

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """The tags of one object, of its latest version unless the spec names one, or None where it is absent.

        Raises:
            StoreError: as `look`; or only the tags are refused.
        """
        self._begin(within)
        self._uri, self._key = target.uri, target.name
        return self._answered(partial(self._request, "tags", self._tags), self._judge_tags)

    def _tags(self) -> Mapping[str, str]:
        return dict(self._client.get_object_tags(self._bucket, self._key, self._version_id) or {})

    def _judge_tags(self, error: S3Error) -> None:
        """Return if the answer means absent."""
        code, status = error.code or "", error.response.status
        if code in _ABSENT:
            return
        if _KIND_OF_CODE.get(code, _KIND_OF_STATUS.get(status)) == "forbidden":
            detail = f"the server refuses access to the object's tags ({self._endpoint}: HTTP {status} {code})"
            raise StoreError(
                self._uri,
                detail,
                cure="grant s3:GetObjectTagging on the object, or wait without tags",
                kind="forbidden",
            )
        self._fail(code, status)

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Store a small object, by one PUT.

        Raises:
            StoreError: as `look`.
        """
        self._begin(within)
        self._uri, self._key = target.uri, target.name
        self._answered(partial(self._request, "put", partial(self._put, data)), self._judge_write)

    def _put(self, data: bytes) -> object:
        return self._client.put_object(self._bucket, self._key, BytesIO(data), len(data), media_type(self._key))

    def _judge_write(self, error: S3Error) -> None:
        """The answer to a PUT has a body, and nothing in it means absent."""
        code, status = error.code or "", error.response.status
        if _KIND_OF_CODE.get(code, _KIND_OF_STATUS.get(status)) == "forbidden":
            detail = f"the server refuses to store it ({self._endpoint}: HTTP {status} {code})"
            raise StoreError(self._uri, detail, cure="grant s3:PutObject on the object", kind="forbidden")
        self._fail(code, status)

    def _answered(self, ask: Callable[[], T], judge: Callable[[S3Error], T | None]) -> T | None:
        """What ``ask`` returns; asked again in the region that the server names; what ``judge`` makes of an error."""
        try:
            return ask()
        except S3Error as error:
            if not self._moved(error):
                return judge(error)
        try:
            return ask()
        except S3Error as error:
            return judge(error)

    def _one(self, keys: Mapping[str, Sequence[Target]], key: str) -> Found | None:
        """The object ``key``, by a HEAD."""
        self._uri, self._key = keys[key][0].uri, key
        return self._patiently(lambda: self._answered(self._head, self._judge_head), len(keys))

    def _patiently(self, ask: Callable[[], T], number: int) -> T:
        """What ``ask`` returns; asked again where one of ``number`` requests fails that may well succeed the next time.

        Else a look at thousands of keys would begin anew for each of them, and never come to its end.
        """
        aborts = self._http.aborts
        for attempt in range(1, AGAIN_IN_BATCH + 1 if number > 1 else 1):
            try:
                return ask()
            except StoreError as error:
                if not error.kind.action.is_pausing or self._http.aborts != aborts:
                    raise
            time.sleep(random.uniform(0, 0.2 * attempt))  # noqa: S311  # no secret: only not in step
        return ask()

    def _some(self, keys: Mapping[str, Sequence[Target]], prefix: str, after: str) -> tuple[Sequence[Found], bool]:
        """A page of those that begin with ``prefix``, and whether there are more; for those of ``keys``, with details.

        Raises:
            Refused: who may ask for objects need not be allowed to list them.
        """
        try:
            ask = partial(self._answered, partial(self._page, prefix, after), self._judge_listing)
            page = self._patiently(ask, len(keys)) or []
        except StoreError as error:
            if error.kind.label == "forbidden":
                raise Refused from error
            raise
        found = (self._listed(each) for each in page)
        # Whether an archived object has been restored, only a HEAD tells.
        told = [self._one(keys, each.key) if each.unreadable and each.key in keys else each for each in found]
        return [each for each in told if each], len(page) == PAGE

    def _matching(self, target: Target, pattern: Pattern) -> Sequence[Found]:
        """Those that match, page by page: of a million objects only those are kept.

        Not the empty ``folder/`` that consoles make, unless the pattern asks for it by its slash: it is no data, and on
        other clouds no object.
        """
        self._uri = target.uri
        with_folders = target.uri.endswith("/")
        found: list[Found] = []
        last: str | None = None
        while len(found) <= MOST_MATCHES:
            page = self._answered(partial(self._page, target.name, last), self._judge_listing) or []
            matching = (self._listed(each) for each in page if pattern.matches(each.object_name or ""))
            wanted = (each for each in matching if each.size or with_folders or not each.key.endswith("/"))
            found += (replace(_nameable(each), asked=target.uri) for each in wanted)
            if len(page) < PAGE:
                break
            last = page[-1].object_name
        return found[: MOST_MATCHES + 1]

    def give_up(self, after: float) -> StoreError:
        """Break off the look that is under way; the error for a server that does not answer in time."""
        self._http.abort()
        self._credentials.abort()
        return self._error("timeout", f"timed out: no whole answer within {after:g} s")

    def _head(self) -> Found:
        bucket, key = self._bucket, self._key
        version, headers = self._version_id, dict[str, str | list[str] | tuple[str]](self._head_headers)
        found = self._request(
            "head", lambda: self._client.stat_object(bucket, key, version_id=version, extra_headers=headers)
        )
        if not (found.etag and found.last_modified):  # S3 always gives both; a console answers 200 to any path
            raise self._error("malformed_answer", "an answer without ETag or Last-Modified")
        if (found.size or 0) < 0 or max(len(found.etag), len(found.version_id or "")) > MAX_TEXT:
            raise self._error("malformed_answer", "a size below zero, or an ETag or version that is too long")
        self._accepted = True
        told: Mapping[str, str] = found.metadata or {}
        return Found(
            bucket=bucket,
            key=key,
            size=found.size or 0,
            etag=found.etag,
            version_id=found.version_id or "",
            last_modified=found.last_modified.timestamp(),
            unreadable=_archived(told),
            user_metadata=_user_metadata(told) if self._wants_metadata else None,
            sha256=_sha256(told),
        )

    def _page(self, prefix: str, after: str | None) -> list[Object]:
        page: list[Object] = self._request(
            "list",
            lambda: list(
                islice(self._client.list_objects(self._bucket, prefix, recursive=True, start_after=after), PAGE)
            ),
        )
        self._accepted = True
        return page

    def _listed(self, found: Object) -> Found:
        storage_class = {"x-amz-storage-class": found.storage_class or ""}
        return Found(
            bucket=self._bucket,
            key=found.object_name or "",
            size=found.size or 0,
            etag=found.etag or "",
            last_modified=found.last_modified.timestamp() if found.last_modified else 0.0,
            unreadable=_archived(storage_class),
        )

    def _moved(self, error: S3Error) -> bool:
        """Whether the bucket is in another region than the request was signed for; signs for that one from now on."""
        region = self._region_named(error)
        if region:
            self._region = region
            self._client = self._connect()
        return bool(region)

    def _region_named(self, error: S3Error) -> str:
        """Another region that the answer names as the bucket's; empty where it names none."""
        region = error.response.headers.get("x-amz-bucket-region") or ""
        return region if error.response.status in _REDIRECTS and region != self._region else ""

    def _judge_head(self, error: S3Error) -> Found | None:
        """A delete marker, or None if the answer means absent."""
        if not _is_delete_marker(error):
            self._judge(error)
            return None
        self._accepted = True
        error.__traceback__ = None  # as there
        which = "the version" if self._version_id else "its latest version"
        return Found(
            bucket=self._bucket, key=self._key, size=0, unreadable=f"{which} is a delete marker", is_deleted=True
        )

    def _judge(self, error: S3Error) -> None:
        """Return if the answer to HEAD means absent. It has no body: the cause may need a GET to be known."""
        status = error.response.status
        code = _code_told(error) or self._explanation(status) or error.code or ""
        if code not in _ABSENT:
            self._fail(code, status)
        self._accepted = True
        error.__traceback__ = None  # minio-py's frames refer to the error: a cycle for each look, 1.5 MiB in the end

    def _judge_listing(self, error: S3Error) -> None:
        """The answer to a listing has a body, and nothing in it means absent."""
        self._fail(error.code or "", error.response.status)

    def _explanation(self, status: int) -> str:
        """The code behind a HEAD's ``status``: asked for when the status is news, and now and then while it stays."""
        if self._explained and self._explained[0] == status and self._explained_looks < EXPLAINED_FOR:
            self._explained_looks += 1
            return self._explained[1]
        self._explained, self._explained_looks = None, 1
        self._explained = status, self._explain()
        return self._explained[1]

    def _explain(self) -> str:
        """The error code that S3 gives a GET of the object's first byte; empty where the GET succeeds."""
        bucket, key = self._bucket, self._key
        try:
            answer = self._request(
                "get", lambda: self._client.get_object(bucket, key, 0, 1, version_id=self._version_id)
            )
        except S3Error as error:
            return error.code or ""
        answer.close()
        return ""

    def _request(self, operation: str, send: Callable[[], T]) -> T:
        self._check_given_up()
        outcome, repeats = "error", self._http.repeats
        try:
            answer = send()
            outcome = "absent" if answer == [] else "found"
            self.answers += 1
            return answer
        except StoreError:
            outcome = ""  # no credentials, so nothing was sent
            raise
        except S3Error as error:
            outcome = self._outcome(error)
            self.answers += 1
            raise
        except ServerError as error:
            self._fail("", error.status_code)
        except InvalidResponseError as error:
            self._fail_without_code(error)
        except http_errors.ProtocolError as error:
            raise self._connection_error(error) from error
        except BodyTooLong as error:
            raise self._error("malformed_answer", str(error)) from error
        except (MinioException, SyntaxError, ValueError) as error:
            raise self._error("malformed_answer", type(error).__name__) from error
        except http_errors.HTTPError as error:
            raise self._connection_error(error) from error
        finally:
            for each in filter(None, ["error"] * (self._http.repeats - repeats) + [outcome]):
                self._on_request(operation, each)

    def _check_given_up(self) -> None:
        """A look can need many requests, and be given up between two of them."""
        if self._http.aborts != self._aborts:
            raise self._error("timeout", "given up")

    def _outcome(self, error: S3Error) -> str:
        code = _code_told(error) or error.code
        if code in _ABSENT or _is_delete_marker(error):
            return "absent"
        return "other_region" if self._region_named(error) else "error"

    def _fail(self, code: str, status: int) -> NoReturn:
        self._refused |= code in _KIND_OF_CODE
        kind = _KIND_OF_CODE.get(code) or _KIND_OF_STATUS.get(status)
        if kind is None:
            kind = "server_error" if status >= 500 else "malformed_answer"  # noqa: PLR2004 # HTTP's own classes
        if kind == "credentials_invalid" and self._credentials.have_expired:
            kind = "credentials_expired"
        if kind in RENEWABLE and self._accepted and self._credentials.may_renew:
            kind = "credentials_renewing"
        seen = f"HTTP {status}{' ' + one_line(code, 100) if code else ''}"
        raise self._error(kind, seen, self._cure(kind, code))

    def _cure(self, kind: str, code: str) -> str:
        """What to do, where the server's code tells more than the row of the table; else empty."""
        if kind == "credentials_invalid" and code in _OF_TOKENS:
            return "correct the session token, or remove it: long-lived keys have none"
        if kind != "invalid_argument":
            return ""
        if self._version_id and code == "InvalidArgument":
            return f"correct {title('version_id')}: {one_line(self._version_id, 100)!r} is no version of this server"
        return (
            f"correct the key {one_line(self._key, 100)!r}:"
            " MinIO takes none of which a part is empty or has more than 255 bytes"
        )

    def _fail_without_code(self, error: InvalidResponseError) -> NoReturn:
        """An answer without S3's XML: of a proxy, a console, a port that wants TLS."""
        seen, _, body = str(error).partition(", Body:")
        if _TLS_WANTED.search(body) and not self._is_tls:
            raise self._tls_wanted(seen) from error
        status = re.search(r"Response code: (\d+)", seen)
        kind = _KIND_OF_STATUS.get(int(status.group(1))) if status else None
        raise self._error("redirect" if kind == "redirect" else "malformed_answer", seen) from error

    @property
    def _is_tls(self) -> bool:
        return self._endpoint.lower().startswith("https:")

    def _connection_error(self, error: Exception) -> StoreError:
        seen = in_words(error)
        if not self._is_tls and (_TLS_ALERT in seen or repr(_TLS_ALERT)[1:-1] in seen):
            return self._tls_wanted("a TLS alert")
        kind = connection_kind(error)
        return self._error(self._tls_kind if kind == "tls" else kind, seen)

    @property
    def _tls_kind(self) -> str:
        """Certificates and load balancers are exchanged during waits of hours, and not always in the right order."""
        return "tls_changed" if self._accepted or self._refused else "tls"

    def _tls_wanted(self, seen: str) -> StoreError:
        detail = f"the server speaks TLS on this port ({self._endpoint}: {one_line(seen, 300)})"
        return StoreError(self._uri, detail, cure="write https:// in the endpoint", kind=self._tls_kind)

    def _error(self, kind: str, seen: str, cure: str = "") -> StoreError:
        cause = StoreError(self._uri, kind=kind).detail
        return StoreError(self._uri, f"{cause} ({self._endpoint}: {one_line(seen, 300)})", cure=cure, kind=kind)


def _nameable(found: Found) -> Found:
    """``found``; of a key that S3 may have, and no path can name, with the reason why nobody can read it."""
    try:
        parse(f"s3://{found.bucket}/{found.key}")
    except InvalidArgument as error:
        return replace(found, unreadable=error.detail)
    return found


def _archived(headers: Mapping[str, str]) -> str:
    """Why the content cannot be read although the object is there; empty where it can."""
    storage_class = headers.get("x-amz-storage-class", "")
    archive = headers.get("x-amz-archive-status", "") or (storage_class if storage_class in _ARCHIVES else "")
    if not archive or 'ongoing-request="false"' in headers.get("x-amz-restore", ""):
        return ""
    return f"it is archived ({one_line(archive, 50)})"


def _user_metadata(headers: Mapping[str, str]) -> Mapping[str, str]:
    begin = "x-amz-meta-"
    return {name.lower()[len(begin) :]: value for name, value in headers.items() if name.lower().startswith(begin)}


def _sha256(headers: Mapping[str, str]) -> str:
    """Of the whole content, in hexadecimal; what the server tells of an upload in parts is no such thing."""
    told = headers.get("x-amz-checksum-sha256", "")
    try:
        return b64decode(told, validate=True).hex()
    except ValueError:
        return ""


def _code_told(error: S3Error) -> str:
    """The error code in the header by which MinIO tells it with a HEAD, too; empty where there is none."""
    return error.response.headers.get("x-minio-error-code") or ""


def _is_delete_marker(error: S3Error) -> bool:
    """Whether the answer is 404 since the latest version is a delete marker, or 405 since the one asked for is."""
    headers = error.response.headers
    return error.response.status in _MARKED and headers.get("x-amz-delete-marker", "").lower() == "true"


def _http_client(spec: WatchSpec, endpoint: str) -> Http:
    longest = MAX_PAGE_BYTES if spec.match != "exact" or len(spec.uris) > 1 else MAX_BODY_BYTES
    needs_tls = bool(spec.ca_file) or endpoint.lower().startswith("https:")  # a CA file is checked even if not needed
    return Http(spec.request_timeout, (spec.ca_file or ca_file()) if needs_tls else None, longest)
