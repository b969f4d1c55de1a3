"""obstore's clients, as a watch needs them: with time-outs, without retries of their own.

obstore reads each cloud's own variables, files and metadata services. What Flyte and this project add comes first.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import certifi

from objectstore_watcher.cloud_uris import AZURE, GCS, CloudLocation
from objectstore_watcher.contract import ENV_PREFIX, WatchSpec, title
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.stores import KeyPair
from objectstore_watcher.stores.http import ca_file
from objectstore_watcher.uri import parse_endpoint

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig

    Client = GCSStore | AzureStore

_ENDPOINT_VARIABLES = {
    GCS: ("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"),
    AZURE: ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}

_FLYTE_AZURE = {
    "FLYTE_AZURE_TENANT_ID": "tenant_id",
    "FLYTE_AZURE_CLIENT_ID": "client_id",
    "FLYTE_AZURE_CLIENT_SECRET": "client_secret",
}
"""flytekit's variables, and what obstore calls them. Of Google's credentials flytekit has none."""

_NO_RETRIES: RetryConfig = {
    "max_retries": 0,
    "retry_timeout": timedelta(0),
    "backoff": {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=1), "base": 2},
}
"""The loop of the wait owns retries: it knows the deadline, and tells what goes wrong."""

_STATIC = {
    GCS: ("GOOGLE_BEARER_TOKEN",),
    AZURE: ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_TOKEN"),
}

_NAMED = {
    GCS: ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"),
    AZURE: ("AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID", *_FLYTE_AZURE),
}


class Opened(TypedDict):
    """A client, and what is known of it.

    Attributes:
        client: obstore's.
        endpoint: where it asks, for messages.
        are_static: whether its credentials stay the same during a wait.
        are_named: whether anything says that there are credentials.
    """

    client: Client
    endpoint: str
    are_static: bool
    are_named: bool


def connect(location: CloudLocation, spec: WatchSpec, key_pair: KeyPair | None) -> Opened:
    """A client for the bucket of ``location``; sends nothing yet.

    Raises:
        InvalidArgument: obstore is not installed, or the endpoint or CA file cannot be used.
        obstore.exceptions.BaseError: the credentials cannot be read.
    """
    obstore = _import_obstore(location)
    variable = next((name for name in _ENDPOINT_VARIABLES[location.cloud] if os.environ.get(name)), "")
    endpoint = _endpoint(location, spec, variable)
    options = _client_options(spec, endpoint)
    if location.cloud == GCS:
        config = _gcs(endpoint, is_emulator=not spec.endpoint and variable == "STORAGE_EMULATOR_HOST")
        client = obstore.GCSStore(location.bucket, config=config, client_options=options, retry_config=_NO_RETRIES)
        shown = endpoint or "https://storage.googleapis.com"
    else:
        config = _azure(location, endpoint, key_pair)
        client = obstore.AzureStore(location.bucket, config=config, client_options=options, retry_config=_NO_RETRIES)
        account = client.config.get("account_name", "")
        shown = endpoint or f"https://{account}.blob.{location.domain}"
    are_static = _any(_STATIC[location.cloud]) or bool(config.keys() & {"account_key", "skip_signature"})
    are_named = "service_account_key" in config or are_static or _any(_NAMED[location.cloud])
    return Opened(client=client, endpoint=shown, are_static=are_static, are_named=are_named)


def _import_obstore(location: CloudLocation) -> Any:  # noqa: ANN401  # a module that may not be there
    try:
        from obstore import store
    except ImportError:
        raise InvalidArgument(
            f"path {location.uri!r}",
            f"{location.cloud} needs the package obstore, which is not installed here",
            cure="install objectstore-watcher with its extra 'clouds', which the watcher's image has",
        ) from None
    return store


def _endpoint(location: CloudLocation, spec: WatchSpec, variable: str) -> str:
    """URL of the API; empty: obstore knows it."""
    value = spec.endpoint or os.environ.get(variable, "")
    if value:
        value = value if "://" in value else f"http://{value}"
        parse_endpoint(value, title("endpoint") if spec.endpoint else variable, location.cloud)
    elif location.account:
        value = f"https://{location.account}.blob.{location.domain}"
    return value.rstrip("/")


def _client_options(spec: WatchSpec, endpoint: str) -> ClientConfig:
    limit = timedelta(seconds=spec.request_timeout)
    options: ClientConfig = {"timeout": limit, "connect_timeout": limit, "user_agent": "objectstore-watcher"}
    options["root_certificate"] = _read(spec.ca_file or ca_file() or certifi.where())
    if endpoint.lower().startswith("http:") or os.environ.get("AZURE_STORAGE_USE_EMULATOR"):
        options["allow_http"] = True
    return options


def _read(file: str) -> str:
    try:
        text = Path(file).read_text()
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or "it is no text"
    else:
        if "-----BEGIN CERTIFICATE-----" in text:
            return text
        detail = "no certificate is in it"
    raise InvalidArgument(
        f"{title('ca_file')} {file!r}",
        f"the certificate authorities cannot be read: {detail}",
        cure="give a readable PEM file",
    )


def _gcs(endpoint: str, *, is_emulator: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"base_url": endpoint} if endpoint else {}
    key = os.environ.get(f"{ENV_PREFIX}SECRET_ACCESS_KEY", "")
    if key.lstrip().startswith("{"):  # else it is a key of S3
        config["service_account_key"] = key
    return {**config, "skip_signature": True} if is_emulator else config


def _azure(location: CloudLocation, endpoint: str, key_pair: KeyPair | None) -> dict[str, Any]:
    config = {option: os.environ[name] for name, option in _FLYTE_AZURE.items() if os.environ.get(name)}
    pair = key_pair or _pair(f"{ENV_PREFIX}ACCESS_KEY_ID", f"{ENV_PREFIX}SECRET_ACCESS_KEY")
    pair = pair or _pair("FLYTE_AZURE_STORAGE_ACCOUNT_NAME", "FLYTE_AZURE_STORAGE_ACCOUNT_KEY")
    named = pair[0] if pair else os.environ.get("FLYTE_AZURE_STORAGE_ACCOUNT_NAME", "")
    if account := location.account or named:
        config["account_name"] = account
    if pair and account == named:  # the key of another account is of no use here
        config["account_key"] = pair[1]
    if endpoint:
        config["endpoint"] = endpoint
    return config


def _pair(name: str, key: str) -> KeyPair | None:
    found = os.environ.get(name, ""), os.environ.get(key, "")
    return found if all(found) else None


def _any(names: tuple[str, ...]) -> bool:
    return any(os.environ.get(name) for name in names)
