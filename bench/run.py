"""Runs the benchmark: `python bench/run.py`, or `make bench`.

This service beside dispatcherd in one run, in turn (A B A B …), on a Postgres of its own. The table goes to stdout,
progress to stderr, raw figures to bench/results/. Makes what it needs, and removes the Postgres at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import backlog
import measure
import systems
import table
from measure import Setting

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
MEASUREMENTS = {**measure.MEASUREMENTS, **backlog.MEASUREMENTS}

sys.path.insert(0, str(HERE.parent / "tools"))

import pg_binaries  # noqa: E402
import postgres  # noqa: E402
import processes  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="This service beside dispatcherd, measured.")
    parser.add_argument(
        "--rows", nargs="+", choices=list(MEASUREMENTS), default=list(MEASUREMENTS), help="what to measure"
    )
    parser.add_argument("--reps", type=int, default=3, help="repetitions (default %(default)s)")
    parser.add_argument("--n", type=int, default=20_000, help="tasks in a burst (default %(default)s)")
    parser.add_argument(
        "--report",
        nargs="?",
        type=Path,
        const=RESULTS / "latest.json",
        metavar="FILE",
        help="print the table of stored results, the latest by default, and measure nothing",
    )
    return parser.parse_args()


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def measure_all(rows: list[str], repetitions: int, setting: Setting) -> list[dict[str, Any]]:
    """Every row for both systems, as often as asked. What fails is said and leaves a gap in the table."""
    compared = (systems.ours(), systems.peer())
    runs: list[dict[str, Any]] = []
    for repetition in range(repetitions):
        run: dict[str, Any] = {"speed": processes.speed(), "load": os.getloadavg()[0]}
        for row in rows:
            for system in compared:
                say(f"repetition {repetition + 1} of {repetitions}: {row} of {system.name}")
                try:
                    figures = MEASUREMENTS[row](setting, system)
                except systems.BenchError as error:
                    say(f"  failed: {error}")
                    run.setdefault("failed", []).append(f"{row} of {system.name}: {error}")
                    continue
                run.setdefault(system.name, {}).update(figures)
                say("  " + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
        runs.append(run)
    return runs


def store(results: dict[str, Any]) -> None:
    """Keeps the raw figures, under their time and as the latest."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(results, indent=1)
    for name in (time.strftime("%Y%m%d-%H%M%S"), "latest"):
        (RESULTS / f"{name}.json").write_text(text)


def main() -> int:
    """Does what the command line says; 0 when every figure was taken."""
    asked = parse_arguments()
    if asked.report:
        print(table.render(json.loads(asked.report.read_text())))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    server = postgres.temporary_server()
    say(server.start())
    try:
        with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as place:
            runs = measure_all(asked.rows, asked.reps, Setting(server.dsn, Path(place), asked.n))
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "postgres": pg_binaries.major_version(server.binaries),
            "peer": systems.compared.PEER.replace("==", " "),
            "count": asked.n,
            "repetitions": asked.reps,
        }
    finally:
        server.remove()
    results = {"about": about, "runs": runs}
    store(results)
    print(table.render(results))
    return int(any("failed" in run for run in runs))


if __name__ == "__main__":
    sys.exit(main())
