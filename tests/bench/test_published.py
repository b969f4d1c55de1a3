"""What is published under docs/ is what its figures say; and how figures become tables, on some that are made up."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.bench import paper, published
from tests.bench.instruments import MIB
from tests.bench.published import HEADER, Measured, full_table, short_table
from tests.servers import ROOT

ROW: dict[str, Any] = {
    "name": "watcher of `a` & b",
    "interval": 1.0,
    "default": 10.0,
    "objects": 0,
    "runs": 100,
    "p50": 0.5,
    "p99": 0.0149,
    "start": 1.5,
    "look": {"HEAD": 1, "LIST": 1},
    "requests": 7200,
    "dollars": 0.01944,
    "default_dollars": 0.001944,
    "memory": 40 * MIB,
    "cpu": 12.34,
}

SCALE = {"main": "lean", "pods": 100, "memory": 100 * 60 * MIB, "cores": 0.2}


def test_the_page_and_the_plot_are_those_of_the_published_figures() -> None:
    figures = published.load()
    assert published.PAGE.read_text() == published.page(figures)
    assert published.PLOT.read_text() == published.drawn(figures)


def test_a_row_tells_each_figure_with_its_unit() -> None:
    *_, told = full_table([Measured(**ROW)]).splitlines()
    assert dict(zip(HEADER, told.strip("| ").split(" | "), strict=False)) == {
        "who waits": "watcher of `a` & b",
        "PUT -> noticed, median": "0.50 s",
        "p99": "15 ms",
        "n": "100",
        "requests of a look": "1 HEAD, 1 LIST",
        "requests an hour": "7,200 at 1 s",
        "$ an hour at that interval": "0.019440",
        "own interval": "10 s",
        "$ an hour at its own": "0.001944",
        "memory": "40 MiB",
        "CPU s an hour": "12.3",
        "start -> first request": "1.50 s",
    }


def test_the_short_table_and_the_plot_leave_waits_among_many_objects_out() -> None:
    figures = {"date": "", "machine": "", "rows": [ROW, {**ROW, "name": "many", "objects": 900}]}
    assert "many" not in short_table(figures)
    drawing = published.drawn(figures)
    assert "many" not in drawing
    texts = [text.text for text in ElementTree.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert "watcher of a & b" in texts


def test_nothing_published_names_this_machine() -> None:
    for path in (ROOT / "docs").iterdir():
        assert b"/work" not in path.read_bytes()
        assert str(ROOT).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("took", "nodes"),
    [
        ({}, 173),  # by 58 pods
        ({"memory": 100 * 282 * MIB}, 190),
        ({"cores": 10.0}, 257),
        ({"main": "flytekit"}, 283),  # by the requested CPU
    ],
)
def test_nodes_are_those_of_what_is_scarce(took: dict[str, float], nodes: int) -> None:
    assert paper.nodes({**SCALE, **took}) == nodes


def test_on_paper_the_requests_and_their_price_follow_from_the_interval() -> None:
    _, _, *lines = paper.paper_table({"rows": [SCALE]}).splitlines()
    assert [line.strip("| ").split(" | ") for line in lines] == [
        ["1 s", "10,167", "185%", "351", "586 GiB, 173", "1,149"],
        ["10 s, the default", "1,017", "18%", "35", "586 GiB, 173", "832"],
        ["60 s", "169", "3%", "6", "586 GiB, 173", "803"],
        ["events of MinIO, and 60 s as the net", "167", "3%", "0", "586 GiB, 173", "797"],
    ]
