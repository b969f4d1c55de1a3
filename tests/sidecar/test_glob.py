"""Waits for what matches a pattern, on MinIO, on a fake that pages, and on disk."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from objectstore_watcher.contract import MOST_MATCHES, Ready, Request, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, InvalidArgument, StoreError, TooManyObjects
from objectstore_watcher.stores import bounded, s3
from objectstore_watcher.stores.local import LocalStore
from objectstore_watcher.targets import targets
from objectstore_watcher.watch import Polled, watch

from tests import fake_listing
from tests.fake_listing import FakeListing
from tests.fake_s3 import Answer, FakeS3, Received, error
from tests.servers import MinioServer
from tests.sidecar import hostile
from tests.sidecar.proxy import Proxy
from tests.sidecar.tools import Diary, Opened, VirtualTime, highest, unprivileged

KEYS = ("FLYTE_AWS_ACCESS_KEY_ID", "FLYTE_AWS_SECRET_ACCESS_KEY")


def wait(uri: str, time: VirtualTime, **options: float | str) -> tuple[Ready, list[str]]:
    diary = Diary()
    request = time.request(uri, match="glob", poll_interval=10, **options)
    ready = watch(request, stop=time, observe=diary.append, clock=time.clock, uniform=highest)
    return ready, [polled.unmet for polled in diary.of(Polled) if isinstance(polled, Polled)]


def found(uri: str, **options: float | str) -> list[str]:
    spec = WatchSpec.from_mapping({"uri": uri, "match": "glob", **options})
    return [each.key for each in Opened(spec).look()]


@pytest.mark.usefixtures("flyte_env")
class TestMinio:
    def test_the_first_object_that_matches_is_found(self, minio: MinioServer, bucket: str) -> None:
        for key in ("2026-06-01/part-x.parquet", "2026-06-01/sub/part-1.parquet", "2025-06-01/part-1.parquet"):
            minio.put(bucket, key)

        def arrive() -> None:
            for day in (2, 1):
                minio.put(bucket, f"2026-06-0{day}/part-{day}.parquet", b"123")

        time = VirtualTime(at_pause={2: arrive})
        ready, _ = wait(f"s3://{bucket}/2026-??-*/part-[0-9]*.parquet", time)
        first, second = ready.objects
        assert [first.uri, second.uri] == [f"s3://{bucket}/2026-06-0{n}/part-{n}.parquet" for n in (1, 2)]
        assert (first.size, first.etag) == (3, minio.client().stat_object(bucket, "2026-06-01/part-1.parquet").etag)

    def test_a_look_is_one_list_from_the_longest_literal_prefix(self, minio: MinioServer, bucket: str) -> None:
        with Proxy(minio.port) as proxy:
            assert found(f"s3://{bucket}/a/b-*.csv", endpoint=proxy.endpoint) == []
        (line,) = proxy.request_lines
        query = parse_qs(urlsplit(line.split()[1]).query, keep_blank_values=True)
        assert (query["list-type"], query["prefix"], query["delimiter"]) == (["2"], ["a/b-"], [""])

    def test_a_path_without_a_pattern_in_it_is_one_head(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "a*b")
        with Proxy(minio.port) as proxy:
            assert found(f"s3://{bucket}/a\\*b", endpoint=proxy.endpoint) == ["a*b"]
        assert proxy.request_lines == [f"HEAD /{bucket}/a%2Ab HTTP/1.1"]

    def test_a_key_of_the_greatest_length_is_found_by_its_pattern_however_it_is_escaped(
        self, minio: MinioServer, bucket: str
    ) -> None:
        key = "/".join(["L" * 200, "e" * 200, "x" * 200, "y" * 200, "z" * 220])
        minio.put(bucket, key)
        escaped = "".join("\\" + character for character in key)
        assert found(f"s3://{bucket}/{escaped}") == [key]
        assert found(f"s3://{bucket}/{escaped[:-2]}?") == [key]

    @pytest.mark.parametrize("pattern", ["in/*", "in/**", "i*"])
    def test_the_empty_folder_that_consoles_make_is_no_object(
        self, minio: MinioServer, bucket: str, pattern: str
    ) -> None:
        for key in ("in/", "in/sub/", "i/"):
            minio.put(bucket, key, b"")
        assert found(f"s3://{bucket}/{pattern}") == []
        minio.put(bucket, "in/empty", b"")
        assert found(f"s3://{bucket}/in/*") == ["in/empty"]

    def test_a_pattern_that_ends_in_a_slash_asks_for_folders(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "in/sub/", b"")
        assert found(f"s3://{bucket}/in/*/") == ["in/sub/"]

    def test_an_exact_path_is_never_taken_for_a_pattern(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "abc")
        spec = WatchSpec(uri=f"s3://{bucket}/a*")
        assert list(Opened(spec).look()) == []

    def test_more_than_a_page_is_read_page_by_page(self, minio: MinioServer, bucket: str) -> None:
        for number in range(1203):
            minio.put(bucket, f"k/{number:04}.{'csv' if number % 3 else 'txt'}")
        with Proxy(minio.port) as proxy:
            keys = found(f"s3://{bucket}/k/*.csv", endpoint=proxy.endpoint)
        assert keys == [f"k/{number:04}.csv" for number in range(1203) if number % 3]
        assert len(proxy.request_lines) == 2

    @pytest.mark.parametrize("key", [key for key in hostile.KEYS if len(key.encode()) < 1000])
    def test_a_hostile_key_is_found_by_its_pattern_byte_for_byte(
        self, minio: MinioServer, bucket: str, key: str
    ) -> None:
        minio.put(bucket, f"d/{key}")
        assert found(f"s3://{bucket}/d/**") == [f"d/{key}"]
        escaped = "".join("\\" + character for character in key[:200])
        assert found(f"s3://{bucket}/d/{escaped}**") == [f"d/{key}"]

    def test_enough_objects_must_count(self, minio: MinioServer, bucket: str) -> None:
        time = VirtualTime(
            at_pause={
                1: lambda: minio.put(bucket, "in/a", b"12345"),
                2: lambda: minio.put(bucket, "in/b", b"1"),
                3: lambda: minio.put(bucket, "in/b", b"12345"),
            }
        )
        ready, unmet = wait(f"s3://{bucket}/in/*", time, min_count=2, min_size=5)
        assert unmet == ["", "1 of at least 2 objects", "1 of at least 2 objects; 'in/b' has 1 of at least 5 bytes", ""]
        assert [each.uri for each in ready.objects] == [f"s3://{bucket}/in/{key}" for key in "ab"]

    def test_each_object_must_have_been_unchanged_for_long_enough(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "in/a")
        time = VirtualTime(at_pause={1: lambda: minio.put(bucket, "in/b")})
        ready, _ = wait(f"s3://{bucket}/in/*", time, min_count=2, stable_for=15)
        assert time.pauses == [10, 5, 10]
        assert len(ready.objects) == 2

    def test_all_that_match_can_be_waited_for_to_be_gone(self, minio: MinioServer, bucket: str) -> None:
        for key in ("locks/a", "locks/b"):
            minio.put(bucket, key)
        client = minio.client()
        time = VirtualTime(
            at_pause={
                1: lambda: client.remove_object(bucket, "locks/a"),
                2: lambda: client.remove_object(bucket, "locks/b"),
            }
        )
        ready, unmet = wait(f"s3://{bucket}/locks/*", time, absent=True)
        assert unmet == ["2 objects are still there", "the object is still there", ""]
        assert ready.objects == ()

    def test_a_missing_bucket_is_told(self) -> None:
        with pytest.raises(StoreError, match=r"the bucket does not exist .*HTTP 404 NoSuchBucket"):
            found("s3://no-such-bucket/a*")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "key")


@pytest.mark.usefixtures("keys")
class TestFake:
    def test_of_many_pages_those_that_match_are_found(self) -> None:
        with FakeListing(30_000) as server:
            assert found("s3://bucket/big/*-??29999", endpoint=server.endpoint) == [server.key(29_999)]

    def test_what_takes_longer_than_a_second_to_list_is_found_at_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Slow(FakeListing):
            def next_answer(self, request: Received) -> Answer:
                return replace(super().next_answer(request), delay=0.05)

        for module in (s3, fake_listing):
            monkeypatch.setattr(module, "PAGE", 5)
        with Slow(200) as server:
            spec = WatchSpec(
                uri="s3://bucket/big/*199",
                endpoint=server.endpoint,
                match="glob",
                detection="poll",
                timeout=1,
                poll_interval=1,
            )
            ready = watch(Request(spec=spec), stop=threading.Event(), observe=lambda event: None)
        assert [each.uri for each in ready.objects] == [f"s3://bucket/{server.key(199)}"]
        assert ready.polls == 2

    def test_no_more_objects_are_kept_than_can_be_asked_for(self) -> None:
        with FakeListing(1_000_000) as server:
            assert len(found("s3://bucket/big/*", endpoint=server.endpoint)) == MOST_MATCHES + 1, "that there are more"
        assert len(server.requests) == MOST_MATCHES / 1000 + 1

    @pytest.mark.parametrize(
        "options",
        [
            {"expected_count": 5, "min_size": 5},
            {"newer_than": "2026-08-01T00:00:00Z"},
            {"min_size": 5, "stable_for": 5},
        ],
    )
    def test_what_may_be_among_those_that_are_not_looked_at_is_not_waited_for_in_vain(
        self, options: dict[str, int | str]
    ) -> None:
        with FakeListing(MOST_MATCHES + 1) as server, pytest.raises(TooManyObjects, match="more than 10000 objects"):
            wait("s3://bucket/big/*", VirtualTime(), endpoint=server.endpoint, **options)

    @pytest.mark.parametrize(("total", "options"), [(MOST_MATCHES, {"expected_count": MOST_MATCHES}), (10_500, {})])
    def test_what_can_be_told_is(self, total: int, options: dict[str, int]) -> None:
        with FakeListing(total) as server:
            ready, _ = wait("s3://bucket/big/*", VirtualTime(), endpoint=server.endpoint, **options)
        assert (ready.polls, len(ready.objects)) == (1, MOST_MATCHES)

    def test_more_than_are_kept_are_more_than_exactly_so_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounded, "SHORTEST_LOOK", 60)  # of the last one, at eleven pages
        with FakeListing(10_500) as server, pytest.raises(DeadlineExceeded, match="10001 of exactly 10000 objects"):
            wait("s3://bucket/big/*", VirtualTime(), endpoint=server.endpoint, expected_count=MOST_MATCHES, timeout=10)

    def test_of_more_objects_than_are_kept_some_can_become_stable(self) -> None:
        with FakeListing(10_500) as server:
            ready, _ = wait("s3://bucket/big/*", VirtualTime(), endpoint=server.endpoint, stable_for=5)
        assert (ready.polls, len(ready.objects)) == (2, MOST_MATCHES)

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (error(403, "AccessDenied"), "forbidden"),
            (error(503, "SlowDown"), "throttled"),
            (error(400, "ExpiredToken"), "credentials_expired"),
            (error(500, "InternalError"), "server_error"),
            (Answer(200, {"Content-Type": "text/html"}, b"<h1>Console"), "malformed_answer"),
        ],
    )
    def test_errors_are_told_as_those_of_one_object_are(self, answer: Answer, kind: str) -> None:
        with FakeS3(answer) as server, pytest.raises(StoreError) as failure:
            found("s3://bucket/a*", endpoint=server.endpoint)
        assert failure.value.kind.label == kind
        assert len(server.requests) == 1

    def test_a_bucket_of_another_region_is_listed_there(self) -> None:
        moved = error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
        empty = Answer(
            200, {"Content-Type": "application/xml"}, b"<ListBucketResult><Name>bucket</Name></ListBucketResult>"
        )
        with FakeS3(moved, empty) as server:
            assert found("s3://bucket/a*", endpoint=server.endpoint) == []
        assert [request.region for request in server.requests] == ["us-east-1", "eu-west-1"]


class TestFiles:
    def test_files_match_in_the_same_way(self, tmp_path: Path) -> None:
        for name in ("a.csv", "b.txt", "sub/c.csv", "sub/deep/d.csv"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"1")
        names = {pattern: found(f"{tmp_path}/{pattern}") for pattern in ("*.csv", "**/*.csv", "sub/*", "x*")}
        assert {pattern: [key.removeprefix(f"{tmp_path}/") for key in keys] for pattern, keys in names.items()} == {
            "*.csv": ["a.csv"],
            "**/*.csv": ["a.csv", "sub/c.csv", "sub/deep/d.csv"],
            "sub/*": ["sub/c.csv"],
            "x*": [],
        }

    @pytest.mark.parametrize("name", ["da[1]ta", "e{1,2}", "s*", "q?", "back\\slash"])
    def test_the_directory_that_a_relative_pattern_begins_in_is_no_pattern(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        directory = tmp_path / name
        directory.mkdir()
        (directory / "a.csv").touch()
        monkeypatch.chdir(directory)
        assert found("*.csv") == [f"{directory}/a.csv"]
        assert found("./a.csv") == [f"{directory}/a.csv"]

    def test_a_file_that_comes_later_ends_the_wait(self, tmp_path: Path) -> None:
        time = VirtualTime(at_pause={2: (tmp_path / "later.csv").touch})
        ready, _ = wait(f"file://{tmp_path}/*.csv", time)
        assert [each.uri for each in ready.objects] == [f"file://{tmp_path}/later.csv"]

    def test_no_directory_is_read_in_which_nothing_can_match(self, tmp_path: Path) -> None:
        for path in ("a.csv", "x/a.csv", "x/y/a.csv"):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).touch()
        read: dict[str, int] = {}
        for pattern in ("*.csv", "*/a.csv", "**/a.csv"):
            store = LocalStore(str(tmp_path), lambda operation, outcome: None)
            spec = WatchSpec(uri=f"{tmp_path}/{pattern}", match="glob")
            assert store.look(10, targets(spec))
            read[pattern] = store.answers - 1  # one for the look
        assert read == {"*.csv": 1, "*/a.csv": 2, "**/a.csv": 3}

    def test_a_directory_that_may_not_be_read_is_told_where_all_would_be_in_it_and_else_passed_over(
        self, tmp_path: Path
    ) -> None:
        for path in ("shut/a.csv", "open/a.csv"):
            (tmp_path / path).parent.mkdir()
            (tmp_path / path).touch()
        for parent in [*list(tmp_path.parents)[:2], tmp_path]:
            parent.chmod(0o755)
        (tmp_path / "shut").chmod(0)
        try:
            with unprivileged():
                assert found(f"{tmp_path}/*/a.csv") == [f"{tmp_path}/open/a.csv"]
                with pytest.raises(StoreError, match="Permission denied") as refused:
                    found(f"{tmp_path}/shut/*.csv")
        finally:
            (tmp_path / "shut").chmod(0o755)
        assert refused.value.kind.label == "unreadable"

    def test_a_directory_that_is_not_there_is_no_error(self, tmp_path: Path) -> None:
        with pytest.raises(DeadlineExceeded, match="no object that matches appeared within 20 s in 3 looks"):
            wait(f"{tmp_path}/nowhere/*.csv", VirtualTime(), timeout=20)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"match": "regex"}, "--match (match): 'regex' is unknown; use exact or glob or manifest"),
        ({"match": "glob", "uri": "s3://bucket/a[b"}, "has a [ that is not closed"),
        ({"match": "glob", "version_id": "v1"}, "is of one object, and the path stands for several"),
        ({"min_count": 2}, "--min-count (min_count): is of patterns; add --match=glob"),
        ({"match": "glob", "min_count": 0}, "--min-count (min_count): 0 is no number of objects; use 1 to 10000"),
        ({"match": "glob", "min_count": 10_001}, "is no number of objects"),
        ({"match": "glob", "min_count": True}, "is no number of objects"),
        ({"match": "glob", "uri": "s3://bucket/" + "a" * 1025}, "the key has 1025 bytes"),
        ({"match": "glob", "uri": "gs://bucket/" + "a" * 1025}, "the key has 1025 bytes"),
    ],
)
def test_what_cannot_be_right_is_refused(options: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        WatchSpec(**{"uri": "s3://bucket/a*", **options})  # type: ignore[arg-type]
    assert told in str(refused.value)
