"""The quick rows of the fault table: what comes of each, never how long it took.

Figures are for the table (`make faults`); here a busy machine must not decide, so a target that is a time is met by
any time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "faults"))

import compared
import rows
from catalogue import CATALOGUE, Row, Target, Unavailable
from stage import Cluster, Stage

rows.load()
QUICK = [row for row in CATALOGUE.select(None) if row.smoke]
TIMES = ("_s", "_ms", "_mb", "_a_minute")
"""What ends the names of figures that a machine has a part in."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Postgres that may be broken."""
    cluster = Cluster()
    try:
        yield cluster.start()
    finally:
        cluster.remove()


def outcomes(row: Row) -> list[Target]:
    """What is wanted of the row, with any time for a time: only `never` misses it."""
    timed = [Target(f"{target.figure} < 60") for target in row.targets if target.figure.endswith(TIMES)]
    return [target for target in row.targets if not target.figure.endswith(TIMES)] + timed


@pytest.mark.parametrize("row", QUICK, ids=lambda row: f"{row.number}-{row.title.replace(' ', '-')}")
def test_row(row: Row, cluster: Cluster, tmp_path: Path) -> None:
    stage = Stage(compared.ours(), cluster, tmp_path / "row", quick=True)
    assert row.inject is not None
    try:
        figures = row.inject(stage)
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        stage.close()
        cluster.mend()
    missed = [target.text for target in outcomes(row) if not target.met(figures)]
    assert not missed, figures
