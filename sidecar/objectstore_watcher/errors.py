"""Everything that can go wrong with a wait: one table of kinds, one small hierarchy of exceptions.

The table decides what the watcher does with each kind, whether a new attempt can help, and what the message says.
The README's table of errors is checked against it by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Action(str, Enum):
    """What the watcher does when it meets something."""

    WAIT = "wait on"  # it is what waiting is for: look again after the poll interval
    FOLLOW = "follow"  # ask again there, in the same look
    BACK_OFF = "back off"  # the server may recover: look again after an exponential pause
    SLOW_DOWN = "slow down"  # the server is asked too much: look again after the poll interval and such a pause
    FAIL = "fail"  # waiting cannot help: end with the marker ``failed``

    @property
    def is_pausing(self) -> bool:
        """Whether the server may recover, and is left alone for a while."""
        return self in {Action.BACK_OFF, Action.SLOW_DOWN}


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        label: the value of the metric labels ``kind`` or ``outcome``, and of ``kind`` in the marker.
        action: what the watcher does.
        retryable: whether a new attempt of the task (another pod, later) can help.
        cause: what happened, in words.
        cure: what to do about it.
        policy: the option by which users choose between `Action.FAIL` and `Action.WAIT`; empty: none.
    """

    label: str
    action: Action
    retryable: bool
    cause: str
    cure: str
    policy: str = ""


_ROWS = (
    Kind(
        "absent",
        Action.WAIT,
        True,
        "the object is not there yet",
        "nothing, while its producer is at work",
    ),
    Kind(
        "other_region",
        Action.FOLLOW,
        True,
        "the bucket is in another region, which the server names",
        "nothing; region saves a request",
    ),
    Kind(
        "redirect",
        Action.FAIL,
        False,
        "the server says for good that the bucket is elsewhere, but not in which region",
        "set the bucket's region with --region (region=) or its endpoint with --endpoint (endpoint=)",
    ),
    Kind(
        "bucket_missing",
        Action.FAIL,
        False,
        "the bucket does not exist",
        "create the bucket or correct its name in the path; --on-missing-bucket=wait (on_missing_bucket=) waits for it",
        policy="on_missing_bucket",
    ),
    Kind(
        "forbidden",
        Action.FAIL,
        False,
        "the server refuses access (403)",
        "check the bucket's name: one that does not exist may be refused, too;"
        " grant s3:GetObject on the object and s3:ListBucket on the bucket:"
        " without s3:ListBucket, S3 answers 403 also for an object that is absent;"
        " where that cannot be granted, --on-forbidden=wait (on_forbidden=) waits on",
        policy="on_forbidden",
    ),
    Kind(
        "credentials_missing",
        Action.FAIL,
        False,
        "no credentials were found",
        "set FLYTE_AWS_*, AWS_* or MINIO_* in the watcher's environment from a Secret, mount an AWS credentials file,"
        " or give the pod an IAM role",
    ),
    Kind(
        "credentials_unavailable",
        Action.BACK_OFF,
        True,
        "the service that gives the credentials does not answer",
        "check the network policy to STS or the metadata service",
    ),
    Kind(
        "credentials_invalid",
        Action.FAIL,
        False,
        "the server does not accept the credentials",
        "correct the access key and secret key; they must belong to this endpoint",
    ),
    Kind(
        "credentials_expired",
        Action.FAIL,
        True,
        "the credentials have expired",
        "renew the session token; prefer an IAM role or a credentials file, which renew themselves",
    ),
    Kind(
        "credentials_renewing",
        Action.BACK_OFF,
        True,
        "credentials that worked before are refused; they come from a file or a service, which may renew them",
        "check what renews them: the Secret, the role, the service that writes the file",
    ),
    Kind(
        "clock_skew",
        Action.FAIL,
        True,
        "the clocks of this machine and of the server differ by more than the server allows",
        "synchronize the node's clock (NTP)",
    ),
    Kind(
        "tls",
        Action.FAIL,
        False,
        "the TLS connection cannot be trusted or made",
        "pass the server's CA with --ca-file (ca_file=), use the host name in its certificate,"
        " or http:// for a server without TLS",
    ),
    Kind(
        "tls_changed",
        Action.BACK_OFF,
        True,
        "TLS connections that were trusted before no longer are; the server's certificate, or what ends TLS, may be"
        " under change",
        "check the certificate of the server, or of the load balancer before it;"
        " pass a new authority with --ca-file (ca_file=)",
    ),
    Kind(
        "dns",
        Action.BACK_OFF,
        True,
        "the endpoint's host name cannot be resolved",
        "check the endpoint's host name",
    ),
    Kind(
        "connection",
        Action.BACK_OFF,
        True,
        "the connection is refused or breaks",
        "check that the server runs and that the endpoint's host and port are right",
    ),
    Kind(
        "timeout",
        Action.BACK_OFF,
        True,
        "the server does not answer in time",
        "check the network policy and the server's load, or raise --request-timeout (request_timeout=)",
    ),
    Kind(
        "throttled",
        Action.SLOW_DOWN,
        True,
        "the server asks for fewer requests, or is overloaded (429, 503)",
        "raise --poll-interval (poll_interval=), spread the keys over more prefixes, or see why the server is busy",
    ),
    Kind(
        "server_error",
        Action.BACK_OFF,
        True,
        "the server fails (5xx)",
        "look at the object store's own logs",
    ),
    Kind(
        "malformed_answer",
        Action.BACK_OFF,
        True,
        "the server's answer is not one that its API is known to give",
        "check that the endpoint is the S3 API, not a console or a proxy's error page",
    ),
    Kind(
        "not_a_file",
        Action.FAIL,
        False,
        "the path is a directory",
        "give the path of a file",
    ),
    Kind(
        "unreadable",
        Action.FAIL,
        False,
        "the file system refuses access to the path",
        "grant this user search permission on the directories of the path",
    ),
    Kind(
        "manifest_invalid",
        Action.FAIL,
        False,
        "the manifest does not list objects in a way that is known",
        'let it hold one path in each line, or JSON such as {"entries": [{"url": "s3://bucket/key"}]}',
    ),
    Kind(
        "too_many_objects",
        Action.FAIL,
        False,
        "there are more objects than a wait can have",
        "wait for fewer objects at a time, or with a narrower pattern",
    ),
    Kind(
        "invalid_argument",
        Action.FAIL,
        False,
        "an argument is not valid",
        "correct the argument",
    ),
    Kind(
        "deadline_exceeded",
        Action.FAIL,
        True,
        "the object did not appear before the deadline",
        "check the producer of the object, or raise the timeout",
    ),
    Kind(
        "watcher_died",
        Action.FAIL,
        True,
        "the watcher gives no sign of life",
        "look at the watcher container: kubectl logs POD -c objectstore-watcher, and kubectl describe pod POD",
    ),
    Kind(
        "marker_unwritable",
        Action.FAIL,
        True,
        "the marker directory cannot be used",
        "let --dir name a writable volume, for example an emptyDir that both containers mount",
    ),
    Kind(
        "internal",
        Action.FAIL,
        True,
        "the watcher met an error it does not know",
        "report it with the watcher's log",
    ),
)

KINDS: dict[str, Kind] = {row.label: row for row in _ROWS}


class WaitError(Exception):
    """A wait that failed, or cannot begin: one line that names the object, the cause and the cure.

    Attributes:
        kind: the row of the table of errors.
        subject: what it happened to: a URI, a flag, a directory.
        detail: what exactly was seen, or the row's own words.
        cure: what to do about it.
    """

    KIND = "internal"

    def __init__(self, subject: str, detail: str = "", *, cure: str = "", kind: str = "") -> None:
        self.kind = KINDS[kind or self.KIND]
        self.subject = one_line(subject)
        self.detail = one_line(detail) or self.kind.cause
        self.cure = one_line(cure) or self.kind.cure
        super().__init__(subject, detail)

    @property
    def retryable(self) -> bool:
        """Whether a new attempt, in another pod or later, can help."""
        return self.kind.retryable

    @property
    def error_code(self) -> str:
        """The code that Flyte shows for this error, e.g. ``USER:DeadlineExceeded``."""
        return "USER:" + "".join(part.capitalize() for part in self.kind.label.split("_"))

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}; {self.cure}"


class InvalidArgument(WaitError, ValueError):
    """An argument, flag or path that cannot be right, found before the first request."""

    KIND = "invalid_argument"


class StoreError(WaitError):
    """The object store, or the way to it, failed."""


class DeadlineExceeded(WaitError, TimeoutError):
    """The object did not appear before the deadline."""

    KIND = "deadline_exceeded"


class WatcherDied(WaitError):
    """The watcher's heartbeat stopped, or never began."""

    KIND = "watcher_died"


class MarkerError(WaitError):
    """The marker directory is missing, full, read-only, or holds something that is no marker."""

    KIND = "marker_unwritable"


class TooManyObjects(WaitError):
    """So many objects, or such long keys, that they do not fit into a file of the contract."""

    KIND = "too_many_objects"


def rebuild(kind: str, subject: str, detail: str, cure: str) -> WaitError:
    """The error that a marker tells of; a kind that this version does not know becomes ``internal``."""
    classes = (InvalidArgument, DeadlineExceeded, WatcherDied, MarkerError, TooManyObjects)
    cls = next((c for c in classes if kind == c.KIND), StoreError)
    return cls(subject, detail, cure=cure, kind=kind if kind in KINDS else "internal")


def one_line(text: str, limit: int = 1000) -> str:
    """``text`` without control characters, cut to ``limit`` characters: fit for a log line, a marker, a terminal.

    Keys and servers' messages are not ours: a newline in one must not become a second log line.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
