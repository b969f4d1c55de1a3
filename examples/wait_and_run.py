"""The workflow of Flyte's tutorial: wait for a file, then read it.

pyflyte run examples/wait_and_run.py wait_and_run --path s3://bucket/key
"""

from flytekit import FlyteFile, task, workflow
from objectstore_sensor import WaitForObjectStoreFile, metadata

sensor = WaitForObjectStoreFile(poll_interval=1, metadata=metadata(timeout="1H", retries=10))


@task
def do_next(path: str) -> int:
    """Count the bytes of the object: it is really read."""
    with open(FlyteFile(path), "rb") as file:
        return len(file.read())


@workflow
def wait_and_run(path: str) -> int:
    path = sensor(path=path)
    return do_next(path=path)
