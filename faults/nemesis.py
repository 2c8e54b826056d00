"""Random faults against one service that lives on: what is broken, in which order, is decided by a seed.

Each fault takes a few seconds and puts right what it broke. It says what it hits, so that the checker knows what may
be lost meanwhile. Where it stands: soak.py runs it; checker.py reads its journal.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

import limits
import poison
from ledger import END, START
from rows_messages import pieces
from stage import Cluster
from trial import Trial

WORKER, LINE, WHOLE, MESSAGE = "a worker", "the line", "the service", "a message"
"""What a fault hits: only a fault of the line may lose messages, only one of a worker what that worker has."""


@dataclass
class Event:
    """A fault that was, in the journal."""

    name: str
    hits: str
    began: float
    ended: float = 0.0


Fault = Callable[["Nemesis"], None]
FAULTS: dict[str, tuple[str, Fault]] = {}


def fault(hits: str) -> Callable[[Fault], Fault]:
    """Registers the function below it under its name."""

    def register(function: Fault) -> Fault:
        FAULTS[function.__name__] = (hits, function)
        return function

    return register


class Nemesis:
    """One service and its Postgres, and what was done to them."""

    def __init__(self, trial: Trial, cluster: Cluster, seed: int) -> None:
        self.trial, self.cluster = trial, cluster
        self.chance = random.Random(seed)
        self.journal: list[Event] = []
        self.victims: set[str] = set()
        """Tasks that break things, and so need not end."""

    def strike(self) -> Event:
        """One fault, from its beginning to when all is put right."""
        name = self.chance.choice(sorted(FAULTS))
        hits, function = FAULTS[name]
        event = Event(name, hits, time.monotonic())
        self.journal.append(event)
        function(self)
        if hits == LINE:  # over when a message is heard again
            self.trial.back(time.monotonic(), 30)
        event.ended = time.monotonic()
        return event

    def task(self, name: str, *args: object, timeout: float | None = None) -> str:
        """Sends a task that breaks something; returns when it has begun."""
        number = self.trial.send(name, *args, timeout=timeout)
        self.victims.add(number)
        self.trial.wait_for(START, [number], 10)
        return number

    def signal_worker_of(self, number: str, how: signal.Signals) -> None:
        """Sends a signal to the worker that has begun this task."""
        for _, pid in self.trial.ledger.marks[START].get(number, []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)

    def publisher(self) -> int:
        """The server's process that serves our own publisher."""
        return self.trial.publisher.connection().info.backend_pid


@fault(WORKER)
def kill_a_worker(nemesis: Nemesis) -> None:
    pids = sorted(nemesis.trial.worker_pids())
    with contextlib.suppress(ProcessLookupError):
        os.kill(nemesis.chance.choice(pids), signal.SIGKILL)


@fault(WORKER)
def a_task_dies(nemesis: Nemesis) -> None:
    nemesis.task("die", nemesis.chance.choice(["kill", "segv", "sys_exit", "os_exit", "close_fds"]), 0.1)


@fault(WORKER)
def a_task_hangs(nemesis: Nemesis) -> None:
    nemesis.task("hang", nemesis.chance.choice(["ignore", "swallow", "c_loop"]), timeout=0.5)
    time.sleep(3)


@fault(WORKER)
def a_torn_frame(nemesis: Nemesis) -> None:
    nemesis.task("half_frame")


@fault(WORKER)
def a_large_result(nemesis: Nemesis) -> None:
    nemesis.task("big", 20)


@fault(WORKER)
def a_flood_of_output(nemesis: Nemesis) -> None:
    nemesis.task("flood", 1)


@fault(WORKER)
def a_child_is_left(nemesis: Nemesis) -> None:
    """And its worker ends: what it has left has to end with it."""
    number = nemesis.task(nemesis.chance.choice(["leave_child", "leave_daemon"]))
    how = nemesis.chance.choice([signal.SIGTERM, signal.SIGKILL])
    nemesis.trial.wait_for(END, [number], 5)
    nemesis.signal_worker_of(number, how)


@fault(WORKER)
def a_worker_is_stopped(nemesis: Nemesis) -> None:
    number = nemesis.task("work", 30, timeout=1)
    nemesis.signal_worker_of(number, signal.SIGSTOP)
    time.sleep(4)


@fault(WORKER)
def the_template_dies(nemesis: Nemesis) -> None:
    if template := nemesis.trial.template():
        with contextlib.suppress(ProcessLookupError):
            os.kill(template, signal.SIGKILL)
    time.sleep(1)


@fault(WHOLE)
def the_service_is_stopped(nemesis: Nemesis) -> None:
    os.kill(nemesis.trial.pid, signal.SIGSTOP)
    time.sleep(nemesis.chance.uniform(0.5, 4))
    os.kill(nemesis.trial.pid, signal.SIGCONT)


@fault(WHOLE)
def no_descriptors(nemesis: Nemesis) -> None:
    pid = nemesis.trial.pid
    before = limits.descriptor_limit(pid)
    limits.limit_descriptors(pid, limits.lowest_free_descriptor(pid))
    kill_a_worker(nemesis)
    time.sleep(1)
    limits.limit_descriptors(pid, before)


@fault(LINE)
def the_session_is_terminated(nemesis: Nemesis) -> None:
    nemesis.cluster.terminate(besides=nemesis.publisher())


@fault(LINE)
def postgres_restarts(nemesis: Nemesis) -> None:
    nemesis.cluster.server.stop(nemesis.chance.choice(["fast", "immediate"]))
    time.sleep(nemesis.chance.uniform(0.1, 2))
    starter = threading.Thread(target=nemesis.cluster.server.start)
    starter.start()
    nemesis.cluster.wait_up()
    starter.join()


@fault(LINE)
def the_login_is_refused(nemesis: Nemesis) -> None:
    role, keeps = nemesis.cluster.server.user, nemesis.publisher()
    nemesis.cluster.run(f"ALTER ROLE {role} NOLOGIN")
    nemesis.cluster.terminate(besides=keeps)
    time.sleep(nemesis.chance.uniform(0.2, 3))
    nemesis.cluster.run(f"ALTER ROLE {role} LOGIN")


@fault(LINE)
def the_server_process_is_stopped(nemesis: Nemesis) -> None:
    pids = set(nemesis.cluster.backends()) - {nemesis.publisher()}
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    nemesis.trial.back(time.monotonic(), 20)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@fault(MESSAGE)
def poisoned_messages(nemesis: Nemesis) -> None:
    for text in nemesis.chance.sample(sorted(poison.MESSAGES.values()), 5):
        with contextlib.suppress(psycopg.Error):
            nemesis.trial.publisher.notify(text)


@fault(MESSAGE)
def odd_pieces(nemesis: Nemesis) -> None:
    parts = pieces(uuid.uuid4().hex, uuid.uuid4().hex)
    nemesis.chance.shuffle(parts)
    with contextlib.suppress(psycopg.Error):
        for part in parts[: nemesis.chance.randint(1, 3)]:
            nemesis.trial.publisher.notify(part)


@fault(MESSAGE)
def many_questions(nemesis: Nemesis) -> None:
    for _ in range(50):
        nemesis.trial.control(nemesis.chance.choice(["alive", "main", "status", "workers", "no_such_command"]))


@fault(MESSAGE)
def a_burst(nemesis: Nemesis) -> None:
    for _ in range(500):
        nemesis.trial.send("work")
