"""What requests cost, and how they are counted: on requests that are made up here."""

from __future__ import annotations

import pytest

from tests.bench.cost import dollars_per_hour, looks, operation, told, usual


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("HEAD", "/bucket/key", "HEAD"),
        ("GET", "/bucket/key", "GET"),
        ("GET", "/bucket?list-type=2&prefix=a", "LIST"),
        ("GET", "/bucket/?delimiter=&list-type=2", "LIST"),
        ("GET", "/bucket?prefix=list-type%3D2&events=s3%3AObjectCreated%3A%2A", "GET"),
        ("GET", "/bucket/key?prefix=a", "GET"),
        ("PUT", "/bucket/key?list-type=2", "PUT"),
    ],
)
def test_a_get_that_lists_is_billed_as_a_list(method: str, target: str, expected: str) -> None:
    assert operation(method, target) == expected


def test_requests_that_follow_each_other_closely_are_one_look() -> None:
    requests = [(0.0, "HEAD"), (0.1, "LIST"), (1.1, "HEAD"), (1.2, "LIST"), (1.3, "LIST"), (2.3, "HEAD")]
    assert looks(requests, apart=0.5) == [
        {"HEAD": 1, "LIST": 1},
        {"HEAD": 1, "LIST": 2},
        {"HEAD": 1},
    ]
    assert looks([], apart=0.5) == []


def test_the_usual_look_is_the_most_frequent() -> None:
    torn, usually = {"HEAD": 1}, {"HEAD": 1, "LIST": 1}
    assert usual([torn, usually, {"LIST": 1, "HEAD": 1}]) == usually


@pytest.mark.parametrize(
    ("look", "interval", "dollars"),
    [
        ({"HEAD": 1}, 10, 0.000144),  # 360 of $0.0004 for 1,000
        ({"GET": 1}, 10, 0.000144),
        ({"LIST": 1}, 10, 0.0018),  # 360 of $0.005 for 1,000
        ({"PUT": 1}, 10, 0.0018),
        ({"HEAD": 1, "LIST": 1}, 30, 0.000648),
        ({"LIST": 11}, 1, 0.198),
        ({"DELETE": 5}, 1, 0.0),
    ],
)
def test_an_hour_costs_the_list_price_of_its_requests(look: dict[str, int], interval: float, dollars: float) -> None:
    assert dollars_per_hour(look, interval) == pytest.approx(dollars, rel=1e-9)


def test_an_operation_without_a_price_is_an_error() -> None:
    with pytest.raises(KeyError):
        dollars_per_hour({"BREW": 1}, 10)


def test_a_look_is_told_in_words() -> None:
    assert told({"LIST": 11}) == "11 LIST"
    assert told({"LIST": 1, "HEAD": 1}) == "1 HEAD, 1 LIST"
