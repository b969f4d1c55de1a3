"""What a sidecar loads before it knows the path."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ast, importlib.util, sys
from objectstore_watcher import stores
environment, has_extra = ast.literal_eval(sys.argv[1])
if not has_extra:
    importlib.util.find_spec = lambda name: None
stores.preload(environment)
print("objectstore_watcher.stores.s3" in sys.modules, "minio" in sys.modules)
"""


@pytest.mark.parametrize(
    ("environment", "loads"),
    [
        ({}, False),
        ({"FLYTE_AWS_ENDPOINT": "http://minio:9000"}, True),
        ({"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, False),
        ({"STORAGE_EMULATOR_HOST": "http://gcs:4443"}, False),
        ({"AZURE_CLIENT_ID": "workload"}, False),
        ({"AZURE_CLIENT_ID": "workload", "AWS_ACCESS_KEY_ID": "minio"}, False),
        ({"AZURE_CLIENT_ID": "workload", "AWS_CA_BUNDLE": "/ca.pem"}, False),
        ({"AZURE_CLIENT_ID": "", "MINIO_ENDPOINT": "http://minio:9000"}, True),
    ],
    ids=str,
)
def test_beside_the_client_of_other_clouds_that_of_s3_is_loaded_ahead_where_the_environment_speaks_of_s3_alone(
    environment: dict[str, str], loads: bool
) -> None:
    assert loaded(environment, has_extra=True) == [str(loads)] * 2


def test_without_it_the_client_of_s3_is_loaded_ahead() -> None:
    assert loaded({"AZURE_CLIENT_ID": "workload"}, has_extra=False) == ["True"] * 2


def loaded(environment: dict[str, str], has_extra: bool) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, repr((environment, has_extra))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split()
