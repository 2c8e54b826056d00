"""Rows of the service itself: killed, stopped, starved, without a log, told to end.

Each function breaks one thing of one service and gives figures; it judges nothing. Where it stands: registered in
catalogue.py, run by run.py.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack

import limits
import processes
from catalogue import CATALOGUE, SERVICE, Figures
from ledger import END
from notify import NotifySocket
from rows_deaths import slots_back
from stage import Stage

row = CATALOGUE.row
GONE = ("left_after_5_s = 0", "gone_s < 5", "recover_s < 5", "lost_new = 0")


def killed(stage: Stage, busy: bool, number: signal.Signals = signal.SIGKILL) -> Figures:
    """The service dies at once: who lives on, and does a new one on the same socket and channel work?"""
    with stage.trial() as trial:
        trial.start()
        if busy:
            trial.occupy(60, count=False)
        os.kill(trial.pid, number)
        died = time.monotonic()
        code = trial.wait_exit()
        gone = trial.wait(lambda: not trial.family(), 5)
        figures: Figures = {"gone_s": round(time.monotonic() - died, 2) if gone else None, "exit": code}
        figures["left_after_5_s"] = len(trial.family())
        with stage.trial(socket_path=trial.setting.socket) as new:
            began = time.monotonic()
            new.start()
            tasks = [new.send("work") for _ in range(20)]
            new.wait_for(END, tasks, 20)
            figures |= {"recover_s": round(new.ledger.times(END)[0] - began, 2), "lost_new": new.lost(tasks)}
        return figures


@row(22, "the service is killed, its workers busy", SERVICE, *GONE, smoke=True)
def killed_busy(stage: Stage) -> Figures:
    return killed(stage, busy=True)


@row(23, "the service is killed, its workers idle", SERVICE, *GONE)
def killed_idle(stage: Stage) -> Figures:
    return killed(stage, busy=False)


@row(24, "the service is stopped (SIGSTOP) for 30 s", SERVICE, "lost = 0", "back_s < 2", "exit = 0")
def paused(stage: Stage) -> Figures:
    with stage.trial().start() as trial:
        with trial.traffic(100):
            time.sleep(0.5)
            os.kill(trial.pid, signal.SIGSTOP)
            time.sleep(5 if stage.quick else 30)
            os.kill(trial.pid, signal.SIGCONT)
            since = time.monotonic()
            with trial.asking() as asked:
                back = trial.back(since, 20)
                time.sleep(1)
        trial.settle()
        figures: Figures = {"lost": len(trial.unfinished()), "back_s": back, **asked.figures(since + 1)}
        return {**figures, "sent": len(trial.publisher.sent), "exit": trial.finish()}


@row(
    25, "SIGTERM with 4 tasks running and 20 waiting", SERVICE,
    "running_lost = 0", "unexplained = 0", "exit = 0", "left_processes = 0", "stop_on_second_s < 3",
    smoke=True,
)  # fmt: skip
def stopping(stage: Stage) -> Figures:
    with stage.trial().start() as trial:
        running = trial.occupy(3)
        waiting = [trial.send("work") for _ in range(20)]
        time.sleep(0.3)
        code = trial.finish(60)
        figures: Figures = {"running_lost": trial.lost(running), "waiting_lost": trial.lost(waiting)}
        figures |= {"unexplained": trial.unexplained(), "exit": code, "left_processes": trial.left}
        figures["stop_s"] = round(trial.stop_s, 2)
    with stage.trial().start() as trial:
        trial.occupy(60)
        os.kill(trial.pid, signal.SIGTERM)
        time.sleep(0.3)
        trial.finish(60)
        return {**figures, "stop_on_second_s": round(trial.stop_s, 2)}


@row(26, "no descriptors are left", SERVICE, "recover_s < 2", "lost = 0", "exit = 0", smoke=True)
def without_descriptors(stage: Stage) -> Figures:
    with stage.trial().start() as trial:
        tasks = trial.occupy(30)
        before = limits.descriptor_limit(trial.pid)
        limits.limit_descriptors(trial.pid, limits.lowest_free_descriptor(trial.pid))
        for pid in trial.worker_pids():
            os.kill(pid, signal.SIGKILL)
        with trial.traffic(20):
            time.sleep(4)
        limits.limit_descriptors(trial.pid, before)
        given = time.monotonic()
        with trial.asking() as asked:
            busy = [trial.send("work", 1.0) for _ in range(trial.workers)]
            back = slots_back(trial, busy, given, 20)
            trial.settle()
        figures: Figures = {"recover_s": back, "lost": len(trial.unfinished() - set(tasks))}
        return {**figures, **asked.figures(), "alive": trial.alive(), "exit": trial.finish()}


@row(27, "nothing reads the log, or its disk is full", SERVICE, "lost = 0", "alive = true", "exit = 0", smoke=True)
def without_log(stage: Stage) -> Figures:
    figures: Figures = {"lost": 0, "alive": True, "exit": 0}
    for how in ("disk", "reader"):
        reader, writer = os.pipe()
        with stage.trial() as trial, ExitStack() as stack:
            end = os.open("/dev/full", os.O_WRONLY) if how == "disk" else os.dup(writer)
            log = stack.enter_context(os.fdopen(end, "wb"))
            os.close(writer)
            trial.start(out=log)
            os.close(reader)
            with trial.asking() as asked, trial.traffic(50):
                victims = [trial.send("die", "kill") for _ in range(4)]
                victims += [trial.send("no_such_module.task") for _ in range(50)]
                time.sleep(2)
            trial.settle(10)
            figures["lost"] = int(figures["lost"] or 0) + len(trial.unfinished() - set(victims))
            figures["alive"] = bool(figures["alive"]) and trial.alive()
            figures["exit"] = trial.finish() or figures["exit"]
            figures |= asked.figures()
    return figures


@row(28, "more work comes than memory holds", SERVICE, "grew_mb < 300", "alive = true", "uncounted = 0", "exit = 0")
def flooded(stage: Stage) -> Figures:
    """Messages of 4 kB, while every worker is busy: what does the service keep, and what becomes of the rest?"""
    count = 50_000 if stage.quick else 200_000
    with stage.trial().start() as trial, trial.asking() as asked:
        trial.occupy(300, count=False)
        memory, before = processes.rss(trial.pid), trial.received()
        with stage.cluster.connect() as connection:
            connection.execute(
                "SELECT pg_notify(%s, json_build_object('uuid', 'flood-' || n, 'task', 'fault_tasks.work',"
                " 'args', json_build_array('flood-' || n), 'kwargs', json_build_object('seconds', 0),"
                " 'padding', repeat('x', 4000))::text) FROM generate_series(1, %s) n",
                (trial.setting.channel, count),
            )
        most = 0.0

        def grown() -> bool:
            nonlocal most
            most = max(most, processes.rss(trial.pid) - memory)
            return trial.received() - before >= count

        trial.wait(grown, 60)
        figures: Figures = {"count": count, "grew_mb": round(most), "alive": trial.alive(), **asked.figures()}
        figures["uncounted"] = count - (trial.received() - before)
        return {**figures, "exit": trial.finish(40)}


@row(29, "the service's loop stands still", SERVICE, "pings_while_stopped = 0", "pings_before > 0")
def standing_still(stage: Stage) -> Figures:
    """Nobody can stop its loop from outside but by stopping it whole: a service manager has to be able to tell."""
    with NotifySocket(stage.place) as manager, stage.trial() as trial:
        trial.start(environment={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1000000"})
        time.sleep(2)
        before = manager.count("WATCHDOG=1")
        os.kill(trial.pid, signal.SIGSTOP)
        time.sleep(0.2)
        at_stop = manager.count("WATCHDOG=1")
        time.sleep(2)
        stopped = manager.count("WATCHDOG=1") - at_stop
        os.kill(trial.pid, signal.SIGCONT)
        return {"pings_before": before, "pings_while_stopped": stopped, "exit": trial.finish()}


@row(30, "the service aborts, as after a panic", SERVICE, *GONE, "exit = -6")
def aborted(stage: Stage) -> Figures:
    """A release has no way in to make it panic; it aborts on one, so it gets the signal that aborting sends."""
    return killed(stage, True, signal.SIGABRT)


@row(
    31,
    "a second service on the same socket",
    SERVICE,
    "second_exit > 0",
    "first_lost = 0",
    "first_answers = true",
    smoke=True,
)
def twice(stage: Stage) -> Figures:
    with stage.trial().start() as first:
        with stage.trial(socket_path=first.setting.socket) as second:
            second.start(ready=False)
            code = second.wait_exit(8)
            said = second.last_words()
        tasks = [first.send("work") for _ in range(20)]
        first.wait_for(END, tasks, 10)
        answers = first.control("alive") is not None
        figures: Figures = {"second_exit": code, "first_lost": first.lost(tasks), "first_answers": answers}
        return {**figures, "says_why": first.setting.socket.name in said}


@row(
    32,
    "SIGHUP, and a start with a bad file",
    SERVICE,
    "running_lost = 0",
    "exit = 0",
    "bad_start_exit = 2",
    "says_where = true",
)
def with_bad_file(stage: Stage) -> Figures:
    """Neither system reads its file again: SIGHUP is a way to end, and a bad file is found at the start."""
    with stage.trial().start() as trial:
        running = trial.occupy(1)
        os.kill(trial.pid, signal.SIGHUP)
        figures: Figures = {"exit": trial.wait_exit(20), "running_lost": trial.lost(running)}
    with stage.trial() as trial:
        trial.setting.config["brokers"]["pg_notify"]["chanels"] = ["typo"]
        trial.start(ready=False)
        figures["bad_start_exit"] = trial.wait_exit(8)
        return {**figures, "says_where": "chanels" in trial.said()}
