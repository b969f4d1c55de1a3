"""The identity services of a cloud on their real addresses, in a network namespace of its own.

Run as root: ``unshare --net --mount python -m tests.sidecar.metadata_services irsa|ecs|ec2 DIRECTORY`` prints, as JSON,
with which access key and which session token an object was asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from objectstore_watcher.contract import WatchSpec

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


def ec2(directory: Path) -> FakeS3:
    """The metadata service of a virtual machine."""
    answers = [b"session", b"role-name", json.dumps(IDENTITY).encode()]
    return FakeS3(*[Answer(body=body) for body in answers], address=("169.254.169.254", 80))


def main(service: str, directory: Path) -> None:
    """Look for an object with the credentials of ``service``."""
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {STS}\n")
    for command in (
        "ip link set lo up",
        "ip address add 169.254.169.254/32 dev lo",
        "ip address add 169.254.170.2/32 dev lo",
        f"mount --bind {hosts} /etc/hosts",
    ):
        subprocess.run(command.split(), check=True)
    with FakeS3(found()) as s3, {"irsa": irsa, "ecs": ecs, "ec2": ec2}[service](directory) as identity:
        spec = WatchSpec(uri="s3://bucket/key", endpoint=s3.endpoint)
        Opened(spec).look()
    [request] = s3.requests
    told = [f"{request.method} {request.target.partition('?')[0]}" for request in identity.requests]
    print(json.dumps([request.access_key, request.headers["x-amz-security-token"], told]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
