"""Sessions of a real MinIO that end within seconds: it gives none of less than a quarter of an hour."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from minio.credentials.providers import AssumeRoleProvider

from tests.servers import MinioServer
from tests.sidecar.tools import takes_requests


@dataclass(frozen=True)
class Session:
    """Temporary credentials.

    Attributes:
        access_key: access key.
        secret_key: secret key.
        token: session token.
        end: Unix time.
    """

    access_key: str
    secret_key: str
    token: str
    end: int

    def variables(self) -> dict[str, str]:
        """What to set, by the end of its name."""
        return {
            "ACCESS_KEY_ID": self.access_key,
            "SECRET_ACCESS_KEY": self.secret_key,
            "SESSION_TOKEN": self.token,
        }

    def wait_for_its_end(self) -> None:
        """Until the server must refuse it."""
        time.sleep(max(0.0, self.end + 1 - time.time()))


def expiring_session(server: MinioServer, seconds: int) -> Session:
    """A session of a user who may read all, which ends that soon after the server's restart.

    The server keeps its sessions as objects in its drive. This one is replaced there by the same with an earlier end,
    which the server itself stored before, as an object in a bucket.
    """
    server.admin().user_add("session-user", "users-secret-61b0")
    server.admin().policy_set("readonly", user="session-user")
    given = AssumeRoleProvider(
        sts_endpoint=server.endpoint, access_key="session-user", secret_key="users-secret-61b0"
    ).retrieve()
    [kept] = (server.data / ".minio.sys" / "config" / "iam" / "sts").rglob("xl.meta")
    content = kept.read_bytes()
    identity, _ = json.JSONDecoder().raw_decode(content[content.index(b'{"version') :].decode("latin-1"))
    end = int(time.time()) + 2 + seconds  # a restart takes less than two of them
    token = _with_end(given.session_token or "", end, server.SECRET_KEY)
    moment = datetime.fromtimestamp(end, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    identity["credentials"] |= {"sessionToken": token, "expiration": moment}
    server.put("bucket", "identity.json", json.dumps(identity).encode())
    server.stop()
    kept.write_bytes((server.data / "bucket" / "identity.json" / "xl.meta").read_bytes())
    server.start()
    takes_requests(server)
    return Session(given.access_key, given.secret_key, token, end)


def _with_end(token: str, end: int, key: str) -> str:
    """The JSON Web Token with another end, signed with the server's key."""
    header, claims, _ = token.split(".")
    signed = f"{header}.{_encoded(json.dumps({**_decoded(claims), 'exp': end}).encode())}"
    return f"{signed}.{_encoded(hmac.new(key.encode(), signed.encode(), hashlib.sha512).digest())}"


def _decoded(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
