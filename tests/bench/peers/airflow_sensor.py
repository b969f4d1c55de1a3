"""Airflow's S3KeySensor in poke mode, as a worker runs it: ``airflow_sensor.py INTERVAL exact|wildcard``."""

from __future__ import annotations

import sys

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor

_, interval, match = sys.argv
for number, line in enumerate(sys.stdin):
    sensor = S3KeySensor(
        task_id=f"wait-{number}",
        bucket_key=line.strip(),
        wildcard_match=match == "wildcard",
        poke_interval=float(interval),
    )
    sensor.execute(context={})
    print("noticed", flush=True)
