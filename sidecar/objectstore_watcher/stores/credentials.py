"""Where credentials and the endpoint come from: nothing to configure where Flyte itself works.

Flyte appends ``FLYTE_AWS_*`` to every container of a task, the watcher included.
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import time
from collections.abc import Sequence
from datetime import timedelta

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import (
    AWSConfigProvider,
    EnvAWSProvider,
    EnvMinioProvider,
    IamAwsProvider,
    MinioClientConfigProvider,
    Provider,
    StaticProvider,
)

from objectstore_watcher.contract import ENV_PREFIX
from objectstore_watcher.errors import StoreError
from objectstore_watcher.stores import KeyPair
from objectstore_watcher.stores.http import Http, ca_file
from objectstore_watcher.stores.metadata import Metadata, ServiceFails
from objectstore_watcher.uri import check_region, parse_endpoint

AWS_ENDPOINT = "https://s3.amazonaws.com"

_ENDPOINT_VARIABLES = ("FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MINIO_ENDPOINT")
_REGION_VARIABLES = ("FLYTE_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")

_SERVICE_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Set by EKS and ECS where STS or an agent gives the credentials."""

_SERVICE_TIMEOUT = timedelta(seconds=10).total_seconds()
"""Seconds that such a service may take."""

_NOT_THERE = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    SyntaxError,
    OSError,
    configparser.Error,
    urllib3.exceptions.HTTPError,
)
"""What providers raise where there are no credentials, or no readable ones."""


def endpoint() -> str:
    """The S3 API's URL from the environment, else AWS; raises InvalidArgument where it is none."""
    name = _first_set(_ENDPOINT_VARIABLES)
    if name:
        parse_endpoint(os.environ[name], name)
    return os.environ[name] if name else AWS_ENDPOINT


def region() -> str:
    """The region from the environment, else S3's own default; raises InvalidArgument where it is none."""
    name = _first_set(_REGION_VARIABLES)
    if name:
        check_region(os.environ[name], name)
    return os.environ[name] if name else "us-east-1"


def _first_set(variables: Sequence[str]) -> str:
    """The first of ``variables`` that is not empty, else an empty text."""
    return next((name for name in variables if os.environ.get(name)), "")


class VariablesProvider(Provider):
    """Credentials from three environment variables with a common prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def retrieve(self) -> Credentials:
        """The credentials; raises ValueError where a variable is empty."""
        return Credentials(
            os.environ.get(self._prefix + "ACCESS_KEY_ID", ""),
            os.environ.get(self._prefix + "SECRET_ACCESS_KEY", ""),
            os.environ.get(self._prefix + "SESSION_TOKEN") or None,
        )


class Chain(Provider):
    """The first provider that has credentials; asked again for every request, so that rotated ones are noticed.

    minio-py's own chain keeps what it found, and stops at the first provider that cannot be reached.
    """

    def __init__(self, providers: Sequence[Provider], subject: str, http: Http) -> None:
        self._providers = providers
        self._subject = subject
        self._http = http
        self._chosen: Provider | None = None
        self._token = ""

    @property
    def have_expired(self) -> bool:
        """Whether the session token in use says that its time is over.

        MinIO's are JSON Web Tokens; once over, it answers as for an access key that never was.
        """
        try:
            claims = json.loads(base64.urlsafe_b64decode(self._token.split(".")[1] + "=="))
            return bool(claims["exp"] <= time.time())
        except (LookupError, ValueError, TypeError):
            return False  # another kind of token, or none

    @property
    def may_renew(self) -> bool:
        """Whether the credentials in use can change during the wait: those of a file or a service, not variables."""
        return isinstance(self._chosen, AWSConfigProvider | MinioClientConfigProvider | IamAwsProvider)

    def abort(self) -> None:
        """Break off a request to a service that gives credentials, from another thread."""
        self._http.abort()

    def retrieve(self) -> Credentials:
        """The credentials.

        Raises:
            StoreError: no provider has any. What providers said is left out: it can contain tokens.
        """
        is_expected = self._expected()
        for provider in [self._chosen, *self._providers] if self._chosen else self._providers:
            try:
                credentials = provider.retrieve()
            except ServiceFails:
                is_expected = True
                continue
            except _NOT_THERE:
                continue
            self._chosen, self._token = provider, credentials.session_token or ""
            return self._checked(credentials)
        if is_expected:
            raise StoreError(self._subject, kind="credentials_unavailable")
        raise StoreError(self._subject, f"no credentials were found{_half_told()}", kind="credentials_missing")

    def _checked(self, credentials: Credentials) -> Credentials:
        keys = (credentials.access_key, credentials.secret_key, credentials.session_token or "")
        if any(not key.isprintable() or key != key.strip() for key in keys):
            raise StoreError(
                self._subject,
                "the access key, secret key or session token begins or ends with white space",
                cure="remove it; `echo` adds a newline to a Secret, `printf %s` does not",
                kind="credentials_invalid",
            )
        return credentials

    def _expected(self) -> bool:
        """Whether there were credentials before, or a variable says that a service gives some."""
        return self._chosen is not None or bool(_first_set(_SERVICE_VARIABLES))


def chain(subject: str, key_pair: KeyPair | None, within: float) -> Chain:
    """All places where credentials can be: given, an own Secret, Flyte's, AWS's, MinIO's, files, IAM.

    Args:
        subject: what they are for, to be named in the error.
        key_pair: credentials that come first.
        within: seconds that a look may take.
    """
    is_service = bool(_first_set(_SERVICE_VARIABLES))
    http = Http(_SERVICE_TIMEOUT, ca_file()) if is_service else Metadata(within)
    return Chain(
        [
            *([StaticProvider(*key_pair)] if key_pair else []),
            VariablesProvider(ENV_PREFIX),
            VariablesProvider("FLYTE_AWS_"),
            EnvAWSProvider(),
            EnvMinioProvider(),
            AWSConfigProvider(),
            MinioClientConfigProvider(),
            # Web identity, ECS or EKS where their variables are set, else EC2, unless AWS's own variable forbids that.
            *([IamAwsProvider(http_client=http)] if is_service or not _is_ec2_disabled() else []),
        ],
        subject,
        http,
    )


_PAIRS = (
    *((prefix + "ACCESS_KEY_ID", prefix + "SECRET_ACCESS_KEY") for prefix in (ENV_PREFIX, "FLYTE_AWS_", "AWS_")),
    ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"),
)
"""Variables of which one means nothing without the other."""


def _half_told() -> str:
    """What in the environment looks like credentials, and is none; values are left out."""
    for pair in _PAIRS:
        there, missing = sorted(pair, key=lambda name: not os.environ.get(name))
        if os.environ.get(there) and not os.environ.get(missing):
            return f": {there} is set, and {missing} is not"
    if os.environ.get("AWS_PROFILE"):
        return ", nor keys of the profile that AWS_PROFILE names"
    return ": of MINIO_ROOT_USER, none are taken" if os.environ.get("MINIO_ROOT_USER") else ""


def _is_ec2_disabled() -> bool:
    return os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
