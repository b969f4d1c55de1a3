"""What a real MinIO says of buckets, rights and credentials, shown by the whole watcher."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import minio.time
import pytest
from objectstore_watcher.contract import Ready

from tests.fake_s3 import Answer, FakeS3
from tests.servers import MinioServer
from tests.sidecar.rows import MINIO, Row, shows
from tests.sidecar.tools import write_aws_file
from tests.sidecar.whole import Wait

Patch = pytest.MonkeyPatch

USER_SECRET = "users-secret-61b0"

ANY_OBJECT = ["arn:aws:s3:::*/*"]


@pytest.fixture(autouse=True)
def environment(flyte_env: dict[str, str]) -> None:
    """The session's server and its root user, where a test says nothing else."""


@pytest.fixture
def env(monkeypatch: Patch) -> Patch:
    """The environment, under a shorter name."""
    return monkeypatch


def log_in(env: Patch, access_key: str, secret_key: str) -> None:
    env.setenv("FLYTE_AWS_ACCESS_KEY_ID", access_key)
    env.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", secret_key)


def user(server: MinioServer) -> str:
    """A user without any right."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    server.admin().user_add(name, USER_SECRET)
    return name


def grant(server: MinioServer, name: str, action: str, resources: list[str]) -> None:
    allowed = {"Effect": "Allow", "Action": [action], "Resource": resources}
    server.admin().policy_add(name, policy={"Version": "2012-10-17", "Statement": [allowed]})
    server.admin().policy_set(name, user=name)


@shows("absent", MINIO)
def test_an_object_that_comes_later_is_waited_for(row: Row, wait: Wait, minio: MinioServer, bucket: str) -> None:
    account = wait(f"s3://{bucket}/key", {3: lambda: minio.put(bucket, "key", b"12345")})
    row.is_shown_by(account)
    assert isinstance(account.main, Ready)
    assert [(each.uri, each.size) for each in account.main.objects] == [(f"s3://{bucket}/key", 5)]


@shows("bucket_missing", MINIO)
def test_a_missing_bucket_ends_the_wait(row: Row, wait: Wait) -> None:
    account = wait("s3://no-such-bucket/key")
    row.is_shown_by(account, "HTTP 404 NoSuchBucket")
    assert account.metric("requests_total", operation="head", outcome="absent") == 0


@shows("bucket_missing", MINIO)
def test_a_bucket_that_is_made_later_is_waited_for_where_asked(row: Row, wait: Wait, minio: MinioServer) -> None:
    name = f"later-{uuid.uuid4().hex[:8]}"

    def make() -> None:
        minio.client().make_bucket(name)
        minio.put(name, "key")

    row.is_waited_out_by(wait(f"s3://{name}/key", {3: make}, on_missing_bucket="wait"))


@shows("forbidden", MINIO)
def test_a_user_without_the_right_is_told_which(
    row: Row, wait: Wait, minio: MinioServer, bucket: str, env: Patch
) -> None:
    log_in(env, user(minio), USER_SECRET)
    row.is_shown_by(wait(f"s3://{bucket}/key"), "HTTP 403 AccessDenied", "s3:GetObject on the object")


@shows("forbidden", MINIO)
def test_a_right_that_is_granted_later_is_waited_for_where_asked(
    row: Row, wait: Wait, minio: MinioServer, bucket: str, env: Patch
) -> None:
    minio.put(bucket, "key")
    name = user(minio)
    log_in(env, name, USER_SECRET)
    granted = {3: lambda: grant(minio, name, "s3:GetObject", ANY_OBJECT)}
    row.is_waited_out_by(wait(f"s3://{bucket}/key", granted, on_forbidden="wait"))


@shows("forbidden", MINIO)
def test_a_user_of_one_bucket_is_refused_at_a_wrong_name_and_told_to_check_it(
    row: Row, wait: Wait, minio: MinioServer, bucket: str, env: Patch
) -> None:
    """MinIO tells only those who may read it that a bucket is missing, so that nobody can guess names."""
    name = user(minio)
    grant(minio, name, "s3:GetObject", [f"arn:aws:s3:::{bucket}/*"])
    log_in(env, name, USER_SECRET)
    row.is_shown_by(wait("s3://wrong-name/key", on_missing_bucket="wait"), "check the bucket's name")


@shows("forbidden", MINIO)
def test_a_bucket_of_which_a_user_may_not_know_is_waited_for_with_the_policy_for_refusals(
    row: Row, wait: Wait, minio: MinioServer, env: Patch
) -> None:
    bucket, name = f"later-{uuid.uuid4().hex[:8]}", user(minio)
    grant(minio, name, "s3:GetObject", [f"arn:aws:s3:::{bucket}/other"])
    log_in(env, name, USER_SECRET)

    def make() -> None:
        minio.client().make_bucket(bucket)
        minio.put(bucket, "key")
        grant(minio, name, "s3:GetObject", [f"arn:aws:s3:::{bucket}/*"])

    row.is_waited_out_by(wait(f"s3://{bucket}/key", {3: make}, on_forbidden="wait"))


@shows("bucket_missing", MINIO)
def test_a_user_of_all_buckets_is_told_of_a_wrong_name(row: Row, wait: Wait, minio: MinioServer, env: Patch) -> None:
    name = user(minio)
    grant(minio, name, "s3:GetObject", ANY_OBJECT)
    log_in(env, name, USER_SECRET)
    row.is_shown_by(wait("s3://wrong-name/key"), "HTTP 404 NoSuchBucket")


@shows("credentials_missing", MINIO)
def test_without_credentials_nothing_is_asked(row: Row, wait: Wait, bucket: str, env: Patch) -> None:
    env.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    account = wait(f"s3://{bucket}/key")
    row.is_shown_by(account)
    assert account.metric("requests_total", operation="head", outcome="error") == 0


@shows("credentials_unavailable", MINIO)
def test_a_service_for_credentials_that_is_away_is_waited_for(
    row: Row, wait: Wait, minio: MinioServer, bucket: str, env: Patch
) -> None:
    minio.put(bucket, "key")
    env.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    name = user(minio)
    grant(minio, name, "s3:GetObject", ANY_OBJECT)
    role = {"AccessKeyId": name, "SecretAccessKey": USER_SECRET, "Token": "", "Expiration": "2999-01-01T00:00:00Z"}
    with FakeS3(Answer(503)) as service:
        env.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        comes_back = {3: lambda: service.answer_with(Answer(body=json.dumps(role).encode()))}
        row.is_shown_by(wait(f"s3://{bucket}/key", comes_back))


@shows("credentials_invalid", MINIO)
@pytest.mark.parametrize(
    "who_is", [("nobody", "InvalidAccessKeyId"), (MinioServer.ACCESS_KEY, "SignatureDoesNotMatch")]
)
def test_wrong_credentials_are_told(row: Row, wait: Wait, bucket: str, env: Patch, who_is: tuple[str, str]) -> None:
    access_key, code = who_is
    log_in(env, access_key, "hunter2-hunter2")
    row.is_shown_by(wait(f"s3://{bucket}/key"), f"HTTP 403 {code}")


@shows("credentials_invalid", MINIO)
def test_a_wrong_session_token_is_told(row: Row, wait: Wait, bucket: str, env: Patch) -> None:
    env.setenv("FLYTE_AWS_SESSION_TOKEN", "hunter2")
    row.is_shown_by(wait(f"s3://{bucket}/key"), "HTTP 403 InvalidTokenId", cure="correct the session token")


@shows("credentials_renewing", MINIO)
def test_a_user_of_a_file_who_is_replaced_is_waited_for(
    row: Row, wait: Wait, minio: MinioServer, bucket: str, env: Patch
) -> None:
    env.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    first, second = user(minio), user(minio)
    for name in (first, second):
        grant(minio, name, "s3:GetObject", ANY_OBJECT)
    write_aws_file(first, USER_SECRET)
    steps: dict[int, Callable[[], object]] = {
        1: lambda: minio.admin().user_remove(first),
        3: lambda: minio.put(bucket, "key"),
        4: lambda: write_aws_file(second, USER_SECRET),
    }
    row.is_shown_by(wait(f"s3://{bucket}/key", steps), "HTTP 403 InvalidAccessKeyId")


@shows("clock_skew", MINIO)
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong_is_told(row: Row, wait: Wait, bucket: str, env: Patch, hours: int) -> None:
    now = minio.time.utcnow
    env.setattr(minio.time, "utcnow", lambda: now() + timedelta(hours=hours))
    row.is_shown_by(wait(f"s3://{bucket}/key"), "HTTP 403 RequestTimeTooSkewed")


@shows("invalid_argument", MINIO)
@pytest.mark.parametrize("key", ["a//b", "a" * 256])
def test_a_key_that_the_server_cannot_store_is_told(row: Row, wait: Wait, bucket: str, key: str) -> None:
    row.is_shown_by(wait(f"s3://{bucket}/{key}"), "HTTP 400 XMinioInvalidObjectName", cure="correct the key '")


@shows("manifest_invalid", MINIO)
def test_a_manifest_that_lists_nothing_known_ends_the_wait(
    row: Row, wait: Wait, minio: MinioServer, bucket: str
) -> None:
    minio.put(bucket, "manifest", b"[]")
    account = wait(f"s3://{bucket}/manifest", match="manifest")
    row.is_shown_by(account, cause="the manifest lists 0 objects", cure="let it list what is to be waited for")


@shows("invalid_argument", MINIO)
def test_a_version_that_is_none_is_told(row: Row, wait: Wait, minio: MinioServer, bucket: str) -> None:
    minio.put(bucket, "key")
    row.is_shown_by(
        wait(f"s3://{bucket}/key", version_id="bogus"), "HTTP 400 InvalidArgument", cure="correct --version-id"
    )
