"""A few sensors that wait at once, measured as ``make scale`` measures a hundred."""

from __future__ import annotations

import pytest

from tests.e2e import scale
from tests.e2e.sensors import Sensors
from tests.figures import Figure

pytestmark = pytest.mark.timeout(1800)

PODS = {"flytekit": 4, "lean": 10}
"""A flytekit takes 2 s of CPU to start."""


@pytest.mark.parametrize("main", scale.MAINS)
def test_sensors_that_wait_at_once_all_listen_and_all_succeed(sensors: Sensors, main: str, figure: Figure) -> None:
    count = PODS[main]
    found = scale.measure(sensors, main, count, seconds=20)
    figure(f"{count} sensors at once, {main} main", f"{found.memory / count / 2**20:.0f} MiB each, {found}")
    assert found.streams == count
    assert 0 < found.memory / count < 250 * 2**20
    assert found.store < count, "less than a request a second each"
