"""Whether an object that is there counts, by the whole wait: on MinIO, and on a fake for what MinIO does not show."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from objectstore_watcher.contract import Ready, WatchSpec, newer_than
from objectstore_watcher.errors import DeadlineExceeded, InvalidArgument, StoreError
from objectstore_watcher.watch import Polled, watch

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.servers import MinioServer
from tests.sidecar.tools import Diary, VirtualTime, highest

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")
LAST_MODIFIED = "2026-06-01T12:00:00Z"
"""Of the fake's objects."""


def wait(uri: str, time: VirtualTime, **options: float | str) -> tuple[Ready, list[str]]:
    """What the wait ended with, and what its looks found wrong."""
    diary = Diary()
    request = time.request(uri, **options)
    ready = watch(request, stop=time, observe=diary.append, clock=time.clock, uniform=highest)
    return ready, [polled.unmet for polled in diary.of(Polled) if isinstance(polled, Polled)]


def at_fake(answers: list[Answer], **options: float | str) -> tuple[list[float], list[str], Ready]:
    time = VirtualTime()
    with FakeS3(*answers) as server:
        ready, unmet = wait("s3://bucket/key", time, endpoint=server.endpoint, poll_interval=10, **options)
    return time.pauses, unmet, ready


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


Put = Callable[[str, bytes], None]


class TestOnMinio:
    @pytest.fixture(autouse=True)
    def server(self, minio: MinioServer, bucket: str, flyte_env: dict[str, str]) -> None:
        self.minio, self.bucket = minio, bucket

    def put(self, data: bytes) -> Callable[[], None]:
        return lambda: self.minio.put(self.bucket, "key", data)

    def wait(self, time: VirtualTime, **options: float | str) -> tuple[Ready, list[str]]:
        return wait(f"s3://{self.bucket}/key", time, poll_interval=10, **options)

    def test_an_object_counts_once_it_is_large_enough(self) -> None:
        time = VirtualTime(at_pause={1: self.put(b""), 2: self.put(b"1234"), 3: self.put(b"12345")})
        ready, unmet = self.wait(time, min_size=5)
        assert ready.objects[0].size == 5
        assert unmet == ["", "the object has 0 of at least 5 bytes", "the object has 4 of at least 5 bytes", ""]

    def test_an_object_counts_once_it_has_been_seen_unchanged_for_long_enough_and_an_overwrite_starts_again(
        self,
    ) -> None:
        self.put(b"first")()
        time = VirtualTime(at_pause={2: self.put(b"second")})
        ready, unmet = self.wait(time, stable_for=25)
        assert time.pauses == [10, 10, 10, 10, 5]
        assert unmet == ["the object has not yet been unchanged for 25 s"] * 5 + [""]
        assert ready.objects[0].size == len("second")

    def test_an_object_that_goes_meanwhile_starts_again_too(self) -> None:
        self.put(b"data")()
        time = VirtualTime(
            at_pause={1: lambda: self.minio.client().remove_object(self.bucket, "key"), 2: self.put(b"data")}
        )
        _, unmet = self.wait(time, stable_for=10)
        pending = "the object has not yet been unchanged for 10 s"
        assert unmet == [pending, "", pending, ""]

    def test_yesterdays_object_does_not_count(self) -> None:
        self.put(b"old")()
        tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
        time = VirtualTime(at_pause={1: self.put(b"still too old")})
        with pytest.raises(DeadlineExceeded) as late:
            self.wait(time, newer_than=tomorrow.isoformat(), timeout=15)
        assert f"the object is older than {tomorrow.isoformat()}; check its producer and the conditions" in str(
            late.value
        )
        assert self.wait(VirtualTime(), newer_than="1h")[1] == [""]

    def test_an_object_can_be_waited_for_until_it_is_gone(self) -> None:
        self.put(b"data")()
        time = VirtualTime(at_pause={2: lambda: self.minio.client().remove_object(self.bucket, "key")})
        ready, unmet = self.wait(time, absent=True)
        assert unmet == ["the object is still there", "the object is still there", ""]
        assert ready.objects == ()

    def test_one_version_can_be_waited_for(self) -> None:
        client = self.minio.client()
        client.set_bucket_versioning(self.bucket, VersioningConfig(ENABLED))
        first = client.put_object(self.bucket, "key", io.BytesIO(b"1"), 1)
        client.put_object(self.bucket, "key", io.BytesIO(b"22"), 2)
        ready, _ = self.wait(VirtualTime(), version_id=first.version_id or "")
        assert (ready.objects[0].version_id, ready.objects[0].size) == (first.version_id, 1)

    def test_a_delete_marker_does_not_count_and_its_deletion_brings_the_object_back(self) -> None:
        client = self.minio.client()
        client.set_bucket_versioning(self.bucket, VersioningConfig(ENABLED))
        self.put(b"1")()
        client.remove_object(self.bucket, "key")
        (marker,) = (v for v in client.list_objects(self.bucket, include_version=True) if v.is_delete_marker)
        time = VirtualTime(at_pause={1: lambda: client.remove_object(self.bucket, "key", version_id=marker.version_id)})
        assert self.wait(time)[1] == ["the object cannot be read: its latest version is a delete marker", ""]

    def test_a_version_that_is_a_delete_marker_is_told_and_is_gone(self) -> None:
        client = self.minio.client()
        client.set_bucket_versioning(self.bucket, VersioningConfig(ENABLED))
        self.put(b"1")()
        client.remove_object(self.bucket, "key")
        (marker,) = (v for v in client.list_objects(self.bucket, include_version=True) if v.is_delete_marker)
        with pytest.raises(DeadlineExceeded, match="the object cannot be read: the version is a delete marker; check"):
            self.wait(VirtualTime(), version_id=marker.version_id or "", timeout=20)
        for version in ("", marker.version_id or ""):
            ready, _ = self.wait(VirtualTime(), version_id=version, absent=True)
            assert (ready.polls, ready.objects) == (1, ())

    def test_an_etag_must_be_the_one(self) -> None:
        self.put(b"wrong")()
        etag = "0cc175b9c0f1b6a831c399e269772661"  # of "a"
        time = VirtualTime(at_pause={1: self.put(b"a")})
        ready, unmet = self.wait(time, etag=etag)
        assert unmet[0].startswith("the object has the ETag ")
        assert ready.objects[0].etag == etag


def test_time_that_a_stable_object_needs_does_not_become_a_busy_loop() -> None:
    """A look that fails a condition after one that did not: the pause is the interval again."""
    pauses, _, _ = at_fake([found(b"12345"), found(b"1"), found(b"1"), found(b"12345")], min_size=5, stable_for=4)
    assert pauses == [4, 10, 10, 4]


def test_an_answer_after_an_error_still_counts_for_stability() -> None:
    pauses, unmet, _ = at_fake([found(), Answer(500), found()], stable_for=0.5)
    assert pauses == [0.5, 1]
    assert unmet == ["the object has not yet been unchanged for 0.5 s", "", ""]


@pytest.mark.parametrize(
    ("moment", "counts"),
    [
        (LAST_MODIFIED, True),
        ("2026-06-01T12:00:00.900Z", True),  # the server tells whole seconds: it may be newer
        ("2026-06-01T14:00:01+02:00", False),
        ("2026-06-01T12:00:01Z", False),
        ("2020-01-01T00:00:00Z", True),
    ],
)
def test_newer_than_a_time_is_judged_by_whole_seconds(moment: str, counts: bool) -> None:
    if counts:
        assert at_fake([found()], newer_than=moment)[1] == [""]
    else:
        with pytest.raises(DeadlineExceeded, match=r"the object is older than"):
            at_fake([found()], newer_than=moment, timeout=20)


def test_an_age_counts_from_the_request_not_from_the_look() -> None:
    asked = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)
    assert newer_than("1h30m", asked) == asked.timestamp() - 5400
    assert newer_than("", asked) is None


@pytest.mark.parametrize("written", ["0", "0s", timedelta(0)])
def test_an_age_of_zero_means_after_the_request(written: str | timedelta) -> None:
    asked = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)
    spec = WatchSpec(uri="s3://bucket/key", newer_than=written)  # type: ignore[arg-type]
    assert newer_than(spec.newer_than, asked) == asked.timestamp()


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x_amz_storage_class": "GLACIER"}, "the object cannot be read: it is archived (GLACIER)"),
        ({"x_amz_storage_class": "DEEP_ARCHIVE"}, "the object cannot be read: it is archived (DEEP_ARCHIVE)"),
        (
            {"x_amz_storage_class": "GLACIER", "x_amz_restore": 'ongoing-request="true"'},
            "the object cannot be read: it is archived (GLACIER)",
        ),
        (
            {"x_amz_storage_class": "INTELLIGENT_TIERING", "x_amz_archive_status": "ARCHIVE_ACCESS"},
            "the object cannot be read: it is archived (ARCHIVE_ACCESS)",
        ),
        ({"x_amz_storage_class": "GLACIER", "x_amz_restore": 'ongoing-request="false", expiry-date="x"'}, ""),
        ({"x_amz_storage_class": "GLACIER_IR"}, ""),
        ({"x_amz_storage_class": "STANDARD_IA"}, ""),
    ],
)
def test_an_archived_object_does_not_count_until_it_is_restored(headers: dict[str, str], told: str) -> None:
    assert at_fake([found(b"", **headers), found()])[1][0] == told


def test_what_is_wrong_at_the_deadline_is_told() -> None:
    with pytest.raises(DeadlineExceeded) as late:
        at_fake([found(b"12")], min_size=1000, timeout=20)
    assert str(late.value) == (
        "s3://bucket/key: what is there did not become what is waited for within 20 s in 3 looks: the object has 2 of"
        " at least 1000 bytes; check its producer and the conditions of the wait, or raise the timeout"
    )


def test_an_object_that_was_never_there_is_told_as_before() -> None:
    with pytest.raises(DeadlineExceeded, match="the object did not appear within 20 s in 3 looks; check the producer"):
        at_fake([ABSENT], min_size=5, timeout=20)


def test_a_server_that_fails_is_no_absence() -> None:
    pauses, _, _ = at_fake([Answer(500), found(), ABSENT], absent=True)
    assert pauses == [1, 10]


def test_absence_in_a_missing_bucket_is_an_error_as_ever() -> None:
    with pytest.raises(StoreError, match="the bucket does not exist"):
        at_fake([error(404, "NoSuchBucket")], absent=True)


@pytest.mark.parametrize("answer", [Answer(500), error(404, "NoSuchBucket")])
def test_where_nobody_can_say_whether_it_is_gone_the_error_says_so(answer: Answer) -> None:
    with pytest.raises(
        DeadlineExceeded, match=r"the object was not gone within 20 s in . looks, the last of which failed"
    ):
        at_fake([answer], absent=True, on_missing_bucket="wait", timeout=20)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"min_size": "big"}, "--min-size (min_size): 'big' is not a size"),
        ({"stable_for": -1}, "--stable-for (stable_for): -1 is out of range"),
        ({"newer_than": "2026-06-01T12:00:00"}, "is a time of no zone; add Z for UTC"),
        ({"newer_than": "yesterday"}, "--newer-than (newer_than): 'yesterday' is neither a time nor an age"),
        ({"absent": "maybe"}, "--absent (absent): 'maybe' is neither true nor false; use true or false"),
        ({"etag": 5}, "--etag (etag): is a int"),
        ({"etag": '""'}, "--etag (etag): '\"\"' is an ETag without a character; correct it, or leave it out"),
        ({"etag": 'W/""'}, "is an ETag without a character"),
        (
            {"stable_for": 100, "timeout": 20},
            "(stable_for): 100 s is not shorter than the timeout of 20 s",
        ),
        ({"stable_for": 20, "timeout": 20}, "lower it, or raise the timeout"),
    ],
)
def test_a_condition_that_cannot_be_right_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        WatchSpec(uri="s3://bucket/key", **options)
    assert told in str(refused.value)


@pytest.mark.parametrize("option", ["etag", "version_id"])
def test_what_files_do_not_have_is_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=rf"\({option}\): means nothing here: the path is a file"):
        WatchSpec.from_mapping({"uri": str(tmp_path), option: "x"})


def test_files_have_sizes_and_times_too(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1")
    time = VirtualTime(at_pause={1: lambda: file.write_bytes(b"12345")})
    ready, unmet = wait(str(file), time, poll_interval=10, min_size=5, stable_for=5, newer_than="1h")
    assert unmet == ["the object has 1 of at least 5 bytes", "the object has not yet been unchanged for 5 s", ""]
    assert ready.objects[0].size == 5


def test_times_and_ages_may_be_pythons_own() -> None:
    moment = datetime(2026, 6, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    spec = WatchSpec(uri="s3://bucket/key", newer_than=moment)  # type: ignore[arg-type]
    assert spec.newer_than == "2026-06-01T14:00:00+02:00"
    spec = WatchSpec(uri="s3://bucket/key", newer_than=timedelta(hours=1))  # type: ignore[arg-type]
    assert newer_than(spec.newer_than, moment) == moment.timestamp() - 3600


@pytest.mark.parametrize("written", ['"8d777f385d3dfec8815d20f7496026dc"', 'W/"8d777f385d3dfec8815d20f7496026dc"'])
def test_an_etag_may_be_written_with_the_quotes_that_clients_show(written: str) -> None:
    assert WatchSpec(uri="s3://bucket/key", etag=written).etag == "8d777f385d3dfec8815d20f7496026dc"
