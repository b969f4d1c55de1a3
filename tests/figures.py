"""What tests measure is printed at the end of the run, so that every log of CI has the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

Figure = Callable[[str, str], None]
"""Takes what was measured, and the figure in words."""


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Prints a line at the end of the run: ``figure("time to SIGTERM's end", "0.12 s")``."""
    return lambda name, text: record_property("figure", f"{name}: {text}")


def told(reporter: pytest.TerminalReporter, name: str) -> Iterator[str]:
    """What the tests that passed recorded under ``name``."""
    for report in reporter.getreports("passed"):
        yield from (str(value) for key, value in report.user_properties if key == name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, and which faults were shown by which server."""
    from tests.sidecar.rows import table

    lines = [*told(terminalreporter, "figure"), *table(told(terminalreporter, "shown"))]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
