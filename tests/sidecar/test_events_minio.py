"""Waits that listen, on a real MinIO; and on moto's server, which knows no events."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import Tags
from objectstore_watcher import contract
from objectstore_watcher.contract import Ready, Request, WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.stores import listen
from objectstore_watcher.stores.events import MOST_STREAMS
from objectstore_watcher.stores.hints import Listener, Streamed
from objectstore_watcher.watch import Pausing, watch

from tests.bench.instruments import RecordingProxy
from tests.moto_server import MotoServer
from tests.servers import ROOT, MinioServer, eventually
from tests.sidecar.conftest import Start
from tests.sidecar.listeners import Waiting, listening_threads, waits
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import Diary, takes_requests

LONG = 3600
"""Seconds of a poll interval during which no test polls twice."""

Wait = Callable[..., Waiting]


@pytest.fixture
def wait(flyte_env: dict[str, str]) -> Iterator[Wait]:
    with waits() as begin:
        yield begin
    eventually(lambda: not listening_threads(), "no stream is left")


KEYS = ["key", "dir/.hidden", "dir/a b+c%2B&d=é?*[x]", "dir/back\\slash", 'dir/"quoted"', "dir/日本"]


@pytest.mark.parametrize("key", KEYS)
def test_an_object_is_found_when_its_event_comes(minio: MinioServer, bucket: str, wait: Wait, key: str) -> None:
    waiting = wait(f"s3://{bucket}/{key}", poll_interval=LONG)
    waiting.await_stream()
    before = waiting.polls
    minio.put(bucket, "other")
    minio.put(bucket, key)
    ready = waiting.end()
    assert (ready.detected_by, ready.polls, ready.objects[0].uri) == ("event", before + 1, f"s3://{bucket}/{key}")


def test_one_that_matches_a_pattern_is_found_when_its_event_comes(minio: MinioServer, bucket: str, wait: Wait) -> None:
    waiting = wait(f"s3://{bucket}/day/**/*.csv", match="glob", min_count=2, poll_interval=LONG)
    waiting.await_stream()
    for key in ("day/1/one.csv", "day/1/one.txt", "night/1.csv", "day/2/other.csv"):
        minio.put(bucket, key)
    ready = waiting.end()
    found = [each.uri for each in ready.objects]
    assert (ready.detected_by, found) == (
        "event",
        [f"s3://{bucket}/{key}" for key in ("day/1/one.csv", "day/2/other.csv")],
    )


def test_the_end_of_an_object_has_an_event_too(minio: MinioServer, bucket: str, wait: Wait) -> None:
    minio.put(bucket, "key")
    waiting = wait(f"s3://{bucket}/key", absent=True, poll_interval=LONG)
    waiting.await_stream()
    minio.client().remove_object(bucket, "key")
    assert waiting.end().detected_by == "event"


def test_an_upload_in_parts_is_found_when_it_is_whole(minio: MinioServer, bucket: str, wait: Wait) -> None:
    waiting = wait(f"s3://{bucket}/key", poll_interval=LONG, min_size=6 * 1024 * 1024)
    waiting.await_stream()
    data = os.urandom(1) * (6 * 1024 * 1024)
    minio.put(bucket, "key", b"too small")
    eventually(lambda: waiting.heard == 1, "the event of the first")
    (minio.data / "upload").write_bytes(data)
    minio.client().fput_object(bucket, "key", str(minio.data / "upload"), part_size=5 * 1024 * 1024)
    ready = waiting.end()
    assert (ready.detected_by, ready.objects[0].size) == ("event", len(data))


def test_a_server_that_is_killed_and_comes_back_is_listened_to_again(tmp_path: Path, wait: Wait) -> None:
    with MinioServer(tmp_path / "drive") as server:
        takes_requests(server)
        server.client().make_bucket("bucket")
        waiting = wait("s3://bucket/key", endpoint=server.endpoint, poll_interval=LONG)
        waiting.await_stream()
        server.stop()
        waiting.await_stream("lost")
        assert waiting.pauses[-1] <= LONG
        server.start()
        takes_requests(server)
        eventually(lambda: waiting.outcomes[-1] == "connected", "the stream is back", timeout=60)
        waiting.await_stream()
        server.put("bucket", "key")
        assert waiting.end().detected_by == "event"


def test_what_comes_while_the_server_is_not_listened_to_is_found_after(tmp_path: Path, wait: Wait) -> None:
    with MinioServer(tmp_path / "drive") as server:
        takes_requests(server)
        server.client().make_bucket("bucket")
        with RecordingProxy(server.port) as proxy:
            waiting = wait("s3://bucket/key", endpoint=proxy.endpoint, poll_interval=LONG)
            waiting.await_stream()
            proxy.cut()
            server.put("bucket", "key")
            assert waiting.end().objects[0].uri == "s3://bucket/key"


def test_a_user_who_may_not_listen_polls(
    minio: MinioServer, bucket: str, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(minio, monkeypatch, "polls", bucket, "s3:GetObject", "s3:ListBucket")
    waiting = wait(f"s3://{bucket}/key", poll_interval=0.05)
    waiting.await_stream("refused")
    assert waiting.detail_of("refused") == "HTTP 403 AccessDenied; grant s3:ListenBucketNotification on the bucket"
    minio.put(bucket, "key")
    assert waiting.end().detected_by == "poll"


def test_a_user_who_may_do_just_what_the_watcher_needs_listens(
    minio: MinioServer, bucket: str, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(minio, monkeypatch, "listens", bucket, "s3:GetObject", "s3:ListBucket", "s3:ListenBucketNotification")
    waiting = wait(f"s3://{bucket}/key", poll_interval=LONG)
    waiting.await_stream()
    minio.put(bucket, "key")
    assert waiting.end().detected_by == "event"


def user(minio: MinioServer, monkeypatch: pytest.MonkeyPatch, name: str, bucket: str, *actions: str) -> None:
    """From now on, this process is a user who may do just that."""
    minio.admin().user_add(name, "users-secret-61b0")
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    minio.admin().policy_add(name, policy=json.loads(json.dumps({"Version": "2012-10-17", "Statement": [statement]})))
    minio.admin().policy_set(name, user=name)
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", name)
    monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", "users-secret-61b0")


def test_a_bucket_that_is_made_later_is_listened_to(minio: MinioServer, bucket: str, wait: Wait) -> None:
    waiting = wait(f"s3://{bucket}-later/key", poll_interval=0.2, on_missing_bucket="wait")
    waiting.await_stream("failed")
    assert waiting.detail_of("failed") == "HTTP 404 NoSuchBucket"
    minio.client().make_bucket(f"{bucket}-later")
    waiting.await_stream()


def test_the_site_of_another_region_is_listened_to(tmp_path: Path, wait: Wait) -> None:
    with MinioServer(tmp_path / "drive", MINIO_SITE_REGION="eu-west-1") as server:
        takes_requests(server)
        server.client().make_bucket("bucket")
        waiting = wait("s3://bucket/key", endpoint=server.endpoint, poll_interval=LONG)
        waiting.await_stream()


def test_events_come_by_tls(tmp_path: Path, certificates: Certificates, wait: Wait) -> None:
    key, mark, certificate = certificates.server_file("127.0.0.1").read_text().partition("-----BEGIN CERTIFICATE")
    (tmp_path / "private.key").write_text(key)
    (tmp_path / "public.crt").write_text(mark + certificate)
    with MinioServer(tmp_path / "drive", certificates=tmp_path) as server:
        waiting = wait(
            "s3://bucket/key",
            endpoint=server.endpoint,
            ca_file=str(certificates.ca),
            poll_interval=0.5,
            on_missing_bucket="wait",
        )
        waiting.await_stream("failed")
        pool = urllib3.PoolManager(ca_certs=str(certificates.ca))
        root = server.ACCESS_KEY, server.SECRET_KEY
        client = Minio(f"127.0.0.1:{server.port}", *root, region="us-east-1", http_client=pool)
        client.make_bucket("bucket")
        waiting.await_stream()
        client.put_object("bucket", "key", io.BytesIO(b"data"), 4)
        assert waiting.end().detected_by == "event"


def test_the_policy_of_the_manifests_is_enough_to_listen(
    minio: MinioServer, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "MINIO_HOST": f"127.0.0.1:{minio.port}",
        "MINIO_ROOT_USER": minio.ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": minio.SECRET_KEY,
        "ACCESS_KEY_ID": "watcher-of-the-test",
        "SECRET_ACCESS_KEY": "users-secret-61b0",
    }
    subprocess.run([sys.executable, ROOT / "k8s" / "minio" / "setup.py"], env={**os.environ, **settings}, check=True)
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", settings["ACCESS_KEY_ID"])
    monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", settings["SECRET_ACCESS_KEY"])
    waiting = wait("s3://data/key", poll_interval=LONG)
    waiting.await_stream()
    minio.put("data", "key")
    assert waiting.end().detected_by == "event"


def test_fifty_waits_share_one_stream(minio: MinioServer, bucket: str, wait: Wait) -> None:
    with RecordingProxy(minio.port) as proxy:
        waiting = [wait(f"s3://{bucket}/{index}", endpoint=proxy.endpoint, poll_interval=LONG) for index in range(50)]
        for each in waiting:
            each.await_stream()
        assert len(listening_threads()) == 1
        assert proxy.most_streams <= 2  # the one that is replaced, and the one that replaces it
        assert proxy.listens <= 4
        for index in range(50):
            minio.put(bucket, f"{index}")
        assert {each.end().detected_by for each in waiting} == {"event"}


def test_with_events_there_is_about_one_request_a_minute(minio: MinioServer, bucket: str, wait: Wait) -> None:
    waiting = wait(f"s3://{bucket}/key", poll_interval=10)
    waiting.await_stream()
    assert 30 < waiting.pauses[-1] <= 60


def test_moto_knows_no_events(moto: MotoServer, moto_bucket: str, wait: Wait) -> None:
    waiting = wait(f"s3://{moto_bucket}/key", endpoint=moto.endpoint, poll_interval=0.05)
    waiting.await_stream("unsupported")
    moto.put(moto_bucket, "key")
    assert waiting.end().detected_by == "poll"


def test_the_marker_says_that_an_event_led_to_the_object(
    minio: MinioServer, bucket: str, flyte_env: dict[str, str], start: Start, marker_directory: Path
) -> None:
    with RecordingProxy(minio.port) as proxy:
        environment = {**flyte_env, "FLYTE_AWS_ENDPOINT": proxy.endpoint}
        start("--dir", marker_directory, f"--poll-interval={LONG}", f"s3://{bucket}/key", **environment)
        eventually(lambda: len(proxy.requests) >= 2, "the look after the subscription")
        minio.put(bucket, "key")
        eventually((marker_directory / Ready.NAME).exists, "the marker")
    ready = contract.read(marker_directory, Ready)
    assert ready
    assert ready.detected_by == "event"


def has_asked(proxy: RecordingProxy, number: int) -> bool:
    return len(proxy.requests) == number


def test_of_several_paths_an_event_causes_a_look_at_its_own_and_the_last_one_at_all(
    minio: MinioServer, bucket: str, wait: Wait
) -> None:
    with RecordingProxy(minio.port) as proxy:
        uris = [f"s3://{bucket}/{key}" for key in "abc"]
        waiting = wait(uris, endpoint=proxy.endpoint, poll_interval=LONG)
        waiting.await_stream()
        proxy.requests.clear()
        for number, key in enumerate("ba", start=1):
            minio.put(bucket, key)
            eventually(partial(has_asked, proxy, number), "one HEAD")
        minio.put(bucket, "c")
        ready = waiting.end()
        assert [each.uri for each in ready.objects] == uris
        assert ready.detected_by == "event"
        assert len(proxy.requests) == 3 + len(uris)


def test_an_event_of_the_flag_causes_a_look_at_what_waits_for_it(minio: MinioServer, bucket: str, wait: Wait) -> None:
    waiting = wait(f"s3://{bucket}/day/*.csv", match="glob", flag="_SUCCESS", poll_interval=LONG)
    waiting.await_stream()
    minio.put(bucket, "day/a.csv")
    minio.put(bucket, "day/_SUCCESS")
    ready = waiting.end()
    assert ([each.uri for each in ready.objects], ready.detected_by) == ([f"s3://{bucket}/day/a.csv"], "event")


def test_paths_in_two_buckets_are_heard_of_by_two_streams(minio: MinioServer, bucket: str, wait: Wait) -> None:
    other = f"{bucket}-2"
    minio.client().make_bucket(other)
    with RecordingProxy(minio.port) as proxy:
        waiting = wait([f"s3://{bucket}/a", f"s3://{other}/b"], endpoint=proxy.endpoint, poll_interval=LONG)
        eventually(lambda: waiting.outcomes.count("connected") == 2, "both streams are there")
        minio.put(other, "b")
        minio.put(bucket, "a")
        assert waiting.end().detected_by == "event"
        assert proxy.listens == 2


def test_what_a_manifest_lists_is_polled_for(minio: MinioServer, bucket: str, wait: Wait) -> None:
    minio.put(bucket, "manifest", b"a")
    with RecordingProxy(minio.port) as proxy:
        waiting = wait(f"s3://{bucket}/manifest", match="manifest", endpoint=proxy.endpoint, poll_interval=0.1)
        eventually(lambda: waiting.polls > 1, "polls")
        minio.put(bucket, "a")
        assert waiting.end().detected_by == "poll"
        assert proxy.listens == 0


def test_more_buckets_than_it_listens_to_are_polled_for(bucket: str) -> None:
    uris = tuple(f"s3://{bucket}-{number}/key" for number in range(MOST_STREAMS + 1))
    endpoint = "http://127.0.0.1:9000"
    assert type(listen(WatchSpec(uri=uris, endpoint=endpoint))) is Listener
    with pytest.raises(InvalidArgument, match=r"\(detection\): there are 9 buckets; use auto or poll"):
        listen(WatchSpec(uri=uris, endpoint=endpoint, detection="events"))


def test_a_tag_that_is_set_has_an_event_too(minio: MinioServer, bucket: str, wait: Wait) -> None:
    minio.put(bucket, "key")
    waiting = wait(f"s3://{bucket}/key", tags={"quality": "passed"}, poll_interval=LONG)
    waiting.await_stream()
    tags = Tags.new_object_tags()
    tags["quality"] = "passed"
    minio.client().set_object_tags(bucket, "key", tags)
    assert waiting.end().detected_by == "event"


def test_a_condition_of_the_tasks_own_is_asked_at_the_interval(
    minio: MinioServer, bucket: str, flyte_env: dict[str, str]
) -> None:
    """What it depends on may change without an event."""
    minio.put(bucket, "key")
    diary, asked = Diary(), list[float]()

    def judge(ready: Ready) -> bool:
        if any(isinstance(event, Streamed) for event in diary):
            asked.append(time.monotonic())
        return len(asked) > 3

    request = Request(spec=WatchSpec(uri=f"s3://{bucket}/key", poll_interval=0.3))
    watch(request, stop=threading.Event(), observe=diary.append, judge=judge)
    pauses = [event.seconds for event in diary if isinstance(event, Pausing)]
    assert max(pauses) <= 0.3
