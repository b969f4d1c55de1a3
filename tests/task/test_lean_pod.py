"""What is registered for ``main="lean"``: the pod, its arguments, and what is refused."""

from __future__ import annotations

import pytest
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.lean.task import LeanTask

from tests import flyte_backend
from tests.flyte_backend import Execution
from tests.task.conftest import Module
from tests.task.pods import kubelet
from tests.task.registration import MAIN_IMAGE, pod_of, settings
from tests.task.restricted import violations

HOSTILE = "$(FLYTE_AWS_SECRET_ACCESS_KEY)$$(X){{.input}}{{ .inputs.path }} '\"$"


def test_main_is_the_watchers_image_and_as_confined_as_the_watcher(module: Module) -> None:
    spec = pod_of(
        module('sensor = WaitForObjectStoreFile(main="lean", watcher_image="{{.image.watcher.fqn}}:v2")').sensor
    )
    (main,), (watcher,) = spec["containers"], spec["initContainers"]
    assert main["image"] == watcher["image"] == "registry.example/watcher:v2"
    assert main["command"] == ["objectstore-watcher-main"]
    assert main["args"][1:] == ["--inputs={{.input}}", "--outputs={{.outputPrefix}}"]
    for same in ("securityContext", "resources", "volumeMounts"):
        assert main[same] == watcher[same]


def test_the_whole_pod_is_admitted_where_restricted_is_enforced(module: Module) -> None:
    assert violations(pod_of(module('sensor = WaitForObjectStoreFile(main="lean")').sensor)) == []


def test_it_is_the_same_when_the_code_travels_beside_the_image(module: Module) -> None:
    sensor = module('sensor = WaitForObjectStoreFile(main="lean")').sensor
    assert pod_of(sensor, fast=True) == pod_of(sensor)


def test_the_users_template_is_kept(module: Module) -> None:
    source = """
template = PodTemplate(labels={"team": "a"}, pod_spec=k8s.V1PodSpec(
    node_selector={"pool": "small"},
    tolerations=[k8s.V1Toleration(key="spot", operator="Exists")],
    containers=[k8s.V1Container(
        name="primary",
        env=[k8s.V1EnvVar(name="MINE", value="1")],
        resources=k8s.V1ResourceRequirements(limits={"cpu": "100m"}),
        security_context=k8s.V1SecurityContext(run_as_user=7),
    )],
))
sensor = WaitForObjectStoreFile(main="lean", pod_template=template, environment={"OTHER": "2"})
"""
    spec = pod_of(module(source).sensor)
    (main,) = spec["containers"]
    assert (spec["nodeSelector"], spec["tolerations"][0]["key"]) == ({"pool": "small"}, "spot")
    assert {"MINE", "OTHER"} <= {each["name"] for each in main["env"]}
    assert main["resources"] == {"limits": {"cpu": "100m"}}
    assert main["securityContext"] == {"runAsUser": 7}


def test_the_users_own_room_and_user_are_mains(module: Module) -> None:
    source = 'sensor = WaitForObjectStoreFile(main="lean", run_as_user=1000, limits=Resources(cpu="2", mem="1Gi"))'
    (main,) = pod_of(module(source).sensor)["containers"]
    assert main["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert main["securityContext"]["runAsUser"] == 1000


def test_a_secret_for_the_watched_objects_is_the_watchers_alone(module: Module) -> None:
    """It need not be allowed to write Flyte's bucket, and would come before Flyte's own credentials."""
    spec = pod_of(module('sensor = WaitForObjectStoreFile(main="lean", credentials_secret="minio")').sensor)
    (main,), (watcher,) = spec["containers"], spec["initContainers"]
    assert "OBJECTSTORE_WATCHER_ACCESS_KEY_ID" in {each["name"] for each in watcher["env"]}
    assert {each["name"] for each in main["env"]} == {"OBJECTSTORE_WATCHER_DIR"}


def test_neither_flyte_nor_the_kubelet_can_replace_anything_in_an_option(module: Module) -> None:
    source = f"HOSTILE = {HOSTILE!r}\n" + (
        'sensor = WaitForObjectStoreFile(main="lean", flag=HOSTILE, user_metadata={"a": HOSTILE}, tags={"b": "{{.x}}"})'
    )
    sensor = module(source).sensor
    execution = Execution(name="x", bucket="b", platform_env={"FLYTE_AWS_SECRET_ACCESS_KEY": "secret", "X": "y"})
    manifest = flyte_backend.pod(sensor, MAIN_IMAGE, execution, path=HOSTILE)
    (_, task, *_), _ = kubelet(manifest["spec"]["containers"][0])
    told = LeanTask.decoded(task.removeprefix("--task="))
    spec = told.watch_spec("s3://bucket/key", None)
    expected = WatchSpec(uri="s3://bucket/key", flag=HOSTILE, user_metadata={"a": HOSTILE}, tags={"b": "{{.x}}"})  # type: ignore[arg-type]
    assert spec == expected


def test_the_task_is_told_whole() -> None:
    task = LeanTask(
        input="paths",
        is_list=True,
        spec={"match": "glob"},
        moment="at",
        minus=1.5,
        output="file",
        format="csv",
    )
    assert LeanTask.decoded(task.encoded()) == task
    assert set(task.encoded()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@pytest.mark.parametrize("text", ["", "x", "e30=", "W10=", "eyJ2ZXJzaW9uIjogMX0=", "é"])
def test_what_is_no_task_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="--task: is not what this version reads"):
        LeanTask.decoded(text)


OWN = """
from objectstore_sensor._decorated import ObjectStoreWaitTask

def is_whole(found: MatchedObject) -> bool:
    return True

def later(path: str) -> str:
    return path

class Own(WaitForObjectStoreFile):
    def execute(self, **inputs):
        return super().execute(**inputs)

def with_primary(**options):
    return PodTemplate(pod_spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="primary", **options)]))

with_image = with_primary(image="app:v1")
with_hook = with_primary(lifecycle=k8s.V1Lifecycle(post_start=k8s.V1LifecycleHandler(_exec=k8s.V1ExecAction(["/a"]))))
"""

OBSTACLES = [
    ("when=is_whole", "when= is a function of yours, which only flytekit can load"),
    ('container_image="app:v1"', "container_image= is for flytekit's main alone"),
    ("deck_fields=()", "deck_fields= is for flytekit's main alone"),
    ("pod_template=with_image", "the pod template's primary container has image"),
    ("pod_template=with_hook", "the pod template's primary container has lifecycle"),
]


@pytest.mark.parametrize("options", ["", 'metadata=TaskMetadata(retries=2), environment={"A": "1"}, enable_deck=True'])
def test_by_default_a_sensor_is_lean(module: Module, options: str) -> None:
    spec = pod_of(module(f"sensor = WaitForObjectStoreFile({options})").sensor)
    assert spec["containers"][0]["command"] == ["objectstore-watcher-main"]


@pytest.mark.parametrize(("option", "obstacle"), OBSTACLES)
def test_what_needs_the_users_image_gets_flytekits_main_and_the_pod_says_why(
    module: Module, option: str, obstacle: str
) -> None:
    sensor = module(OWN + f"sensor = WaitForObjectStoreFile({option})").sensor
    for _ in range(2):  # fast registration asks twice
        pod = sensor.get_k8s_pod(settings())
        assert pod.metadata.annotations["objectstore-sensor/main"] == f"flytekit: {obstacle}"
        assert pod.metadata.annotations["prometheus.io/scrape"] == "true"
    assert pod.pod_spec["containers"][0]["args"][0] == "pyflyte-execute"
    alike = module(OWN + f'sensor = WaitForObjectStoreFile({option}, main="flytekit")').sensor.get_k8s_pod(settings())
    assert alike.pod_spec["containers"][0]["securityContext"] == pod.pod_spec["containers"][0]["securityContext"]
    assert "objectstore-sensor/main" not in alike.metadata.annotations


def test_a_method_of_the_users_own_is_heeded(module: Module) -> None:
    pod = module(OWN + "sensor = Own()").sensor.get_k8s_pod(settings())
    assert pod.metadata.annotations["objectstore-sensor/main"].endswith(
        "Own.execute is yours, which only flytekit can load"
    )
    with pytest.raises(InvalidArgument, match=r"cannot be 'lean': Own.execute is yours"):
        module(OWN + 'sensor = Own(main="lean")')


def test_a_map_task_over_a_sensor_has_flytekits_main_and_the_sensor_itself_the_lean_one(module: Module) -> None:
    user = module("sensor = WaitForObjectStoreFile()\nmapped = map_task(sensor)")
    lean = pod_of(user.sensor)
    element = pod_of(user.mapped)["containers"][0]
    assert element["args"][0] == "pyflyte-map-execute"
    assert element["image"] == MAIN_IMAGE
    assert "resources" not in element  # flytekit would not fit into the watcher's room
    assert pod_of(user.sensor) == lean
    assert lean["containers"][0]["command"] == ["objectstore-watcher-main"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('WaitForObjectStoreFile(main="lan")', "main: 'lan' is unknown; use auto, flytekit or lean"),
        (
            'ObjectStoreWaitTask(ObjectStoreWait(main="lean"), later)',
            "main: cannot be 'lean': a decorated function is yours, which only flytekit can load;"
            " use 'auto' or 'flytekit'",
        ),
        *(
            (
                f'WaitForObjectStoreFile(main="lean", {option})',
                f"main: cannot be 'lean': {obstacle}; use 'auto' or 'flytekit'",
            )
            for option, obstacle in OBSTACLES
        ),
    ],
)
def test_what_cannot_be_lean_is_refused_at_construction(module: Module, source: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        eval(source, vars(module(OWN)))  # noqa: S307  # this test's own
    assert str(refused.value) == message


def test_a_map_task_over_it_is_refused_when_it_is_registered(module: Module) -> None:
    user = module('sensor = WaitForObjectStoreFile(main="lean")\nmapped = map_task(sensor)')
    with pytest.raises(InvalidArgument, match="cannot be 'lean': a map_task's element is known to flytekit alone"):
        pod_of(user.mapped)
