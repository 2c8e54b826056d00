"""The fault table itself: no row of the catalogue is missing, verdicts follow the figures, results are kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "faults"))

import checker
import report
import rows
from catalogue import CATALOGUE, Row, Target
from report import Kept, Result

rows.load()


def test_every_fault_of_the_catalogue_is_run_or_says_why_not() -> None:
    assert sorted(CATALOGUE.rows) == list(range(1, 63))
    for row in CATALOGUE.rows.values():
        assert (row.inject is None) == bool(row.instead) == (not row.targets), row.title
        for target in row.targets:
            target.met({})  # can be read


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        ("slot_back_s < 0.5", 0.4, True),
        ("slot_back_s < 0.5", 0.5, False),
        ("slot_back_s < 0.5", None, False),
        ("lost = 0", 0, True),
        ("alive = true", True, True),
        ("alive = true", None, False),
        ("rate >= 0.9", 0.9, True),
    ],
)
def test_verdict_follows_the_figure_and_never_is_no_figure(target: str, value: float | None, met: bool) -> None:
    wanted = Target(target)
    assert wanted.met({wanted.figure: value}) is met
    assert not wanted.met({})


def test_control_has_its_target_wherever_it_was_asked() -> None:
    row = Row(1, "a fault", "workers", (Target("lost = 0"),))
    assert [target.text for target in row.missed({"lost": 0, "control_ms": 150})] == ["control_ms < 100"]
    assert not row.missed({"lost": 0})


def test_results_are_kept_and_make_a_page(tmp_path: Path) -> None:
    kept = Kept(dict.fromkeys(("date", "machine", "python", "postgres", "peer", "command"), "x"))
    kept.add(Result(1, "dispatcher", {"slot_back_s": None, "lost": 2, "unexplained": 0}))
    kept.add(Result(1, "dispatcher", {"slot_back_s": 0.014, "lost": 0, "unexplained": 0}))
    kept.store(tmp_path / "kept.json")
    again = Kept.load(tmp_path / "kept.json")
    assert not again.missed(CATALOGUE.rows[1], "dispatcher")
    assert "| slot_back_s 0.014, lost 0, unexplained 0 | met |" in report.page(again)


def test_growth_is_a_line_with_its_error() -> None:
    flat = [(float(at), 10 + (at % 7) / 100) for at in range(600)]
    growth, error = checker.slope(flat)
    assert abs(growth) <= error < 1
    rising = [(at, size + at * 5 / 3600) for at, size in flat]
    growth, error = checker.slope(rising)
    assert growth - error > 4 and growth + error < 6
    assert checker.slope(flat[:30])[1] == float("inf")


def test_counters_that_do_not_add_up_are_found() -> None:
    page = """
dispatcher_messages_received_total 12
dispatcher_control_messages_count_total 2
dispatcher_messages_refused_total{reason="bad_name"} 1
dispatcher_messages_refused_total{reason="bad_json"} 5
dispatcher_tasks_ended_total{task="a.b",outcome="success"} 6
dispatcher_tasks_ended_total{task="a.b",outcome="lost"} 1
dispatcher_tasks{state="running"} 1
"""
    assert checker.unaccounted(page) == 1
    assert checker.unaccounted(page + 'dispatcher_tasks_dropped_total{reason="cancelled"} 1\n') == 0


def test_a_short_soak_keeps_what_is_promised() -> None:
    soak = subprocess.run(
        [sys.executable, str(CHECKOUT / "faults" / "soak.py"), "--minutes", "0.3", "--seed", "11"],
        capture_output=True,
        text=True,
        timeout=115,
        check=False,
    )
    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert soak.stdout.splitlines()[-1] == "kept"
