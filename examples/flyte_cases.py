"""The example workflow with a patient and an impatient sensor, with either main, and a task that waits itself."""

from flytekit import FlyteFile, task, workflow
from objectstore_sensor import ObjectStoreWait, WaitForObjectStoreFile, metadata

from examples.wait_and_run import do_next

patient_sensor = WaitForObjectStoreFile(poll_interval=1, metadata=metadata(timeout="10m", retries=1))
impatient_sensor = WaitForObjectStoreFile(poll_interval=1, timeout=10, metadata=metadata(timeout="5m", retries=1))
lean_sensor = WaitForObjectStoreFile(main="lean", poll_interval=1, metadata=metadata(timeout="10m", retries=1))
lean_impatient_sensor = WaitForObjectStoreFile(
    main="lean", poll_interval=1, timeout=10, metadata=metadata(timeout="5m", retries=1)
)


@task(task_config=ObjectStoreWait(poll_interval=1), timeout=600)
def waiting_task(path: str) -> int:
    with open(FlyteFile(path), "rb") as file:
        return len(file.read())


@workflow
def patient(path: str) -> int:
    return do_next(path=patient_sensor(path=path))


@workflow
def impatient(path: str) -> int:
    return do_next(path=impatient_sensor(path=path))


@workflow
def lean(path: str) -> int:
    return do_next(path=lean_sensor(path=path))


@workflow
def lean_impatient(path: str) -> int:
    return do_next(path=lean_impatient_sensor(path=path))


@workflow
def one_task(path: str) -> int:
    return waiting_task(path=path)
