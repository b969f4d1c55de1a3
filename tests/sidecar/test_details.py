"""User metadata, tags and checksums: on MinIO, by the whole wait; and what each look asks."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.commonconfig import ENABLED, Tags
from minio.versioningconfig import VersioningConfig
from objectstore_watcher import cli, closer
from objectstore_watcher.contract import Ready, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, InvalidArgument, StoreError, TooManyObjects
from objectstore_watcher.watch import Polled, Requested, watch

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.servers import MinioServer
from tests.sidecar.test_s3 import limited_user
from tests.sidecar.tools import Diary, VirtualTime, highest

OWNER = {"owner": "etl"}
PASSED = {"quality": "passed"}
SHA256 = hashlib.sha256(b"data").hexdigest()


class Seen:
    """How a wait ended, and what it asked and found wrong on the way."""

    def __init__(self, uri: str | list[str], time: VirtualTime, **options: object) -> None:
        diary = Diary()
        request = time.request(uri, poll_interval=10, **options)  # type: ignore[arg-type]
        try:
            self.ready: Ready | None = watch(
                request, stop=time, observe=diary.append, clock=time.clock, uniform=highest
            )
        except DeadlineExceeded as late:
            self.ready = None
            self.error = str(late)
        self.unmet = [each.unmet for each in diary if isinstance(each, Polled)]
        self.looks: list[list[str]] = [[]]
        for each in diary:
            if isinstance(each, Requested):
                self.looks[-1].append(each.operation)
            elif isinstance(each, Polled):
                self.looks.append([])
        self.looks.pop()


class TestOnMinio:
    @pytest.fixture(autouse=True)
    def server(self, minio: MinioServer, bucket: str, flyte_env: dict[str, str]) -> None:
        self.minio, self.bucket = minio, bucket
        self.uri = f"s3://{bucket}/key"

    def put(
        self, key: str = "key", data: bytes = b"data", metadata: Mapping[str, str] | None = None, **tags: str
    ) -> None:
        of_minio = Tags.new_object_tags()
        of_minio.update(tags)
        self.minio.client().put_object(
            self.bucket,
            key,
            io.BytesIO(data),
            len(data),
            metadata=dict(metadata) if metadata else None,
            tags=of_minio if tags else None,
        )

    def tag(self, key: str = "key", **tags: str) -> Callable[[], None]:
        def set_tags() -> None:
            of_minio = Tags.new_object_tags()
            of_minio.update(tags)
            self.minio.client().set_object_tags(self.bucket, key, of_minio)

        return set_tags

    def test_metadata_comes_with_the_head(self) -> None:
        self.put(metadata={"owner": "web"})
        time = VirtualTime(at_pause={1: lambda: self.put(metadata={"Owner": "etl"})})
        seen = Seen(self.uri, time, user_metadata={"X-Amz-Meta-OWNER": "etl"})
        assert seen.unmet == ["the object lacks the metadata owner=etl", ""]
        assert seen.looks == [["head"], ["head"]]

    def test_tags_cost_a_request_once_everything_else_is_right(self) -> None:
        self.put(data=b"")
        time = VirtualTime(at_pause={1: self.put, 2: self.tag(quality="failed"), 3: self.tag(quality="passed")})
        seen = Seen(self.uri, time, tags=PASSED, min_size=1)
        lacks = "the object lacks the tag quality=passed"
        assert seen.unmet == ["the object has 0 of at least 1 bytes", lacks, lacks, ""]
        assert seen.looks == [["head"], ["head", "tags"], ["head", "tags"], ["head", "tags"]]

    def test_who_does_not_ask_for_them_pays_nothing(self) -> None:
        self.put(metadata=OWNER, quality="passed")
        assert Seen(self.uri, VirtualTime()).looks == [["head"]]

    def test_metadata_of_a_pattern_is_asked_for_once_of_what_passes_the_rest(self) -> None:
        for name, size in (("a", 1), ("b", 5), ("c", 5)):
            self.put(f"day/{name}", b"x" * size, metadata={"owner": "web"})
        later: dict[int, Callable[[], object]] = {4: lambda: self.put("day/c", b"y" * 5, metadata=OWNER)}
        seen = Seen(
            f"s3://{self.bucket}/day/*", VirtualTime(at_pause=later), match="glob", min_size=5, user_metadata=OWNER
        )
        assert seen.ready
        assert [each.uri for each in seen.ready.objects] == [f"s3://{self.bucket}/day/c"]
        # Twice, since a second write within one second would leave no sign; then no more, until it is written again.
        twice = [["list", "head", "head"]] * 2
        assert seen.looks == [*twice, ["list"], ["list"], ["list", "head"]]
        assert seen.unmet[0] == "0 of at least 1 objects; 'day/a' has 1 of at least 5 bytes"

    def test_tags_of_a_pattern_are_asked_for_at_each_look(self) -> None:
        for name in "ab":
            self.put(f"day/{name}", metadata=OWNER)
        self.put("day/c")
        time = VirtualTime(at_pause={2: self.tag("day/b", quality="passed")})
        seen = Seen(f"s3://{self.bucket}/day/*", time, match="glob", user_metadata=OWNER, tags=PASSED)
        assert seen.ready
        assert [each.uri[-1] for each in seen.ready.objects] == ["b"]
        assert [look.count("tags") for look in seen.looks] == [2, 2, 2]
        assert seen.unmet[0] == "0 of at least 1 objects; 'day/a' lacks the tag quality=passed"

    def test_many_paths_that_a_listing_told_of_are_asked_for_their_metadata(self) -> None:
        uris = [f"s3://{self.bucket}/many/{n:02}" for n in range(20)]
        for n in range(20):
            self.put(f"many/{n:02}", metadata=OWNER if n != 7 else None)
        time = VirtualTime(at_pause={1: lambda: self.put("many/07", metadata=OWNER)})
        seen = Seen(uris, time, user_metadata=OWNER)
        assert seen.ready
        assert len(seen.ready.objects) == 20
        assert seen.looks[0].count("head") == 20
        assert seen.unmet[0] == f"19 of 20 objects are there; '{uris[7]}': the object lacks the metadata owner=etl"

    @pytest.mark.parametrize(("options", "tells"), [({"user_metadata": OWNER}, True), ({"tags": PASSED}, False)])
    def test_of_a_pattern_the_version_is_told_where_metadata_is_asked_for(
        self, options: Mapping[str, Mapping[str, str]], tells: bool
    ) -> None:
        self.minio.client().set_bucket_versioning(self.bucket, VersioningConfig(ENABLED))
        self.put("day/a", metadata=OWNER, quality="passed")
        version = self.minio.client().stat_object(self.bucket, "day/a").version_id
        seen = Seen(f"s3://{self.bucket}/day/*", VirtualTime(), match="glob", **options)
        assert seen.ready
        assert version
        assert [each.version_id for each in seen.ready.objects] == [version if tells else ""]

    def test_more_objects_than_can_be_asked_for_are_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(closer, "MOST_ASKED", 2)
        for name in "abc":
            self.put(f"day/{name}")
        with pytest.raises(TooManyObjects, match="3 objects would have to be asked for their metadata or tags; at"):
            Seen(f"s3://{self.bucket}/day/*", VirtualTime(), match="glob", tags=PASSED)

    def test_without_leave_to_read_tags_the_message_says_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(quality="passed")
        user, secret = limited_user(self.minio, "s3:GetObject", self.bucket)
        monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", user)
        monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", secret)
        with pytest.raises(StoreError) as refused:
            Seen(self.uri, VirtualTime(), tags=PASSED)
        assert refused.value.kind.label == "forbidden"
        assert "the server refuses access to the object's tags" in str(refused.value)
        assert "grant s3:GetObjectTagging on the object, or wait without tags" in str(refused.value)
        seen = Seen(self.uri, VirtualTime(), tags=PASSED, on_forbidden="wait", timeout=30)
        assert "GetObjectTagging" in seen.error

    def boto(self) -> Any:  # noqa: ANN401  # boto3 makes its clients' classes when it runs
        keys = {"aws_access_key_id": self.minio.ACCESS_KEY, "aws_secret_access_key": self.minio.SECRET_KEY}
        return boto3.client("s3", endpoint_url=self.minio.endpoint, region_name="us-east-1", **keys)

    def put_with_checksum(self, data: bytes) -> Callable[[], object]:
        told = base64.b64encode(hashlib.sha256(data).digest()).decode()
        return lambda: self.boto().put_object(Bucket=self.bucket, Key="key", Body=data, ChecksumSHA256=told)

    @pytest.mark.parametrize("written", [SHA256, SHA256.upper(), base64.b64encode(bytes.fromhex(SHA256)).decode()])
    def test_the_checksum_must_be_the_one_that_was_stored(self, written: str) -> None:
        self.put()
        time = VirtualTime(at_pause={1: self.put_with_checksum(b"other"), 2: self.put_with_checksum(b"data")})
        seen = Seen(self.uri, time, sha256=written)
        assert seen.unmet == [
            "the object was stored without a SHA-256 of its whole content: upload it at once, with that checksum",
            f"the object has the SHA-256 {hashlib.sha256(b'other').hexdigest()}, not {SHA256}",
            "",
        ]
        assert seen.looks == [["head"]] * 3

    def test_the_checksum_of_an_upload_in_parts_is_none_of_its_content(self) -> None:
        client = self.boto()
        upload = client.create_multipart_upload(Bucket=self.bucket, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
        where = {"Bucket": self.bucket, "Key": "key", "UploadId": upload}
        part = client.upload_part(**where, PartNumber=1, Body=b"data", ChecksumAlgorithm="SHA256")
        told = {"ETag": part["ETag"], "PartNumber": 1, "ChecksumSHA256": part["ChecksumSHA256"]}
        client.complete_multipart_upload(**where, MultipartUpload={"Parts": [told]})
        seen = Seen(self.uri, VirtualTime(), sha256=SHA256, timeout=10)
        assert "was stored without a SHA-256 of its whole content" in seen.unmet[0]


class TestOnAFake:
    """What MinIO cannot be made to show."""

    @pytest.fixture(autouse=True)
    def credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def test_an_object_that_goes_before_its_tags_are_read_is_waited_for(self) -> None:
        tags = b"<Tagging><TagSet><Tag><Key>quality</Key><Value>passed</Value></Tag></TagSet></Tagging>"
        script = [found(), error(404, "NoSuchKey"), found(), Answer(200, {}, tags)]
        with FakeS3(*script) as server:
            seen = Seen("s3://bucket/key", VirtualTime(), endpoint=server.endpoint, tags=PASSED)
            assert seen.unmet == ["the object is gone", ""]
            assert server.requests[-1].target == "/bucket/key?tagging="

    def test_an_object_that_is_written_between_its_listing_and_its_head_is_looked_at_again(self) -> None:
        def page(etag: str) -> Answer:
            entry = (
                f"<Key>key</Key><Size>4</Size><ETag>{etag}</ETag><LastModified>2026-06-01T12:00:00.000Z</LastModified>"
            )
            listed = f"<Name>bucket</Name><IsTruncated>false</IsTruncated><Contents>{entry}</Contents>"
            body = f"<ListBucketResult>{listed}</ListBucketResult>"
            return Answer(200, {"Content-Type": "application/xml"}, body.encode())

        new = found(x_amz_meta_owner="etl")
        with FakeS3(page("old"), new, page(new.headers["ETag"].strip('"')), new) as server:
            seen = Seen(
                "s3://bucket/k*", VirtualTime(), endpoint=server.endpoint, match="glob", user_metadata=OWNER, timeout=15
            )
        assert seen.unmet[0] == "0 of at least 1 objects; 'key' is just being written again"
        assert seen.ready
        assert seen.ready.polls == 2

    def test_the_checksum_is_asked_for_only_where_it_is_wanted(self) -> None:
        with FakeS3(found()) as server:
            Seen("s3://bucket/key", VirtualTime(), endpoint=server.endpoint)
            assert "x-amz-checksum-mode" not in {name.lower() for name in server.requests[0].headers}
            Seen("s3://bucket/key", VirtualTime(), endpoint=server.endpoint, sha256=SHA256, timeout=10)
            assert server.requests[1].headers["x-amz-checksum-mode"] == "ENABLED"

    @pytest.mark.parametrize(
        "garbage", [b"<Tagging>", b"no XML", b"\xff\xfe", b"<Tagging><TagSet><Tag/></TagSet></Tagging>"]
    )
    def test_tags_that_are_none_are_an_answer_that_is_malformed(self, garbage: bytes) -> None:
        with FakeS3(found(), Answer(200, {}, garbage), found()) as server:
            seen = Seen("s3://bucket/key", VirtualTime(), endpoint=server.endpoint, tags=PASSED, timeout=10)
            assert "not one that its API is known to give" in seen.error


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tags": {"a": 1}}, "--tags (tags): 'a': 1 is no text; give strings"),
        ({"tags": "quality"}, "--tags (tags): 'quality' is no pair; write NAME=VALUE"),
        ({"tags": 5}, '--tags (tags): is a int; give a dict: {"name": "value"}'),
        ({"tags": {f"{n}": "" for n in range(11)}}, "11 are more than an object can have; use 10 at most"),
        ({"tags": {"k" * 129: "v"}}, "no object can have it"),
        ({"tags": {"": "v"}}, "'': no object can have it"),
        ({"tags": {"a=b": "v"}}, "'a=b': no object can have it"),
        ({"tags": {"a": "line\nbreak"}}, "'a': no object can have it"),
        ({"tags": ["a=1", "a=2"]}, "names one twice"),
        ({"user_metadata": {"Owner": "a", "owner": "b"}}, "names one twice"),
        ({"user_metadata": {"two words": "a"}}, "a header cannot have this name or value"),
        ({"user_metadata": {"owner": " etl"}}, "a header cannot have this name or value"),
        ({"user_metadata": {"owner": "über"}}, "use ASCII, without space at the ends"),
        ({"user_metadata": OWNER, "absent": True}, "--absent (absent): cannot be had with user_metadata"),
        ({"tags": PASSED, "uri": "/a/file"}, "--tags (tags): is of objects in S3, and the path is elsewhere"),
        ({"sha256": SHA256, "uri": "/a/file"}, "--sha256 (sha256): is of objects in S3, and the path is elsewhere"),
        ({"sha256": "abc"}, "--sha256 (sha256): 'abc' is no SHA-256; give 64 hexadecimal digits, or base64"),
        ({"sha256": "x" * 64}, "is no SHA-256"),
        ({"sha256": 5}, "--sha256 (sha256): is a int"),
        ({"sha256": SHA256, "match": "glob"}, "--sha256 (sha256): is of one object, and the path stands for several"),
    ],
)
def test_what_no_object_can_have_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        WatchSpec(**{"uri": "s3://bucket/key", **options})
    assert told in str(refused.value)


TAG_TEXT = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="="), min_size=1, max_size=20)
NAMES = st.from_regex(r"[a-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)
VALUES = st.from_regex(r"([!-~]([ -~]{0,20}[!-~])?)?", fullmatch=True)


@given(st.dictionaries(TAG_TEXT, TAG_TEXT, max_size=10), st.dictionaries(NAMES, VALUES, max_size=10))
def test_they_are_the_same_after_the_command_line_and_the_environment(
    tags: dict[str, str], metadata: dict[str, str]
) -> None:
    spec = WatchSpec(uri="s3://bucket/key", tags=tags, user_metadata=metadata)  # type: ignore[arg-type]
    assert dict(spec.tags) == tags
    assert dict(spec.user_metadata) == {name.removeprefix("x-amz-meta-"): text for name, text in metadata.items()}
    assert cli.parse(spec.to_args()).spec == spec
    told = {"OBJECTSTORE_WATCHER_TAGS": "\n".join(f"{name}={text}" for name, text in tags.items())}
    os.environ.update(told)
    try:
        assert cli.parse(["s3://bucket/key"]).spec == WatchSpec(uri="s3://bucket/key", tags=spec.tags)
    finally:
        del os.environ["OBJECTSTORE_WATCHER_TAGS"]


def test_flags_may_be_repeated() -> None:
    spec = cli.parse(["s3://bucket/key", "--tags", "a=1", "--tags=b=x=y", "--user-metadata", "Owner=etl"]).spec
    assert spec
    assert spec.tags == (("a", "1"), ("b", "x=y"))
    assert spec.user_metadata == (("owner", "etl"),)
