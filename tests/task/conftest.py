"""What the tests of the task share: a user's module, imported as registration imports it."""

from __future__ import annotations

import importlib
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from flytekit import FlyteContextManager
from flytekit.configuration import DataConfig
from flytekit.core.context_manager import FlyteEntities
from flytekit.core.data_persistence import FileAccessProvider

Module = Callable[[str], ModuleType]

IMPORTS = """\
from datetime import timedelta
from flytekit import FlyteFile, ImageSpec, PodTemplate, Resources, TaskMetadata, dynamic, map_task, task, workflow
from kubernetes import client as k8s
from objectstore_sensor import *
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """Writes a user's module of the given lines and imports it; forgets it after the test."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    known, imported = len(FlyteEntities.entities), []

    def write_and_import(source: str) -> ModuleType:
        name = f"user_{uuid.uuid4().hex[:12]}"
        (folder / f"{name}.py").write_text(IMPORTS + source)
        importlib.invalidate_caches()
        imported.append(name)
        return importlib.import_module(name)

    yield write_and_import
    for name in imported:
        sys.modules.pop(name, None)
    del FlyteEntities.entities[known:]


@pytest.fixture
def configured(flyte_env: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """flytekit read its own configuration before the tests' server was there: reads it again."""
    access = FileAccessProvider(str(tmp_path / "sandbox"), str(tmp_path / "raw"), data_config=DataConfig.auto())
    context = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(context.with_file_access(access)):
        yield
