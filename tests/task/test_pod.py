"""The pod of a sensor, as Flyte gets it."""

from __future__ import annotations

import json
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import pytest
from objectstore_sensor import InvalidArgument
from objectstore_watcher.contract import DEFAULT_DIRECTORY

from tests import flyte_backend
from tests.flyte_backend import Execution
from tests.task.conftest import Module
from tests.task.registration import MAIN_IMAGE, images_with, main_of, pod_of, registered, watcher_of
from tests.task.restricted import violations

PLAIN = "sensor = WaitForObjectStoreFile()"
FLYTEKIT = 'sensor = WaitForObjectStoreFile(main="flytekit")'
SECRETS = {
    "FLYTE_AWS_SECRET_ACCESS_KEY": "registrars-secret-1",
    "AWS_SECRET_ACCESS_KEY": "registrars-secret-2",
    "OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY": "registrars-secret-3",
}
USERS_TEMPLATE = """
template = PodTemplate(
    primary_container_name="main",
    labels={"team": "orders", "app.kubernetes.io/name": "mine"},
    annotations={"note": "kept", "prometheus.io/scrape": "false"},
    pod_spec=k8s.V1PodSpec(
        service_account_name="orders",
        automount_service_account_token=True,
        termination_grace_period_seconds=0,
        node_selector={"disk": "ssd"},
        init_containers=[k8s.V1Container(name="prepare", image="{{.image.watcher.fqn}}:{{.image.watcher.version}}")],
        containers=[
            k8s.V1Container(
                name="main",
                env=[k8s.V1EnvVar(name="COLOUR", value="blue")],
                resources=k8s.V1ResourceRequirements(requests={"cpu": "2"}),
                security_context=k8s.V1SecurityContext(read_only_root_filesystem=True, run_as_user=2000),
                volume_mounts=[k8s.V1VolumeMount(name="scratch", mount_path="/scratch")],
            ),
        ],
        volumes=[k8s.V1Volume(name="scratch", empty_dir=k8s.V1EmptyDirVolumeSource())],
    ),
)
sensor = WaitForObjectStoreFile(pod_template=template)
"""


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


class TestTheContainers:
    def test_main_is_the_only_container_so_that_flyte_judges_the_pod_by_it(self, module: Module) -> None:
        sensor = module(PLAIN).sensor
        assert [c["name"] for c in pod_of(sensor)["containers"]] == ["primary"]
        assert registered(sensor).template.config == {"primary_container_name": "primary"}

    def test_the_watcher_is_a_native_sidecar(self, module: Module) -> None:
        (watcher,) = pod_of(module(PLAIN).sensor)["initContainers"]
        assert (watcher["name"], watcher["restartPolicy"]) == ("objectstore-watcher", "Always")

    def test_nothing_gates_mains_start(self, module: Module) -> None:
        """A pod that stays in its init phase is invisible to Flyte."""
        assert "startupProbe" not in watcher_of(module(PLAIN).sensor)

    def test_both_mount_one_small_volume_in_memory_and_are_told_where(self, module: Module) -> None:
        pod = pod_of(module(PLAIN).sensor)
        (volume,) = pod["volumes"]
        assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Mi"}
        for container in (*pod["containers"], *pod["initContainers"]):
            assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": DEFAULT_DIRECTORY}]
            assert environment(container)["OBJECTSTORE_WATCHER_DIR"] == DEFAULT_DIRECTORY

    def test_the_watcher_states_small_requests_and_limits_so_that_flytes_defaults_stay_away(
        self, module: Module
    ) -> None:
        watcher = watcher_of(module(PLAIN).sensor)
        stated = deepcopy(watcher["resources"])
        assert stated == {
            "requests": {"cpu": "10m", "memory": "48Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi"},
        }
        flyte_backend.default_resources(watcher)
        assert watcher["resources"] == stated

    def test_mains_resources_and_environment_are_those_of_the_task(self, module: Module) -> None:
        sensor = module(
            'sensor = WaitForObjectStoreFile(requests=Resources(cpu="200m"), environment={"COLOUR": "blue"})'
        ).sensor
        main = main_of(sensor)
        assert main["resources"]["requests"] == {"cpu": "200m"}
        assert environment(main)["COLOUR"] == "blue"
        assert "COLOUR" not in environment(watcher_of(sensor))

    def test_no_service_account_token_is_mounted(self, module: Module) -> None:
        assert pod_of(module(PLAIN).sensor)["automountServiceAccountToken"] is False

    @pytest.mark.parametrize(
        ("options", "grace"),
        [("", 35), ("linger='1m'", 65), ("linger=0.5", 6), ("linger=0", 5), ("metrics_port=None", 5)],
    )
    def test_the_pod_goes_within_seconds_of_its_end_and_of_the_last_scrape(
        self, module: Module, options: str, grace: int
    ) -> None:
        sensor = module(f"sensor = WaitForObjectStoreFile({options})").sensor
        assert pod_of(sensor)["terminationGracePeriodSeconds"] == grace

    @pytest.mark.parametrize("linger", ["-1", "'soon'", "True", "None"])
    def test_a_linger_that_is_no_duration_is_refused(self, module: Module, linger: str) -> None:
        with pytest.raises(InvalidArgument, match=r"^linger: "):
            module(f"sensor = WaitForObjectStoreFile(linger={linger})")


class TestUntrustedInputAndSecrets:
    @pytest.mark.parametrize("options", ["", "metrics_port=None", "run_as_user=1000, credentials_secret='minio'"])
    def test_no_users_input_is_in_any_argument(self, module: Module, options: str) -> None:
        """The kubelet expands $(NAME) in arguments, after Flyte filled the inputs in: that gave secrets away."""
        sensor = module(f"sensor = WaitForObjectStoreFile({options})").sensor
        for fast in (False, True):
            text = json.dumps(pod_of(sensor, fast=fast))
            assert "{{.inputs" not in text
            assert "{{.input}}" in text  # where inputs.pb is, which Flyte itself chose
        assert "{{" not in json.dumps(watcher_of(sensor)), "the watcher needs no variable at all"

    def test_no_secret_of_the_registering_machine_is_in_the_template(
        self, module: Module, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, secret in SECRETS.items():
            monkeypatch.setenv(name, secret)
        text = str(registered(module('sensor = WaitForObjectStoreFile(credentials_secret="minio")').sensor))
        assert "registrars-secret" not in text
        assert "minio" in text

    def test_credentials_secret_becomes_references_to_the_secrets_keys(self, module: Module) -> None:
        sensor = module('sensor = WaitForObjectStoreFile(credentials_secret="minio")').sensor
        variables = environment(watcher_of(sensor))
        assert variables == {
            "OBJECTSTORE_WATCHER_DIR": DEFAULT_DIRECTORY,
            "OBJECTSTORE_WATCHER_ACCESS_KEY_ID": reference("ACCESS_KEY_ID", optional=False),
            "OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY": reference("SECRET_ACCESS_KEY", optional=False),
            "OBJECTSTORE_WATCHER_SESSION_TOKEN": reference("SESSION_TOKEN", optional=True),
        }

    def test_main_does_not_get_the_watchers_credentials(self, module: Module) -> None:
        sensor = module('sensor = WaitForObjectStoreFile(credentials_secret="minio")').sensor
        assert list(environment(main_of(sensor))) == ["OBJECTSTORE_WATCHER_DIR"]

    def test_without_credentials_secret_the_watcher_takes_what_flyte_gives(self, module: Module) -> None:
        assert list(environment(watcher_of(module(PLAIN).sensor))) == ["OBJECTSTORE_WATCHER_DIR"]


def reference(key: str, *, optional: bool) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "minio", "key": key, "optional": optional}}


class TestPodSecurity:
    def test_with_run_as_user_the_whole_pod_satisfies_restricted(self, module: Module) -> None:
        sensor = module('sensor = WaitForObjectStoreFile(run_as_user=1000, credentials_secret="minio")').sensor
        execution = Execution(name="e", bucket="flyte", platform_env={"FLYTE_AWS_ENDPOINT": "http://minio"})
        pod = flyte_backend.pod(sensor, MAIN_IMAGE, execution)
        assert violations(pod["spec"], pod["metadata"]["annotations"]) == []
        assert pod["spec"]["containers"][0]["securityContext"]["runAsUser"] == 1000

    def test_without_it_only_the_user_of_flytekits_main_is_left_open(self, module: Module) -> None:
        """Images that were built to run as root go on working: root without capabilities could not write everywhere."""
        assert violations(pod_of(module(FLYTEKIT).sensor)) == ["running_as_non_root: primary", "capabilities: primary"]

    def test_the_watcher_cannot_write_to_its_image(self, module: Module) -> None:
        context = watcher_of(module(PLAIN).sensor)["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["runAsUser"] == 65532

    def test_run_as_user_holds_beside_a_templates_own_security_context(self, module: Module) -> None:
        source = USERS_TEMPLATE.replace("pod_template=template", "pod_template=template, run_as_user=1000")
        context = main_of(module(source).sensor)["securityContext"]
        assert context == {"readOnlyRootFilesystem": True, "runAsUser": 1000, "runAsNonRoot": True}

    @pytest.mark.parametrize("user", ["0", "-1", '"me"', "True", "1.5"])
    def test_a_user_that_is_none_or_root_is_refused(self, module: Module, user: str) -> None:
        with pytest.raises(InvalidArgument, match=r"^run_as_user: .* is no numeric user; use 1 or more: 0 is root$"):
            module(f"sensor = WaitForObjectStoreFile(run_as_user={user})")


class TestMetrics:
    def test_they_have_a_port_a_probe_and_the_annotations_that_prometheus_scrapes_by(self, module: Module) -> None:
        sensor = module("sensor = WaitForObjectStoreFile(metrics_port=9999)").sensor
        watcher = watcher_of(sensor)
        assert watcher["args"] == ["--metrics-address=0.0.0.0:9999", "--linger=30"]
        assert watcher["ports"] == [{"name": "metrics", "containerPort": 9999}]
        assert watcher["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
        assert dict(registered(sensor).template.k8s_pod.metadata.annotations) == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "9999",
            "prometheus.io/path": "/metrics",
        }

    def test_the_default_port_is_9464(self, module: Module) -> None:
        assert watcher_of(module(PLAIN).sensor)["args"] == ["--metrics-address=0.0.0.0:9464", "--linger=30"]

    def test_none_switches_them_off_altogether(self, module: Module) -> None:
        sensor = module("sensor = WaitForObjectStoreFile(metrics_port=None)").sensor
        watcher = watcher_of(sensor)
        assert watcher["args"] == []
        assert not {"ports", "livenessProbe"} & watcher.keys()
        assert not registered(sensor).template.k8s_pod.metadata.annotations

    @pytest.mark.parametrize("port", ["0", "-1", "65536", '"9464"', "True"])
    def test_a_port_that_is_none_is_refused(self, module: Module, port: str) -> None:
        with pytest.raises(InvalidArgument, match=r"^metrics_port: .* is no port; use 1 to 65535, or None$"):
            module(f"sensor = WaitForObjectStoreFile(metrics_port={port})")


class TestTheUsersTemplate:
    def test_everything_in_it_is_kept(self, module: Module) -> None:
        sensor = module(USERS_TEMPLATE).sensor
        pod, main = pod_of(sensor), main_of(sensor)
        assert pod["nodeSelector"] == {"disk": "ssd"}
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("orders", True)
        assert pod["terminationGracePeriodSeconds"] == 0
        assert [v["name"] for v in pod["volumes"]] == ["scratch", "objectstore-watcher"]
        assert [m["name"] for m in main["volumeMounts"]] == ["scratch", "objectstore-watcher"]
        assert environment(main) == {"COLOUR": "blue", "OBJECTSTORE_WATCHER_DIR": DEFAULT_DIRECTORY}
        assert main["resources"]["requests"] == {"cpu": "2"}
        assert main["securityContext"] == {"readOnlyRootFilesystem": True, "runAsUser": 2000}

    def test_its_labels_and_annotations_win_over_ours(self, module: Module) -> None:
        metadata = registered(module(USERS_TEMPLATE).sensor).template.k8s_pod.metadata
        assert dict(metadata.labels) == {
            "team": "orders",
            "app.kubernetes.io/name": "mine",
            "app.kubernetes.io/component": "sensor",
            "app.kubernetes.io/part-of": "objectstore-sensor",
        }
        assert metadata.annotations["note"] == "kept"
        assert metadata.annotations["prometheus.io/scrape"] == "false"

    def test_its_primary_container_comes_first_and_keeps_its_name(self, module: Module) -> None:
        sensor = module(USERS_TEMPLATE).sensor
        assert [c["name"] for c in pod_of(sensor)["containers"]] == ["main"]
        assert registered(sensor).template.config == {"primary_container_name": "main"}
        assert main_of(sensor)["args"][0] == "pyflyte-execute"

    def test_its_init_containers_run_before_the_watcher_starts_and_their_images_are_resolved(
        self, module: Module
    ) -> None:
        init = pod_of(module(USERS_TEMPLATE).sensor)["initContainers"]
        assert [(c["name"], c["image"]) for c in init] == [
            ("prepare", "registry.example/watcher:v2"),
            ("objectstore-watcher", f"objectstore-watcher:{version('objectstore-watcher')}"),
        ]

    def test_the_callers_own_object_is_not_changed_and_serves_two_sensors(self, module: Module) -> None:
        user = module(
            "from copy import deepcopy\n" + USERS_TEMPLATE.replace("sensor =", "before = deepcopy(template)\nsensor =")
        )
        module_again = module(
            f"from {user.__name__} import template\nsecond = WaitForObjectStoreFile(pod_template=template)"
        )
        pods = [pod_of(user.sensor), pod_of(module_again.second)]
        assert user.template == user.before
        assert [[c["name"] for c in pod["initContainers"]] for pod in pods] == [["prepare", "objectstore-watcher"]] * 2

    def test_a_template_without_the_primary_container_gets_one(self, module: Module) -> None:
        user = module("sensor = WaitForObjectStoreFile(pod_template=PodTemplate(labels={'team': 'orders'}))")
        assert [c["name"] for c in pod_of(user.sensor)["containers"]] == ["primary"]

    @pytest.mark.parametrize(
        ("spec", "told"),
        [
            (
                "containers=[k8s.V1Container(name='proxy', image='p')]",
                "has a second container, 'proxy'; make it an init container with restart_policy=\"Always\"",
            ),
            (
                "containers=[k8s.V1Container(name='primary', volume_mounts=[k8s.V1VolumeMount(name='v',"
                f" mount_path='{DEFAULT_DIRECTORY}')])]",
                f"already mounts '{DEFAULT_DIRECTORY}'; mount that volume elsewhere",
            ),
            (
                "containers=[], init_containers=[k8s.V1Container(name='prepare', image=ImageSpec(name='x'))]",
                "init container 'prepare' has an ImageSpec; write its image's name or"
                " {{.image.NAME.fqn}}:{{.image.NAME.version}}",
            ),
        ],
    )
    def test_what_would_hang_or_fail_in_the_cluster_only_is_refused(self, module: Module, spec: str, told: str) -> None:
        source = f"PodTemplate(pod_spec=k8s.V1PodSpec({spec}))"
        with pytest.raises(InvalidArgument) as refused:
            pod_of(module(f"sensor = WaitForObjectStoreFile(pod_template={source})").sensor)
        assert str(refused.value) == f"pod_template: {told}"

    @pytest.mark.parametrize(
        "spec",
        [
            "containers=[], init_containers=[k8s.V1Container(name='objectstore-watcher')]",
            "containers=[], volumes=[k8s.V1Volume(name='objectstore-watcher')]",
        ],
    )
    def test_one_that_takes_the_watchers_name_is_refused(self, module: Module, spec: str) -> None:
        told = r"^pod_template: already has a 'objectstore-watcher'; rename that container or volume$"
        with pytest.raises(InvalidArgument, match=told):
            module(f"sensor = WaitForObjectStoreFile(pod_template=PodTemplate(pod_spec=k8s.V1PodSpec({spec})))")

    def test_what_is_no_template_is_refused(self, module: Module) -> None:
        with pytest.raises(InvalidArgument, match=r"^pod_template: is a V1PodSpec; give a PodTemplate$"):
            module("sensor = WaitForObjectStoreFile(pod_template=k8s.V1PodSpec(containers=[]))")
        with pytest.raises(InvalidArgument, match=r"^pod_template: is a V1PodSpec; give a PodTemplate$"):
            module(
                "@task(task_config=ObjectStoreWait(), pod_template=k8s.V1PodSpec(containers=[]))\n"
                "def consume(path: str) -> None: ..."
            )

    def test_it_stays_as_it_was_when_a_sensor_is_registered(self, module: Module) -> None:
        user = module("template = PodTemplate()\nsensor = WaitForObjectStoreFile(pod_template=template)")
        before = user.template.version_hash()
        pod_of(user.sensor)
        assert user.template.version_hash() == before

    def test_flytekit_can_hash_the_template_into_a_version(self, module: Module) -> None:
        """As ``pyflyte register`` does when it is given no version."""
        user = module("one = WaitForObjectStoreFile()\ntwo = WaitForObjectStoreFile(metrics_port=None)")
        assert user.one.pod_template.version_hash() != user.two.pod_template.version_hash()


class TestTheWatchersImage:
    def test_by_default_it_has_the_packages_version_as_tag(self, module: Module) -> None:
        assert watcher_of(module(PLAIN).sensor)["image"] == f"objectstore-watcher:{version('objectstore-sensor')}"

    def test_the_argument_names_another(self, module: Module) -> None:
        sensor = module('sensor = WaitForObjectStoreFile(watcher_image="registry.example/w@sha256:0123")').sensor
        assert watcher_of(sensor)["image"] == "registry.example/w@sha256:0123"

    def test_the_environment_names_another_at_registration(
        self, module: Module, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sensor = module(PLAIN).sensor
        monkeypatch.setenv("OBJECTSTORE_WATCHER_IMAGE", "registry.example/from-environment:3")
        assert watcher_of(sensor)["image"] == "registry.example/from-environment:3"

    def test_the_argument_wins_over_the_environment(self, module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OBJECTSTORE_WATCHER_IMAGE", "registry.example/from-environment:3")
        sensor = module('sensor = WaitForObjectStoreFile(watcher_image="own:1")').sensor
        assert watcher_of(sensor)["image"] == "own:1"

    @pytest.mark.parametrize("image", ["{{.image.watcher.fqn}}:{{.image.watcher.version}}", "{{.image.watcher}}"])
    def test_flytes_image_variables_are_resolved(self, module: Module, image: str) -> None:
        sensor = module(f'sensor = WaitForObjectStoreFile(watcher_image="{image}")').sensor
        assert watcher_of(sensor)["image"] == "registry.example/watcher:v2"

    def test_flytes_image_variables_are_resolved_in_the_environment_too(
        self, module: Module, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OBJECTSTORE_WATCHER_IMAGE", "{{.image.watcher}}")
        assert watcher_of(module(PLAIN).sensor)["image"] == "registry.example/watcher:v2"

    @pytest.mark.parametrize(
        "image", ["{{.image.unknown}}", "{{.image.watcher.digest}}", "{{.image}}", "{{image.watcher}}"]
    )
    def test_a_variable_that_is_not_known_is_refused(self, module: Module, image: str) -> None:
        sensor = module(f'sensor = WaitForObjectStoreFile(watcher_image="{image}")').sensor
        told = r"^watcher_image: '\{\{.*\}\}' cannot be resolved.*; name the image in Flyte's configuration and write"
        with pytest.raises(InvalidArgument, match=told):
            pod_of(sensor)

    def test_a_users_init_container_with_an_unknown_variable_is_refused(self, module: Module) -> None:
        sensor = module(USERS_TEMPLATE.replace("image.watcher", "image.unknown")).sensor
        with pytest.raises(InvalidArgument, match=r"^pod_template: .*unknown.* cannot be resolved"):
            pod_of(sensor)

    def test_an_image_spec_is_resolved(self, module: Module) -> None:
        """It is in the image configuration, as after ``pyflyte`` built it: so nothing is built here."""
        user = module('spec = ImageSpec(name="watcher")\nsensor = WaitForObjectStoreFile(watcher_image=spec)')
        images = images_with(user.spec.id, "registry.example/built", "hash")
        assert watcher_of(user.sensor, images)["image"] == "registry.example/built:hash"

    def test_what_is_no_image_is_refused(self, module: Module) -> None:
        with pytest.raises(InvalidArgument, match=r"^watcher_image: is a list; give a str or ImageSpec$"):
            module("sensor = WaitForObjectStoreFile(watcher_image=['a'])")


class TestMainsImage:
    def test_by_default_it_is_the_one_of_the_registration(self, module: Module) -> None:
        assert main_of(module(FLYTEKIT).sensor)["image"] == MAIN_IMAGE

    def test_it_may_be_one_of_flytes_image_variables(self, module: Module) -> None:
        sensor = module('sensor = WaitForObjectStoreFile(container_image="{{.image.watcher}}")').sensor
        assert main_of(sensor)["image"] == "registry.example/watcher:v2"

    def test_it_may_be_an_image_spec(self, module: Module) -> None:
        user = module('spec = ImageSpec(name="main")\nsensor = WaitForObjectStoreFile(container_image=spec)')
        images = images_with(user.spec.id, "registry.example/built-main", "hash")
        assert main_of(user.sensor, images)["image"] == "registry.example/built-main:hash"
        assert watcher_of(user.sensor, images)["image"].startswith("objectstore-watcher:")
