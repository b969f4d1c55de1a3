"""Airflow's S3KeySensor in poke mode, as a worker runs it: ``airflow_sensor.py INTERVAL exact|wildcard URI``."""

from __future__ import annotations

import sys

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor

_, interval, match, uri = sys.argv
sensor = S3KeySensor(task_id="wait", bucket_key=uri, wildcard_match=match == "wildcard", poke_interval=float(interval))
sensor.execute(context={})
