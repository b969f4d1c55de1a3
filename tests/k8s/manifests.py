"""Reads the manifests under k8s/."""

from __future__ import annotations

from typing import Any

import yaml

from tests.servers import ROOT


def load(path: str) -> list[dict[str, Any]]:
    """The documents of a YAML file under k8s/."""
    return [document for document in yaml.safe_load_all((ROOT / "k8s" / path).read_text()) if document]
