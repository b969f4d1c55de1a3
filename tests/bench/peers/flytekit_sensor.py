"""flytekit's FileSensor, which asks s3fs, in its own local loop of one look a second."""

from __future__ import annotations

import sys

from flytekit.sensor import FileSensor

sensor = FileSensor(name="wait")
for line in sys.stdin:
    sensor(path=line.strip())
    print("noticed", flush=True)
