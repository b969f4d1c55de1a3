"""A second implementation of S3, moto's: objects, and keys that break careless code."""

from __future__ import annotations

import io

import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.stores import Found

from tests.moto_server import MotoServer
from tests.sidecar import hostile
from tests.sidecar.test_faults_moto import MISTOLD
from tests.sidecar.tools import One, Opened


def opened(uri: str) -> One:
    return One(Opened(WatchSpec(uri=uri)))


def test_an_object_is_found_with_all_that_is_known_of_it(moto: MotoServer, moto_bucket: str) -> None:
    moto.put(moto_bucket, "dir/key", b"12345")
    known = moto.client().stat_object(moto_bucket, "dir/key")
    assert known.last_modified
    assert opened(f"s3://{moto_bucket}/dir/key").look() == Found(
        bucket=moto_bucket, key="dir/key", size=5, etag=known.etag or "", last_modified=known.last_modified.timestamp()
    )


def test_a_prefix_of_objects_is_no_object(moto: MotoServer, moto_bucket: str) -> None:
    moto.put(moto_bucket, "dir/key")
    assert [opened(f"s3://{moto_bucket}/{key}").look() for key in ("dir", "dir/", "di")] == [None] * 3


def test_versions_and_delete_markers_are_told(moto: MotoServer, moto_bucket: str) -> None:
    moto.client().set_bucket_versioning(moto_bucket, VersioningConfig(ENABLED))
    stored = moto.client().put_object(moto_bucket, "key", io.BytesIO(b"x"), 1)
    store = opened(f"s3://{moto_bucket}/key")
    seen = store.look()
    assert seen
    assert seen.version_id == stored.version_id
    moto.client().remove_object(moto_bucket, "key")
    marker = store.look()
    assert marker
    assert marker.is_deleted
    moto.put(moto_bucket, "key")
    there = store.look()
    assert there
    assert not there.is_deleted


NOT_STORED = {"new\nline"}
"""moto's routes end at a newline."""


NOT_TOLD = {"\x1b[31mred"}
"""moto's error for it is no XML: the watcher backs off until it is there."""


@pytest.mark.parametrize("key", [key for key in hostile.KEYS if key not in NOT_STORED | {MISTOLD}])
def test_a_hostile_key_is_found_byte_for_byte_and_its_near_misses_are_not(
    moto: MotoServer, moto_bucket: str, key: str
) -> None:
    store = opened(f"s3://{moto_bucket}/{key}")
    assert store.look() is None
    moto.put(moto_bucket, key)
    found = store.look()
    assert found
    assert found.key.encode() == key.encode()
    misses = hostile.near_misses(key) - NOT_STORED
    assert [miss for miss in misses if opened(f"s3://{moto_bucket}/{miss}").look()] == []
    assert [listed.object_name for listed in moto.client().list_objects(moto_bucket, recursive=True)] == [key]
