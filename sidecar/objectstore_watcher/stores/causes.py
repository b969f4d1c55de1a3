"""What lies behind an error of urllib3: which row of the table of errors, and in which words."""

from __future__ import annotations

import ssl

from urllib3 import exceptions as http_errors

EXPLAINED_FOR = 60
"""Looks that an explanation of a HEAD is good for: ten minutes at the default interval, for 2 % more requests."""

RENEWABLE = {"credentials_expired", "credentials_invalid"}
"""Rows that may pass where the credentials come from what renews them."""


def connection_kind(error: BaseException) -> str:
    """The row for a connection that could not be made, or broke."""
    causes = _chain(error)
    if any(isinstance(cause, http_errors.NameResolutionError) for cause in causes):
        return "dns"
    if any(isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) for cause in causes):
        return "connection"  # a server that restarts closes connections in the middle of a handshake
    if any(isinstance(cause, ssl.SSLError | http_errors.SSLError) for cause in causes):
        return "tls"
    if any(isinstance(cause, TimeoutError | http_errors.ReadTimeoutError) for cause in causes):
        return "timeout"
    return "connection"


def in_words(error: BaseException) -> str:
    """The innermost cause: urllib3's own text repeats the object of the connection."""
    cause = _chain(error)[-1]
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__ if not str(cause) else str(cause)


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and its causes, as far as they are of the connection: minio-py's own can be an older answer's."""
    found: list[BaseException] = []
    while error is not None and error not in found and not type(error).__module__.startswith("minio."):
        found.append(error)
        reason = getattr(error, "reason", None)
        error = error.__cause__ or (reason if isinstance(reason, BaseException) else None) or error.__context__
    return found
