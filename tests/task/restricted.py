"""The Pod Security Standard "restricted" (Kubernetes 1.34), control by control, with the names of the standard.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Spec = Mapping[str, Any]

VOLUME_TYPES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = {"RuntimeDefault", "Localhost"}


def violations(spec: Spec, annotations: Mapping[str, str] | None = None) -> list[str]:
    """What of the standard the pod violates, as ``control: where``; empty where it passes."""
    found = [f"{control.__name__}: {where}" for control in CONTROLS for where in control(spec)]
    found += [
        f"app_armor: {name}"
        for name, value in (annotations or {}).items()
        if name.startswith("container.apparmor.security.beta.kubernetes.io/")
        and value not in {"", "runtime/default"}
        and not value.startswith("localhost/")
    ]
    return found


def _containers(spec: Spec) -> list[Spec]:
    return [c for kind in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(kind) or []]


def _context(part: Spec) -> Spec:
    context: Spec = part.get("securityContext") or {}
    return context


def _contexts(spec: Spec) -> Iterator[tuple[str, Spec]]:
    yield "pod", _context(spec)
    for container in _containers(spec):
        yield container["name"], _context(container)


def host_process(spec: Spec) -> Iterator[str]:
    """No Windows HostProcess containers."""
    return (name for name, c in _contexts(spec) if (c.get("windowsOptions") or {}).get("hostProcess"))


def host_namespaces(spec: Spec) -> Iterator[str]:
    """The host's network, process and IPC namespaces are not shared."""
    return (name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))


def privileged_containers(spec: Spec) -> Iterator[str]:
    """No container is privileged."""
    return (name for name, c in _contexts(spec) if c.get("privileged"))


def host_ports(spec: Spec) -> Iterator[str]:
    """No port of the host is taken."""
    return (c["name"] for c in _containers(spec) if any(p.get("hostPort") for p in c.get("ports") or []))


def host_probes(spec: Spec) -> Iterator[str]:
    """Probes and lifecycle hooks go to the pod itself."""
    for container in _containers(spec):
        hooks = container.get("lifecycle") or {}
        handlers = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
        handlers += [hooks.get("postStart"), hooks.get("preStop")]
        for handler in filter(None, handlers):
            if any((handler.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
                yield container["name"]


def app_armor(spec: Spec) -> Iterator[str]:
    """AppArmor's profile is not switched off."""
    for name, context in _contexts(spec):
        profile = context.get("appArmorProfile")
        if profile and profile.get("type") not in PROFILES:
            yield name


def selinux(spec: Spec) -> Iterator[str]:
    """No SELinux user, role or type of one's own."""
    for name, context in _contexts(spec):
        options = context.get("seLinuxOptions") or {}
        if options.get("type", "") not in SELINUX_TYPES or options.get("user") or options.get("role"):
            yield name


def proc_mount_type(spec: Spec) -> Iterator[str]:
    """/proc is masked."""
    return (name for name, c in _contexts(spec) if c.get("procMount", "Default") != "Default")


def sysctls(spec: Spec) -> Iterator[str]:
    """Safe sysctls only."""
    return (s["name"] for s in _context(spec).get("sysctls") or [] if s["name"] not in SAFE_SYSCTLS)


def volume_types(spec: Spec) -> Iterator[str]:
    """No volume of another type, hostPath among them."""
    for volume in spec.get("volumes") or []:
        if set(volume) - {"name"} - VOLUME_TYPES:
            yield volume["name"]


def privilege_escalation(spec: Spec) -> Iterator[str]:
    """Each container says allowPrivilegeEscalation: false."""
    return (c["name"] for c in _containers(spec) if _context(c).get("allowPrivilegeEscalation") is not False)


def running_as_non_root(spec: Spec) -> Iterator[str]:
    """Each container, or the pod for it, says runAsNonRoot: true."""
    default = _context(spec).get("runAsNonRoot")
    return (c["name"] for c in _containers(spec) if _context(c).get("runAsNonRoot", default) is not True)


def running_as_non_root_user(spec: Spec) -> Iterator[str]:
    """No runAsUser is 0."""
    return (name for name, c in _contexts(spec) if c.get("runAsUser") == 0)


def seccomp(spec: Spec) -> Iterator[str]:
    """Each container, or the pod for it, has a seccomp profile; none is Unconfined."""
    default = (_context(spec).get("seccompProfile") or {}).get("type")
    for container in _containers(spec):
        profile = _context(container).get("seccompProfile") or {}
        if profile.get("type", default) not in PROFILES:
            yield container["name"]
    if default is not None and default not in PROFILES:
        yield "pod"


def capabilities(spec: Spec) -> Iterator[str]:
    """Each container drops ALL, and adds NET_BIND_SERVICE at most."""
    for container in _containers(spec):
        given = _context(container).get("capabilities") or {}
        if "ALL" not in (given.get("drop") or []) or set(given.get("add") or []) - {"NET_BIND_SERVICE"}:
            yield container["name"]


CONTROLS: tuple[Callable[[Spec], Iterator[str]], ...] = (
    host_process,
    host_namespaces,
    privileged_containers,
    host_ports,
    host_probes,
    app_armor,
    selinux,
    proc_mount_type,
    sysctls,
    volume_types,
    privilege_escalation,
    running_as_non_root,
    running_as_non_root_user,
    seccomp,
    capabilities,
)
