"""Each wait of tests/features.py as a local run, on MinIO; tests/e2e/test_features.py runs the same in pods."""

from __future__ import annotations

import threading

import pytest

from tests.features import FEATURES, paths, sensor_of, store, told
from tests.servers import MinioServer

ARRIVES_AFTER = 0.5


@pytest.mark.parametrize("name", FEATURES)
def test_a_local_wait_gives_what_the_pod_gives(name: str, minio: MinioServer, bucket: str, configured: None) -> None:
    feature, sensor = FEATURES[name], sensor_of(name)
    assert sensor
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
    given, *_ = sensor.python_interface.inputs
    found = sensor(**{given: paths(feature.asked, lambda key: f"s3://{bucket}/{key}")}, **feature.inputs)
    assert began.is_set(), "it must wait for what comes"
    assert told(found) == paths(feature.found, lambda key: f"s3://{bucket}/{key}")
