"""The lean main's way to Flyte's bucket: real servers for what goes well, a fake for what does not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from objectstore_watcher.errors import StoreError
from objectstore_watcher.lean.metadata import PAUSES, MetadataStore, opened

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.servers import AzureServer, MinioServer

PATH = "s3://bucket/metadata/0/outputs.pb"


@pytest.fixture(params=["minio", "azure", "file"])
def prefix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where Flyte keeps its metadata, in each kind of store that it can be."""
    name = f"flyte-{uuid.uuid4().hex[:12]}"
    if request.param == "file":
        return f"{tmp_path}/{name}"
    server: MinioServer | AzureServer = request.getfixturevalue(request.param)
    for variable, value in (server.flyte_env() if isinstance(server, MinioServer) else server.env()).items():
        monkeypatch.setenv(variable, value)
    if isinstance(server, MinioServer):
        server.client().make_bucket(name)
        return f"s3://{name}/propeller"
    server.make_container(name)
    return f"abfs://{name}@{server.ACCOUNT}.dfs.core.windows.net/propeller"


def test_what_is_written_is_read_byte_for_byte_and_a_second_write_replaces_it(prefix: str) -> None:
    store = MetadataStore(f"{prefix}/0/outputs.pb")
    for data in (b"", bytes(range(256)) * 300):
        store.write(f"{prefix}/0/outputs.pb", data)
        assert store.read(f"{prefix}/0/outputs.pb") == data


def test_what_is_not_there_is_said_to_be_missing(prefix: str) -> None:
    store = MetadataStore(f"{prefix}/0/outputs.pb")
    with pytest.raises(StoreError, match=r"inputs.pb: .* not there yet; look for what removes objects"):
        store.read(f"{prefix}/inputs.pb")


def test_google_is_sent_one_put_with_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a fake: fake-gcs-server does not know the API by which obstore writes."""
    key = dict.fromkeys(("client_email", "private_key", "private_key_id"), "") | {"disable_oauth": True}
    with FakeS3(found()) as server:
        monkeypatch.setenv("GOOGLE_BASE_URL", server.endpoint)
        monkeypatch.setenv("OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY", json.dumps(key))
        MetadataStore("gs://bucket/0/outputs.pb").write("gs://bucket/0/outputs.pb", b"outputs")
    (sent,) = server.requests
    assert (sent.method, sent.target) == ("PUT", "/bucket/0%2Foutputs%2Epb")
    assert sent.headers["content-length"] == "7"


def test_a_page_is_stored_as_one_and_a_message_is_not(fake: FakeS3) -> None:
    store = MetadataStore(PATH)
    for name in ("deck.html", "outputs.pb"):
        store.write(f"s3://bucket/0/{name}", b"data")
    assert [each.headers["content-type"] for each in fake.requests] == ["text/html", "application/octet-stream"]


def test_the_variables_of_the_watched_store_are_not_flytes(fake: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, flytes in (("ACCESS_KEY", "ACCESS_KEY_ID"), ("SECRET_KEY", "SECRET_ACCESS_KEY")):
        monkeypatch.setenv(f"MINIO_{variable}", "of-the-watched-store")
        monkeypatch.delenv(f"FLYTE_AWS_{flytes}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    opened.cache_clear()
    with pytest.raises(StoreError, match="no credentials were found"):
        opened(PATH).read(PATH)
    assert fake.requests == []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """A server that Flyte's variables name."""
    with FakeS3(found(b"inputs")) as server:
        for variable, value in server.env().items():
            monkeypatch.setenv(variable, value)
        yield server


@pytest.mark.parametrize("passing", [error(503, "SlowDown"), error(500, "InternalError"), Answer(reset=True)], ids=str)
def test_what_may_pass_is_tried_again_after_growing_pauses(fake: FakeS3, passing: Answer) -> None:
    pauses: list[float] = []
    store = MetadataStore(PATH, sleep=pauses.append)
    fake.answer_with(passing, passing, found())
    store.write(PATH, b"outputs")
    assert [most / 2 <= pause <= most for pause, most in zip(pauses, PAUSES[:2], strict=True)] == [True, True]
    pauses.clear()
    fake.answer_with(passing, passing, found(b"inputs"))
    assert store.read(PATH) == b"inputs"
    assert pauses


def test_what_does_not_pass_ends_in_time(fake: FakeS3) -> None:
    pauses: list[float] = []
    store = MetadataStore(PATH, sleep=pauses.append)
    fake.answer_with(error(503, "SlowDown"))
    with pytest.raises(StoreError, match="the server asks for fewer requests, or is overloaded"):
        store.write(PATH, b"outputs")
    assert len(pauses) == len(PAUSES)
    assert fake.methods == ["PUT"] * (len(PAUSES) + 1)


def test_a_refusal_is_told_at_once_with_the_right_that_is_missing(fake: FakeS3) -> None:
    store = MetadataStore(PATH, sleep=lambda seconds: pytest.fail("it cannot help"))
    fake.answer_with(error(403, "AccessDenied"))
    with pytest.raises(StoreError, match=r"the server refuses to store it .*; grant s3:PutObject on the object"):
        store.write(PATH, b"outputs")
    assert fake.methods == ["PUT"]


def test_a_bucket_in_another_region_is_written_there(fake: FakeS3) -> None:
    store = MetadataStore(PATH, sleep=lambda seconds: pytest.fail("it cannot help"))
    fake.answer_with(error(400, "AuthorizationHeaderMalformed", x_amz_bucket_region="eu-west-1"), found())
    store.write(PATH, b"outputs")
    assert [request.region for request in fake.requests] == ["us-east-1", "eu-west-1"]
