"""The measurements: each starts a system afresh, puts it through one situation, and gives figures by name.

Knows nothing of targets or tables. Where it stands: run.py calls these in turn for both systems.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import control
import processes
from systems import PYTHON, BenchError, Program, System, Trial

Figures = dict[str, float]

LATENCY_COUNT, LATENCY_RATE = 200, 20.0
"""Latency tasks, and how many of them a second."""
CONTROL_COUNT = 1000
"""Control requests, one after the other, over each broker."""
BATCH = 1000
"""Tasks in one bulk call."""
SCALE_SAMPLES = 4
"""Starts of a service for one figure of scaling up."""
AFTERMATH = 0.3
"""Seconds in which a service may still be putting its books right; they count as work."""


@dataclass(frozen=True)
class Setting:
    """What every measurement is given."""

    dsn: str
    place: Path
    count: int
    postgres: int
    """The pid of the server."""

    def trial(
        self, system: System, least: int = 2, most: int = 2, socket: bool = False, program: Program = PYTHON
    ) -> Trial:
        """A fresh trial of a system."""
        return Trial(system, self.dsn, self.place, (least, most), socket, program)


class Usage:
    """CPU of a service from here on, in microseconds a task."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.main, self.tree = processes.cpu_of_process(pid), processes.cpu_of_tree(pid)

    def since(self, count: int) -> tuple[float, float]:
        """Of the main process, and of the whole tree."""
        time.sleep(AFTERMATH)
        main, tree = processes.cpu_of_process(self.pid), processes.cpu_of_tree(self.pid)
        return (main - self.main) / count * 1e6, (tree - self.tree) / count * 1e6


def hold_workers(trial: Trial, count: int) -> Path:
    """Gives so many workers a task that ends when the returned file is there."""
    gate = trial.place / f"gate-{time.time_ns()}"
    before = trial.done()
    trial.publisher.call("hold", count=count, path=str(gate))
    trial.wait(before + count, 15)
    return gate


def drain(setting: Setting, system: System, fill: str = "burst", program: Program = PYTHON) -> Figures:
    """Tasks queued behind two held workers by one of the publisher's actions, then let go."""
    held = 2 * program.slots
    with setting.trial(system, program=program) as trial:
        trial.start_warm()
        before = trial.received()
        gate = hold_workers(trial, held)
        trial.publisher.call(fill, count=setting.count)
        deadline = time.monotonic() + 120
        while trial.received() < before + held + setting.count:
            if time.monotonic() > deadline:
                raise BenchError(f"{system.name} did not take in the burst")
            time.sleep(0.05)
        trial.reset()
        usage = Usage(trial.pid)
        began = time.time()
        gate.touch()
        ended = trial.wait(setting.count)
        main, tree = usage.since(setting.count)
        gate.unlink()
    return {"drain_rate": setting.count / (ended - began), "drain_cpu_main": main, "drain_cpu_tree": tree}


def live(setting: Setting, system: System) -> Figures:
    """The publisher alone with nobody listening, then the same burst to a service that runs it meanwhile."""
    with setting.trial(system) as trial:
        alone = trial.publisher.rate("burst", setting.count)
        trial.start_warm()
        usage = Usage(trial.pid)
        trial.publisher.send("burst", count=setting.count)
        ended = trial.wait(setting.count)
        reply = trial.publisher.receive()
        main, tree = usage.since(setting.count)
    rate = setting.count / (ended - reply["began"])
    return {
        "publish_rate": alone,
        "live_rate": rate,
        "live_publish_rate": setting.count / (reply["ended"] - reply["began"]),
        "live_share": rate / alone,
        "live_cpu_main": main,
        "live_cpu_tree": tree,
    }


def latency(setting: Setting, system: System) -> Figures:
    """From the publish call to the task's first statement, on a service with nothing else to do."""
    with setting.trial(system) as trial:
        trial.start_warm()
        trial.publisher.call("paced", count=LATENCY_COUNT, rate=LATENCY_RATE)
        delays = read_delays(trial.delays, LATENCY_COUNT, system.name)
    return {f"latency_p{part}": percentile(delays, part) for part in (50, 95, 99)}


def read_delays(file: Path, count: int, name: str) -> list[float]:
    """Waits until so many latency tasks have run; gives the milliseconds of each."""
    deadline = time.monotonic() + 15
    while file.stat().st_size < 8 * count:
        if time.monotonic() > deadline:
            raise BenchError(f"{name} did not run every latency task")
        time.sleep(0.01)
    return [delay * 1000 for (delay,) in struct.iter_unpack("<d", file.read_bytes())]


def memory(setting: Setting, system: System) -> Figures:
    """Cold start, and the memory of the idle tree after some work, with few and with many workers."""
    figures: Figures = {}
    for workers in (2, 12):
        with setting.trial(system, workers, workers) as trial:
            began = trial.start()
            cold = trial.first_task() - began
            trial.reset()
            trial.publisher.call("burst", count=50 * workers)
            trial.wait(50 * workers)
            time.sleep(2.0)
            figures[f"pss_{workers}"] = processes.pss_of_tree(trial.pid)
        figures.setdefault("cold_start", cold)
    return figures


def scale(setting: Setting, system: System) -> Figures:
    """One worker of at most two is held, the application is preloaded: publish until a second worker ran it."""
    took = []
    for _ in range(SCALE_SAMPLES):
        with setting.trial(system, 1, 2) as trial:
            trial.start_warm()
            gate = hold_workers(trial, 1)
            time.sleep(0.5)
            workers = sum(name.startswith("worker-") for name in trial.ask("workers"))
            if workers != 1:
                raise BenchError(f"{system.name} has {workers} workers before a second one is needed")
            reply = trial.publisher.call("burst", count=1)
            took.append((trial.wait(2, 15) - reply["began"]) * 1000)
            gate.touch()
        with contextlib.suppress(FileNotFoundError):
            gate.unlink()
    return {"scale_up": sorted(took)[len(took) // 2 - 1]}


def bulk(setting: Setting, system: System) -> Figures:
    """Bulk publishing beside publishing one by one, with nobody listening; only for an SDK that has it."""
    if system.name != "dispatcher":
        return {}
    with setting.trial(system) as trial:
        trial.publisher.call("burst", count=100)
        one = trial.publisher.rate("burst", setting.count)
        many = trial.publisher.rate("batches", setting.count, size=BATCH)
    return {"bulk_rate": many, "bulk_gain": many / one}


def control_latency(setting: Setting, system: System) -> Figures:
    """Round trips of `alive` on an idle service, by the same plain client for both, over each broker."""
    figures: Figures = {}
    with setting.trial(system, socket=True) as trial:
        trial.start_warm()
        ways = {
            "socket": control.over_socket(trial.socket_path, CONTROL_COUNT),
            "notify": control.over_notify(setting.dsn, trial.channel, CONTROL_COUNT),
        }
    for way, took in ways.items():
        figures |= {f"control_{way}_p{part}": percentile(took, part) * 1000 for part in (50, 99)}
    return figures


def percentile(values: list[float], part: int) -> float:
    """The value below which that part of a hundred lies."""
    return sorted(values)[round((len(values) - 1) * part / 100)]


MEASUREMENTS: dict[str, Callable[[Setting, System], Figures]] = {
    function.__name__: function for function in (drain, live, latency, control_latency, memory, scale, bulk)
}
