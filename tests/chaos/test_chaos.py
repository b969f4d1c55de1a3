"""Hundreds of waits, each with faults of its own; ``make chaos`` runs as many as one likes."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.chaos.run import AMBIGUOUS_SHARE, TOLD, run
from tests.figures import Figure

LONGEST = 24 * 3600

FEW = 100
"""Waits: some seven of a hundred hear of their objects."""


@pytest.mark.timeout(LONGEST)
def test_each_wait_ends_as_it_must_whatever_happens(
    tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str], figure: Figure
) -> None:
    """A new seed each time; with ``--chaos-seed`` the same again, with ``--chaos-only`` some of its waits."""
    told_seed = pytestconfig.getoption("--chaos-seed")
    seed = random.SystemRandom().randrange(10**6) if told_seed is None else told_seed
    only = pytestconfig.getoption("--chaos-only")
    indexes = [int(index) for index in only.split(",")] if only else range(pytestconfig.getoption("--chaos-waits"))
    with capsys.disabled():
        print(f"\nchaos: {len(indexes)} waits, --chaos-seed={seed}", file=sys.stderr)  # seen from xdist's workers, too
    result = run(tmp_path, seed, indexes)
    figure(f"chaos, --chaos-seed={seed}", str(result))
    assert not result.violations, "\n\n".join([str(result), *result.violations[:TOLD]])
    assert result.heard or result.waits < FEW, "no wait of so many heard of its object"
    assert result.ambiguous.total() <= max(3, AMBIGUOUS_SHARE * result.waits), str(result)
