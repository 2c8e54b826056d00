"""Rows of Postgres: sessions cut, servers restarted, logins refused, a standby, a pooler.

Each function breaks one thing that a service needs and gives figures; it judges nothing. Where it stands: registered in
catalogue.py, run by run.py.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import psycopg

from bouncer import Bouncer
from catalogue import CATALOGUE, POSTGRES, Figures
from ledger import END
from stage import Stage
from trial import Trial

row = CATALOGUE.row
RATE = 100


def deaf_since(trial: Trial, broken: float, patience: float = 10) -> float | None:
    """Seconds from then to the first task after which everything was heard; None when that never came."""
    trial.settle(patience, quiet=1)
    late = {uuid: at for uuid, at in trial.publisher.sent.items() if at > broken}
    lost = [at for uuid, at in late.items() if uuid in trial.unfinished()]
    heard = [at for uuid, at in late.items() if uuid not in trial.unfinished() and at > max(lost, default=broken)]
    return round(min(heard) - broken, 3) if heard else None


def counted(trial: Trial, broken: float, back: float | None) -> Figures:
    """What was lost while the line was gone, and what was lost although it was there."""
    lost = [trial.publisher.sent[uuid] for uuid in trial.unfinished()]
    until = broken + (back if back is not None else 1e9)
    away = sum(broken - 0.05 <= at <= until + 0.05 for at in lost)
    return {"lost_meanwhile": away, "lost": len(lost) - away, "sent": len(trial.publisher.sent)}


def cut(stage: Stage, break_it: Callable[[Trial], float]) -> Figures:
    """Steady traffic, a break, and the way back; `break_it` gives the time from which a service could be back."""
    with stage.trial().start() as trial, trial.asking() as asked:
        with trial.traffic(RATE):
            time.sleep(1)
            began = time.monotonic()
            could = break_it(trial)
            trial.back(could, 60)
            time.sleep(3)  # what was on its way when the line broke may be heard, and yet the line be gone
        back = deaf_since(trial, could)
        figures: Figures = {"back_s": back, **counted(trial, began, None if back is None else could - began + back)}
        figures |= {"alive": trial.alive(), **asked.figures(), "exit": trial.finish()}
        return figures


BACK = ("lost = 0", "alive = true", "exit = 0")


@row(34, "the session of the service is terminated", POSTGRES, "back_s < 0.1", *BACK, smoke=True)
def terminated(stage: Stage) -> Figures:
    return cut(stage, lambda trial: stage.cluster.terminate(besides=trial.publisher.connection().info.backend_pid))


def restarted(stage: Stage, mode: str) -> Figures:
    def restart(_trial: Trial) -> float:
        stage.cluster.server.stop(mode)
        time.sleep(1 if stage.quick else 5)
        starter = threading.Thread(target=stage.cluster.server.start)
        starter.start()
        up = stage.cluster.wait_up()
        starter.join()
        return up

    return cut(stage, restart)


@row(35, "Postgres restarts", POSTGRES, "back_s < 1", *BACK, smoke=True)
def restarted_fast(stage: Stage) -> Figures:
    return restarted(stage, "fast")


@row(36, "Postgres crashes and recovers", POSTGRES, "back_s < 1", *BACK)
def restarted_immediate(stage: Stage) -> Figures:
    return restarted(stage, "immediate")


def refused(stage: Stage, refuse: str, permit: str) -> Figures:
    """The role may not log in for a while: how loudly is that said, and how soon is it right again?"""
    seconds = 2 if stage.quick else 8
    role = stage.cluster.server.user
    said: Figures = {}

    def break_it(trial: Trial) -> float:
        trial.publisher.connection()
        before = len(trial.said().splitlines())
        with stage.cluster.admin() as admin:
            admin.execute(f"ALTER ROLE {role} {refuse}".encode())
            began = time.monotonic()
            stage.cluster.terminate(besides=trial.publisher.connection().info.backend_pid)
            if trial.ready() is not None:
                unready = trial.wait(lambda: trial.ready() is False, 5)
                said["unready_s"] = round(time.monotonic() - began, 2) if unready else None
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            said["log_lines"] = len(trial.said().splitlines()) - before
            admin.execute(f"ALTER ROLE {role} {permit}".encode())
        return time.monotonic()

    return {**cut(stage, break_it), **said}


@row(
    42,
    "there are too many connections",
    POSTGRES,
    "back_s < 1.5",
    "unready_s < 1",
    "log_lines <= 3",
    "connections <= 3",
    *BACK,
)
def crowded(stage: Stage) -> Figures:
    figures = refused(stage, "CONNECTION LIMIT 1", "CONNECTION LIMIT -1")
    with stage.trial().start() as trial:
        publisher = trial.publisher.connection().info.backend_pid
        figures["connections"] = len(set(stage.cluster.backends()) - {publisher})
    return figures


@row(43, "the login is refused", POSTGRES, "back_s < 6", "unready_s < 1", "log_lines <= 3", *BACK)
def shut_out(stage: Stage) -> Figures:
    return refused(stage, "NOLOGIN", "LOGIN")


@row(
    45, "Postgres is read-only, or a hot standby", POSTGRES,
    "lost_read_only = 0", "standby_ready = false", "standby_said = true", "exit = 0",
)  # fmt: skip
def read_only(stage: Stage) -> Figures:
    """Reading only hinders no NOTIFY; a standby has none, and a service there has to say so."""
    stage.cluster.run(f"ALTER ROLE {stage.cluster.server.user} SET default_transaction_read_only = on")
    with stage.trial().start() as trial:
        tasks = [trial.send("work") for _ in range(20)]
        trial.wait_for(END, tasks, 10)
        figures: Figures = {"lost_read_only": trial.lost(tasks), "exit": trial.finish()}
    standby = stage.second_cluster()
    standby.server.stop()
    (standby.server.data / "standby.signal").touch()
    standby.server.start()
    with stage.trial(cluster=standby) as trial:
        trial.start(ready=False)
        said = trial.wait(lambda: "standby" in trial.said(), 6)
        return {**figures, "standby_ready": trial.ready() or False, "standby_said": said, "alive": trial.alive()}


@row(47, "a pooler in transaction mode", POSTGRES, "ready = false", "said = true", "session_mode_lost = 0")
def pooled(stage: Stage) -> Figures:
    figures: Figures = {}
    with Bouncer(stage.place, stage.cluster, "transaction") as bouncer, stage.trial(service_dsn=bouncer.dsn) as trial:
        trial.start(ready=False)
        with trial.traffic(20):
            said = trial.wait(lambda: "pooler" in trial.said(), 12)
        trial.settle(2)
        figures |= {"ready": trial.ready() or False, "said": said, "lost": len(trial.unfinished())}
        figures |= {"sent": len(trial.publisher.sent), "alive": trial.alive()}
    with Bouncer(stage.place, stage.cluster, "session") as bouncer, stage.trial(service_dsn=bouncer.dsn) as trial:
        trial.start()
        tasks = [trial.send("work") for _ in range(20)]
        trial.wait_for(END, tasks, 10)
        return {**figures, "session_mode_lost": trial.lost(tasks)}


@row(
    44, "the queue of notifications grows", POSTGRES, "lost = 0", "back_s < 20", "usage_percent_after < 0.1", "exit = 0"
)
def queue_full(stage: Stage) -> Figures:
    """All of its 8 GB would take this machine's disk: a stopped service holds it back for as much as fits in little
    time.
    """
    count = 20_000 if stage.quick else 100_000
    with stage.trial().start() as trial, stage.cluster.connect() as connection:
        usage = "SELECT round((100 * pg_notification_queue_usage())::numeric, 3)::float"
        os.kill(trial.pid, signal.SIGSTOP)
        for first in range(0, count, 10_000):
            connection.execute(
                "SELECT pg_notify(%s, n || repeat('x', 7000)) FROM generate_series(%s::int, %s::int) n",
                (trial.setting.channel, first + 1, first + 10_000),
            )
        most = _number(connection, usage)
        os.kill(trial.pid, signal.SIGCONT)
        began = time.monotonic()
        last = [trial.send("work") for _ in range(20)]
        trial.wait_for(END, last, 60)
        back = round(time.monotonic() - began, 1) if not trial.lost(last) else None
        figures: Figures = {"usage_percent": most, "usage_percent_after": _number(connection, usage), "back_s": back}
        return {**figures, "lost": trial.lost(last), "exit": trial.finish()}


def _number(connection: psycopg.Connection, statement: str) -> float:
    found = connection.execute(statement.encode()).fetchone()
    assert found is not None
    return float(found[0])
