"""The trigger of Airflow's deferrable S3KeySensor, as a triggerer runs it: ``airflow_trigger.py INTERVAL``."""

from __future__ import annotations

import asyncio
import sys

from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger

_, interval = sys.argv


async def wait(uri: str) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    trigger = S3KeyTrigger(bucket_name=bucket, bucket_key=key, poke_interval=float(interval))
    event = await anext(trigger.run())
    assert event.payload["status"] == "success", event


for line in sys.stdin:
    asyncio.run(wait(line.strip()))
    print("noticed", flush=True)
