"""Each wait of tests/features.py as a local run, on MinIO; tests/e2e/test_features.py runs the same in pods."""

from __future__ import annotations

import threading

import pytest

from tests.features import FEATURES, Feature, paths, store, told
from tests.servers import MinioServer

ARRIVES_AFTER = 0.5


@pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)
def test_a_local_wait_gives_what_the_pod_gives(
    feature: Feature, minio: MinioServer, bucket: str, configured: None
) -> None:
    began = threading.Event()  # not the timer's own end: an event can tell of the change before that

    def change() -> None:
        began.set()
        for key, data in feature.later.items():
            if data is None:
                minio.client().remove_object(bucket, key)
            else:
                store(minio.client(), bucket, key, data)

    for key, data in feature.before.items():
        minio.put(bucket, key, data)
    timer = threading.Timer(ARRIVES_AFTER, change)
    timer.start()
    given, *_ = feature.sensor.python_interface.inputs
    found = feature.sensor(**{given: paths(feature.asked, lambda key: f"s3://{bucket}/{key}")}, **feature.inputs)
    assert began.is_set(), "it must wait for what comes"
    assert told(found) == paths(feature.found, lambda key: f"s3://{bucket}/{key}")
