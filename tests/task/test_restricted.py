"""The check of the Pod Security Standard finds each violation: else its silence about our pod would mean nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.task.restricted import CONTROLS, violations

PASSING: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(
    *, container: dict[str, Any] | None = None, context: dict[str, Any] | None = None, **spec: object
) -> dict[str, Any]:
    """A pod that passes, but for what is given: of the container, of its security context, of the pod."""
    return {
        "containers": [{"name": "main", "securityContext": {**PASSING, **(context or {})}, **(container or {})}],
        **spec,
    }


BAD: dict[str, list[dict[str, Any]]] = {
    "host_process": [
        pod(context={"windowsOptions": {"hostProcess": True}}),
        pod(securityContext={"windowsOptions": {"hostProcess": True}}),
    ],
    "host_namespaces": [pod(hostNetwork=True), pod(hostPID=True), pod(hostIPC=True)],
    "privileged_containers": [pod(context={"privileged": True})],
    "host_ports": [pod(container={"ports": [{"containerPort": 80, "hostPort": 80}]})],
    "host_probes": [
        pod(container={"livenessProbe": {"httpGet": {"port": 80, "host": "169.254.169.254"}}}),
        pod(container={"startupProbe": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}}),
        pod(container={"lifecycle": {"preStop": {"httpGet": {"port": 80, "host": "10.0.0.1"}}}}),
    ],
    "app_armor": [
        pod(context={"appArmorProfile": {"type": "Unconfined"}}),
        pod(securityContext={"appArmorProfile": {"type": "Unconfined"}}),
    ],
    "selinux": [
        pod(context={"seLinuxOptions": {"type": "spc_t"}}),
        pod(securityContext={"seLinuxOptions": {"user": "system_u"}}),
        pod(context={"seLinuxOptions": {"role": "sysadm_r"}}),
    ],
    "proc_mount_type": [pod(context={"procMount": "Unmasked"})],
    "sysctls": [pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})],
    "volume_types": [
        pod(volumes=[{"name": "etc", "hostPath": {"path": "/etc"}}]),
        pod(volumes=[{"name": "share", "nfs": {"server": "a", "path": "/"}}]),
    ],
    "privilege_escalation": [
        pod(context={"allowPrivilegeEscalation": True}),
        pod(context={"allowPrivilegeEscalation": None}),
    ],
    "running_as_non_root": [
        pod(context={"runAsNonRoot": False}),
        pod(context={"runAsNonRoot": False}, securityContext={"runAsNonRoot": True}),
    ],
    "running_as_non_root_user": [pod(context={"runAsUser": 0}), pod(securityContext={"runAsUser": 0})],
    "seccomp": [
        pod(context={"seccompProfile": {"type": "Unconfined"}}),
        pod(context={"seccompProfile": None}),
        pod(securityContext={"seccompProfile": {"type": "Unconfined"}}),
    ],
    "capabilities": [
        pod(context={"capabilities": {"drop": ["NET_RAW"]}}),
        pod(context={"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
        pod(context={"capabilities": None}),
    ],
}


@pytest.mark.parametrize(("control", "spec"), [(control, spec) for control, specs in BAD.items() for spec in specs])
def test_a_pod_that_violates_one_control_is_found_by_this_control_alone(control: str, spec: dict[str, Any]) -> None:
    assert {found.partition(":")[0] for found in violations(spec)} == {control}


def test_each_control_of_the_standard_has_such_a_pod() -> None:
    assert [control.__name__ for control in CONTROLS] == list(BAD)


@pytest.mark.parametrize("kind", ["initContainers", "containers", "ephemeralContainers"])
def test_every_kind_of_container_is_looked_at(kind: str) -> None:
    spec = {**pod(), kind: [{"name": "bare"}]}
    assert "privilege_escalation: bare" in violations(spec)


def test_an_apparmor_annotation_that_switches_it_off_is_found() -> None:
    annotation = {"container.apparmor.security.beta.kubernetes.io/main": "unconfined"}
    assert violations(pod(), annotation) == ["app_armor: container.apparmor.security.beta.kubernetes.io/main"]


@pytest.mark.parametrize(
    "spec",
    [
        pod(),
        pod(context={"runAsNonRoot": True, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
        pod(
            volumes=[{"name": "data", "emptyDir": {}}, {"name": "ca", "configMap": {"name": "ca"}}],
            container={"livenessProbe": {"httpGet": {"path": "/healthz", "port": 80}}},
        ),
    ],
)
def test_a_pod_that_keeps_to_the_standard_passes(spec: dict[str, Any]) -> None:
    assert violations(spec) == []


def test_the_pods_own_context_stands_in_for_a_container_that_says_nothing() -> None:
    own = {name: PASSING[name] for name in ("allowPrivilegeEscalation", "capabilities")}
    spec = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "main", "securityContext": own}],
    }
    assert violations(spec) == []
