"""What the dashboards' queries and the runbook's say of series as Prometheus has them, by promtool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from demo import grafana
from demo.grafana import View
from tests.demo.answers import NAMES
from tests.k8s.test_rules import alerts, promtool, queries
from tools.dashboards.queries import DEADLINE_NEAR, HEARTBEATS_MISSED, SENSOR, SILENCE, Sensors
from tools.dashboards.troubles import LEVELS, TROUBLES, level

ALL = Sensors('namespace=~".*"')

Series = Mapping[str, str]
"""Values in promtool's words, by metric and labels."""


def says(
    folder: Path, series: Series, query: str, expected: Mapping[str, float], *, interval: str = "15s", at: str = "10m"
) -> None:
    """Check what a query answers at a time, in a Prometheus that has scraped ``series``.

    Args:
        folder: for promtool's file.
        series: what was scraped, from time 0 on.
        query: what is asked.
        expected: the answer: values by labels.
        interval: between two scrapes.
        at: when.
    """
    file = folder / "tests.yml"
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": at,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
            }
        ],
    }
    file.write_text(json.dumps({"tests": [test]}))  # which is YAML, too
    promtool("test", "rules", str(file))


def sensor(pod: str, **values: str) -> dict[str, str]:
    """The series of one sensor: those of a watcher that waits and is well, but for what ``values`` say."""
    labels = f'namespace="a",pod="{pod}"'
    usual = {
        "waiting": "1x60",
        "idle": "0x60",
        "ready": "0x60",
        "failed": "0x60",
        "heartbeat_timestamp_seconds": "5+15x60",
        "heartbeat_interval_seconds": "10x60",
        "waiting_since_timestamp_seconds": "1x60",
        "deadline_timestamp_seconds": "86401x60",
        "expected_timestamp_seconds": "0x60",
        "polls_total": "0+1x60",
        "up": "1x60",
        "process_start_time_seconds": "1x60",
    }
    unknown = values.keys() - usual.keys() - {"errors", "throttled"}
    assert not unknown, unknown
    phases = ("idle", "waiting", "ready", "failed")
    named = {
        **{name: f'objectstore_watcher_phase{{{labels},phase="{name}"}}' for name in phases},
        **{name: f'objectstore_watcher_errors_total{{{labels},kind="{name}"}}' for name in ("errors", "throttled")},
        **{name: f"{name}{{{labels}}}" for name in ("up", "process_start_time_seconds")},
    }
    return {
        named.get(name, f"objectstore_watcher_{name}{{{labels}}}"): value for name, value in {**usual, **values}.items()
    }


GONE = dict.fromkeys(("waiting", "heartbeat_timestamp_seconds", "deadline_timestamp_seconds"), "1x20 stale")
"""A watcher whose scrapes fail from five minutes on."""

PRESSING = {"expected_timestamp_seconds": "300x60", "deadline_timestamp_seconds": "650x60"}

STATES = {
    "hangs": ("heartbeat lost", sensor("hangs", heartbeat_timestamp_seconds="5+15x30 455x30")),
    "silent": ("heartbeat lost", sensor("silent", up="1x20 0x40", **GONE)),
    "late": ("past expected time", sensor("late", expected_timestamp_seconds="300x60")),
    "near": ("deadline near", sensor("near", deadline_timestamp_seconds="650x60")),
    "busy": ("throttled", sensor("busy", throttled="_x35 1x25", errors="0+1x60")),
    "broken": ("errors", sensor("broken", errors="_x35 1x25")),
    "mute": ("no request", sensor("mute", waiting="0x60", idle="1x60", polls_total="0x60")),
    "failed": ("failed", sensor("failed", waiting="1x20 0x40", failed="0x20 1x40", errors="0x20 1x40")),
    "well": ("none", sensor("well")),
    "mended": ("none", sensor("mended", errors="0+1x10 10x50")),
    # Its heartbeat may be that old: it was told to give one every two minutes.
    "rare": ("none", sensor("rare", heartbeat_interval_seconds="120x60", heartbeat_timestamp_seconds="300x60")),
    # An object that is expected, and a deadline that is near, are no trouble after the end.
    "ended": ("none", sensor("ended", waiting="1x20 0x40", ready="0x20 1x40", **PRESSING)),
    "starts": ("none", sensor("starts", waiting="0x60", idle="1x60", process_start_time_seconds="400x60")),
}


def test_each_trouble_is_told_where_there_is_one(tmp_path: Path) -> None:
    series = {name: values for _, own in STATES.values() for name, values in own.items()}
    found = {f'{{namespace="a",pod="{pod}"}}': float(levels()[name]) for pod, (name, _) in STATES.items()}
    says(tmp_path, series, level(ALL), found)
    assert {name for name, _ in STATES.values()} == {trouble.name for trouble in TROUBLES}


def levels() -> dict[str, int]:
    return {trouble.name: number for trouble, number in LEVELS.items()}


def test_one_missed_scrape_a_minute_is_no_lost_watcher(tmp_path: Path) -> None:
    """The gauges are stale until the next scrape; nor is it one when that fails, too."""
    up = 'up{namespace="a",pod="blinks"}'
    waiting = 'objectstore_watcher_phase{namespace="a",pod="blinks",phase="waiting"}'
    series = {up: "1x5 0 0 0x3", waiting: "1x5 stale"}
    says(tmp_path, series, ALL.lost, {}, interval="1m", at="7m30s")
    says(tmp_path, series, f"count({ALL.lost})", {"{}": 1}, interval="1m", at="8m30s")


REQUESTS = "objectstore_watcher_requests_total"


def test_a_watcher_that_was_restarted_takes_nothing_from_the_others(tmp_path: Path) -> None:
    series = {
        f'{REQUESTS}{{namespace="a",pod="restarted",operation="head"}}': "0+6x120 0+6x120",
        f'{REQUESTS}{{namespace="a",pod="other",operation="head"}}': "0+6x240",
    }
    query = ALL.recent(ALL.metric("requests_total"), "operation", "1h")
    says(tmp_path, series, query, {'{operation="head"}': 29 * 6 + 60 * 6}, interval="1m", at="150m")


def test_what_began_and_ended_between_is_counted_and_what_ended_before_is_not(tmp_path: Path) -> None:
    series = {
        f'{REQUESTS}{{namespace="a",pod="short",operation="head"}}': "_x100 7x3 stale",
        f'{REQUESTS}{{namespace="a",pod="past",operation="head"}}': "8640x60 stale",
        f'{REQUESTS}{{namespace="a",pod="misses one scrape",operation="head"}}': "0+6x60 stale 366+6x180",
    }
    query = ALL.recent(ALL.metric("requests_total"), SENSOR, "1h")
    found = {
        '{namespace="a",pod="short"}': 7.0,
        '{namespace="a",pod="misses one scrape"}': 360.0,
    }
    says(tmp_path, series, query, found, interval="1m", at="121m")


def test_the_runbook_finds_how_long_waits_take_though_each_is_counted_once(tmp_path: Path) -> None:
    bucket = 'objectstore_watcher_wait_duration_seconds_bucket{namespace="a",task="t",outcome="ready"'
    counts = {"60": "0", "300": "1", "+Inf": "1"}
    series = {
        f'{bucket},pod="{pod}",le="{le}"}}': f"_x{begins} {count}x4 stale"
        for pod, begins in (("one", 4), ("two", 20))
        for le, count in counts.items()
    }
    (query,) = (each for each in queries() if "histogram_quantile" in each)
    says(tmp_path, series, query, {'{task="t"}': 288}, at="10m")


def test_an_alert_of_no_one_namespace_is_shown_whichever_is_chosen(tmp_path: Path) -> None:
    firing = 'ALERTS{alertstate="firing",alertname'
    series = {
        f'{firing}="ObjectStoreSensorsOnOneObject",target="1"}}': "1x60",
        f'{firing}="ObjectStoreSensorStuck",namespace="a",pod="late",workflow="w"}}': "1x60",
        f'{firing}="ObjectStoreSensorStuck",namespace="other",pod="late",workflow="w"}}': "1x60",
    }
    (panel,) = (each for each in grafana.panels(grafana.load(NAMES[0])) if each["title"] == "Alerts firing")
    view = View(url="", chosen={"namespace": "a"})
    says(tmp_path, series, view.filled(panel["targets"][0]["expr"]), {"{}": 2})


def test_dashboards_and_alerts_mean_the_same_by_the_same_words() -> None:
    told = {f"{alert['alert']} {alert['labels'].get('sign', '')}".strip(): alert for alert in alerts()}
    assert f"< {DEADLINE_NEAR:g}\n" in told["ObjectStoreSensorDeadlineNear"]["expr"]
    stale = told["ObjectStoreSensorHeartbeatLost stale"]["expr"]
    assert f"> {HEARTBEATS_MISSED} * objectstore_watcher_heartbeat_interval_seconds" in stale
    assert told["ObjectStoreSensorHeartbeatLost unreachable"]["for"] == SILENCE
