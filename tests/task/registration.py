"""Registration as ``pyflyte register`` does it: flytekit's own translator, with the image configuration of a user."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from flytekit.configuration import FastSerializationSettings, Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable

MAIN_IMAGE = "registry.example/app:v1"

IMAGES = ImageConfig.from_images(MAIN_IMAGE, {"watcher": "registry.example/watcher:v2"})


def images_with(name: str, fqn: str, tag: str | None) -> ImageConfig:
    """The same images and one more, which may lack its tag."""
    return ImageConfig.create_from(IMAGES.default_image, [*IMAGES.images, Image(name, fqn, tag)])


def settings(images: ImageConfig = IMAGES, *, fast: bool = False) -> SerializationSettings:
    """Registration's settings; ``fast``: the code travels beside the image."""
    return SerializationSettings(
        image_config=images,
        project="shop",
        domain="development",
        version="v1",
        fast_serialization_settings=FastSerializationSettings(
            enabled=fast, destination_dir="/root", distribution_location="s3://flyte/fast.tar.gz"
        ),
    )


def registered(entity: Any, images: ImageConfig = IMAGES, *, fast: bool = False) -> Any:  # noqa: ANN401  # untyped flytekit
    """The protobuf message that Flyte gets for a task or a workflow."""
    return get_serializable(OrderedDict(), settings(images, fast=fast), entity).to_flyte_idl()


def pod_of(task: Any, images: ImageConfig = IMAGES, *, fast: bool = False) -> dict[str, Any]:  # noqa: ANN401
    """The pod spec that Flyte gets for ``task``."""
    spec: dict[str, Any] = get_serializable(OrderedDict(), settings(images, fast=fast), task).template.k8s_pod.pod_spec
    return spec


def watcher_of(task: Any, images: ImageConfig = IMAGES) -> dict[str, Any]:  # noqa: ANN401
    """The watcher's container in that pod spec."""
    (watcher,) = (c for c in pod_of(task, images)["initContainers"] if c["name"] == "objectstore-watcher")
    assert isinstance(watcher, dict)
    return watcher


def main_of(task: Any, images: ImageConfig = IMAGES) -> dict[str, Any]:  # noqa: ANN401
    """The primary container in that pod spec."""
    container = pod_of(task, images)["containers"][0]
    assert isinstance(container, dict)
    return container
