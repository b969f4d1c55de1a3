"""Each wait of tests/features.py as a local run, on MinIO; tests/e2e/test_features.py runs the same in pods."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from objectstore_watcher.logs import LOGGER, JsonFormatter

from tests.features import FEATURES, Line, Story, lines_of, now, sensor_of
from tests.servers import MinioServer


@pytest.fixture
def log() -> Iterator[list[Line]]:
    """The watcher's log, as a pod has it; by a filter, since the wait brings handlers of its own."""
    lines: list[Line] = []

    def keep(record: logging.LogRecord) -> bool:
        lines.extend(lines_of(JsonFormatter().format(record)))
        return True

    LOGGER.addFilter(keep)
    yield lines
    LOGGER.removeFilter(keep)


@pytest.mark.parametrize("name", FEATURES)
def test_a_local_wait_gives_what_the_pod_gives(
    name: str, minio: MinioServer, bucket: str, configured: None, log: list[Line]
) -> None:
    story, sensor = Story(FEATURES[name], minio.client(), bucket), sensor_of(name)
    assert sensor
    story.begin()
    time.sleep(story.feature.age)
    given, *_ = sensor.python_interface.inputs
    with ThreadPoolExecutor() as pool:
        rest = pool.submit(story.go_on, [log.copy], 30)
        found = sensor(**{given: story.asked}, **story.inputs(now()))
        rest.result()
    story.check(found, log)
