from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import KINDS, Action, StoreError
from objectstore_watcher.stores import KeyPair

from tests.fake_s3 import SILENT, Answer, FakeS3, error, found
from tests.servers import ROOT
from tests.sidecar import metadata_services
from tests.sidecar.tools import Opened, write_aws_file

Environment = pytest.MonkeyPatch

Place = tuple[str, Callable[[Environment], None]]
"""The access key that is there, and how to put it there."""


def opened(server: FakeS3, key_pair: KeyPair | None = None) -> Opened:
    spec = WatchSpec(uri="s3://bucket/key", endpoint=server.endpoint)
    return Opened(spec, key_pair)


def signer(key_pair: KeyPair | None = None) -> str:
    """Whose credentials a look is signed with."""
    with FakeS3(found()) as server:
        opened(server, key_pair).look()
    [request] = server.requests
    return request.access_key


def write_minio_file(env: Environment) -> None:
    file = Path(os.environ["HOME"]) / ".mc" / "config.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"aliases": {"s3": {"accessKey": "from mc's file", "secretKey": "secret"}}}))


def identity(access_key: str, expiration: str = "2999-01-01T00:00:00Z") -> Answer:
    """What a metadata service says."""
    values = {"AccessKeyId": access_key, "SecretAccessKey": "secret", "Token": "token", "Expiration": expiration}
    return Answer(body=json.dumps(values).encode())


def variables(prefix: str, access_key: str = "ACCESS_KEY_ID", secret_key: str = "SECRET_ACCESS_KEY") -> Place:
    def put(env: Environment) -> None:
        env.setenv(prefix + access_key, f"from {prefix}")
        env.setenv(prefix + secret_key, "secret")

    return f"from {prefix}", put


CHAIN: list[Place] = [
    variables("OBJECTSTORE_WATCHER_"),
    variables("FLYTE_AWS_"),
    variables("AWS_"),
    variables("MINIO_", "ACCESS_KEY", "SECRET_KEY"),
    ("from AWS's file", lambda env: write_aws_file("from AWS's file")),
    ("from mc's file", write_minio_file),
]
"""In the order of design.md; the metadata services, which are the last, follow below."""


@pytest.mark.parametrize("place", range(len(CHAIN)), ids=[name for name, _ in CHAIN])
def test_the_first_place_in_the_chain_wins_over_all_that_follow(place: int, monkeypatch: Environment) -> None:
    with FakeS3(identity("from the metadata service")) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        for _, put in CHAIN[place:]:
            put(monkeypatch)
        assert signer() == CHAIN[place][0]
        assert service.requests == []


def test_credentials_that_are_given_win_over_all_others(monkeypatch: Environment) -> None:
    for _, put in CHAIN:
        put(monkeypatch)
    assert signer(("given", "secret")) == "given"


def test_the_metadata_service_is_the_last_place(monkeypatch: Environment) -> None:
    with FakeS3(identity("from the metadata service")) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        assert signer() == "from the metadata service"


@pytest.mark.parametrize("variable", ["FLYTE_AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_is_passed_over(variable: str, monkeypatch: Environment) -> None:
    monkeypatch.setenv(variable, "half")
    write_aws_file("whole")
    assert signer() == "whole"


@pytest.mark.parametrize("prefix", ["OBJECTSTORE_WATCHER_", "FLYTE_AWS_", "AWS_"])
def test_a_session_token_is_sent_along(prefix: str, monkeypatch: Environment) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(prefix + name, f"{prefix}{name}")
    with FakeS3(found()) as server:
        opened(server).look()
    assert server.requests[0].headers["x-amz-security-token"] == f"{prefix}SESSION_TOKEN"


def test_rotated_credentials_in_a_file_are_used_from_the_next_look_on() -> None:
    write_aws_file("first")
    with FakeS3(found()) as server:
        store = opened(server)
        store.look()
        store.look()
        write_aws_file("second")
        store.look()
    assert [request.access_key for request in server.requests] == ["first", "first", "second"]


def test_a_file_that_is_gone_gives_way_to_the_next_place(monkeypatch: Environment) -> None:
    write_aws_file("from AWS's file")
    with FakeS3(found()) as server:
        store = opened(server)
        store.look()
        (Path(os.environ["HOME"]) / ".aws" / "credentials").unlink()
        write_minio_file(monkeypatch)
        store.look()
    assert [request.access_key for request in server.requests] == ["from AWS's file", "from mc's file"]


def test_another_file_and_profile_can_be_named(tmp_path: Path, monkeypatch: Environment) -> None:
    write_aws_file("here", profile="watcher")
    (Path(os.environ["HOME"]) / ".aws" / "credentials").rename(tmp_path / "mounted")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "mounted"))
    monkeypatch.setenv("AWS_PROFILE", "watcher")
    assert signer() == "here"


def test_credentials_of_a_role_are_kept_until_they_expire_and_then_renewed(monkeypatch: Environment) -> None:
    with (
        FakeS3(identity("first", "2001-01-01T00:00:00Z"), identity("second"), identity("never")) as service,
        FakeS3(found()) as server,
    ):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        store = opened(server)
        for _ in range(4):
            store.look()
    assert [request.access_key for request in server.requests] == ["first", "second", "second", "second"]


@pytest.mark.parametrize(
    "content",
    [
        "aws_access_key_id = hunter2",
        "[default]\naws_access_key_id = hunter2\naws_secret_access_key = hunter2%hunter2\n",
        "[default]\naws_access_key_id = hunter2\n",
        "[other]\naws_access_key_id = hunter2\naws_secret_access_key = hunter2\n",
        "\x00\xff",
    ],
)
def test_a_file_that_cannot_be_read_is_passed_over_and_never_repeated(content: str, monkeypatch: Environment) -> None:
    write_aws_file("placeholder")
    (Path(os.environ["HOME"]) / ".aws" / "credentials").write_text(content)
    (Path(os.environ["HOME"]) / ".mc").mkdir()
    (Path(os.environ["HOME"]) / ".mc" / "config.json").write_text('["hunter2"]')
    assert "hunter2" not in str(missing())
    write_minio_file(monkeypatch)
    assert signer() == "from mc's file"


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(body=b"hunter2"), Answer(body=b"[]"), Answer(body=b"{}"), Answer(raw=b"")]
)
def test_a_credentials_service_that_fails_may_come_back_and_what_it_said_is_not_repeated(
    answer: Answer, monkeypatch: Environment
) -> None:
    with FakeS3(answer) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        assert "hunter2" not in str(failing("credentials_unavailable"))
        assert len(service.requests) == 1


def test_a_credentials_service_that_fails_at_the_renewal_is_waited_for(monkeypatch: Environment) -> None:
    identity = {
        "AccessKeyId": "role",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": "2000-01-01T00:00:00Z",  # so that each look renews
    }
    with FakeS3(Answer(body=json.dumps(identity).encode()), Answer(503)) as service, FakeS3(found()) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        store = opened(server)
        assert store.look()
        with pytest.raises(StoreError) as failure:
            store.look()
    assert failure.value.kind.action is Action.BACK_OFF
    assert failure.value.kind.label == "credentials_unavailable"


@pytest.mark.parametrize(("status", "code"), [(400, "ExpiredToken"), (403, "InvalidAccessKeyId")])
def test_credentials_that_worked_and_may_be_renewed_are_waited_for(status: int, code: str) -> None:
    """The old key is withdrawn before the new one is in the file, as when a mounted Secret lags behind."""
    write_aws_file("first")
    with FakeS3(found()) as server:
        store = opened(server)
        assert store.look()
        server.refused["first"] = error(status, code)
        with pytest.raises(StoreError, match="credentials that worked before are refused") as refused:
            store.look()
        write_aws_file("second")
        assert store.look()
    assert refused.value.kind is KINDS["credentials_renewing"]
    assert f"HTTP {status} {code}" in str(refused.value)


def test_credentials_that_never_worked_are_not_waited_for() -> None:
    write_aws_file("first")
    with FakeS3(error(400, "ExpiredToken")) as server, pytest.raises(StoreError) as refused:
        opened(server).look()
    assert refused.value.kind is KINDS["credentials_expired"]


def test_credentials_of_variables_cannot_be_renewed_and_are_not_waited_for(monkeypatch: Environment) -> None:
    variables("FLYTE_AWS_")[1](monkeypatch)
    with FakeS3(found()) as server:
        store = opened(server)
        assert store.look()
        server.refused["from FLYTE_AWS_"] = error(400, "ExpiredToken")
        with pytest.raises(StoreError) as refused:
            store.look()
    assert refused.value.kind is KINDS["credentials_expired"]


def jwt(**claims: object) -> str:
    """A JSON Web Token as MinIO's session tokens are."""
    return f"header.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.signature"


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (jwt(exp=32503680000), "credentials_invalid"),
        (jwt(exp=1000000000), "credentials_expired"),
        (jwt(exp=1000000000, parent="us"), "credentials_expired"),
        (jwt(parent="user"), "credentials_invalid"),
        (jwt(exp="yesterday"), "credentials_invalid"),
        ("a.b.c", "credentials_invalid"),
        ("FwoGZXIvYXdzEBYaDA", "credentials_invalid"),
    ],
    ids=["to come", "over", "over, of another length", "no end", "no number", "no JSON", "of AWS"],
)
def test_a_refused_session_whose_token_says_that_it_is_over_has_expired(
    token: str, kind: str, monkeypatch: Environment
) -> None:
    """MinIO tells a session that is over from a key that never was as little as a wrong one."""
    variables("FLYTE_AWS_")[1](monkeypatch)
    monkeypatch.setenv("FLYTE_AWS_SESSION_TOKEN", token)
    with FakeS3(error(403, "InvalidAccessKeyId")) as server, pytest.raises(StoreError) as refused:
        opened(server).look()
    assert refused.value.kind is KINDS[kind]


def test_a_credentials_service_cannot_fill_the_memory(monkeypatch: Environment) -> None:
    with FakeS3(Answer(body=b"x" * 65537)) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        failing("credentials_unavailable")


def missing() -> StoreError:
    return failing("credentials_missing")


def failing(kind: str) -> StoreError:
    with FakeS3(found()) as server, pytest.raises(StoreError) as failure:
        opened(server).look()
    assert failure.value.kind.label == kind
    assert server.requests == []
    return failure.value


def can_unshare() -> bool:
    tools = shutil.which("ip") and shutil.which("unshare")
    return bool(tools) and subprocess.run(["unshare", "--net", "--mount", "true"], check=False).returncode == 0


IN_A_NETWORK = pytest.mark.skipif(not can_unshare(), reason="needs root, unshare and ip for a network namespace")

TOKEN, ROLES = "PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/"

ONE_ROLE = ROLES + "role-name"


def told_in_a_network(service: str, directory: Path, env: Environment) -> object:
    """What `tests.sidecar.metadata_services` prints."""
    env.delenv("AWS_EC2_METADATA_DISABLED")
    python = [sys.executable, "-m", "tests.sidecar.metadata_services", service, str(directory)]
    command = ["unshare", "--net", "--mount", *python]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60).stdout)


@IN_A_NETWORK
@pytest.mark.parametrize(
    ("service", "told"),
    [
        ("irsa", ["POST /"]),
        ("ecs", ["GET /v2/credentials"]),
        ("ec2", [TOKEN, ROLES, ONE_ROLE]),
        ("ec2 that breaks once", [TOKEN, TOKEN, ROLES, ONE_ROLE]),
    ],
)
def test_a_role_is_taken_from_the_services_of_aws(
    service: str, told: list[str], tmp_path: Path, monkeypatch: Environment
) -> None:
    assert told_in_a_network(service, tmp_path, monkeypatch) == [["role-key", "role-token"], told]


@IN_A_NETWORK
@pytest.mark.parametrize(
    ("service", "kind", "told"),
    [
        ("ec2 that fails", "credentials_unavailable", [TOKEN]),
        ("ec2 that fails later", "credentials_unavailable", [TOKEN, ROLES, ONE_ROLE]),
        ("ec2 that is busy", "credentials_unavailable", [TOKEN, ROLES]),
        ("ec2 that breaks later", "credentials_unavailable", [TOKEN, ROLES, ROLES]),
        ("ec2 that breaks", "credentials_missing", [TOKEN, TOKEN]),
        ("ec2 without a role", "credentials_missing", [TOKEN, ROLES]),
        ("ec2 that is off", "credentials_missing", [TOKEN]),
        (metadata_services.NOBODY, "credentials_missing", []),
        (metadata_services.BLACK_HOLE, "credentials_missing", []),
    ],
)
def test_a_metadata_service_that_fails_is_waited_for_and_one_that_is_not_there_is_not(
    service: str, kind: str, told: list[str], tmp_path: Path, monkeypatch: Environment
) -> None:
    """A black hole, too, is soon known for what it is, however long a look may take."""
    assert told_in_a_network(service, tmp_path, monkeypatch) == [kind, told]


def test_a_credentials_service_that_hangs_is_broken_off_with_the_look(monkeypatch: Environment) -> None:
    """Else the next looks would wait for it, too, for the time-out of such services."""
    with FakeS3(SILENT) as service, FakeS3(found()) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        store = Opened(WatchSpec(uri="s3://bucket/key", endpoint=server.endpoint, request_timeout=2))
        with pytest.raises(StoreError, match="timed out"):
            store.look()
        service.answer_with(identity("in time"))
        assert store.look()
    assert [request.access_key for request in server.requests] == ["in time"]
