"""Mistakes of people who use this for the first time: refused at once, or told in words that help."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from objectstore_watcher.advice import advice
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument, StoreError
from objectstore_watcher.exits import Exit

from tests.fake_s3 import FakeS3, error
from tests.servers import MinioServer
from tests.sidecar.conftest import Start
from tests.sidecar.tools import One, Opened

URI = "s3://bucket/key"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Credentials of nobody."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "AWS_REGION",
            "us-east-1\n",
            r"AWS_REGION: 'us-east-1\n' is no region; write it as in us-east-1, without white",
        ),
        ("AWS_ENDPOINT_URL", "foo", "AWS_ENDPOINT_URL: is not the URL of a server; write http://host:port"),
        ("MINIO_ENDPOINT", "http://h:1\n", r"MINIO_ENDPOINT: 'http://h:1\n' is not the URL of a server; remove the"),
        ("AWS_ENDPOINT_URL", "http://a:hunter2@h", "AWS_ENDPOINT_URL: is not the URL of a server"),
    ],
)
def test_a_variable_that_cannot_be_right_is_refused_before_the_first_request(
    name: str, value: str, told: str, keys: pytest.MonkeyPatch
) -> None:
    keys.setenv(name, value)
    with pytest.raises(InvalidArgument) as refused:
        Opened(WatchSpec(uri=URI))
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("region", ["us-east-1\n", "no region", "-", "x" * 64])
def test_a_region_that_cannot_be_is_refused(region: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^--region \(region\): .* is no region"):
        WatchSpec(uri=URI, region=region)


def test_an_etag_in_capitals_is_the_same(minio: MinioServer, bucket: str, start: Start) -> None:
    etag = minio.client().put_object(bucket, "key", io.BytesIO(b"12345"), 5).etag
    assert etag
    told = start(f"s3://{bucket}/key", f"--etag={etag.upper()}", "--timeout=5s", **minio.flyte_env()).end()
    assert told[0] == Exit.READY, told


@pytest.mark.parametrize("option", ["--region=x", "--endpoint=http://x", "--ca-file=x"])
def test_what_means_nothing_for_a_file_is_refused(start: Start, tmp_path: Path, option: str) -> None:
    code, told = start(tmp_path / "file", option).end()
    assert (code, "means nothing here: the path is a file; leave it out" in told) == (Exit.USAGE, True)


@pytest.mark.parametrize("written", ["2026-13-01", "now", "x", timedelta(hours=-1)])
def test_what_is_neither_a_time_nor_an_age_is_told_what_both_look_like(written: Any) -> None:  # noqa: ANN401
    told = r"is neither a time nor an age; write 2026-06-01T12:00:00Z, or an age such as 1h$"
    with pytest.raises(InvalidArgument, match=told):
        WatchSpec(uri=URI, newer_than=written)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AWS_ACCESS_KEY_ID": "a"}, "found: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not; set FLYTE_"),
        ({"MINIO_SECRET_KEY": "a"}, "found: MINIO_SECRET_KEY is set, and MINIO_ACCESS_KEY is not; set"),
        ({"AWS_PROFILE": "nope"}, "found, nor keys of the profile that AWS_PROFILE names; set"),
        ({"MINIO_ROOT_USER": "a", "MINIO_ROOT_PASSWORD": "b"}, "found: of MINIO_ROOT_USER, none are taken; set"),
        ({}, "no credentials were found; set FLYTE_AWS_*"),
    ],
)
def test_what_looks_like_credentials_and_is_none_is_named(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError) as failed:
        Opened(WatchSpec(uri=URI)).look()
    assert told in str(failed.value)


class TestAtMinio:
    @pytest.fixture(autouse=True)
    def server(self, minio: MinioServer, bucket: str, flyte_env: dict[str, str]) -> None:
        self.minio, self.bucket = minio, bucket

    def told(self, key: str, **options: str) -> str:
        with pytest.raises(StoreError) as failed:
            One(Opened(WatchSpec(uri=f"s3://{self.bucket}/{key}", **options))).look()  # type: ignore[arg-type]
        return str(failed.value)

    def test_a_version_that_is_none_is_named(self) -> None:
        self.minio.client().set_bucket_versioning(self.bucket, VersioningConfig(ENABLED))
        self.minio.client().put_object(self.bucket, "key", io.BytesIO(b"1"), 1)
        assert "correct --version-id (version_id): 'x' is no version of this server" in self.told("key", version_id="x")

    @pytest.mark.parametrize("key", ["m//m/p1", "x" * 256])
    def test_a_key_that_minio_does_not_take_is_named(self, key: str) -> None:
        told = self.told(key)
        assert f"; correct the key '{key[:7]}" in told
        assert "MinIO takes none of which a part is empty or has more than 255 bytes" in told

    def test_a_session_token_that_is_wrong_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            monkeypatch.setenv(f"OBJECTSTORE_WATCHER_{name}", self.minio.flyte_env()[f"FLYTE_AWS_{name}"])
        monkeypatch.setenv("OBJECTSTORE_WATCHER_SESSION_TOKEN", "wrong")
        assert "; correct the session token, or remove it: long-lived keys have none" in self.told("key")


@pytest.mark.parametrize(
    ("uri", "flag"),
    [
        ("s3://bucket/k1", "k1"),
        ("s3://bucket/k1", "s3://bucket/k1"),
        ("k1", "k1"),
        ("/data/k1", "k1"),
        (["s3://bucket/day/part-1", "s3://bucket/day/_SUCCESS"], "_SUCCESS"),
        (["s3://bucket/part-1", "s3://bucket/day/done"], "day/done"),
    ],
)
def test_a_flag_that_is_the_path_itself_is_refused(uri: str | list[str], flag: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^--flag \(flag\): '.*(k1|_SUCCESS|done)' is the path itself"):
        WatchSpec(uri=uri if isinstance(uri, str) else tuple(uri), flag=flag)


@pytest.mark.parametrize(
    ("uri", "flag"), [("s3://bucket/a/k1", "b/k1"), ("s3://bucket/a/k1", "s3://bucket/k1"), ("s3://bucket/x-k1", "k1")]
)
def test_a_flag_of_another_name_or_place_is_taken(uri: str, flag: str) -> None:
    assert WatchSpec(uri=uri, flag=flag).flag == flag


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (
            "s3://bucket/a/*.csv",
            "'s3://bucket/a/*.csv' is taken as it stands: for a pattern, add --match=glob (match=)",
        ),
        ("bucket/k1", "'bucket/k1' is taken for a file of this machine: for an object, write s3://bucket/k1"),
    ],
)
def test_a_path_that_may_be_meant_otherwise_is_advised_about(uri: str, told: str) -> None:
    assert advice(WatchSpec(uri=("s3://bucket/one", uri) if uri.startswith("s3:") else uri)) == told


@pytest.mark.parametrize("uri", ["s3://bucket/a", "./bucket/k1", "../k1", "k1", "/bucket/k1", "http://h/a?b=*"])
def test_no_other_path_is_advised_about(uri: str) -> None:
    assert advice(WatchSpec(uri=uri)) == ""


def test_no_pattern_is_advised_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert advice(WatchSpec(uri="s3://bucket/*", match="glob")) == ""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert advice(WatchSpec(uri="folder/k1")) == ""


def test_the_advice_is_in_the_log_and_in_the_error_at_the_deadline(
    minio: MinioServer, bucket: str, start: Start
) -> None:
    # Room for a first look on a busy machine: one that is cut short ends in another error.
    code, told = start(
        f"s3://{bucket}/*.csv", "--timeout=3", "--poll-interval=3", "--detection=poll", **minio.flyte_env()
    ).end()
    assert code == Exit.DEADLINE
    assert told.count("is taken as it stands: for a pattern, add --match=glob") == 2
    assert "in 2 looks; " in told or "in 3 looks; " in told


@pytest.mark.parametrize("policy", ["on_forbidden", "on_missing_bucket"])
def test_what_is_done_already_is_not_advised(minio: MinioServer, bucket: str, start: Start, policy: str) -> None:
    flag = f"--{policy.replace('_', '-')}=wait"
    with FakeS3(error(403, "AccessDenied") if policy == "on_forbidden" else error(404, "NoSuchBucket")) as server:
        flags = ["--timeout=0.1", f"--endpoint={server.endpoint}"]
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        code, told = start(URI, flag, *flags, **keys).end()
    assert (code, flag in told) == (Exit.DEADLINE, False)


def test_an_object_that_the_server_does_not_take_is_told_with_its_manifest(
    minio: MinioServer, bucket: str, start: Start
) -> None:
    name = "x" * 256  # MinIO keeps each part of a key as a file
    minio.put(bucket, "m/list", f"{name}\n".encode())
    code, told = start(f"s3://{bucket}/m/list", "--match=manifest", "--timeout=5s", **minio.flyte_env()).end()
    assert code == Exit.REFUSED
    assert f"s3://{bucket}/m/list: s3://{bucket}/m/{name}: " in told


@pytest.mark.parametrize("flag", ["s3://bucket/", "s3://b/k"])
def test_a_flag_that_cannot_be_is_told_as_such(flag: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"^--flag \(flag\): '{flag}': "):
        WatchSpec(uri=URI, flag=flag)


def test_json_can_come_from_the_environment(start: Start, tmp_path: Path) -> None:
    out, _ = start(tmp_path / "no", "--timeout=0.1", OBJECTSTORE_WATCHER_JSON="true").process.communicate(timeout=30)
    assert '"state": "failed"' in out
    out, _ = start("s3:/typo", OBJECTSTORE_WATCHER_JSON="true").process.communicate(timeout=30)
    assert '"state": "failed"' in out


def test_the_command_takes_a_pattern_that_is_longer_than_a_key(minio: MinioServer, bucket: str, start: Start) -> None:
    minio.put(bucket, "a" * 200)
    code, told = start(f"s3://{bucket}/{'[aaaaaa]' * 200}", "--match=glob", "--timeout=5s", **minio.flyte_env()).end()
    assert code == Exit.READY, told


@pytest.mark.parametrize("endpoint", ["foo", "http://a:b@h", "http://127.0.0.1:1\n"])
def test_the_command_says_which_variable_is_wrong(start: Start, endpoint: str) -> None:
    out, told = start(URI, "--json", AWS_ENDPOINT_URL=endpoint).process.communicate(timeout=30)
    assert "AWS_ENDPOINT_URL" in told
    assert '"state": "failed"' in out
