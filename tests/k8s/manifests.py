"""Reads the manifests under k8s/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from tests.servers import ROOT


def load(path: str) -> list[dict[str, Any]]:
    """The documents of a YAML file under k8s/."""
    return [document for document in yaml.safe_load_all((ROOT / "k8s" / path).read_text()) if document]


LABELS = {f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of")}


def unlabelled(manifest: dict[str, Any]) -> list[str]:
    """The objects in a manifest, the templates of its pods included, that lack labels, with those that they lack."""
    return [
        f"{manifest['kind']} {manifest['metadata']['name']}: {lacks}"
        for metadata in _metadata(manifest)
        if (lacks := sorted(LABELS - (metadata.get("labels") or {}).keys()))
    ]


def _metadata(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield manifest["metadata"]
    if "template" in manifest.get("spec", {}):
        yield manifest["spec"]["template"]["metadata"]
