"""Rows of tasks that misbehave without dying: memory, output, children, results, handlers.

Each function breaks one thing of one service and gives figures; it judges nothing. Where it stands: registered in
catalogue.py, run by run.py.
"""

from __future__ import annotations

import time

import processes
from catalogue import CATALOGUE, WORKERS, Figures
from ledger import END, START
from limits import Group
from rows_deaths import beside, slots_back
from stage import Stage

row = CATALOGUE.row
MEMORY_LIMIT_MB = 300


@row(
    4,
    "a task takes memory without end",
    WORKERS,
    "others_gap_s < 0.5",
    "lost = 0",
    "worker_kept = true",
    "slot_back_s < 0.5",
)
def growing(stage: Stage) -> Figures:
    """First against a limit of its own making, then against the service's own limit, where there is one."""
    figures = beside(stage, "grow", MEMORY_LIMIT_MB)
    with stage.trial(workers=1).start() as trial:
        before = trial.worker_pids()
        trial.send("grow", MEMORY_LIMIT_MB)
        trial.wait_for(END, [trial.send("work")], 20)
        figures["worker_kept"] = trial.worker_pids() == before
    return {**figures, **grow_to_the_limit(stage)}


def grow_to_the_limit(stage: Stage) -> Figures:
    """A worker that is killed for the memory that it takes: the kernel's killer, in a cgroup of its own."""
    with Group("memory") as group, stage.trial(workers=1).start() as trial:
        limit = 400 << 20
        group.write("memory.limit_in_bytes", limit)
        worker = min(trial.worker_pids())
        group.take(worker)
        victim = trial.send("grow", 0)
        trial.wait_for(START, [victim], 10)
        waiting = trial.send("work")
        alive = trial.wait(lambda: not processes.living(worker), 30)
        death = time.monotonic()
        back = slots_back(trial, [waiting], death)
        trial.wait(lambda: not trial.unexplained(), 1)
        return {"killed_by_kernel": alive, "slot_back_s": back, "unexplained": trial.unexplained()}


@row(11, "a task closes 0, 1 and 2", WORKERS, "others_gap_s < 0.5", "lost = 0", "exit = 0")
def without_standard(stage: Stage) -> Figures:
    return beside(stage, "close_standard", count=4)


@row(12, "a task writes 100 MB to stdout", WORKERS, "log_mb < 10", "others_gap_s < 0.5", "lost = 0", "exit = 0")
def flooding(stage: Stage) -> Figures:
    figures = beside(stage, "flood", 10 if stage.quick else 100)
    log = max(stage.place.glob("*/service.log"), key=lambda path: path.stat().st_size)
    return {**figures, "log_mb": round(log.stat().st_size / 1e6, 1)}


def leaving(stage: Stage, task: str) -> Figures:
    """A process stays behind after its task: who ends it?"""
    with stage.trial(workers=2).start() as trial:
        trial.wait_for(END, [trial.send(task) for _ in range(2)], 10)
        trial.wait_for(END, [trial.send("work") for _ in range(2)], 10)
        return {"exit": trial.finish(), "left_processes": trial.left, "stop_s": round(trial.stop_s, 2)}


@row(13, "a task leaves a child behind", WORKERS, "left_processes = 0", "exit = 0", "stop_s < 5", smoke=True)
def leaving_child(stage: Stage) -> Figures:
    return leaving(stage, "leave_child")


@row(14, "a task leaves a daemon behind", WORKERS, "left_processes = 0", "exit = 0", "stop_s < 5", smoke=True)
def leaving_daemon(stage: Stage) -> Figures:
    return leaving(stage, "leave_daemon")


@row(15, "a task takes SIGTERM and SIGCHLD for itself", WORKERS, "stop_s < 4", "left_processes = 0", "exit = 0")
def with_own_handlers(stage: Stage) -> Figures:
    own = {"service": {"shutdown_grace": 1, "cancel_grace": 1, "terminate_grace": 1}}
    with stage.trial(workers=2, own=own).start() as trial:
        trial.wait_for(START, [trial.send("own_handlers", 60)], 10)
        trial.wait_for(END, [trial.send("own_handlers", 0)], 10)
        return {"exit": trial.finish(), "stop_s": round(trial.stop_s, 2), "left_processes": trial.left}


@row(
    16, "a result that cannot be sent: an object, 200 MB, 100,000 levels", WORKERS,
    "lost = 0", "workers_kept = true", "service_grew_mb < 50",
)  # fmt: skip
def odd_results(stage: Stage) -> Figures:
    with stage.trial(workers=2).start() as trial, trial.asking() as asked:
        before, memory = trial.worker_pids(), processes.rss(trial.pid)
        odd = [trial.send("unserialisable"), trial.send("big", 200), trial.send("deep")]
        trial.wait_for(END, odd, 20)
        most = 0.0

        def grown() -> bool:
            nonlocal most
            most = max(most, processes.rss(trial.pid) - memory)
            return False

        trial.wait(grown, 3)
        after = [trial.send("work", 0.2) for _ in range(4)]
        trial.wait_for(END, after, 20)
        kept = before == trial.worker_pids()
        figures: Figures = {"lost": trial.lost(after), "workers_kept": kept, "service_grew_mb": round(most, 1)}
        return {**figures, **asked.figures(), "exit": trial.finish()}
