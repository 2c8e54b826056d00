"""Rows of workers that die, hang or are stopped: when is the slot back, and who else notices?

Each function breaks one thing of one service and gives figures; it judges nothing. Where it stands: registered in
catalogue.py, run by run.py.
"""

from __future__ import annotations

import os
import signal
import time

from catalogue import CATALOGUE, WORKERS, Figures, Unavailable
from ledger import END, IMPORT, START
from limits import PidsLimit
from stage import Stage
from trial import Trial

LIMIT = 40.0
"""Seconds after which a slot counts as never back."""
GRACES = {"service": {"cancel_grace": 1, "terminate_grace": 1}}
"""Short graces, so that the ladder is seen whole in little time."""
row = CATALOGUE.row


def slots_back(trial: Trial, waiting: list[str], death: float, limit: float = LIMIT) -> float | None:
    """Seconds from the death until as many tasks as there are workers had begun: each keeps the worker that has it."""
    if not trial.wait_for(START, waiting, limit):
        return None
    return round(trial.ledger.times(START, waiting)[-1] - death, 3)


def all_die(stage: Stage, how: str) -> Figures:
    """Every worker dies in its task while others wait, and nothing arrives after; then once more while control is
    asked.
    """
    with stage.trial().start() as trial:
        victims = [trial.send("die", how, 0.6) for _ in range(trial.workers)]
        trial.wait_for(START, victims, 10)
        waiting = [trial.send("work", 1.0) for _ in victims]
        trial.wait(lambda: not trial.worker_pids() or trial.lost(waiting) < len(waiting), 3)
        figures: Figures = {"slot_back_s": slots_back(trial, waiting, trial.last_death(victims))}
        trial.wait_for(END, waiting, 5)
        with trial.asking() as asked, trial.traffic():
            victims += [trial.send("die", how, 0.1) for _ in range(trial.workers)]
            trial.wait_for(START, victims, 10)
            time.sleep(0.5)
        trial.settle(LIMIT)
        figures |= asked.figures()
        figures["lost"] = len(trial.unfinished() - set(victims))
        figures["unexplained"] = trial.unexplained()
        trial.finish()
        return figures


@row(1, "busy workers are killed", WORKERS, "slot_back_s < 0.5", "lost = 0", "unexplained = 0", smoke=True)
def killed(stage: Stage) -> Figures:
    figures = all_die(stage, "kill")
    with stage.trial().start() as trial:
        busy = trial.occupy(30)
        waiting = [trial.send("work", 1.0) for _ in busy]
        death = time.monotonic()
        for pid in trial.worker_pids():
            os.kill(pid, signal.SIGKILL)
        figures["slot_back_from_outside_s"] = slots_back(trial, waiting, death)
    return figures


@row(2, "a C extension crashes", WORKERS, "slot_back_s < 0.5", "lost = 0", "unexplained = 0")
def crashed(stage: Stage) -> Figures:
    return all_die(stage, "segv")


@row(
    3, "os._exit() and sys.exit() in a task", WORKERS, "slot_back_s < 0.5", "lost = 0", "worker_kept = true", smoke=True
)
def exited(stage: Stage) -> Figures:
    figures = all_die(stage, "os_exit")
    with stage.trial(workers=1).start() as trial:
        before = trial.worker_pids()
        trial.wait_for("D", [trial.send("die", "sys_exit")], 10)
        trial.wait_for(END, [trial.send("work")], LIMIT)
        figures["worker_kept"] = trial.worker_pids() == before
    return figures


def hanging(stage: Stage, how: str) -> Figures:
    """One worker, one task that does not stop after its timeout of 1 s, one that waits for the slot."""
    with stage.trial(workers=1, own=GRACES).start() as trial, trial.asking() as asked:
        stuck = trial.send("hang", how, timeout=1)
        trial.wait_for(START, [stuck], 10)
        waiting = trial.send("work")
        began = trial.ledger.times(START, [stuck])[0]
        back = slots_back(trial, [waiting], began, 12 if stage.quick else 20)
        figures: Figures = {"slot_back_s": back, **asked.figures(), "unexplained": trial.unexplained()}
        trial.finish()
        return {**figures, "left_processes": trial.left, "stop_s": round(trial.stop_s, 1)}


LADDER = ("slot_back_s < 3.5", "unexplained = 0", "left_processes = 0")
"""A timeout of 1 s, two graces of 1 s, and half a second."""


@row(5, "a task ignores SIGUSR1", WORKERS, *LADDER, smoke=True)
def ignoring(stage: Stage) -> Figures:
    return hanging(stage, "ignore")


@row(6, "a task swallows the cancel", WORKERS, *LADDER)
def swallowing(stage: Stage) -> Figures:
    return hanging(stage, "swallow")


@row(7, "an endless loop in C", WORKERS, *LADDER)
def looping(stage: Stage) -> Figures:
    return hanging(stage, "c_loop")


def beside(stage: Stage, task: str, *args: object, count: int = 1) -> Figures:
    """The task breaks its worker while the others have steady work: who else is hurt?"""
    with stage.trial().start() as trial:
        with trial.asking() as asked, trial.traffic(100):
            time.sleep(0.5)
            began = time.monotonic()
            victims = [trial.send(task, *args) for _ in range(count)]
            trial.wait_for(START, victims, 10)
            time.sleep(2 if stage.quick else 5)
            until = time.monotonic()
        trial.settle(15)
        figures = asked.figures()
        figures["others_gap_s"] = round(trial.ledger.longest_gap(began, until), 2)
        figures["lost"] = len(trial.unfinished() - set(victims))
        figures["unexplained"] = trial.unexplained()
        trial.wait_for(START, [trial.send("work", 0.3) for _ in range(trial.workers)], 3)
        figures["workers_short"] = trial.workers - len(trial.worker_pids())
        figures["exit"] = trial.finish()
        return figures


@row(8, "a worker dies in the middle of a frame", WORKERS, "others_gap_s < 0.5", "lost <= 1", "exit = 0", smoke=True)
def torn(stage: Stage) -> Figures:
    return beside(stage, "half_frame")


@row(9, "a worker is killed while it sends 150 MB", WORKERS, "others_gap_s < 1", "lost <= 1", "exit = 0")
def big_and_killed(stage: Stage) -> Figures:
    return beside(stage, "big_and_killed", 150)


@row(10, "a worker closes all its descriptors", WORKERS, "slot_back_s < 0.5", "lost = 0", "finished_twice = 0")
def closed(stage: Stage) -> Figures:
    with stage.trial(workers=1).start() as trial:
        victim = trial.send("die", "close_fds", 0.3)
        trial.wait_for(START, [victim], 10)
        waiting = trial.send("work")
        trial.wait_for("D", [victim], 10)
        back = slots_back(trial, [waiting], trial.last_death([victim]), LIMIT)
        return {
            "slot_back_s": back,
            "lost": trial.lost([waiting]),
            "finished_twice": trial.ledger.extra_starts([victim, waiting]),
        }


@row(
    17, "the module of a task hangs or fails at import", WORKERS, "slot_back_s < 3.5", "worker_kept = true", "lost = 0"
)
def importing(stage: Stage) -> Figures:
    with stage.trial(workers=1, own=GRACES).start() as trial:
        before = trial.worker_pids()
        trial.send("failing_import.work")
        last = trial.send("work")
        trial.wait_for(END, [last], 10)
        kept = trial.worker_pids() == before
        trial.send("slow_import.work", timeout=1)
        trial.wait(lambda: trial.ledger.fresh(IMPORT, ["slow_import"]), 10)
        waiting = trial.send("work")
        back = slots_back(trial, [waiting], trial.ledger.times(IMPORT, ["slow_import"])[0], 20)
        return {"slot_back_s": back, "worker_kept": kept, "lost": trial.lost([last, waiting])}


@row(
    18, "a worker dies at its start, each time", WORKERS, "starts_a_minute <= 12", "cpu_s_a_minute < 6", "ready = false"
)
def never_ready(stage: Stage) -> Figures:
    seconds = 20 if stage.quick else 60
    with stage.trial(workers=1, worker={"worker_cls": "failing_worker.FailingWorker"}) as trial:
        trial.start(ready=False)
        trial.wait(lambda: trial.ledger.fresh(IMPORT), 10)
        first = trial.ledger.times(IMPORT)
        if not first:
            raise Unavailable("no worker was started at all: " + trial.last_words())
        before, settled = trial.cpu(), time.monotonic()
        time.sleep(seconds)
        starts = sum(at < first[0] + seconds for at in trial.ledger.fresh(IMPORT))
        cpu = (trial.cpu() - before) * 60 / (time.monotonic() - settled)
        figures: Figures = {"starts_a_minute": starts * 60 // seconds, "cpu_s_a_minute": round(cpu, 1)}
        return {**figures, "ready": trial.ready(), "alive": trial.alive(), "exit": trial.finish()}


@row(
    19, "the fork server is killed", WORKERS, "busy_lost = 0", "queued_lost = 0", "over_max = 0", "exit = 0", smoke=True
)
def without_template(stage: Stage) -> Figures:
    with stage.trial().start() as trial:
        busy = trial.occupy(3)
        template = trial.template()
        if template is None:
            raise Unavailable("there is no fork server")
        queued = [trial.send("work") for _ in range(8)]
        with trial.asking() as asked:
            began = time.monotonic()
            os.kill(template, signal.SIGKILL)
            most = 0

            def over() -> bool:
                nonlocal most
                most = max(most, len(trial.worker_pids()))
                return not trial.lost([*busy, *queued])

            trial.wait(over, 15)
        back = trial.ledger.times(END, queued)
        figures: Figures = {"recover_s": round(back[0] - began, 2) if back else None, **asked.figures()}
        figures |= {"busy_lost": trial.lost(busy), "queued_lost": trial.lost(queued), "over_max": max(0, most - 4)}
        figures["unexplained"] = trial.unexplained()
        return {**figures, "exit": trial.finish(), "left_processes": trial.left}


@row(20, "fork() fails", WORKERS, "recover_s < 2", "lost = 0", "exit = 0")
def no_more_processes(stage: Stage) -> Figures:
    with PidsLimit() as limit, stage.trial().start() as trial, trial.asking() as asked:
        for pid in trial.family():
            limit.take(pid)
        limit.allow(limit.used() - 1)
        os.kill(sorted(trial.worker_pids())[0], signal.SIGKILL)
        time.sleep(0.5)
        with trial.traffic(20):
            time.sleep(4)
        lifted = time.monotonic()
        limit.lift()
        busy = [trial.send("work", 1.0) for _ in range(trial.workers)]
        back = slots_back(trial, busy, lifted)
        trial.settle()
        figures: Figures = {"recover_s": back, "refused_forks": limit.refused(), **asked.figures()}
        return {**figures, "lost": len(trial.unfinished()), "exit": trial.finish()}


@row(21, "a worker is stopped (SIGSTOP)", WORKERS, "slot_back_s < 3.5", "others_lost = 0", "said = true")
def stopped(stage: Stage) -> Figures:
    with stage.trial(workers=1, own=GRACES).start() as trial, trial.asking() as asked:
        stuck = trial.send("work", 60, timeout=1)
        trial.wait_for(START, [stuck], 10)
        os.kill(min(trial.worker_pids()), signal.SIGSTOP)
        waiting = trial.send("work")
        back = slots_back(trial, [waiting], trial.ledger.times(START, [stuck])[0], 20)
        said = trial.wait(lambda: "stopped by a signal" in trial.said(), 1)
        return {"slot_back_s": back, "said": said, "others_lost": trial.lost([waiting]), **asked.figures()}
