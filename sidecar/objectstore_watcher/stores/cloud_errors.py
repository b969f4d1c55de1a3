"""What an error of obstore means: which row of the table of errors, and in which words.

obstore tells a status as a class, or in its text only, and the reasons of a broken connection in the debug part of its
text. ``tests/sidecar/test_cloud_errors.py`` shows all of these texts, so that a new version cannot change them unseen.
Nothing of a text is repeated but what is picked out here: it can hold URLs with tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from objectstore_watcher.cloud_uris import AZURE, GCS
from objectstore_watcher.errors import one_line

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,100})</Code>")
_URL = re.compile(r"https?://\S+")
_OVER = "not valid in the specified time frame"
"""Azure's words for a SAS token before or after its time."""

_TOKEN_REQUEST = "Error performing token request"  # noqa: S105  # what obstore says, no secret
_UNREADABLE = re.compile(r"Unable to (?:open|decode|read) [\w ]+file|Invalid Access Key|Invalid (?:RSA )?key", re.I)
_KEY_TYPE = re.compile(r"unknown variant `(\w+)`")

_CONNECTION = (
    ("dns", re.compile(r'"dns error"')),
    ("tls", re.compile(r"InvalidCertificate|InvalidMessage\(|AlertReceived|NoApplicationProtocol|PeerIncompatible")),
    ("timeout", re.compile(r"kind: Timeout|\bTimedOut\b")),
    ("connection", re.compile(r"inner: Http\(")),
)
_REASON = re.compile(
    r'message: "([^"]{1,200})"|error: "([^"]{1,200})"|(InvalidCertificate\(\s*\w+|InvalidMessage\(\s*\w+|\w+Message\b)'
)

_KIND_OF_CODE = {
    # Google Cloud Storage, XML API
    "NoSuchKey": "absent",
    "NoSuchBucket": "bucket_missing",
    "AccessDenied": "forbidden",
    "UserProjectAccountProblem": "forbidden",
    "AuthenticationRequired": "credentials_missing",
    "InvalidSecurity": "credentials_invalid",
    "SignatureDoesNotMatch": "credentials_invalid",
    "ExpiredToken": "credentials_expired",
    "RequestTimeTooSkewed": "clock_skew",
    "InvalidArgument": "invalid_argument",
    "InvalidBucketName": "invalid_argument",
    "SlowDown": "throttled",
    # Azure Blob Storage
    "BlobNotFound": "absent",
    "ContainerNotFound": "bucket_missing",
    "ContainerBeingDeleted": "bucket_missing",
    "ResourceNotFound": "bucket_missing",
    "AccountIsDisabled": "forbidden",
    "AuthorizationFailure": "forbidden",
    "AuthorizationPermissionMismatch": "forbidden",
    "AuthorizationSourceIPMismatch": "forbidden",
    "InsufficientAccountPermissions": "forbidden",
    "NoAuthenticationInformation": "credentials_missing",
    "PublicAccessNotPermitted": "credentials_missing",
    "AuthenticationFailed": "credentials_invalid",
    "InvalidAuthenticationInfo": "credentials_invalid",
    "InvalidResourceName": "invalid_argument",
    "InvalidUri": "invalid_argument",
    "OutOfRangeInput": "invalid_argument",
    "OperationTimedOut": "timeout",
    "ServerBusy": "throttled",
}
"""Error codes of both clouds. Codes that are not here are judged by their HTTP status."""

_KIND_OF_STATUS = {401: "credentials_invalid", 403: "forbidden", 404: "absent", 429: "throttled", 503: "throttled"}

_KIND_OF_CLASS = {
    "FileNotFoundError": "absent",
    "PermissionDeniedError": "forbidden",
    "UnauthenticatedError": "credentials_invalid",
}
"""Names of obstore's exceptions, for what has no status: a directory of Azure, which is no object."""

CURES = {
    (GCS, "forbidden"): "check the bucket's name; grant storage.objects.get and storage.objects.list"
    " (roles/storage.objectViewer) on the bucket: without the second, Google answers 403 also for an object that is"
    " absent; where that cannot be granted, --on-forbidden=wait (on_forbidden=) waits on",
    (GCS, "credentials_missing"): "give the pod's service account access (Workload Identity), or let"
    " GOOGLE_APPLICATION_CREDENTIALS name a key file; GOOGLE_SKIP_SIGNATURE=true for what is public",
    (GCS, "credentials_invalid"): "correct the key file that GOOGLE_APPLICATION_CREDENTIALS names: that of a service"
    " account, or of gcloud's application default login",
    (GCS, "malformed_answer"): "check that the endpoint is the API of Google Cloud Storage",
    (AZURE, "forbidden"): "grant the role Storage Blob Data Reader on the container, and check the account's network"
    " rules; --on-forbidden=wait (on_forbidden=) waits on",
    (AZURE, "credentials_missing"): "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or"
    " AZURE_STORAGE_SAS_TOKEN from a Secret, or give the pod a workload identity; AZURE_SKIP_SIGNATURE=true for what"
    " is public",
    (AZURE, "credentials_invalid"): "correct the account's key, the SAS token or the client secret; they must belong"
    " to this account",
    (AZURE, "malformed_answer"): "check that the endpoint is the API of Azure Blob Storage",
}
"""What to do, where the table's words are those of S3."""


@dataclass(frozen=True)
class Fault:
    """What an error says.

    Attributes:
        kind: the row of the table of errors.
        seen: what was seen, in words that hold no secret.
        status: of the answer; 0 where there was none.
        code: the cloud's own error code; empty where the answer has none.
        is_of_credentials: it is of the service that gives them, or of their file, not of the store.
    """

    kind: str
    seen: str
    status: int = 0
    code: str = ""
    is_of_credentials: bool = False


def fault_of(error: Exception) -> Fault:
    """What ``error`` says."""
    shown, _, debug = str(error).partition("Debug source:")
    if _UNREADABLE.search(shown):
        return Fault("credentials_invalid", _unreadable(shown), is_of_credentials=True)
    status = _STATUS.search(shown)
    fault = _answered(int(status.group(1)), shown) if status else _unanswered(error, shown, debug)
    if _TOKEN_REQUEST not in shown:
        return fault
    is_refused = fault.status in (400, 401, 403)
    kind = "credentials_invalid" if is_refused else "credentials_unavailable"
    return Fault(kind, f"a request for a token: {fault.seen}", is_of_credentials=True)


def _answered(status: int, shown: str) -> Fault:
    found = _CODE.search(shown)
    code = found.group(1) if found else ""
    kind = _KIND_OF_CODE.get(code) or _KIND_OF_STATUS.get(status)
    if kind is None:
        kind = "server_error" if status >= 500 else "malformed_answer"  # noqa: PLR2004  # HTTP's own classes
    if kind == "credentials_invalid" and _OVER in shown:
        kind = "credentials_expired"
    return Fault(kind, f"HTTP {status}{' ' + code if code else ''}", status, code)


def _unanswered(error: Exception, shown: str, debug: str) -> Fault:
    kind = next((kind for kind, text in _CONNECTION if text.search(debug)), "")
    if kind:
        reason = _REASON.search(debug)
        told = next((text for text in reason.groups() if text), "") if reason else ""
        return Fault(kind, re.sub(r"\s+", "", told) + ")" if "(" in told else told or "no whole answer")
    if "MissingAccount" in debug:
        return Fault("credentials_missing", "no storage account is named")
    name = type(error).__name__
    kind = _KIND_OF_CLASS.get(name, "malformed_answer")
    return Fault(kind, f"{name}: {one_line(_URL.sub('…', shown).strip(), 200)}")


def _unreadable(shown: str) -> str:
    """The file may be repeated in the text, so only the type of key is taken from it."""
    what = _UNREADABLE.search(shown)
    key_type = _KEY_TYPE.search(shown)
    told = what.group(0) if what else ""
    return f"{told}: keys of type {key_type.group(1)} are not known" if key_type else told
