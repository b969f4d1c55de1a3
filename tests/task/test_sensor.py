"""``WaitForObjectStoreFile`` at construction and at registration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flytekit.models.core.identifier import ResourceType
from objectstore_sensor import InvalidArgument, WaitForObjectStoreFile
from objectstore_watcher.contract import DEFAULT_POLL_INTERVAL

from tests.task.conftest import Module
from tests.task.registration import pod_of, registered, watcher_of

AT_MODULE_LEVEL = r"assign it to a variable of its own at module level: sensor = WaitForObjectStoreFile\(\.\.\.\)$"

TUTORIAL = """
sensor = WaitForObjectStoreFile(metadata=metadata(timeout="1H", retries=10))

@task
def do_next(path: str) -> int:
    with open(path) as file:
        return len(file.read())

@workflow
def wait_and_run(path: str) -> int:
    # To demonstrate how to create outputs, we will also
    # return the output from the sensor. The output will be the
    # same as the path
    path = sensor(path=path)
    return do_next(path=path)
"""


class TestTheName:
    def test_it_is_module_and_variable(self, module: Module) -> None:
        user = module("sensor = WaitForObjectStoreFile()")
        assert user.sensor.name == f"{user.__name__}.sensor"

    def test_two_sensors_of_one_module_get_different_ones(self, module: Module) -> None:
        user = module("one = WaitForObjectStoreFile()\ntwo = WaitForObjectStoreFile()")
        assert [user.one.name, user.two.name] == [f"{user.__name__}.one", f"{user.__name__}.two"]

    def test_the_argument_is_taken_as_it_is(self, module: Module) -> None:
        user = module('one = WaitForObjectStoreFile("wait-for-orders")\ntwo = WaitForObjectStoreFile(name="other")')
        assert [user.one.name, user.two.name] == ["wait-for-orders", "other"]
        assert registered(user.one).template.id.name == "wait-for-orders"

    def test_a_factorys_product_is_named_by_the_variable_it_is_assigned_to(self, module: Module) -> None:
        factory = module("def make(): return WaitForObjectStoreFile(main='flytekit')")
        user = module(f"from {factory.__name__} import make\nmade = make()")
        assert user.made.name == f"{user.__name__}.made"
        assert pod_of(user.made)["containers"][0]["args"][-4:] == ["task-module", user.__name__, "task-name", "made"]

    def test_where_there_is_no_variable_it_is_the_classs(self) -> None:
        assert WaitForObjectStoreFile().name == "WaitForObjectStoreFile"


class TestBadArguments:
    """Each is refused at construction, with one line that names the argument and what is right."""

    @pytest.mark.parametrize("name", ["poll_interval", "timeout", "request_timeout", "heartbeat_interval"])
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (0, "is out of range; use a duration above zero, at most ten years"),
            (-1, "is out of range; use a duration above zero, at most ten years"),
            (timedelta(0), "is out of range; use a duration above zero, at most ten years"),
            ("abc", 'is not a duration; use seconds or text such as "90s", "5m", "1h30m"'),
            (True, 'is not a duration; use seconds or text such as "90s", "5m", "1h30m"'),
            (float("nan"), 'is not a duration; use seconds or text such as "90s", "5m", "1h30m"'),
        ],
    )
    def test_a_duration_that_is_none_or_not_above_zero(self, name: str, value: Any, told: str) -> None:  # noqa: ANN401
        with pytest.raises(InvalidArgument) as refused:
            WaitForObjectStoreFile(**{name: value})
        argument, _, rest = str(refused.value).partition(": ")
        assert argument in {name, f"--{name.replace('_', '-')} ({name})"}
        assert rest == f"{value!r} {told}"

    @pytest.mark.parametrize(
        "options", ["timeout=5, poll_interval=6", 'metadata=metadata(timeout="5s"), poll_interval=6']
    )
    def test_a_timeout_shorter_than_the_interval_asked_for(self, module: Module, options: str) -> None:
        told = r"^--timeout \(timeout\): .* s is shorter than the poll interval of 6 s; raise the timeout or lower"
        with pytest.raises(InvalidArgument, match=told):
            module(f"sensor = WaitForObjectStoreFile({options})")

    def test_a_timeout_shorter_than_the_default_interval_is_none(self) -> None:
        """Who did not choose an interval is not told to change it."""
        WaitForObjectStoreFile(timeout=DEFAULT_POLL_INTERVAL / 2)

    def test_an_endpoint_that_is_no_url(self) -> None:
        with pytest.raises(InvalidArgument, match=r"^--endpoint \(endpoint\): 'minio:9000' is not the URL of a server"):
            WaitForObjectStoreFile(endpoint="minio:9000")

    @pytest.mark.parametrize("name", ["on_missing_bucket", "on_forbidden"])
    def test_a_policy_that_is_none(self, name: str) -> None:
        with pytest.raises(InvalidArgument, match=rf"\({name}\): 'ignore' is unknown; use fail or wait$"):
            WaitForObjectStoreFile(**{name: "ignore"})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("poll_intervall", r"did you mean poll_interval\?$"),
            ("retry", r"."),
            ("pod_templates", r"did you mean pod_template\?$"),
            ("retries", r"write metadata=metadata\(retries=\.\.\.\)$"),
            ("cache", r"write metadata=metadata\(cache=\.\.\.\)$"),
            ("xyzzy", r"remove it$"),
        ],
    )
    def test_a_misspelled_argument_which_flytekit_would_drop(self, name: str, told: str) -> None:
        with pytest.raises(InvalidArgument, match=rf"^{name}: is no argument of a sensor; {told}"):
            WaitForObjectStoreFile(**{name: 1})  # type: ignore[arg-type]

    def test_flytekits_own_arguments_are_none_of_these(self, module: Module) -> None:
        user = module(
            "sensor = WaitForObjectStoreFile(container_image='a:1', requests=Resources(cpu='1'),"
            " environment={'A': 'b'}, labels={'a': 'b'}, annotations={'c': 'd'}, enable_deck=False,"
            " pod_template_name='orders')"
        )
        metadata = registered(user.sensor).template.metadata
        assert metadata.pod_template_name == "orders"
        assert dict(metadata.metadata.labels) == {"a": "b"}


class TestWhereFlyteCouldNotLoadItAgain:
    def test_in_the_body_of_a_workflow_it_is_refused_when_the_workflow_is_compiled(self, module: Module) -> None:
        user = module(
            "@workflow\ndef wait_and_run(path: str) -> str:\n    return WaitForObjectStoreFile(name='a')(path=path)"
        )
        with pytest.raises(InvalidArgument, match=r"^sensor: is made in the body of a workflow; " + AT_MODULE_LEVEL):
            registered(user.wait_and_run)

    @pytest.mark.parametrize("kind", ["workflow", "dynamic"])
    def test_in_the_body_of_a_workflow_or_a_dynamic_it_is_refused_when_this_runs(
        self, module: Module, kind: str
    ) -> None:
        user = module(f"@{kind}\ndef run(path: str) -> str:\n    return WaitForObjectStoreFile(name='a')(path=path)")
        with pytest.raises(InvalidArgument, match=r"^sensor: is made in the body of a workflow; " + AT_MODULE_LEVEL):
            user.run(path=__file__)

    def test_a_function_that_a_workflows_body_calls_is_no_way_round(self, module: Module) -> None:
        user = module(
            "def make(): return WaitForObjectStoreFile()\n"
            "@workflow\ndef wait_and_run(path: str) -> str:\n    return make()(path=path)"
        )
        with pytest.raises(InvalidArgument, match=r"is made in the body of a workflow"):
            user.wait_and_run(path=__file__)

    def test_a_module_that_a_workflows_body_imports_may_make_one(self, module: Module) -> None:
        module("")  # puts the folder on the path
        sensors = module("sensor = WaitForObjectStoreFile()").__name__
        user = module(
            "import sys, importlib\n"
            f"@workflow\ndef wait_and_run(path: str) -> str:\n"
            f"    sys.modules.pop({sensors!r})\n"
            f"    return importlib.import_module({sensors!r}).sensor(path=path)"
        )
        assert user.wait_and_run(path=__file__) == __file__

    @pytest.mark.parametrize(
        ("source", "variable"),
        [
            ("sensors = [WaitForObjectStoreFile()]", "sensors[0]"),
            ("sensors = [WaitForObjectStoreFile('named')]", "sensors[0]"),
            ("sensors = {'orders': WaitForObjectStoreFile()}", "sensors['orders']"),
            ("def make(): return WaitForObjectStoreFile()", "make()"),
            ("class Orders:\n    sensor = WaitForObjectStoreFile()", "Orders.sensor"),
        ],
    )
    def test_without_a_variable_of_its_own_it_is_refused_at_registration(
        self, module: Module, source: str, variable: str
    ) -> None:
        user = module(source)
        sensor = eval(f"user.{variable}", {"user": user})  # noqa: S307  # our own literal
        with pytest.raises(InvalidArgument, match=r"^sensor '.*': Flyte cannot load it in the pod; " + AT_MODULE_LEVEL):
            pod_of(sensor)

    def test_a_list_is_fine_where_each_has_a_variable_too(self, module: Module) -> None:
        user = module("orders = WaitForObjectStoreFile(main='flytekit')\nsensors = [orders]")
        assert pod_of(user.sensors[0])["containers"][0]["args"][-1] == "orders"

    @pytest.mark.parametrize("apart", [False, True], ids=["in one module", "in two modules"])
    def test_two_with_one_name_are_refused_at_registration(self, module: Module, *, apart: bool) -> None:
        first, second = "one = WaitForObjectStoreFile('orders')\n", "two = WaitForObjectStoreFile('orders')\n"
        user = module(first if apart else first + second)
        other = module(second) if apart else user
        for sensor, where in ((user.one, f"{other.__name__}.two"), (other.two, f"{user.__name__}.one")):
            with pytest.raises(InvalidArgument) as refused:
                pod_of(sensor)
            told = f"sensor 'orders': {where} has the same name; give each sensor a name of its own"
            assert str(refused.value) == told

    def test_one_sensor_under_two_variables_is_no_such_pair(self, module: Module) -> None:
        user = module("one = WaitForObjectStoreFile('orders')\nalias = one")
        assert pod_of(user.one) == pod_of(user.alias)

    def test_a_sensor_whose_module_cannot_be_imported_does_not_harm_others(self, module: Module) -> None:
        """As those that were made in scripts of other names: flytekit imports the module of each."""
        user = module("ghost, sensor = WaitForObjectStoreFile('a'), WaitForObjectStoreFile(main='flytekit')")
        user.ghost._instantiated_in, user.ghost._given_name = ".venv.bin.tool", None
        assert pod_of(user.sensor)["containers"][0]["args"][-1] == "sensor"


class TestRegistration:
    def test_the_task_is_what_flyte_runs_as_a_pod(self, module: Module) -> None:
        user = module(TUTORIAL)
        template = registered(user.sensor).template
        assert (template.id.resource_type, template.id.name) == (ResourceType.TASK, f"{user.__name__}.sensor")
        assert template.type == "python-task"
        assert template.WhichOneof("target") == "k8s_pod"
        assert template.metadata.timeout.ToTimedelta() == timedelta(hours=1)
        assert template.metadata.retries.retries == 10

    def test_path_goes_in_and_path_comes_out(self, module: Module) -> None:
        interface = registered(module(TUTORIAL).sensor).template.interface
        assert [(n, v.type.simple) for n, v in interface.inputs.variables.items()] == [("path", 3)]
        assert [(n, v.type.simple) for n, v in interface.outputs.variables.items()] == [("path", 3)]

    def test_a_workflow_binds_it_by_a_promise_and_takes_its_output(self, module: Module) -> None:
        user = module(TUTORIAL)
        first, second = registered(user.wait_and_run).template.nodes
        assert first.task_node.reference_id.name == f"{user.__name__}.sensor"
        assert first.inputs[0].binding.promise.var == "path"
        assert second.inputs[0].binding.promise.node_id == first.id
        assert list(second.upstream_node_ids) == [first.id]
        assert first.metadata.timeout.ToTimedelta() == timedelta(hours=1)
        assert first.metadata.retries.retries == 10

    @pytest.mark.parametrize("entity", ["sensor", "wait_and_run"])
    def test_it_gives_the_same_each_time(self, module: Module, entity: str) -> None:
        it = getattr(module(TUTORIAL), entity)
        assert registered(it) == registered(it)
        assert registered(it, fast=True) == registered(it, fast=True)

    def test_fast_registration_leaves_nothing_behind(self, module: Module) -> None:
        sensor = module(TUTORIAL).sensor
        before = registered(sensor)
        registered(sensor, fast=True)
        assert registered(sensor) == before

    def test_fast_registration_differs_in_mains_args_only(self, module: Module) -> None:
        sensor = module('sensor = WaitForObjectStoreFile(main="flytekit")').sensor
        usual, fast = pod_of(sensor), pod_of(sensor, fast=True)
        args, fast_args = (pod["containers"][0].pop("args") for pod in (usual, fast))
        assert fast == usual
        assert fast_args[0] == "pyflyte-fast-execute"
        assert fast_args[fast_args.index("--") + 1 :] == args

    def test_one_sensors_pod_does_not_show_in_anothers(self, module: Module) -> None:
        user = module(
            "one = WaitForObjectStoreFile(metrics_port=9001)\ntwo = WaitForObjectStoreFile(metrics_port=9002)"
        )
        pod_of(user.one)["initContainers"][0]["resources"]["limits"]["cpu"] = "spoiled"
        assert watcher_of(user.one)["args"] == ["--metrics-address=0.0.0.0:9001", "--linger=30"]
        assert watcher_of(user.two)["args"] == ["--metrics-address=0.0.0.0:9002", "--linger=30"]
        assert "spoiled" not in str(pod_of(user.one)) + str(pod_of(user.two))

    def test_a_map_task_over_it_has_the_watcher_too(self, module: Module) -> None:
        user = module("sensor = WaitForObjectStoreFile()\nall_of = map_task(sensor)")
        pod = pod_of(user.all_of)
        assert pod["initContainers"] == pod_of(user.sensor)["initContainers"]
        assert pod["containers"][0]["args"][0] == "pyflyte-map-execute"
