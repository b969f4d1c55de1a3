"""The identity services of a cloud on their real addresses, in a network namespace of its own.

Run as root: ``unshare --net --mount python -m tests.sidecar.metadata_services SERVICE DIRECTORY`` prints, as JSON, with
which access key and which session token an object was asked for, or of which kind the error was; and what the service
was asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import StoreError

from tests.fake_s3 import Answer, FakeS3, found
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import Opened

STS = "sts.eu-west-1.amazonaws.com"

IDENTITY = {
    "Code": "Success",
    "AccessKeyId": "role-key",
    "SecretAccessKey": "role-secret",
    "Token": "role-token",
    "Expiration": "2999-01-01T00:00:00Z",
}

WEB_IDENTITY = b"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>role-key</AccessKeyId>
<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


def irsa(directory: Path) -> FakeS3:
    """The security token service, by which a pod's service account becomes an IAM role."""
    certificates = Certificates(directory)
    (directory / "token").write_text("service-account-token")
    os.environ |= {
        "AWS_CA_BUNDLE": str(certificates.ca),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(directory / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/watcher",
        "AWS_REGION": "eu-west-1",
    }
    return FakeS3(Answer(body=WEB_IDENTITY), tls=certificates.server(STS), address=("127.0.0.1", 443))


def ecs(directory: Path) -> FakeS3:
    """The credentials of a task of ECS."""
    os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials"
    return FakeS3(Answer(body=json.dumps(IDENTITY).encode()), address=("169.254.170.2", 80))


SESSION, ROLE, KEYS = (Answer(body=body) for body in (b"session", b"role-name", json.dumps(IDENTITY).encode()))

BROKEN = Answer(raw=b"")

EC2: dict[str, tuple[Answer, ...]] = {
    "ec2": (SESSION, ROLE, KEYS),
    "ec2 that breaks once": (BROKEN, SESSION, ROLE, KEYS),
    "ec2 that breaks": (BROKEN,),
    "ec2 that breaks later": (SESSION, BROKEN),
    "ec2 that fails": (Answer(500),),
    "ec2 that fails later": (SESSION, ROLE, Answer(503)),
    "ec2 that is busy": (SESSION, Answer(429)),
    "ec2 without a role": (SESSION, Answer(404)),
    "ec2 that is off": (Answer(403),),
}
"""What the metadata service of a virtual machine answers, in turn."""

NOBODY, BLACK_HOLE = "nobody", "black hole"
"""In place of such a service: an address where nothing listens; one where packets vanish."""


def opened(service: str, directory: Path) -> AbstractContextManager[FakeS3]:
    """The service, on its own address."""
    if service in EC2:
        return FakeS3(*EC2[service], address=("169.254.169.254", 80))
    return {"irsa": irsa, "ecs": ecs}.get(service, lambda _: FakeS3())(directory)


def main(service: str, directory: Path) -> None:
    """Look for an object with the credentials of ``service``."""
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {STS}\n")
    swallow = (
        "ip link add near type veth peer name far",
        "ip address add 169.254.169.1/24 dev near",
        "ip link set near up",
        "ip link set far up",
        "ip neighbour add 169.254.169.254 lladdr 02:00:00:00:00:02 dev near",  # nobody's: what is sent there is gone
    )
    for command in (
        "ip link set lo up",
        *(swallow if service == BLACK_HOLE else ["ip address add 169.254.169.254/32 dev lo"]),
        "ip address add 169.254.170.2/32 dev lo",
        f"mount --bind {hosts} /etc/hosts",
    ):
        subprocess.run(command.split(), check=True)
    kind = ""
    with FakeS3(found()) as s3, opened(service, directory) as identity:
        spec = WatchSpec(uri="s3://bucket/key", endpoint=s3.endpoint, request_timeout=3600)
        try:
            Opened(spec).look()
        except StoreError as error:
            kind = error.kind.label
    signed = [[request.access_key, request.headers["x-amz-security-token"]] for request in s3.requests]
    told = [f"{request.method} {request.target.partition('?')[0]}" for request in identity.requests]
    print(json.dumps([signed[0] if signed else kind, told]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
