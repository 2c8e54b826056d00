"""Runs the benchmark: `python bench/run.py`, or `make bench`.

This service beside dispatcherd in one run, in turn (A B A B …), on a Postgres of its own; with `--native`, native
workers and publishers beside other crates. The table goes to stdout, progress to stderr, raw figures to bench/results/.
Makes what it needs, and removes the Postgres at the end.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backlog
import measure
import native
import systems
import table
from measure import Figures, Setting

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
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=[system.name for system in native.SYSTEMS],
        metavar="NAME",
        help="of the native systems, only these; ratios are to the first",
    )
    parser.add_argument("--reps", type=int, default=3, help="repetitions (default %(default)s)")
    parser.add_argument("--n", type=int, default=20_000, help="tasks in a burst (default %(default)s)")
    parser.add_argument(
        "--native",
        nargs="*",
        choices=list(native.MEASUREMENTS),
        metavar="ROW",
        help=f"measure native systems instead: {', '.join(native.MEASUREMENTS)} (default all); builds them first",
    )
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
    """Every row for both systems, as often as asked."""
    compared = (systems.ours(), systems.peer())

    def take(row: str, name: str) -> Figures:
        return MEASUREMENTS[row](setting, next(system for system in compared if system.name == name))

    return in_turn(rows, [system.name for system in compared], repetitions, take)


def measure_native(
    rows: list[str], names: list[str] | None, repetitions: int, setting: Setting
) -> list[dict[str, Any]]:
    """The same for native systems, for all if none is named."""
    native.build()
    by_name = {system.name: system for system in native.SYSTEMS}
    return in_turn(
        rows, names or list(by_name), repetitions, lambda row, name: native.take(by_name[name], row, setting)
    )


def in_turn(
    rows: list[str], names: list[str], repetitions: int, take: Callable[[str, str], Figures]
) -> list[dict[str, Any]]:
    """Every row for all systems in turn, so often. What fails is said and leaves a gap in the table."""
    runs: list[dict[str, Any]] = []
    for repetition in range(repetitions):
        run: dict[str, Any] = {"speed": processes.speed(), "load": os.getloadavg()[0]}
        for row in rows:
            for name in names:
                say(f"repetition {repetition + 1} of {repetitions}: {row} of {name}")
                try:
                    figures = take(row, name)
                except systems.BenchError as error:
                    say(f"  failed: {error}")
                    run.setdefault("failed", []).append(f"{row} of {name}: {error}")
                    continue
                run.setdefault(name, {}).update(figures)
                say("  " + "  ".join(f"{figure} {value:.4g}" for figure, value in figures.items()))
        runs.append(run)
    return runs


def store(results: dict[str, Any], kind: str) -> None:
    """Keeps the raw figures, under their time and as the latest of their kind."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(results, indent=1)
    for name in (time.strftime("%Y%m%d-%H%M%S"), "latest"):
        (RESULTS / f"{kind}{name}.json").write_text(text)


def main() -> int:
    """Does what the command line says; 0 when every figure was taken."""
    asked = parse_arguments()
    if asked.report:
        print(table.render(json.loads(asked.report.read_text())))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    is_native = asked.native is not None
    server = postgres.temporary_server(superuser=native.SUPERUSER if is_native else None)
    say(server.start())
    try:
        with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as place:
            pid = int((server.data / "postmaster.pid").read_text().split()[0])
            setting = Setting(server.dsn, Path(place), asked.n, pid)
            if is_native:
                runs = measure_native(asked.native or list(native.MEASUREMENTS), asked.systems, asked.reps, setting)
            else:
                runs = measure_all(asked.rows, asked.reps, setting)
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "postgres": pg_binaries.major_version(server.binaries),
            "peer": systems.compared.PEER.replace("==", " "),
            "count": asked.n,
            "repetitions": asked.reps,
            "native": is_native,
        }
    finally:
        server.remove()
    results = {"about": about, "runs": runs}
    store(results, "native-" if is_native else "")
    print(table.render(results))
    return int(any("failed" in run for run in runs))


if __name__ == "__main__":
    sys.exit(main())
