"""The pod of a sensor: main, the watcher as a native sidecar, and the volume through which they speak."""

from __future__ import annotations

import os
from copy import deepcopy
from importlib.metadata import version
from math import ceil
from typing import Any

from flytekit import ImageSpec, PodTemplate
from flytekit.configuration import ImageConfig
from flytekit.core.python_auto_container import get_registerable_container_image
from kubernetes.client import (
    V1Capabilities,
    V1Container,
    V1ContainerPort,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1EnvVarSource,
    V1HTTPGetAction,
    V1PodSpec,
    V1Probe,
    V1ResourceRequirements,
    V1SeccompProfile,
    V1SecretKeySelector,
    V1SecurityContext,
    V1Volume,
    V1VolumeMount,
)
from objectstore_watcher.contract import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, ENV_PREFIX
from objectstore_watcher.errors import InvalidArgument

from objectstore_sensor._lean import COMMAND, primary_of

WATCHER = "objectstore-watcher"
"""Name of the container, the volume and the image."""

IMAGE_VARIABLE = "OBJECTSTORE_WATCHER_IMAGE"
"""Environment variable that names the watcher's image when a workflow is registered."""

WATCHER_USER = 65532
"""The user "nonroot" of distroless images; numeric, or the kubelet cannot check that it is not root."""

LABELS = {
    "app.kubernetes.io/name": "objectstore-sensor",
    "app.kubernetes.io/component": "sensor",
    "app.kubernetes.io/part-of": "objectstore-sensor",
}
"""Of the pod; the template's win."""

GRACE_SECONDS = 5
"""Both containers end at once on SIGTERM, the watcher after it lingered; this bounds what a stuck node costs."""

MARKERS_SIZE = "16Mi"
"""`request`, `ready` and two candidates take 4 MiB each at most; mostly some KiB."""

RESOURCES = V1ResourceRequirements(
    requests={"cpu": "10m", "memory": "48Mi"},
    limits={"cpu": "500m", "memory": "128Mi"},  # the start takes 0.5 s of CPU, the wait a millicore
)
"""Both stated, or Flyte puts the platform's defaults there."""

SECRET_KEYS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
"""Keys of the Secret that ``credentials_secret`` names; the last is optional."""


def with_watcher(
    template: PodTemplate | None,
    *,
    metrics_port: int | None,
    linger: float,
    run_as_user: int | None,
    credentials_secret: str | None,
) -> PodTemplate:
    """A copy of ``template`` with the watcher, its volume, and what the whole pod needs; what it has is kept.

    Args:
        template: the user's own pod template.
        metrics_port: where the watcher serves metrics; None: nowhere.
        linger: seconds that the watcher stays at most after main, until its last values were scraped.
        run_as_user: numeric user of main, as namespaces that enforce "restricted" want it; None: the image's own.
        credentials_secret: name of a Secret with the keys `SECRET_KEYS`.
    """
    pod = deepcopy(template) if template else PodTemplate()
    spec: V1PodSpec = pod.pod_spec
    main = _primary(pod)
    _check(spec)
    mount = V1VolumeMount(name=WATCHER, mount_path=DEFAULT_DIRECTORY)
    main.volume_mounts = [*(main.volume_mounts or []), mount]
    main.env = [*(main.env or []), _directory()]
    main.security_context = _main_security(run_as_user, main.security_context)
    spec.init_containers = [*(spec.init_containers or []), _watcher(mount, metrics_port, linger, credentials_secret)]
    spec.volumes = [*(spec.volumes or []), _volume()]
    spec.automount_service_account_token = bool(spec.automount_service_account_token)  # neither container needs it
    if spec.termination_grace_period_seconds is None:
        spec.termination_grace_period_seconds = GRACE_SECONDS + ceil(linger)
    pod.labels = {**LABELS, **(pod.labels or {})}
    pod.annotations = {**_scraping(metrics_port), **(pod.annotations or {})}
    return pod


def run_lean_main(spec: dict[str, Any], arguments: list[str], user: int | None, own: PodTemplate | None) -> None:
    """Let main run the lean main, on the watcher's image, as confined as the watcher and with as much room.

    Args:
        spec: a pod's, as flytekit and `resolve_images` have made it.
        arguments: those of the lean main.
        user: numeric user of main; None: the watcher's.
        own: the user's template: what it says of main's security holds, and so does what was said of its room.
    """
    main = spec["containers"][0]
    (watcher,) = (container for container in spec["initContainers"] if container["name"] == WATCHER)
    main |= {"image": watcher["image"], "command": [COMMAND], "args": arguments}
    if not any((main.get("resources") or {}).values()):
        main["resources"] = deepcopy(watcher["resources"])
    told = primary_of(own) if own else None
    if not (told and told.security_context):
        main["securityContext"] = deepcopy(watcher["securityContext"]) | ({"runAsUser": user} if user else {})


def resolve_images(spec: dict[str, Any], watcher_image: str | ImageSpec | None, images: ImageConfig) -> None:
    """Put real names for the images of init containers, the watcher's among them: flytekit leaves these out.

    The watcher's is the argument, else `IMAGE_VARIABLE`, else the one of this package's version.

    Raises:
        InvalidArgument: one is an ``{{.image...}}`` that the configuration does not know.
    """
    for container in spec["initContainers"]:
        if container["name"] == WATCHER:
            wanted = watcher_image or os.environ.get(IMAGE_VARIABLE) or f"{WATCHER}:{version(WATCHER)}"
            container["image"] = _resolved("watcher_image", wanted, images)
        elif container.get("image"):
            container["image"] = _resolved("pod_template", container["image"], images)


def _resolved(argument: str, image: str | ImageSpec, images: ImageConfig) -> str:
    try:
        name = str(get_registerable_container_image(image, images))
    except (AssertionError, AttributeError) as error:
        raise _unresolved(argument, image, f": {error}") from error
    if "{{" in name:
        raise _unresolved(argument, image)
    return name


def _unresolved(argument: str, image: str | ImageSpec, reason: str = "") -> InvalidArgument:
    return InvalidArgument(
        argument,
        f"{image!r} cannot be resolved{reason}",
        cure="name the image in Flyte's configuration and write {{.image.NAME.fqn}}:{{.image.NAME.version}},"
        " or write its full name",
    )


def _check(spec: V1PodSpec) -> None:
    """Refuse what would fail in the cluster only, or hang there."""
    if len(spec.containers) > 1:
        # Flyte marks the primary only where it is the one container; else the task would never end.
        raise _refused(
            f"has a second container, {spec.containers[1].name!r}",
            'make it an init container with restart_policy="Always"',
        )
    containers = [*spec.containers, *(spec.init_containers or [])]
    if WATCHER in {part.name for part in [*containers, *(spec.volumes or [])]}:
        raise _refused(f"already has a {WATCHER!r}", "rename that container or volume")
    if DEFAULT_DIRECTORY in {mount.mount_path for mount in spec.containers[0].volume_mounts or []}:
        raise _refused(f"already mounts {DEFAULT_DIRECTORY!r}", "mount that volume elsewhere")
    for container in spec.init_containers or []:
        if isinstance(container.image, ImageSpec):  # flytekit builds those of containers only
            raise _refused(
                f"init container {container.name!r} has an ImageSpec",
                "write its image's name or {{.image.NAME.fqn}}:{{.image.NAME.version}}",
            )


def _refused(detail: str, cure: str) -> InvalidArgument:
    return InvalidArgument("pod_template", detail, cure=cure)


def _primary(pod: PodTemplate) -> V1Container:
    """The primary container, made where the template has none, and put first."""
    spec: V1PodSpec = pod.pod_spec
    primary: V1Container = primary_of(pod) or V1Container(name=pod.primary_container_name)
    spec.containers = [primary, *(c for c in spec.containers or [] if c is not primary)]
    return primary


def _watcher(mount: V1VolumeMount, metrics_port: int | None, linger: float, secret: str | None) -> V1Container:
    container = V1Container(
        name=WATCHER,
        image=WATCHER,  # resolved at serialization
        restart_policy="Always",  # a native sidecar: it starts before main, and its exit code does not matter
        args=[],
        env=[_directory(), *(_secret_variables(secret) if secret else [])],
        resources=RESOURCES,
        security_context=_watcher_security(),
        volume_mounts=[mount],
        termination_message_policy="FallbackToLogsOnError",  # one that breaks down leaves no last words
    )
    if metrics_port:
        container.args = [f"--metrics-address=0.0.0.0:{metrics_port}", f"--linger={ceil(linger)}"]
        container.ports = [V1ContainerPort(name="metrics", container_port=metrics_port)]
        # No startup probe: main must not wait for it, since Flyte does not see why a pod stays in its init phase.
        container.liveness_probe = V1Probe(
            http_get=V1HTTPGetAction(path="/healthz", port="metrics"),
            initial_delay_seconds=30,
            period_seconds=30,
            timeout_seconds=5,
        )
    return container


def _directory() -> V1EnvVar:
    return V1EnvVar(name=DIRECTORY_VARIABLE, value=DEFAULT_DIRECTORY)


def _secret_variables(secret: str) -> list[V1EnvVar]:
    return [
        V1EnvVar(
            name=ENV_PREFIX + key,
            value_from=V1EnvVarSource(
                secret_key_ref=V1SecretKeySelector(name=secret, key=key, optional=key == "SESSION_TOKEN")
            ),
        )
        for key in SECRET_KEYS
    ]


def _volume() -> V1Volume:
    return V1Volume(name=WATCHER, empty_dir=V1EmptyDirVolumeSource(medium="Memory", size_limit=MARKERS_SIZE))


def _main_security(user: int | None, own: V1SecurityContext | None = None) -> V1SecurityContext:
    """The template's own, or what cannot hurt an image that was built to run as root; the rest needs its user."""
    context = own or V1SecurityContext(
        allow_privilege_escalation=False,
        seccomp_profile=V1SeccompProfile(type="RuntimeDefault"),
    )
    if user is not None and own is None:  # root would lose its right to write what belongs to others
        context.capabilities = V1Capabilities(drop=["ALL"])
    if user is not None:
        context.run_as_user, context.run_as_non_root = user, True
    return context


def _watcher_security() -> V1SecurityContext:
    context = _main_security(WATCHER_USER)
    context.read_only_root_filesystem = True
    return context


def _scraping(metrics_port: int | None) -> dict[str, str]:
    if not metrics_port:
        return {}
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(metrics_port), "prometheus.io/path": "/metrics"}
