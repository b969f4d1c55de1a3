"""A Flyte sensor that waits for an object in S3 or MinIO."""

from objectstore_sensor import _decorated  # noqa: F401  # tells flytekit of ObjectStoreWait
from objectstore_sensor._config import ObjectStoreWait
from objectstore_sensor._inputs import FromInput
from objectstore_sensor._matched import MatchedObject
from objectstore_sensor._metadata import metadata
from objectstore_sensor._sensor import WaitForObjectStoreFile, WaitForObjectStoreFiles
from objectstore_sensor.errors import (
    DeadlineExceeded,
    InvalidArgument,
    MarkerError,
    ObjectChanged,
    StoreError,
    TooManyObjects,
    WaitError,
    WatcherDied,
)

__all__ = [
    "DeadlineExceeded",
    "FromInput",
    "InvalidArgument",
    "MarkerError",
    "MatchedObject",
    "ObjectChanged",
    "ObjectStoreWait",
    "StoreError",
    "TooManyObjects",
    "WaitError",
    "WaitForObjectStoreFile",
    "WaitForObjectStoreFiles",
    "WatcherDied",
    "metadata",
]
