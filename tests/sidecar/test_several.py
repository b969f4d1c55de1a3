"""Waits for several paths, for flags and for what manifests list: by the whole wait, on MinIO, on a fake, on disk."""

from __future__ import annotations

import json
import os
import time as clock
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from objectstore_watcher import wanted
from objectstore_watcher.contract import MOST_PATHS, Ready, WatchSpec, iso
from objectstore_watcher.errors import DeadlineExceeded, InvalidArgument, StoreError, TooManyObjects
from objectstore_watcher.logs import told
from objectstore_watcher.stores.s3 import AGAIN_IN_BATCH
from objectstore_watcher.watch import Polled, Succeeded, watch

from tests.fake_s3 import Answer, FakeS3, Received, error, found
from tests.servers import MinioServer
from tests.sidecar.proxy import Proxy
from tests.sidecar.tools import Diary, VirtualTime, highest


def wait(uri: str | list[str], time: VirtualTime, **options: float | str) -> tuple[Ready, list[str]]:
    """What the wait ended with, and what its looks found wrong."""
    diary = Diary()
    request = time.request(uri, poll_interval=10, **options)
    ready = watch(request, stop=time, observe=diary.append, clock=time.clock, uniform=highest)
    return ready, [polled.unmet for polled in diary.of(Polled) if isinstance(polled, Polled)]


def uris(ready: Ready) -> list[str]:
    return [each.uri for each in ready.objects]


@pytest.mark.usefixtures("flyte_env")
class TestOnMinio:
    @pytest.fixture(autouse=True)
    def server(self, minio: MinioServer, bucket: str) -> None:
        self.minio, self.bucket = minio, bucket

    def put(self, key: str, data: bytes = b"data") -> Callable[[], None]:
        return lambda: self.minio.put(self.bucket, key, data)

    def remove(self, key: str) -> Callable[[], None]:
        return lambda: self.minio.client().remove_object(self.bucket, key)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def test_all_of_them_must_be_there(self) -> None:
        time = VirtualTime(at_pause={1: self.put("b"), 2: self.put("c"), 3: self.put("a")})
        asked = [self.uri(key) for key in "cab"]
        ready, unmet = wait(asked, time)
        assert uris(ready) == asked
        assert unmet == [
            f"0 of 3 objects are there; {asked[0]!r}: not there yet",
            f"1 of 3 objects are there; {asked[0]!r}: not there yet",
            f"2 of 3 objects are there; {asked[1]!r}: not there yet",
            "",
        ]
        assert ready.uri == f"{asked[0]} and 2 more"

    def test_what_is_there_is_asked_for_again_only_when_the_last_has_come(self) -> None:
        for key in "abc":
            self.put(key)()
        time = VirtualTime(at_pause={4: self.put("d")})
        with Proxy(self.minio.port) as proxy:
            ready, _ = wait([self.uri(key) for key in "abcd"], time, endpoint=proxy.endpoint)
        asked = [line.split()[1][-1] for line in proxy.request_lines]
        assert asked == [*"abcd", *"ddd", "d", *"abcd"]
        assert (ready.polls, ready.requests) == (5, len(asked))

    def test_they_must_be_there_at_the_same_time(self) -> None:
        self.put("a")()
        time = VirtualTime(at_pause={2: self.remove("a"), 3: self.put("b"), 5: self.put("a")})
        ready, unmet = wait([self.uri("a"), self.uri("b")], time)
        assert ready.polls == 6
        assert unmet[3] == f"1 of 2 objects are there; {self.uri('a')!r}: not there yet"

    def test_any_of_them_is_enough_and_those_that_are_there_are_told(self) -> None:
        def arrive() -> None:
            for key in "cb":
                self.put(key)()

        time = VirtualTime(at_pause={2: arrive})
        ready, unmet = wait([self.uri(key) for key in "abcd"], time, require="any")
        assert uris(ready) == [self.uri("b"), self.uri("c")]
        assert unmet == ["", "", ""]

    def test_a_path_that_is_asked_for_twice_is_one(self) -> None:
        time = VirtualTime(at_pause={1: self.put("a")})
        assert uris(wait([self.uri("a"), self.uri("a")], time)[0]) == [self.uri("a")]

    def test_the_first_reason_that_one_does_not_count_is_told(self) -> None:
        self.put("a")()
        self.put("b", b"1")()
        time = VirtualTime(at_pause={1: self.put("b")})
        _, unmet = wait([self.uri("a"), self.uri("b")], time, min_size=4)
        assert unmet[0] == f"1 of 2 objects are there; {self.uri('b')!r}: the object has 1 of at least 4 bytes"
        with pytest.raises(DeadlineExceeded, match=r"a and 1 more: what is there did not become .*has 4 of at least 5"):
            wait([self.uri("a"), self.uri("b")], VirtualTime(), min_size=5, timeout=20)

    def test_each_must_have_been_unchanged_for_long_enough_at_the_end(self) -> None:
        self.put("a")()
        time = VirtualTime(at_pause={1: self.put("b"), 4: self.put("a", b"other")})
        ready, _ = wait([self.uri("a"), self.uri("b")], time, stable_for=25)
        assert time.now - 5000 == 60, (
            "a, unchanged at 25 s, was overwritten, which was seen at 35 s, when b was unchanged"
        )
        assert [each.size for each in ready.objects] == [5, 4]

    def test_all_must_be_gone(self) -> None:
        for key in "ab":
            self.put(key)()
        time = VirtualTime(at_pause={1: self.remove("b"), 2: self.remove("a")})
        ready, unmet = wait([self.uri("a"), self.uri("b")], time, absent=True)
        assert ready.objects == ()
        assert ready.gone == (self.uri("a"), self.uri("b"))
        assert unmet[1] == f"1 of 2 objects are gone; {self.uri('a')!r}: the object is still there"

    def test_of_any_that_may_be_gone_those_that_are_gone_are_told(self) -> None:
        self.put("there")()
        asked = [self.uri("there"), self.uri("gone")]
        ready, _ = wait(asked, VirtualTime(), absent=True, require="any")
        assert (ready.objects, ready.gone) == ((), (asked[1],))
        assert told(ready) == f"ready: {asked[1]} (gone)"

    def test_they_may_be_in_several_buckets(self) -> None:
        other = f"{self.bucket}-2"
        self.minio.client().make_bucket(other)
        time = VirtualTime(at_pause={1: self.put("a"), 2: lambda: self.minio.put(other, "b")})
        asked = [self.uri("a"), f"s3://{other}/b"]
        assert uris(wait(asked, time)[0]) == asked
        with pytest.raises(StoreError, match=r"s3://no-such-bucket/key: the bucket does not exist"):
            wait([*asked, "s3://no-such-bucket/key"], VirtualTime())

    def test_many_beside_each_other_share_listings(self) -> None:
        keys = [f"in/part-{i:04}" for i in range(1_100)]
        for key in [*keys, *(f"in/other-{i}" for i in range(20))]:
            self.put(key)()
        with Proxy(self.minio.port) as proxy:
            ready, _ = wait([self.uri(key) for key in keys], VirtualTime(), endpoint=proxy.endpoint)
        assert uris(ready) == [self.uri(key) for key in keys]
        assert [line.split()[0] for line in proxy.request_lines] == ["GET", "GET"]

    def test_several_patterns_must_each_be_met(self) -> None:
        time = VirtualTime(at_pause={1: self.put("in/2.csv"), 2: self.put("x/1.json")})
        patterns = [self.uri("in/*.csv"), self.uri("x/*")]
        ready, _ = wait(patterns, time, match="glob")
        assert uris(ready) == [self.uri("in/2.csv"), self.uri("x/1.json")]
        self.put("in/1.csv")()
        ready, _ = wait([*patterns, self.uri("none*")], VirtualTime(), match="glob", require="any")
        assert uris(ready) == [self.uri("in/1.csv"), self.uri("in/2.csv"), self.uri("x/1.json")]

    def test_an_object_that_several_patterns_match_is_told_once(self) -> None:
        for key in ("d1/p", "d2/p"):
            self.put(key)()
        ready, _ = wait([self.uri("d1/*"), self.uri("d*/p")], VirtualTime(), match="glob", min_count=1)
        assert uris(ready) == [self.uri("d1/p"), self.uri("d2/p")]

    def test_exactly_so_many_may_match(self) -> None:
        time = VirtualTime(
            at_pause={1: self.put("in/1"), 2: self.put("in/2"), 3: self.put("in/3"), 4: self.remove("in/1")}
        )
        for key in ("in/4", "in/5"):
            self.put(key)()
        ready, unmet = wait(self.uri("in/*"), time, match="glob", expected_count=4)
        assert unmet == ["2 of exactly 4 objects", "3 of exactly 4 objects", ""]
        self.put("in/6")()
        time = VirtualTime(at_pause={1: self.remove("in/6")})
        ready, unmet = wait(self.uri("in/*"), time, match="glob", expected_count=4)
        assert unmet == ["5 of exactly 4 objects", ""]
        assert len(ready.objects) == 4

    def test_nothing_counts_without_its_flag(self) -> None:
        self.put("day-1/part-1")()
        self.put("day-2/_SUCCESS")()
        time = VirtualTime(at_pause={1: self.put("day-2/part-1"), 2: self.put("day-1/_SUCCESS")})
        asked = [self.uri("day-1/part-1"), self.uri("day-2/part-1")]
        with Proxy(self.minio.port) as proxy:
            ready, unmet = wait(asked, time, flag="_SUCCESS", endpoint=proxy.endpoint)
        assert uris(ready) == asked
        assert unmet == [f"the flag {self.uri('day-1/_SUCCESS')!r} is not there"] * 2 + [""]
        looked = [line.split()[1].removeprefix(f"/{self.bucket}/") for line in proxy.request_lines]
        assert "day-1/part-1" not in looked[: looked.index("day-1/part-1")]
        assert looked[:3] == ["day-1/_SUCCESS", "day-2/_SUCCESS", "day-2/part-1"], "its path is not looked at before"

    def test_the_flags_must_be_there_at_the_end_too(self) -> None:
        for key in ("1/part", "1/_SUCCESS"):
            self.put(key)()
        time = VirtualTime(at_pause={1: self.remove("1/_SUCCESS"), 2: self.put("2/part"), 3: self.put("2/_SUCCESS")})
        with pytest.raises(DeadlineExceeded, match=r"the flag .*1/_SUCCESS' is not there"):
            wait([self.uri("1/part"), self.uri("2/part")], time, flag="_SUCCESS", timeout=60)

    @pytest.mark.parametrize("match", ["exact", "glob"])
    def test_the_flag_of_the_last_run_does_not_count(self, match: str) -> None:
        self.put("day/_SUCCESS")()
        later = self.after_a_second()
        self.put("day/part")()
        time = VirtualTime(at_pause={2: self.put("day/_SUCCESS")})
        ready, unmet = wait(self.uri("day/part"), time, match=match, flag="_SUCCESS", newer_than=later)
        assert unmet == [f"the flag {self.uri('day/_SUCCESS')!r} is older than {later}"] * 2 + [""]
        assert uris(ready) == [self.uri("day/part")]

    def test_the_manifest_of_the_last_run_does_not_count(self) -> None:
        self.put("day/manifest", b"a")()
        later = self.after_a_second()
        self.put("day/a")()
        time = VirtualTime(at_pause={2: self.put("day/manifest", b"a")})
        with Proxy(self.minio.port) as proxy:
            options: dict[str, str] = {"match": "manifest", "newer_than": later, "endpoint": proxy.endpoint}
            ready, unmet = wait(self.uri("day/manifest"), time, **options)
        assert unmet == [f"the manifest {self.uri('day/manifest')!r} is older than {later}"] * 2 + [""]
        assert uris(ready) == [self.uri("day/a")]
        assert [line.split()[0] for line in proxy.request_lines][:3] == ["HEAD", "HEAD", "HEAD"], (
            "it is not read before"
        )

    def after_a_second(self) -> str:
        """A time after all that has been stored, and before all that will be: servers tell whole seconds."""
        clock.sleep(2.1)
        return datetime.fromtimestamp(int(clock.time()), timezone.utc).isoformat()

    def test_where_any_is_enough_a_flag_that_is_missing_is_told(self) -> None:
        for key in ("1/a", "2/a"):
            self.put(key)()
        time = VirtualTime(at_pause={1: self.put("2/_SUCCESS")})
        ready, unmet = wait([self.uri("1/a"), self.uri("2/a")], time, flag="_SUCCESS", require="any")
        assert unmet == [f"the flag {self.uri('1/_SUCCESS')!r} is not there", ""]
        assert uris(ready) == [self.uri("2/a")]

    def test_a_flag_that_its_pattern_matches_is_no_match(self) -> None:
        for key in ("out/_SUCCESS", "out/part-1"):
            self.put(key)()
        ready, _ = wait(self.uri("out/*"), VirtualTime(), match="glob", flag="_SUCCESS", expected_count=1)
        assert uris(ready) == [self.uri("out/part-1")]

    @pytest.mark.parametrize("flag", ["_SUCCESS", "s3://{bucket}/out/_SUCCESS"])
    def test_a_pattern_is_listed_once_its_flag_is_there(self, flag: str) -> None:
        self.put("out/part-1")()
        time = VirtualTime(at_pause={2: self.put("out/_SUCCESS")})
        with Proxy(self.minio.port) as proxy:
            told: dict[str, float | str] = {
                "match": "glob",
                "flag": flag.format(bucket=self.bucket),
                "endpoint": proxy.endpoint,
            }
            ready, _ = wait(self.uri("out/part-*"), time, **told)
        assert uris(ready) == [self.uri("out/part-1")]
        assert [line.split()[0] for line in proxy.request_lines] == ["HEAD", "HEAD", "HEAD", "GET"]

    def test_what_a_manifest_lists_must_be_there_in_full(self) -> None:
        entries = [{"url": self.uri("a"), "meta": {"content_length": 4}}, {"url": self.uri("b")}]
        time = VirtualTime(
            at_pause={
                1: self.put("manifest", json.dumps({"entries": entries}).encode()),
                2: self.put("a", b"half"[:2]),
                3: self.put("b"),
                4: self.put("a", b"full"),
            }
        )
        ready, unmet = wait(self.uri("manifest"), time, match="manifest")
        assert uris(ready) == [self.uri("a"), self.uri("b")]
        wrong = f"{self.uri('a')!r}: the object has 2 bytes, not the 4 of the manifest"
        assert unmet == [
            "",
            f"0 of 2 objects are there; {self.uri('a')!r}: not there yet",
            f"0 of 2 objects are there; {wrong}",
            f"1 of 2 objects are there; {wrong}",
            "",
        ]

    def test_a_manifest_is_read_again_only_when_it_was_overwritten(self) -> None:
        self.put("day/manifest", b"a\nlost")()
        time = VirtualTime(at_pause={1: self.put("day/a"), 3: self.put("day/manifest", b"a\nb"), 5: self.put("day/b")})
        with Proxy(self.minio.port) as proxy:
            ready, _ = wait(self.uri("day/manifest"), time, match="manifest", endpoint=proxy.endpoint)
        assert uris(ready) == [self.uri("day/a"), self.uri("day/b")]
        assert [line.split()[0] for line in proxy.request_lines].count("GET") == 2

    def test_a_manifest_that_is_overwritten_can_want_another_size(self) -> None:
        def manifest(size: int) -> bytes:
            return json.dumps({"entries": [{"url": self.uri("a"), "meta": {"content_length": size}}]}).encode()

        self.put("a")()
        self.put("manifest", manifest(10))()
        time = VirtualTime(at_pause={2: self.put("manifest", manifest(4))})
        ready, _ = wait(self.uri("manifest"), time, match="manifest", timeout=60)
        assert uris(ready) == [self.uri("a")]

    def test_manifests_that_list_too_much_together_end_the_wait_before_all_are_read(self) -> None:
        for number in range(4):
            self.put(f"{number}/manifest", "\n".join(map(str, range(6000))).encode())()
        with Proxy(self.minio.port) as proxy, pytest.raises(TooManyObjects, match="12000 of at most 10000 objects are"):
            wait(
                [self.uri(f"{number}/manifest") for number in range(4)],
                VirtualTime(),
                match="manifest",
                endpoint=proxy.endpoint,
            )
        assert [line.split()[0] for line in proxy.request_lines].count("GET") == 2

    def test_several_manifests_are_one_list(self) -> None:
        self.put("1/manifest", b"../2/a")()
        self.put("1/manifest", f"a\n{self.uri('2/a')}".encode())()
        for key in ("1/a", "2/a", "2/b"):
            self.put(key)()
        time = VirtualTime(at_pause={2: self.put("2/manifest", b"a\nb")})
        ready, unmet = wait([self.uri("1/manifest"), self.uri("2/manifest")], time, match="manifest")
        assert uris(ready) == [self.uri("1/a"), self.uri("2/a"), self.uri("2/b")]
        assert unmet[0] == f"the manifest {self.uri('2/manifest')!r} is not there"

    def test_a_manifest_that_lists_nothing_known_ends_the_wait(self) -> None:
        self.put("manifest", b"{}")()
        with pytest.raises(
            StoreError, match=r"manifest: the manifest cannot be read: its JSON has another form; let it hold one path"
        ):
            wait(self.uri("manifest"), VirtualTime(), match="manifest")

    def test_a_manifest_that_is_too_long_ends_the_wait(self) -> None:
        self.put("manifest", b"a\n" * (2 * 1024 * 1024 + 1))()
        with pytest.raises(StoreError, match="the manifest has more than 4194304 bytes"):
            wait(self.uri("manifest"), VirtualTime(), match="manifest")

    def test_more_than_memory_should_hold_ends_the_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(20):
            self.put(f"k{number}")()
        monkeypatch.setattr(wanted, "MOST_OBJECTS", 30)
        with pytest.raises(TooManyObjects, match="40 of at most 30 objects match; wait for fewer objects at a time"):
            wait([self.uri("k*"), self.uri("k**")], VirtualTime(), match="glob")


class TestFiles:
    def test_files_are_waited_for_alike(self, tmp_path: Path) -> None:
        (tmp_path / "manifest").write_text("a\nb")
        time = VirtualTime(at_pause={1: (tmp_path / "a").touch, 2: (tmp_path / "b").touch})
        ready, _ = wait(str(tmp_path / "manifest"), time, match="manifest")
        assert uris(ready) == [f"{tmp_path}/a", f"{tmp_path}/b"]
        ready, _ = wait([f"file://{tmp_path}/a", f"{tmp_path}/b"], VirtualTime(), flag="manifest")
        assert uris(ready) == [f"file://{tmp_path}/a", f"{tmp_path}/b"]
        assert uris(wait(f"file://{tmp_path}/[ab]", VirtualTime(), match="glob", expected_count=2)[0]) == [
            f"file://{tmp_path}/{name}" for name in "ab"
        ]

    def test_a_manifest_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "manifest").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
        with pytest.raises(StoreError, match="the manifest has more than"):
            wait(str(tmp_path / "manifest"), VirtualTime(), match="manifest")


def page(*objects: str) -> Answer:
    """The answer to a LIST."""
    body = (
        "<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>"
        + "".join(objects)
        + "</ListBucketResult>"
    )
    return Answer(200, {"Content-Type": "application/xml"}, body.encode())


def listed(key: str, storage_class: str) -> str:
    return (
        f"<Contents><Key>{key}</Key><Size>4</Size><ETag>e</ETag><LastModified>2026-06-01T12:00:00.000Z</LastModified>"
        f"<StorageClass>{storage_class}</StorageClass></Contents>"
    )


MANY = [f"s3://bucket/k{number:02}" for number in range(13)]


class ByPath(FakeS3):
    """Answers by path; ``rest`` to any other."""

    def __init__(self, rest: Answer, **known: Answer) -> None:
        super().__init__(rest)
        self._known = known

    def next_answer(self, request: Received) -> Answer:
        """The answer."""
        rest = super().next_answer(request)
        return self._known.get(request.target.partition("?")[0].rpartition("/")[2], rest)


@pytest.mark.usefixtures("fake_credentials")
class TestRefused:
    """Where some are refused and the wait goes on, the others are looked at all the same."""

    FORBIDDEN = error(403, "AccessDenied")
    NO_BUCKET = error(404, "NoSuchBucket")

    @pytest.mark.parametrize(
        ("first", "rest", "policy"),
        [
            ("s3://bucket/no", FORBIDDEN, {"on_forbidden": "wait"}),
            ("s3://other/no", FORBIDDEN, {"on_forbidden": "wait"}),
            ("s3://other/no", NO_BUCKET, {"on_missing_bucket": "wait"}),
        ],
    )
    def test_any_is_found(self, first: str, rest: Answer, policy: dict[str, str]) -> None:
        with ByPath(rest, yes=found()) as server:
            asked = [first, "s3://bucket/yes"]
            ready, _ = wait(asked, VirtualTime(), endpoint=server.endpoint, require="any", timeout=60, **policy)
        assert uris(ready) == ["s3://bucket/yes"]

    def test_of_all_the_status_names_the_one_that_is_refused(self) -> None:
        asked = ["s3://bucket/no", "s3://bucket/yes"]
        with ByPath(self.FORBIDDEN, yes=found()) as server:
            time = VirtualTime(at_pause={3: lambda: server.answer_with(found())})
            ready, unmet = wait(asked, time, endpoint=server.endpoint, on_forbidden="wait")
        assert unmet[0].startswith("1 of 2 objects are there; 's3://bucket/no': the object cannot be told: the server")
        assert uris(ready) == asked

    def test_where_all_are_refused_the_error_says_why(self) -> None:
        with ByPath(self.FORBIDDEN) as server, pytest.raises(DeadlineExceeded, match=r"failed: the server refuses"):
            wait(
                ["s3://bucket/a", "s3://bucket/b"],
                VirtualTime(),
                endpoint=server.endpoint,
                on_forbidden="wait",
                timeout=60,
            )

    def test_what_is_refused_is_not_gone(self) -> None:
        with ByPath(self.FORBIDDEN, b=error(404, "NoSuchKey")) as server:
            time = VirtualTime(at_pause={2: lambda: server.answer_with(error(404, "NoSuchKey"))})
            ready, unmet = wait(
                ["s3://bucket/a", "s3://bucket/b"], time, endpoint=server.endpoint, on_forbidden="wait", absent=True
            )
        assert (ready.polls, ready.objects) == (3, ())
        assert "cannot be told: the server refuses access" in unmet[0]

    def test_a_flag_that_is_refused_is_not_there(self) -> None:
        with ByPath(self.FORBIDDEN, a=found()) as server:
            time = VirtualTime(at_pause={2: lambda: server.answer_with(found())})
            asked = ["s3://one/a", "s3://two/a"]
            server.answer_with(self.FORBIDDEN)
            ready, _ = wait(asked, time, endpoint=server.endpoint, on_forbidden="wait", flag="_SUCCESS")
        assert ready.polls == 3

    def test_by_default_it_ends_the_wait(self) -> None:
        with ByPath(self.FORBIDDEN, yes=found()) as server, pytest.raises(StoreError, match="refuses access"):
            wait(["s3://bucket/no", "s3://bucket/yes"], VirtualTime(), endpoint=server.endpoint, require="any")


@pytest.mark.usefixtures("fake_credentials")
def test_of_an_archived_object_that_a_listing_tells_of_a_head_says_whether_it_was_restored() -> None:
    objects = [listed(f"k{number:02}", "GLACIER" if number == 5 else "STANDARD") for number in range(13)]
    restored = found(x_amz_storage_class="GLACIER", x_amz_restore='ongoing-request="false"')
    with FakeS3(page(*objects), restored) as server:
        ready, _ = wait(MANY, VirtualTime(), endpoint=server.endpoint)
    assert [request.method for request in server.requests] == ["GET", "HEAD"]
    assert uris(ready) == MANY


@pytest.mark.usefixtures("fake_credentials")
@pytest.mark.parametrize("key", ["in/./b", "in/../b"])
def test_a_key_that_no_path_can_name_does_not_count_and_the_status_says_why(key: str) -> None:
    with FakeS3(page(listed(key, "STANDARD")), page(listed(key, "STANDARD"), listed("in/c", "STANDARD"))) as server:
        ready, unmet = wait("s3://bucket/in/**", VirtualTime(), endpoint=server.endpoint, match="glob")
    assert uris(ready) == ["s3://bucket/in/c"]
    told = "cannot be read: the key is only white space, or a part of it is '.' or '..'"
    assert unmet == [f"0 of at least 1 objects; {key!r} {told}", ""]


@pytest.mark.usefixtures("fake_credentials")
def test_a_listing_that_fails_is_an_error_and_no_reason_to_ask_for_each() -> None:
    objects = [listed(f"k{number:02}", "STANDARD") for number in range(13)]
    time = VirtualTime()
    with FakeS3(*[Answer(500)] * (1 + AGAIN_IN_BATCH), page(*objects)) as server:
        ready, _ = wait(MANY, time, endpoint=server.endpoint)
    assert [request.method for request in server.requests] == ["GET"] * (2 + AGAIN_IN_BATCH)
    assert (ready.polls, time.pauses) == (2, [1.0])


@pytest.mark.usefixtures("fake_credentials")
@pytest.mark.parametrize("failure", [error(503, "SlowDown"), Answer(500), Answer(reset=True)])
def test_one_of_many_requests_that_fails_is_sent_again_and_the_look_goes_on(failure: Answer) -> None:
    time = VirtualTime()
    with FakeS3(found(), failure, failure, *[found()] * 3) as server:
        ready, _ = wait([f"s3://bucket/{key}" for key in "abc"], time, endpoint=server.endpoint)
    assert (ready.polls, time.pauses) == (1, [])
    assert len(server.requests) == 5


@pytest.mark.usefixtures("fake_credentials")
def test_more_than_a_marker_can_tell_of_ends_the_wait() -> None:
    begin = "k" * 1000
    pages = [
        page(*(listed(f"{begin}{first + number}", "STANDARD") for number in range(1000)))
        for first in range(1000, 6000, 1000)
    ]
    too_many = pytest.raises(TooManyObjects, match=r"'ready' would have \d+ of at most 4194304 bytes")
    with FakeS3(*pages, page()) as server, too_many:
        wait("s3://bucket/k*", VirtualTime(), endpoint=server.endpoint, match="glob")


@pytest.mark.usefixtures("fake_credentials")
def test_a_manifest_that_goes_before_it_is_read_is_missing() -> None:
    with FakeS3(*[found(b"a")] * 3, error(404, "NoSuchKey"), found(b"a")) as server:
        asked = ["s3://bucket/1", "s3://bucket/2"]
        ready, unmet = wait(asked, VirtualTime(), endpoint=server.endpoint, match="manifest")
    assert unmet == ["the manifest 's3://bucket/2' is not there", ""]
    assert uris(ready) == ["s3://bucket/a"]


@pytest.mark.usefixtures("fake_credentials")
def test_one_request_that_fails_alone_is_not_sent_again_in_the_same_look() -> None:
    time = VirtualTime()
    with FakeS3(Answer(500), found()) as server:
        ready, _ = wait("s3://bucket/a", time, endpoint=server.endpoint)
    assert (ready.polls, time.pauses) == (2, [1.0])


def test_the_lag_is_that_of_the_object_that_came_last(tmp_path: Path) -> None:
    for name, age in (("old", 1000), ("new", 100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (clock.time() - age,) * 2)
    time, diary = VirtualTime(), Diary()
    before_both = iso(datetime.now(timezone.utc) - timedelta(seconds=2000))
    request = replace(time.request([str(tmp_path / "old"), str(tmp_path / "new")]), requested_at=before_both)
    watch(request, stop=time, observe=diary.append, clock=time.clock, uniform=highest)
    (end,) = diary.of(Succeeded)
    assert isinstance(end, Succeeded)
    assert end.lag == pytest.approx(100, abs=60)


def test_what_is_written_again_with_the_same_content_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.utime(file, (1000, 1000))
    time = VirtualTime(at_pause={1: lambda: os.utime(file, (2000, 2000))})
    ready, _ = wait(str(file), time, stable_for=15)
    assert ready.waited == 25


def test_one_that_the_server_refuses_ends_the_wait_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with FakeS3(found(), error(403, "AccessDenied")) as server, pytest.raises(StoreError) as refused:
        wait(["s3://bucket/a", "s3://bucket/b"], VirtualTime(), endpoint=server.endpoint)
    assert str(refused.value).startswith("s3://bucket/b: the server refuses access (403)")


def test_who_may_not_list_is_asked_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with FakeS3(error(403, "AccessDenied"), found()) as server:
        ready, _ = wait([f"s3://bucket/{i:02}" for i in range(20)], VirtualTime(), endpoint=server.endpoint)
    assert [request.method for request in server.requests] == ["GET", *["HEAD"] * 20]
    assert len(ready.objects) == 20


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"uri": ()}, "path: is 0 paths; give a path, or a list of 1 to 10000 of them"),
        ({"uri": ["s3://bucket/key"] * (MOST_PATHS + 1)}, "path: is 10001 paths"),
        ({"uri": ["s3://bucket/key", 5]}, "path: is 2 paths"),
        ({"uri": ["s3://bucket/key", "s3://b"]}, "path 's3://b': 'b' cannot be the name of a bucket"),
        ({"uri": {"s3://bucket/key": 1}}, "path: is a dict"),
        (
            {"uri": ["s3://bucket/key", "gs://bucket/key"]},
            "path 'gs://bucket/key': is in another kind of store",
        ),
        ({"uri": ["s3://bucket/key", "/a"]}, "path '/a': is in another kind of store"),
        ({"uri": ["gs://bucket/key", "az://container/a"]}, "path 'az://container/a': is in another kind of store"),
        ({"flag": "file:///_SUCCESS"}, "path 'file:///_SUCCESS': is in another kind of store than 's3://bucket/a*'"),
        ({"flag": "gs://bucket/_SUCCESS"}, "path 'gs://bucket/_SUCCESS': is in another kind of store"),
        ({"uri": "gs://bucket/a", "flag": "az://container/b"}, "path 'az://container/b': is in another kind of store"),
        ({"uri": "https://host/list", "match": "manifest"}, "--match (match): a web server has no list of what it has"),
        ({"uri": "https://host/a", "flag": "_SUCCESS"}, "--flag (flag): means nothing here: the path is the URL"),
        ({"match": "manifest", "detection": "events"}, "(detection): what a manifest lists is not known when"),
        (
            {"uri": "gs://bucket/key", "detection": "events"},
            "(detection): events are of MinIO, and the path is",
        ),
        ({"require": "most"}, "--require (require): 'most' is unknown; use all or any"),
        ({"expected_count": 2}, "--expected-count (expected_count): is of patterns; add --match=glob"),
        ({"match": "glob", "expected_count": 2, "min_count": 3}, "--min-count (min_count): says the same as"),
        ({"match": "glob", "expected_count": -1}, "--expected-count (expected_count): -1 is no number of objects"),
        ({"absent": True, "etag": "e"}, "--absent (absent): cannot be had with etag; leave one of them out"),
        ({"absent": True, "min_size": 5}, "--absent (absent): cannot be had with min_size"),
        ({"absent": True, "match": "glob", "min_count": 2}, "--absent (absent): cannot be had with min_count"),
        ({"absent": True, "stable_for": 5}, "--absent (absent): cannot be had with stable_for"),
        ({"absent": True, "newer_than": "1h"}, "--absent (absent): cannot be had with newer_than"),
        ({"absent": True, "flag": "_SUCCESS"}, "--absent (absent): cannot be had with flag; leave one of them out"),
        ({"absent": True, "match": "manifest"}, "--absent (absent): cannot be had with match"),
        ({"uri": ["s3://bucket/a", "s3://bucket/b"], "etag": "e"}, "--etag (etag): is of one object"),
        ({"match": "manifest", "version_id": "v"}, "--version-id (version_id): is of one object"),
        ({"flag": "x" * 1025}, "--flag (flag): "),
        ({"flag": ".."}, "--flag (flag): '..' cannot be beside the path: the key is only white space, or a part of it"),
        ({"flag": "../x"}, "--flag (flag): '../x' cannot be beside the path"),
        ({"uri": "gs://bucket/a", "flag": "x/"}, "--flag (flag): 'x/' cannot be beside the path"),
        (
            {"uri": "s3://bucket/2026-*/part", "match": "glob", "flag": "_SUCCESS"},
            "--flag (flag): '_SUCCESS' is looked for beside the path, and 's3://bucket/2026-*/part' stands for several"
            " folders; write the flag's whole path",
        ),
        ({"uri": "/data/**/part", "match": "glob", "flag": "_SUCCESS"}, "stands for several folders"),
        ({"match": "manifest", "etag": "e"}, "--etag (etag): is of one object, and the path stands for several"),
        (
            {"uri": "s3://bucket/a", "match": "glob", "min_count": 2},
            "--min-count (min_count): 2 objects can never match 's3://bucket/a', in which no pattern is",
        ),
        (
            {"uri": ["s3://bucket/*", r"s3://bucket/a\*"], "match": "glob", "expected_count": 2},
            "--expected-count (expected_count): 2 objects can never match",
        ),
    ],
)
def test_what_cannot_be_right_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        WatchSpec(**{"uri": "s3://bucket/a*", **options})
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "flag"),
    [
        ("s3://bucket/in/**", "_SUCCESS"),
        ("s3://bucket/*/part", "s3://bucket/_SUCCESS"),
        ("/data/*/part", "/data/_SUCCESS"),
        ("/data/part-*", "../_SUCCESS"),
    ],
)
def test_a_flag_of_which_all_know_where_it_is_is_taken(uri: str, flag: str) -> None:
    assert WatchSpec(uri=uri, match="glob", flag=flag).flag == flag


def test_what_is_called_manifest_is_no_manifest() -> None:
    assert WatchSpec(uri="s3://bucket/lock", absent=True, version_id="manifest", region="manifest").absent
