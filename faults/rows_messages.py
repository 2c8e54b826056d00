"""Rows of messages: twice, in pieces that do not fit, poisoned, a million at once, and questions by the thousand.

Each function sends one kind of trouble to one service and gives figures; it judges nothing. Where it stands:
registered in catalogue.py, run by run.py.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import uuid
from contextlib import ExitStack
from typing import Any

import psycopg

import poison
import processes
from catalogue import CATALOGUE, MESSAGES, Figures
from faketime import Clock
from ledger import END, START
from stage import Stage
from trial import Trial

row = CATALOGUE.row


@row(54, "the same message three times", MESSAGES, "second_runs = 0", "lost = 0", smoke=True)
def thrice(stage: Stage) -> Figures:
    """With `on_duplicate: discard`, as whoever minds it asks for."""
    with stage.trial().start() as trial:
        tasks = [uuid.uuid4().hex for _ in range(50)]
        for number in tasks:
            message = {"uuid": number, "task": "fault_tasks.work", "args": [number, 0.1], "on_duplicate": "discard"}
            for _ in range(3):
                trial.publisher.send(json.dumps({**message, "padding": uuid.uuid4().hex}), number)
        trial.settle()
        return {"second_runs": trial.ledger.extra_starts(tasks), "lost": trial.lost(tasks)}


def piece(identity: str, index: int, total: int, text: str) -> str:
    """One piece of a message."""
    head = {"__dispatcherd_chunk__": "v1", "message_id": identity}
    return json.dumps({**head, "index": index, "total": total, "payload": text})


def pieces(identity: str, number: str) -> list[str]:
    """A task in three pieces."""
    text = json.dumps({"uuid": number, "task": "fault_tasks.work", "args": [number], "padding": "x" * 3000})
    third = len(text) // 3 + 1
    return [piece(identity, index, 3, text[index * third : (index + 1) * third]) for index in range(3)]


@row(
    55, "pieces reversed, twice, missing, two messages under one id", MESSAGES,
    "lost = 0", "second_runs = 0", "mixed_runs = 0", "grew_mb < 80", "next_task_s < 1", smoke=True,
)  # fmt: skip
def odd_pieces(stage: Stage) -> Figures:
    count = 1000 if stage.quick else 10_000
    with stage.trial().start() as trial, trial.asking() as asked:
        good, mixed = [uuid.uuid4().hex for _ in range(20)], [uuid.uuid4().hex for _ in range(2)]
        for at, number in enumerate(good):
            trial.publisher.sent[number] = time.monotonic()
            parts = pieces(f"good-{at}", number)
            for part in (parts[::-1], [*parts[:1], *parts])[at % 2]:
                trial.publisher.notify(part)
        first, second = (pieces("one", number) for number in mixed)
        trial.publisher.notify(first[0])
        trial.publisher.notify(json.dumps({**json.loads(second[1]), "total": 4}))
        trial.publisher.notify(first[2])
        memory = processes.rss(trial.pid)
        for at in range(count):
            trial.publisher.notify(piece(f"never-{at}", 0, 2, "x" * 7000))
        began = time.monotonic()
        last = trial.send("work")
        trial.wait_for(END, [last], 30)
        took = round(time.monotonic() - began, 2)
        trial.settle(10)
        figures: Figures = {"lost": trial.lost(good), "second_runs": trial.ledger.extra_starts(good)}
        figures |= {"mixed_runs": len(set(mixed) & trial.ledger.having(START)), "next_task_s": took}
        return {**figures, "grew_mb": round(processes.rss(trial.pid) - memory, 1), **asked.figures()}


@row(56, "22 messages that nobody should send", MESSAGES, "exits = 0", "lost = 0", "workers_lost = 0", smoke=True)
def poisoned(stage: Stage) -> Figures:
    """One at a time beside steady traffic; a service that ends of it is started again."""
    exits = lost = workers_lost = sent = 0
    longest, worst = 0.0, 0
    ended_by: list[str] = []
    with ExitStack() as stack:
        trial = stack.enter_context(stage.trial()).start()
        for name, text in poison.MESSAGES.items():
            before = trial.worker_pids()
            with trial.asking() as asked, trial.traffic(50):
                time.sleep(0.2)
                try:
                    trial.publisher.notify(text)
                except psycopg.DataError:
                    continue  # the server itself does not take it
                began = time.monotonic()
                time.sleep(0.5 if stage.quick else 1.5)
                until = time.monotonic()
            trial.settle(10, quiet=1)
            sent += 1
            longest = max(longest, trial.ledger.longest_gap(began, until))
            worst = max(worst, int(asked.figures().get("control_ms") or 0))
            if trial.unfinished() or not trial.alive():
                ended_by.append(name)
            lost += len(trial.unfinished())
            workers_lost += len(before - trial.worker_pids()) if trial.alive() else 0
            if not trial.alive() or trial.unfinished():
                exits += not trial.alive()
                trial = stack.enter_context(stage.trial()).start()
        figures: Figures = {"sent": sent, "exits": exits, "lost": lost, "workers_lost": workers_lost}
        return {
            **figures,
            "longest_gap_s": round(longest, 2),
            "hurt_by": " ".join(ended_by) or "none",
            "control_ms": worst,
        }


def burst(trial: Trial, count: int) -> float:
    """So many tasks in one transaction; seconds until the server has taken them."""
    began = time.monotonic()
    trial.publisher.connection().execute(
        "SELECT pg_notify(%s, json_build_object('uuid', 'burst-' || n, 'task', 'fault_tasks.work',"
        " 'args', json_build_array('burst-' || n))::text) FROM generate_series(1, %s) n",
        (trial.setting.channel, count),
    )
    return time.monotonic() - began


@row(
    58, "a million tasks at once", MESSAGES,
    "uncounted = 0", "last_rate_to_first >= 0.9", "bytes_a_task < 1000", "alive = true", "exit = 0",
)  # fmt: skip
def million(stage: Stage) -> Figures:
    """The workers are held while the tasks arrive, then work for a while: the rate at first and later, and the
    answers.
    """
    count, seconds = (100_000, 3) if stage.quick else (1_000_000, 15)
    with stage.trial(own={"service": {"queue_limit": 2_000_000}}).start() as trial:
        holding = [trial.send("work", 3600, count=False) for _ in range(trial.workers)]
        trial.wait_for(START, holding, 10)
        memory, before = processes.rss(trial.pid), trial.received()
        with trial.asking() as asked:
            burst(trial, count)
            trial.wait(lambda: trial.received() - before >= count, 120)
            uncounted = count - (trial.received() - before)
            grown = processes.rss(trial.pid) - memory
            for number in holding:
                trial.control("cancel", {"uuid": number})
            _still(trial, 3 * seconds)
        trial.ledger.read()
        first, last = rates(trial.ledger.times(END)[trial.workers + 1 :])
        figures: Figures = {"count": count, "uncounted": uncounted, "rate_first": first, "rate_last": last}
        figures |= {"last_rate_to_first": round(last / first, 2) if first else None, **asked.figures()}
        figures |= {"bytes_a_task": round(grown * 1024 * 1024 / count), "alive": trial.alive()}
        return {**figures, "exit": trial.finish(60)}


def _still(trial: Trial, patience: float) -> None:
    """Waits until nothing more is written to the ledger; reads none of it, because that takes a processor."""
    deadline, size = time.monotonic() + patience, -1
    while time.monotonic() < deadline and (now := trial.ledger.path.stat().st_size) != size:
        size = now
        time.sleep(1)


def rates(ends: list[float]) -> tuple[int, int]:
    """Tasks a second: of the first fifth of those that ended, and of the last."""
    fifth = len(ends) // 5
    if not fifth:
        return 0, 0
    return round(fifth / (ends[fifth] - ends[0])), round(fifth / (ends[-1] - ends[-1 - fifth]))


@row(59, "the wall clock jumps an hour ahead and back", MESSAGES, "early = 0", "late = 0", "lost = 0", "exit = 0")
def clock(stage: Stage) -> Figures:
    """Only the clock of the service and its workers, by the library of faketime; their monotonic clock goes on."""
    with Clock(stage.place) as wall, stage.trial().start(environment=wall.environment) as trial:
        tasks: dict[str, float] = {}
        for hours in (1, -1, 0):
            tasks |= {trial.send("work", delay=3.0): time.monotonic() for _ in range(5)}
            time.sleep(0.5)
            wall.set(hours)
            time.sleep(0.5)
        trial.wait_for(START, tasks, 15)
        waits = [
            trial.ledger.times(START, [number])[0] - at for number, at in tasks.items() if not trial.lost([number])
        ]
        figures: Figures = {"early": sum(wait < 2.95 for wait in waits), "late": sum(wait > 4 for wait in waits)}
        return {**figures, "lost": trial.lost(tasks), "exit": trial.finish()}


@row(
    61,
    "everything sleeps for 8 s, with a schedule of 1 s",
    MESSAGES,
    "at_once_after <= 1",
    "runs_after >= 2",
    "exit = 0",
)
def asleep(stage: Stage) -> Figures:
    schedule = {"ScheduledProducer": {"task_schedule": {"fault_tasks.work": {"schedule": 1, "args": ["tick"]}}}}
    with stage.trial(producers=schedule).start() as trial:
        trial.wait(lambda: len(trial.ledger.fresh(START, ["tick"])) >= 2, 10)
        family = trial.family()
        _signal(family, signal.SIGSTOP)
        time.sleep(8)
        woken = time.monotonic()
        _signal(family, signal.SIGCONT)
        time.sleep(3.5)
        after = [at - woken for at in trial.ledger.fresh(START, ["tick"]) if at > woken]
        figures: Figures = {"at_once_after": sum(at < 0.5 for at in after), "runs_after": len(after)}
        return {**figures, "exit": trial.finish()}


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


@row(
    62,
    "5,000 questions at once, with bad ways back",
    MESSAGES,
    "lost = 0",
    "alive = true",
    "control_after_ms < 100",
    "exit = 0",
)
def questioned(stage: Stage) -> Figures:
    """Over NOTIFY with reply channels that cannot be, and over connections whose owners are gone."""
    count = 500 if stage.quick else 5000
    with stage.trial().start() as trial:
        began = time.monotonic()
        with trial.traffic(50):
            time.sleep(0.5)
            asker = threading.Thread(target=_vanish, args=(trial, 60))
            asker.start()
            with psycopg.connect(trial.dsn, autocommit=True) as connection:
                for at in range(count):
                    reply_to: Any = ("r" * 70, f"gone_{at}", "", 'odd"name')[at % 4]
                    text = json.dumps({"control": "alive", "reply_to": reply_to})
                    connection.execute("SELECT pg_notify(%s, %s)", (trial.setting.channel, text))
            asker.join()
            time.sleep(1)
            asked_at = time.monotonic()
            with trial.asking() as asked:
                time.sleep(1)
        trial.settle(20)
        figures: Figures = {"lost": len(trial.unfinished()), "alive": trial.alive()}
        figures["gap_s"] = round(trial.ledger.longest_gap(began + 0.5, asked_at), 2)
        figures["control_after_ms"] = asked.figures()["control_ms"]
        return {**figures, "exit": trial.finish()}


def _vanish(trial: Trial, count: int) -> None:
    """Connects, asks for much, and is gone before the answer."""
    for _ in range(count):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.settimeout(2)
                connection.connect(str(trial.setting.socket))
                connection.sendall(b'{"control": "status", "reply_to": "gone"}\n' * 10)
            except OSError:
                continue
