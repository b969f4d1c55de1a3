"""A user's module of functions that wait, which the tests load again in other processes, as Flyte does in the pod."""

from __future__ import annotations

import asyncio

from flytekit import FlyteFile, Resources, map_task, task, workflow
from objectstore_sensor import ObjectStoreWait

WAIT = ObjectStoreWait(poll_interval=0.2, timeout="1h", metrics_port=None)


@task(task_config=WAIT, retries=3, environment={"COLOUR": "red"}, limits=Resources(cpu="2", mem="500Mi"))
def size(path: str) -> int:
    with open(FlyteFile(path), "rb") as file:
        return len(file.read())


@task(task_config=WAIT)
async def size_async(path: str) -> int:
    await asyncio.sleep(0)
    with open(FlyteFile(path), "rb") as file:
        return len(file.read())


@task(task_config=WAIT)
def same(path: str) -> str:
    return path


@task(task_config=WAIT)
async def same_async(path: str) -> str:
    await asyncio.sleep(0)
    return path


@task(task_config=ObjectStoreWait(input="orders", poll_interval=0.2, timeout=10, metrics_port=None))
def where(day: int, orders: FlyteFile) -> str:
    return f"{day} {orders.remote_source}"


@workflow
def all_the_same(paths: list[str]) -> list[str]:
    return map_task(same)(path=paths)


@task(task_config=ObjectStoreWait(poll_interval=0.2, timeout=1, metrics_port=None))
def impatient(path: str) -> None:
    raise AssertionError("the object never comes")
