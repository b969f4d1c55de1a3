"""URIs of Google Cloud Storage, Azure and web servers, split by hand and byte for byte as those of S3 are.

========================================================= =======================================================
``gs://bucket/key``                                       an object in Google Cloud Storage
``abfs://container@account.dfs.core.windows.net/key``     a blob in Azure; ``abfss://`` and ``az://`` mean the same
``abfs://container/key``                                  the same, in the account that the environment names
``https://host/path``                                     whatever a web server has there; ``http://``, too
========================================================= =======================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from objectstore_watcher.errors import InvalidArgument

GCS, AZURE = "Google Cloud Storage", "Azure"

AZURE_DOMAIN = "core.windows.net"
"""Of Azure's public cloud; China and the US government have others."""

MAX_KEY = 1024
"""Google's limit in bytes of UTF-8, and Azure's in characters."""

# Texts, compiled when first used: main, which imports this, has to start quickly.
_GCS_BUCKET = r"(?a)(?!.*\.\.)(?=[^.]{1,63}(?:\.[^.]{1,63})*\Z)[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
_CONTAINER = r"(?a)\$(?:root|web|logs)|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_AZURE_HOST = r"(?a)([a-z0-9]{3,24})\.(?:dfs|blob)\.(core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))"
_WEB_HOST = r"(?a)(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_WEB_PATH = r"(?a)(?:[!$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})*"
_CONTROLS = r"[\x00-\x1f\x7f]"

_SIGNATURES = r"(?i)[?&](?:x-amz-signature|x-goog-signature|signature|sig|access_token|token)="
"""How queries begin that let in whoever has them."""


@dataclass(frozen=True)
class CloudLocation:
    """An object in Google Cloud Storage or Azure.

    Attributes:
        uri: the path, as it was asked.
        cloud: `GCS` or `AZURE`.
        bucket: bucket or container.
        key: key or name of the blob, exactly as asked.
        account: Azure's storage account; empty: that of the environment.
        domain: of Azure's cloud.
    """

    uri: str
    cloud: str
    bucket: str
    key: str
    account: str = ""
    domain: str = AZURE_DOMAIN


@dataclass(frozen=True)
class WebLocation:
    """What a web server has at a URL."""

    uri: str


def parse_gcs(uri: str, rest: str) -> CloudLocation:
    """The object at ``gs://rest``; raises InvalidArgument where its bucket or key cannot be."""
    bucket, _, key = rest.partition("/")
    if not re.fullmatch(_GCS_BUCKET, bucket):
        cure = "use 3 to 63 lower-case letters, digits, dots, hyphens and underscores"
        raise invalid(uri, f"{bucket!r} cannot be the name of a bucket" if bucket else "there is no bucket", cure)
    _check_key(uri, key, "write gs://bucket/key")
    return CloudLocation(uri, GCS, bucket, key)


def parse_azure(uri: str, rest: str) -> CloudLocation:
    """The blob at ``abfs://rest``; raises InvalidArgument where its container, account or name cannot be."""
    place, _, key = rest.partition("/")
    container, at, host = place.partition("@")
    form = "write abfs://container@account.dfs.core.windows.net/key or abfs://container/key"
    if not re.fullmatch(_CONTAINER, container):
        told = f"{container!r} cannot be the name of a container" if container else "there is no container"
        raise invalid(uri, told, f"{form}; 3 to 63 lower-case letters, digits and single hyphens name a container")
    named = re.fullmatch(_AZURE_HOST, host)
    if at and not named:  # credentials go there: it must be Microsoft's
        raise invalid(uri, f"{host!r} is no storage account of Azure", form)
    _check_key(uri, key, form)
    account, domain = named.groups() if named else ("", AZURE_DOMAIN)
    return CloudLocation(uri, AZURE, container, key, account, domain)


def parse_web(uri: str, rest: str) -> WebLocation:
    """The URL; raises InvalidArgument where it holds a credential, or is not written as HTTP sends it."""
    scheme = uri[: len(uri) - len(rest)]
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise invalid(f"{scheme}…", "a user or password is in it, which would be in logs", "leave it out")
    if re.search(_SIGNATURES, path):
        raise invalid(
            uri.partition("?")[0] + "?…",
            "it is signed: a credential, which would be in logs, and mostly for GET only",
            "write s3://, gs:// or abfs://, with credentials in the environment",
        )
    if not re.fullmatch(_WEB_HOST, authority):
        raise invalid(uri, f"{authority!r} is no host", f"write {scheme}host/path")
    if not path:
        raise invalid(uri, "there is no path", f"write {scheme}host/path")
    if not slash or not re.fullmatch(_WEB_PATH, path):
        raise invalid(uri, "it has characters that are none of a URL", "write them as %XX; a # is %23")
    if not {".", ".."}.isdisjoint(path.partition("?")[0].split("/")):
        raise invalid(uri, "a part of the path is '.' or '..'", "write the path without it")
    return WebLocation(uri)


def check_length(location: CloudLocation) -> None:
    """Refuse a key that is longer than its cloud allows; raises InvalidArgument."""
    uri, key = location.uri, location.key
    if location.cloud == GCS and len(key.encode()) > MAX_KEY:
        raise invalid(uri, f"the key has {len(key.encode())} bytes", f"Google allows {MAX_KEY} bytes of UTF-8")
    if location.cloud == AZURE and len(key) > MAX_KEY:
        raise invalid(uri, f"the name of the blob has {len(key)} characters", f"Azure allows {MAX_KEY}")


def _check_key(uri: str, key: str, form: str) -> None:
    """Refuse what obstore refuses, or takes for another key."""
    if not key:
        raise invalid(uri, "there is no key", form)
    if re.search(_CONTROLS, key) or not key.strip() or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise invalid(
            uri,
            "the key has control characters, is only white space, or a part of it is empty, '.' or '..'",
            "the client of this cloud cannot address such a key; rename the object",
        )


def invalid(uri: str, detail: str, cure: str) -> InvalidArgument:
    """The error for a path that cannot be right."""
    return InvalidArgument(f"path {uri!r}", detail, cure=cure)
