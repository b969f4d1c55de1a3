"""A second implementation of S3, moto's: the rows that it can show, shown by the whole watcher."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.fake_s3 import Answer, FakeS3
from tests.moto_server import MotoServer
from tests.sidecar.rows import MOTO, Row, shows
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import resolve_all_names, write_aws_file
from tests.sidecar.whole import Wait

Patch = pytest.MonkeyPatch

URI = "s3://bucket/key"


@pytest.fixture
def user(moto: MotoServer, moto_bucket: str, moto_env: Patch) -> Iterator[str]:
    """A user without any right, whose credentials are the environment's; rights count meanwhile."""
    name = f"user-{uuid.uuid4().hex[:12]}"
    moto.put(moto_bucket, "key")
    log_in(moto_env, *moto.user(name))
    with moto.guarded():
        yield name


def log_in(env: Patch, access_key: str, secret_key: str) -> None:
    env.setenv("FLYTE_AWS_ACCESS_KEY_ID", access_key)
    env.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", secret_key)


MISTOLD = "\x1b[31mred"
"""A key that moto's error repeats as it is, which makes it no XML."""


@shows("absent", MOTO)
def test_an_object_that_comes_later_is_waited_for(row: Row, wait: Wait, moto: MotoServer, moto_bucket: str) -> None:
    row.is_shown_by(wait(f"s3://{moto_bucket}/key", {3: lambda: moto.put(moto_bucket, "key")}))


@shows("bucket_missing", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_a_missing_bucket_ends_the_wait(row: Row, wait: Wait) -> None:
    row.is_shown_by(wait("s3://no-such-bucket/key"), "HTTP 404 NoSuchBucket")


@shows("bucket_missing", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_a_bucket_that_is_made_later_is_waited_for_where_asked(row: Row, wait: Wait, moto: MotoServer) -> None:
    name = f"later-{uuid.uuid4().hex[:8]}"

    def make() -> None:
        moto.client().make_bucket(name)
        moto.put(name, "key")

    row.is_waited_out_by(wait(f"s3://{name}/key", {3: make}, on_missing_bucket="wait"))


@shows("forbidden", MOTO)
@pytest.mark.usefixtures("user")
def test_a_user_without_the_right_is_told_which(row: Row, wait: Wait, moto_bucket: str) -> None:
    row.is_shown_by(wait(f"s3://{moto_bucket}/key"), "HTTP 403 AccessDenied", "s3:GetObject on the object")


@shows("forbidden", MOTO)
def test_a_right_that_is_granted_later_is_waited_for_where_asked(
    row: Row, wait: Wait, moto: MotoServer, moto_bucket: str, user: str
) -> None:
    def grant() -> None:
        moto.guard(False)  # the test's own client has no rights, either
        moto.grant(user, "s3:GetObject")
        moto.guard(True)

    row.is_waited_out_by(wait(f"s3://{moto_bucket}/key", {3: grant}, on_forbidden="wait"))


@shows("credentials_missing", MOTO)
def test_without_credentials_nothing_is_asked(row: Row, wait: Wait, moto_bucket: str, moto_env: Patch) -> None:
    moto_env.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    row.is_shown_by(wait(f"s3://{moto_bucket}/key"))


@shows("credentials_unavailable", MOTO)
def test_a_service_for_credentials_that_is_away_is_waited_for(
    row: Row, wait: Wait, moto: MotoServer, moto_bucket: str, moto_env: Patch
) -> None:
    moto.put(moto_bucket, "key")
    moto_env.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    role = {"AccessKeyId": "role", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
    with FakeS3(Answer(503)) as service:
        moto_env.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        comes_back = {3: lambda: service.answer_with(Answer(body=json.dumps(role).encode()))}
        row.is_shown_by(wait(f"s3://{moto_bucket}/key", comes_back))


@shows("credentials_invalid", MOTO)
@pytest.mark.usefixtures("user")
def test_an_access_key_that_nobody_has_is_told(row: Row, wait: Wait, moto_bucket: str, moto_env: Patch) -> None:
    moto_env.setenv("FLYTE_AWS_ACCESS_KEY_ID", "nobody")
    row.is_shown_by(wait(f"s3://{moto_bucket}/key"), "HTTP 403 InvalidAccessKeyId")


@shows("credentials_invalid", MOTO)
@pytest.mark.usefixtures("user")
def test_a_wrong_secret_key_is_told(row: Row, wait: Wait, moto_bucket: str, moto_env: Patch) -> None:
    moto_env.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", "hunter2-hunter2")
    row.is_shown_by(wait(f"s3://{moto_bucket}/key"), "HTTP 403 SignatureDoesNotMatch")


@shows("credentials_renewing", MOTO)
def test_a_user_of_a_file_who_is_replaced_is_waited_for(
    row: Row, wait: Wait, moto: MotoServer, moto_bucket: str, moto_env: Patch
) -> None:
    moto_env.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    first, second = f"first-{moto_bucket}", f"second-{moto_bucket}"
    keys = {name: moto.user(name) for name in (first, second)}
    moto.grant(first, "s3:*")
    moto.grant(second, "s3:*")
    write_aws_file(*keys[first])

    def unguarded(change: Callable[[], object]) -> Callable[[], None]:
        def changing() -> None:
            moto.guard(False)
            change()
            moto.guard(True)

        return changing

    steps: dict[int, Callable[[], object]] = {
        1: unguarded(lambda: moto.iam().delete_access_key(UserName=first, AccessKeyId=keys[first][0])),
        3: unguarded(lambda: moto.put(moto_bucket, "key")),
        4: lambda: write_aws_file(*keys[second]),
    }
    with moto.guarded():
        account = wait(f"s3://{moto_bucket}/key", steps)
    row.is_shown_by(account, "HTTP 403 InvalidAccessKeyId")


@pytest.fixture(scope="module")
def secure(certificates: Certificates) -> Iterator[MotoServer]:
    """A server that speaks TLS, with a certificate for 127.0.0.1."""
    with MotoServer(certificate=certificates.server_file("127.0.0.1")) as server:
        yield server


@shows("tls", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_a_server_of_an_unknown_authority_is_not_trusted(row: Row, wait: Wait, secure: MotoServer) -> None:
    row.is_shown_by(wait(URI, endpoint=secure.endpoint), "CERTIFICATE_VERIFY_FAILED", "--ca-file")


@shows("tls", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_a_server_of_another_name_is_not_trusted(
    row: Row, wait: Wait, secure: MotoServer, certificates: Certificates
) -> None:
    endpoint = f"https://localhost:{secure.port}"
    row.is_shown_by(wait(URI, endpoint=endpoint, ca_file=str(certificates.ca)), "Hostname mismatch")


@shows("tls", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_tls_to_a_server_without_it_is_told(row: Row, wait: Wait, moto: MotoServer) -> None:
    row.is_shown_by(wait(URI, endpoint=f"https://127.0.0.1:{moto.port}"), "WRONG_VERSION_NUMBER")


@shows("dns", MOTO)
def test_a_name_that_nobody_knows_yet_is_found_once_somebody_does(
    row: Row, wait: Wait, moto: MotoServer, moto_bucket: str, moto_env: Patch
) -> None:
    moto.put(moto_bucket, "key")
    named = {3: lambda: resolve_all_names(moto_env)}
    row.is_shown_by(wait(f"s3://{moto_bucket}/key", named, endpoint=f"http://moto.invalid:{moto.port}"), "moto.invalid")


@shows("connection", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_a_server_that_is_stopped_is_waited_for_and_found_again(row: Row, wait: Wait) -> None:
    with MotoServer() as server:
        server.stop()

        def restart() -> None:
            """With the object, which was in its memory."""
            server.start()
            server.client().make_bucket("bucket")
            server.put("bucket", "key")

        row.is_shown_by(wait(URI, {3: restart}, endpoint=server.endpoint), "Connection refused")


@shows("connection", MOTO)
@pytest.mark.usefixtures("moto_env")
def test_a_server_that_hangs_up_on_plain_http_is_one_whose_connection_breaks(
    row: Row, wait: Wait, secure: MotoServer
) -> None:
    """Python's TLS says nothing to who does not speak it: nobody can know more."""
    row.is_shown_by(wait(URI, endpoint=f"http://127.0.0.1:{secure.port}", timeout=5, poll_interval=5))


@shows("timeout", MOTO)
def test_a_server_that_is_frozen_is_waited_for_and_found_again(
    row: Row, wait: Wait, moto: MotoServer, moto_bucket: str
) -> None:
    moto.put(moto_bucket, "key")
    moto.freeze()
    try:
        account = wait(f"s3://{moto_bucket}/key", {3: moto.thaw}, request_timeout=0.5)
    finally:
        moto.thaw()
    row.is_shown_by(account, "timed out")


@shows("malformed_answer", MOTO)
def test_an_error_that_is_no_xml_is_waited_out(row: Row, wait: Wait, moto: MotoServer, moto_bucket: str) -> None:
    account = wait(f"s3://{moto_bucket}/{MISTOLD}", {3: lambda: moto.put(moto_bucket, MISTOLD)})
    row.is_shown_by(account, "ParseError")


@shows("manifest_invalid", MOTO)
def test_a_manifest_that_lists_nothing_known_ends_the_wait(
    row: Row, wait: Wait, moto: MotoServer, moto_bucket: str
) -> None:
    moto.put(moto_bucket, "manifest", b"[]")
    account = wait(f"s3://{moto_bucket}/manifest", match="manifest")
    row.is_shown_by(account, cause="the manifest lists 0 objects", cure="let it list what is to be waited for")
