"""Measurements with many tasks waiting: what they cost, and what becomes of control meanwhile.

Where it stands: beside measure.py, which lists these.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

import control
from measure import Figures, Setting, Usage, hold_workers, percentile
from systems import BenchError, System, Trial

WAITING = 100_000
"""Tasks that wait while `alive` is asked."""
ASKED = 40
"""Questions then."""
DEEP = 400_000
"""Tasks for the pace and the memory of a deep queue; ours alone, as dispatcherd answers nothing then."""
CANCELS = 40
"""Cancels for one figure."""


def backlog(setting: Setting, system: System) -> Figures:
    """`alive` over notifications while tasks wait behind held workers."""
    with setting.trial(system) as trial:
        trial.start_warm()
        gate = hold_workers(trial, 2)
        _fill(trial, WAITING)
        took = control.over_notify(setting.dsn, trial.channel, ASKED)
        gate.touch()
    gate.unlink()
    return {f"backlog_alive_p{part}": percentile(took, part) * 1000 for part in (50, 99)}


def deep(setting: Setting, system: System) -> Figures:
    """A deep queue: bytes a task beside its payload, and the drain's pace in its last quarter beside the first."""
    if system.name != "dispatcher":
        return {}
    with setting.trial(system) as trial:
        trial.start_warm()
        gate = hold_workers(trial, 2)
        before = _rss(trial.pid)
        payload = _fill(trial, DEEP)
        grown = _rss(trial.pid) - before
        trial.reset()
        gate.touch()
        times = [trial.wait(DEEP * quarter // 4) for quarter in (0, 1, 3, 4)]
        gate.unlink()
    return {
        "deep_bytes": grown / DEEP - payload,
        "deep_pace": (times[1] - times[0]) / (times[3] - times[2]),
    }


def serial(setting: Setting, system: System) -> Figures:
    """CPU of the main process for tasks that ask for `serial` beside plain ones, taking them in and draining them."""
    count = 20_000 if system.name == "dispatcher" else 2_000
    costs = {}
    for rule in ("parallel", "serial"):
        with setting.trial(system) as trial:
            trial.start_warm()
            gate = hold_workers(trial, 2)
            usage = Usage(trial.pid)
            _fill(trial, count, rule)
            taken, _ = usage.since(count)
            trial.reset()
            usage = Usage(trial.pid)
            gate.touch()
            trial.wait(count)
            drained, _ = usage.since(count)
            gate.unlink()
        costs[rule] = (taken, drained)
    return {
        "serial_intake": costs["serial"][0] / costs["parallel"][0],
        "serial_drain": costs["serial"][1] / costs["parallel"][1],
    }


def cancel(setting: Setting, system: System) -> Figures:
    """From the cancel of a running task until the next one has run on its worker."""
    took = []
    request = json.dumps({"control": "cancel", "control_data": {"task": "bench_tasks.hold"}})
    with setting.trial(system, 1, 1) as trial, psycopg.connect(setting.dsn, autocommit=True) as connection:
        trial.start_warm()
        for _ in range(CANCELS):
            trial.reset()
            hold_workers(trial, 1)
            trial.publisher.call("burst", count=1)
            time.sleep(0.05)
            began = time.perf_counter()
            connection.execute("SELECT pg_notify(%s, %s)", (trial.channel, request))
            while trial.done() < 2:
                if time.perf_counter() - began > 15:
                    raise BenchError(f"{system.name} ran nothing after a cancel")
                time.sleep(0.0001)
            took.append(time.perf_counter() - began)
    return {"cancel_p50": percentile(took, 50) * 1000}


def _fill(trial: Trial, count: int, rule: str = "parallel") -> int:
    """Publishes so many tasks and waits until the service has them; gives the bytes of one payload."""
    before = trial.received()
    words = trial.publisher.call("fill", count=count, rule=rule, channel=trial.channel)["result"]
    deadline = time.monotonic() + 240
    while trial.received() < before + count:
        if time.monotonic() > deadline:
            raise BenchError(f"{trial.system.name} did not take in {count} tasks")
        time.sleep(0.2)
    return int(words)


def _rss(pid: int) -> int:
    """Bytes of memory that one process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"there is no process {pid}")


MEASUREMENTS: dict[str, Callable[[Setting, System], Figures]] = {
    function.__name__: function for function in (backlog, deep, serial, cancel)
}
