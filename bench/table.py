"""The table: for each figure both systems, their ratio, what it ought to be, and whether it is.

A ratio is the median of the ratios of adjacent runs, so that a machine that others use as well slows both of its
sides. Reads stored results only; measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS, PEER = "dispatcher", "dispatcherd"

Run = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What a figure ought to be: a bound on the ratio to the peer's, or on our own figure."""

    bound: float
    at_least: bool
    ratio: bool

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{sign} {self.bound:g}{'x' if self.ratio else ''}"

    def verdict(self, value: float) -> str:
        """Met, or by how much of the bound it is short."""
        if value >= self.bound if self.at_least else value <= self.bound:
            return "met"
        return f"short by {abs(value / self.bound - 1):.0%}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    figure: str
    title: str
    digits: int = 0
    target: Target | None = None


def _times(bound: float, at_least: bool = False) -> Target:
    return Target(bound, at_least, ratio=True)


def _own(bound: float, at_least: bool = False) -> Target:
    return Target(bound, at_least, ratio=False)


ROWS = (
    Row("drain_rate", "drain, tasks/s", 0, _times(10, at_least=True)),
    Row("drain_cpu_main", "drain, CPU of the main process, µs/task", 1),
    Row("drain_cpu_tree", "drain, CPU of the tree, µs/task", 1),
    Row("publish_rate", "publisher alone, messages/s"),
    Row("live_rate", "live burst, tasks/s"),
    Row("live_publish_rate", "publisher during the live burst, messages/s"),
    Row("live_share", "live burst / publisher alone", 2, _own(0.9, at_least=True)),
    Row("live_cpu_main", "live, CPU of the main process, µs/task", 1, _times(0.125)),
    Row("live_cpu_tree", "live, CPU of the tree, µs/task", 1),
    Row("pss_2", "PSS with 2 workers, MB", 1, _times(0.45)),
    Row("pss_12", "PSS with 12 workers, MB", 1, _times(0.35)),
    Row("latency_p50", "latency p50, ms", 2, _times(0.5)),
    Row("latency_p95", "latency p95, ms", 2, _times(0.5)),
    Row("latency_p99", "latency p99, ms", 2),
    Row("control_socket_p50", "alive over the socket p50, ms", 3, _times(0.5)),
    Row("control_socket_p99", "alive over the socket p99, ms", 3, _times(0.5)),
    Row("control_notify_p50", "alive over pg_notify p50, ms", 2, _times(0.5)),
    Row("control_notify_p99", "alive over pg_notify p99, ms", 2, _times(0.5)),
    Row("backlog_alive_p50", "alive while 100,000 tasks wait p50, ms", 2, _times(0.5)),
    Row("backlog_alive_p99", "alive while 100,000 tasks wait p99, ms", 2, _times(0.5)),
    Row("cancel_p50", "cancel until the next task has run p50, ms", 2, _times(0.5)),
    Row("serial_intake", "CPU of taking in serial / plain", 2, _own(1.1)),
    Row("serial_drain", "CPU of draining serial / plain", 2, _own(1.1)),
    Row("deep_bytes", "memory a task beside its payload, 400,000 queued, bytes", 0, _own(500)),
    Row("deep_pace", "drain of 400,000: last quarter / first", 2, _own(0.95, at_least=True)),
    Row("scale_up", "publish until a new preloaded worker ran it, ms", 1, _own(12)),
    Row("bulk_rate", "submit_many, messages/s"),
    Row("bulk_gain", "submit_many / one by one", 1, _own(6, at_least=True)),
    Row("cold_start", "cold start, s", 2),
)


def _cell(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return middle if low == high else f"{middle} [{low} - {high}]"


def _line(row: Row, runs: list[Run]) -> str | None:
    def figure(run: Run, system: str) -> float | None:
        value: float | None = run.get(system, {}).get(row.figure)
        return value

    ours = [value for run in runs if (value := figure(run, OURS)) is not None]
    peer = [value for run in runs if (value := figure(run, PEER)) is not None]
    if not ours and not peer:
        return None
    pairs = [(figure(run, OURS), figure(run, PEER)) for run in runs]
    ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
    verdict = "-"
    if row.target and (values := ratios if row.target.ratio else ours):
        verdict = row.target.verdict(median(values))
    ratio = f"{median(ratios):.2f}x" if ratios else "-"
    cells = [row.title, _cell(ours, row.digits), _cell(peer, row.digits), ratio, str(row.target or "-"), verdict]
    return f"| {' | '.join(cells)} |"


NATIVE = (
    Row("one_rate", "publish one by one, tasks/s"),
    Row("many_rate", "publish in bulk, tasks/s"),
    Row("many_gain", "bulk / one by one", 1),
    Row("drain_rate", "drain, tasks/s"),
    Row("drain_cpu", "drain, CPU of the workers (and the service), µs/task", 1),
    Row("postgres_cpu", "CPU of Postgres, bulk publish and drain, µs/task", 1),
    Row("drain_runs", "runs of one task", 2),
    Row("latency_p50", "latency p50, ms", 2),
    Row("latency_p95", "latency p95, ms", 2),
)
"""The columns of the table of native systems."""


def _native(runs: list[Run]) -> list[str]:
    """A line for each system; below the absolute figures, their ratios to the first one in the same run."""
    names = list(dict.fromkeys(name for run in runs for name in run if isinstance(run[name], dict)))
    for run in runs:
        for name in names:
            figures = run.get(name, {})
            if figures.get("one_rate") and figures.get("many_rate"):
                figures["many_gain"] = figures["many_rate"] / figures["one_rate"]

    def values(name: str, figure: str) -> list[float]:
        return [run[name][figure] for run in runs if figure in run.get(name, {})]

    def ratios(name: str, figure: str) -> list[float]:
        pairs = [(run.get(name, {}).get(figure), run.get(names[0], {}).get(figure)) for run in runs]
        return [mine / theirs for mine, theirs in pairs if mine is not None and theirs]

    head = [f"| | {' | '.join(row.title for row in NATIVE)} |", f"|---|{'---|' * len(NATIVE)}"]
    absolute = [
        f"| {name} | {' | '.join(_cell(values(name, row.figure), row.digits) for row in NATIVE)} |" for name in names
    ]
    shared = [row for row in NATIVE if row.figure not in ("many_gain", "drain_runs")]

    def beside(name: str, row: Row) -> str:
        found = ratios(name, row.figure)
        return f"{median(found):.2f}x" if found else "-"

    compared = [f"| {name} | {' | '.join(beside(name, row) for row in shared)} |" for name in names[1:]]
    title = f"| beside {names[0]}, in the same run | {' | '.join(row.title.rpartition(',')[0] for row in shared)} |"
    return [*head, *absolute, "", title, f"|---|{'---|' * len(shared)}", *compared]


def render(results: dict[str, Any]) -> str:
    """The whole report in Markdown."""
    about: Callable[[str], Any] = results["about"].get
    runs: list[Run] = results["runs"]
    speeds = [run["speed"] for run in runs]
    lines = [
        f"{about('date')}, {about('cores')} cores, Python {about('python')}, Postgres {about('postgres')}; "
        f"{about('count'):,} tasks, 2 workers, {about('repetitions')} repetitions.",
        f"Medians [least - most]. Speed of a fixed loop meanwhile: {_cell(speeds, 0)} million turns/s.",
        "",
    ]
    if about("native"):
        return "\n".join([*lines, *_native(runs)])
    head = [f"| | {OURS} | {about('peer')} | ratio | target | verdict |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *head, *filter(None, (_line(row, runs) for row in ROWS))])
