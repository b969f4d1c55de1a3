"""moto's server: a second implementation of S3, and of the IAM that guards it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import urllib3
from minio import Minio

from tests.servers import ServerProcess


class MotoServer(ServerProcess):
    """moto's server process; everything is in its memory.

    Args:
        port: where it listens; by default where nobody does.
        certificate: PEM file with its key and certificate; by default it speaks plain HTTP.
    """

    ACCESS_KEY = "moto-access-key"
    SECRET_KEY = "moto-secret-key-5c02"
    HEALTH = "/moto-api/data.json"

    def __init__(self, port: int | None = None, *, certificate: Path | None = None) -> None:
        super().__init__(port, "https" if certificate else "http")
        self._certificate = certificate

    def command(self) -> list[str]:
        """The server of the package."""
        tls = ["-c", str(self._certificate), "-k", str(self._certificate)] if self._certificate else []
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port), *tls]

    def environment(self) -> dict[str, str]:
        """Buckets are named in paths only, whatever the host is called."""
        return {"S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"}

    def client(self) -> Minio:
        """A client."""
        return Minio(f"127.0.0.1:{self.port}", self.ACCESS_KEY, self.SECRET_KEY, secure=False, region="us-east-1")

    def put(self, bucket: str, key: str, data: bytes = b"data") -> None:
        """Store an object."""
        self.client().put_object(bucket, key, io.BytesIO(data), len(data))

    def flyte_env(self) -> dict[str, str]:
        """The variables that Flyte appends to every container."""
        return {
            "FLYTE_AWS_ENDPOINT": self.endpoint,
            "FLYTE_AWS_ACCESS_KEY_ID": self.ACCESS_KEY,
            "FLYTE_AWS_SECRET_ACCESS_KEY": self.SECRET_KEY,
        }

    def iam(self) -> Any:  # noqa: ANN401 # boto3 makes its clients' classes when it runs
        """A client for users and their rights."""
        keys = {"aws_access_key_id": self.ACCESS_KEY, "aws_secret_access_key": self.SECRET_KEY}
        return boto3.client("iam", endpoint_url=self.endpoint, region_name="us-east-1", **keys)

    def user(self, name: str) -> tuple[str, str]:
        """A user without any right: access key and secret key."""
        self.iam().create_user(UserName=name)
        key = self.iam().create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def grant(self, name: str, *actions: str) -> None:
        """Let the user do that with everything."""
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam().put_user_policy(UserName=name, PolicyName="granted", PolicyDocument=document)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Signatures and rights count for as long; else moto takes every request."""
        self.guard(True)
        try:
            yield
        finally:
            self.guard(False)

    def guard(self, is_on: bool) -> None:
        """Let signatures and rights count, or not."""
        urllib3.request("POST", f"{self.endpoint}/moto-api/reset-auth", body="0" if is_on else "inf")
