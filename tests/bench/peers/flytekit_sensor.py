"""flytekit's FileSensor, which asks s3fs, in its own local loop of one look a second: ``flytekit_sensor.py URI``."""

from __future__ import annotations

import sys

from flytekit.sensor import FileSensor

FileSensor(name="wait")(path=sys.argv[1])
