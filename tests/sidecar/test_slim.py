"""The processes of this package load what they use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def loaded(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after ``code``."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return set(json.loads(shown))


def test_a_lean_main_that_waits_has_loaded_no_client_and_no_messages() -> None:
    assert not loaded("import objectstore_watcher.lean.__main__") & {"minio", "urllib3", "ssl", "flyteidl", "msgpack"}


@pytest.mark.parametrize("process", ["objectstore_watcher", "objectstore_watcher.lean"])
def test_the_client_of_s3_comes_without_the_ciphers_of_the_admin_client(process: str) -> None:
    ciphers = {"argon2", "Crypto", "cffi", "pycparser"}
    client = "import objectstore_watcher.stores.events, objectstore_watcher.stores.s3"
    assert ciphers & loaded(client), "this test would mean nothing: minio-py no longer needs them"
    found = loaded(f"import {process}.__main__\n{client}")
    assert "minio" in found
    assert not ciphers & found


def test_the_watcher_loads_nothing_of_flyte() -> None:
    found = loaded("import objectstore_watcher.__main__, objectstore_watcher.sidecar, objectstore_watcher.stores.s3")
    assert not {"flyteidl", "msgpack", "flytekit", "kubernetes", "obstore"} & found
