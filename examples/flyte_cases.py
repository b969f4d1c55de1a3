"""The example workflow with a patient and an impatient sensor, for the tests on a real Flyte backend."""

from flytekit import workflow
from objectstore_sensor import WaitForObjectStoreFile, metadata

from examples.wait_and_run import do_next

patient_sensor = WaitForObjectStoreFile(poll_interval=1, metadata=metadata(timeout="10m", retries=1))
impatient_sensor = WaitForObjectStoreFile(poll_interval=1, timeout=10, metadata=metadata(timeout="5m", retries=1))


@workflow
def patient(path: str) -> int:
    return do_next(path=patient_sensor(path=path))


@workflow
def impatient(path: str) -> int:
    return do_next(path=impatient_sensor(path=path))
