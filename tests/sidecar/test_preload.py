"""What a sidecar loads before it knows the path."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ast, sys
from objectstore_watcher import stores
stores.preload(ast.literal_eval(sys.argv[1]))
print("objectstore_watcher.stores.s3" in sys.modules, "minio" in sys.modules)
"""


@pytest.mark.parametrize(
    ("environment", "loads"),
    [
        ({}, True),
        ({"FLYTE_AWS_ENDPOINT": "http://minio:9000"}, True),
        ({"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}, False),
        ({"STORAGE_EMULATOR_HOST": "http://gcs:4443"}, False),
        ({"AZURE_CLIENT_ID": "workload"}, False),
        ({"AZURE_CLIENT_ID": "workload", "AWS_ACCESS_KEY_ID": "minio"}, True),
        ({"AZURE_CLIENT_ID": "workload", "AWS_CA_BUNDLE": "/ca.pem"}, False),
        ({"AZURE_CLIENT_ID": ""}, True),
    ],
    ids=str,
)
def test_the_client_of_s3_is_loaded_ahead_unless_the_environment_speaks_of_other_clouds_alone(
    environment: dict[str, str], loads: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, repr(environment)], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [str(loads)] * 2
