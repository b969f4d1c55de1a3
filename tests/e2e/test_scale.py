"""A few sensors that wait at once, measured as ``make scale`` measures a hundred."""

from __future__ import annotations

import pytest

from tests.e2e import scale
from tests.e2e.sensors import Sensors
from tests.figures import Figure

pytestmark = pytest.mark.timeout(1800)

PODS = 10


@pytest.mark.parametrize("main", scale.MAINS)
def test_sensors_that_wait_at_once_all_listen_and_all_succeed(sensors: Sensors, main: str, figure: Figure) -> None:
    found = scale.measure(sensors, main, PODS, seconds=20)
    figure(f"{PODS} sensors at once, {main} main", f"{found.memory / PODS / 2**20:.0f} MiB each, {found}")
    assert found.streams == PODS
    assert 0 < found.memory / PODS < 250 * 2**20
    assert found.store < PODS, "less than a request a second each"
