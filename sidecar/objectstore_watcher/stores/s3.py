"""S3 and MinIO, by minio-py: one HEAD for each look, with timeouts and without the library's retries."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import certifi
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.helpers import check_bucket_name
from urllib3 import exceptions as http_errors

from objectstore_watcher import contract
from objectstore_watcher.contract import WatchSpec, title
from objectstore_watcher.errors import InvalidArgument, StoreError, one_line
from objectstore_watcher.stores import Found, KeyPair, OnRequest, credentials
from objectstore_watcher.uri import ObjectLocation, parse_endpoint

T = TypeVar("T")

SHORTEST_LOOK = 1.0
"""Seconds that a request may take even at the deadline, so that the last look has a chance."""

_ABSENT = {"NoSuchKey", "NoSuchVersion"}

_KIND_OF_CODE = {
    "NoSuchBucket": "bucket_missing",
    "XMinioInvalidObjectName": "invalid_argument",
    "KeyTooLongError": "invalid_argument",
    "InvalidBucketName": "invalid_argument",
    "InvalidURI": "invalid_argument",
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
    "SlowDown": "throttled",
    "SlowDownRead": "throttled",
    "TooManyRequests": "throttled",
    "RequestLimitExceeded": "throttled",
    "Throttling": "throttled",
    "ServiceUnavailable": "throttled",
}
"""Error codes of S3 and MinIO. Codes that are not here are judged by their HTTP status."""

_REDIRECTS = {301, 307, 400}
"""HTTP status with which S3 names another region: AWS answers a HEAD that was signed for the wrong one with 400."""

_KIND_OF_STATUS = {401: "credentials_invalid", 403: "forbidden", 429: "throttled", 503: "throttled"}


class S3Store:
    """An object in S3 or MinIO."""

    def __init__(
        self, location: ObjectLocation, spec: WatchSpec, on_request: OnRequest, key_pair: KeyPair | None = None
    ) -> None:
        self._location = location
        self._endpoint = spec.endpoint or credentials.endpoint()
        self._region = spec.region or credentials.region()
        self._on_request = on_request
        self._http = _http_client(spec, self._endpoint)
        self._request_timeout = spec.request_timeout
        self._provider = credentials.chain(location.uri, key_pair)
        self._bucket_known = False
        self._client = self._connect()

    def _connect(self) -> Minio:
        host, secure = parse_endpoint(self._endpoint, "endpoint")
        try:
            check_bucket_name(self._location.bucket)
            # Without a region, minio-py asks for it before the first request, which least-privilege users may not.
            return Minio(
                host,
                secure=secure,
                region=self._region,
                credentials=self._provider,
                http_client=self._http,
            )
        except ValueError as error:
            raise InvalidArgument(
                f"endpoint {self._endpoint!r}, region {self._region!r}, path {self._location.uri!r}",
                str(error),
                cure=f"correct {title('endpoint')}, {title('region')} or the bucket",
            ) from error

    def look(self, within: float = math.inf) -> Found | None:
        """The object, or None while it is absent.

        Raises:
            StoreError: the server, or the way to it, failed.
        """
        self._http.limit = min(self._request_timeout, max(SHORTEST_LOOK, within))
        try:
            return self._head()
        except S3Error as error:
            if not self._moved(error):
                self._judge(error)
                return None
        try:
            return self._head()
        except S3Error as error:
            self._judge(error)
            return None

    def _head(self) -> Found:
        bucket, key = self._location.bucket, self._location.key
        found = self._request("head", lambda: self._client.stat_object(bucket, key))
        if not (found.etag and found.last_modified):  # S3 always gives both; a console answers 200 to any path
            raise self._error("malformed_answer", "an answer without ETag or Last-Modified")
        self._bucket_known = True
        return Found(
            bucket=bucket,
            key=key,
            size=found.size or 0,
            etag=found.etag,
            version_id=found.version_id or "",
            last_modified=found.last_modified.timestamp(),
        )

    def _moved(self, error: S3Error) -> bool:
        """Whether the bucket is in another region than the request was signed for; signs for that one from now on."""
        region = error.response.headers.get("x-amz-bucket-region", "")
        if error.response.status not in _REDIRECTS or not region or region == self._region:
            return False
        self._region = region
        self._client = self._connect()
        return True

    def _judge(self, error: S3Error) -> None:
        """Return if the answer to HEAD means absent. It has no body: the cause may need a GET to be known."""
        code = error.response.headers.get("x-minio-error-code") or ""
        if not code and not (error.code in _ABSENT and self._bucket_known):
            code = self._explain()
        code = code or error.code or ""
        self._bucket_known = code in _ABSENT
        if not self._bucket_known:
            self._fail(code, error.response.status)
        error.__traceback__ = None  # minio-py's frames refer to the error: a cycle for each look, 1.5 MiB in the end

    def _explain(self) -> str:
        """The error code that S3 gives a GET of the object's first byte; empty where the GET succeeds."""
        bucket, key = self._location.bucket, self._location.key
        try:
            answer = self._request("get", lambda: self._client.get_object(bucket, key, offset=0, length=1))
        except S3Error as error:
            return error.code or ""
        answer.close()
        return ""

    def _request(self, operation: str, send: Callable[[], T]) -> T:
        outcome = "error"
        try:
            answer = send()
            outcome = "found"
            return answer
        except StoreError:
            outcome = ""  # no credentials, so nothing was sent
            raise
        except S3Error as error:
            outcome = "absent" if error.code in _ABSENT else "error"
            raise
        except ServerError as error:
            self._fail("", error.status_code)
        except InvalidResponseError as error:
            raise self._error("malformed_answer", str(error).partition(", Body:")[0]) from error
        except (
            MinioException,
            SyntaxError,
            ValueError,
            http_errors.ProtocolError,
        ) as error:
            if isinstance(error, http_errors.ProtocolError):
                raise self._connection_error(error) from error
            raise self._error("malformed_answer", type(error).__name__) from error
        except http_errors.HTTPError as error:
            raise self._connection_error(error) from error
        finally:
            if outcome:
                self._on_request(operation, outcome)

    def _fail(self, code: str, status: int) -> NoReturn:
        kind = _KIND_OF_CODE.get(code) or _KIND_OF_STATUS.get(status)
        if kind is None:
            kind = "server_error" if status >= 500 else "malformed_answer"  # noqa: PLR2004 # HTTP's own classes
        raise self._error(kind, f"HTTP {status}{' ' + one_line(code, 100) if code else ''}")

    def _connection_error(self, error: Exception) -> StoreError:
        return self._error(_connection_kind(error), f"{_root(error)}")

    def _error(self, kind: str, seen: str) -> StoreError:
        cause = StoreError(self._location.uri, kind=kind).detail
        return StoreError(self._location.uri, f"{cause} ({self._endpoint}: {one_line(seen, 300)})", kind=kind)


class _Http(urllib3.PoolManager):
    """Connections whose every request takes at most ``limit`` seconds to connect, and then to answer."""

    limit: float = contract.DEFAULT_REQUEST_TIMEOUT

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]  # noqa: ANN401  # as urllib3 has it
        return super().urlopen(method, url, redirect, timeout=self.limit, **kw)


def _http_client(spec: WatchSpec, endpoint: str) -> _Http:
    ca_file = spec.ca_file or credentials.ca_file() or certifi.where()
    context = None
    if spec.ca_file or endpoint.lower().startswith("https:"):  # reading the authorities takes some 20 ms
        context = _tls_context(ca_file)
    return _Http(
        retries=False,
        maxsize=1,
        ssl_context=context,
    )


def _tls_context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InvalidArgument(
            f"{title('ca_file')} {ca_file!r}",
            f"the certificate authorities cannot be read: {error.strerror or error}",
            cure="give a readable PEM file",
        ) from error


def _connection_kind(error: Exception) -> str:
    causes = list(_chain(error))
    if any(isinstance(cause, http_errors.NameResolutionError) for cause in causes):
        return "dns"
    if any(isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) for cause in causes):
        return "connection"  # a server that restarts closes connections in the middle of a handshake
    if any(isinstance(cause, ssl.SSLError | http_errors.SSLError) for cause in causes):
        return "tls"
    if any(isinstance(cause, TimeoutError | http_errors.ReadTimeoutError) for cause in causes):
        return "timeout"
    return "connection"


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found and not isinstance(error, MinioException):
        found.append(error)
        reason = getattr(error, "reason", None)
        error = error.__cause__ or (reason if isinstance(reason, BaseException) else None) or error.__context__
    return found


def _root(error: BaseException) -> str:
    """The innermost cause in words: urllib3's own text repeats the object of the connection."""
    cause = _chain(error)[-1]
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__ if not str(cause) else str(cause)
