"""Tasks for the tests of workers. What they saw they give back as their result."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dispatcher.publish import task
from dispatcher.worker.context import BoundContext
from dispatcher.worker.exceptions import DispatcherCancel, DispatcherExit

READY = "READY"
"""Printed to a file whose path a task is given, when it is where the test wants it."""


def say(path: str, text: str = READY) -> None:
    """Writes whole, so that whoever looks sees all or nothing."""
    Path(f"{path}.new").write_text(text)
    Path(f"{path}.new").rename(path)


@task()
def nothing() -> None:
    pass


@task()
def give(value: Any = None, **more: Any) -> Any:
    return {"value": value, **more} if more else value


@task()
def give_made(kind: str) -> Any:
    made = {
        "object": object,
        "nan": lambda: float("nan"),
        "infinity inside": lambda: [1, {"a": float("-inf")}],
        "surrogate": lambda: "a\ud800b",
        "bytes": lambda: b"x",
        "set": lambda: {1},
        "long": lambda: "x" * (2 << 20),
        "long list": lambda: list(range(400_000)),
        "200 MB": lambda: "y" * 200_000_000,
        "deep": lambda: _nested(200),
        "very deep": lambda: _nested(100_000),
        "wide": lambda: [[n] for n in range(100)],
        "just fits": lambda: "z" * ((1 << 20) - 2),
        "huge integer": lambda: 10**5000,
        "big integer": lambda: 10**300,
        "float": lambda: 1.5,
        "true": lambda: True,
        "unicode": lambda: "ä漢🔥\u2028",
    }
    return made[kind]()


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@task()
def fail(text: str = "on purpose", **_: Any) -> None:
    raise RuntimeError(text)


class OddError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class JobError(Exception):
    is_awx_task_error = True


@task()
def leave_by(way: str) -> None:
    if way == "sys.exit":
        sys.exit(3)
    if way == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if way == "GeneratorExit":
        raise GeneratorExit
    if way == "odd":
        raise OddError
    if way == "surrogate":
        raise ValueError("a\ud800b")
    if way == "long":
        raise ValueError("x" * 100_000)
    if way == "job":
        raise JobError("user's own fault")
    if way == "cancel":
        raise DispatcherCancel
    if way == "recursion":
        leave_by(way)
    if way == "memory":
        raise MemoryError


@task()
def ask_to_exit(result: Any = None) -> None:
    raise DispatcherExit if result is None else DispatcherExit(result)


@task()
def spin(seconds: float, tag: Any = None) -> Any:
    """Keeps the interpreter busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return tag


@task()
def never_end(how: str, path: str | None = None) -> None:
    """Goes on until it is cancelled."""
    if path:
        say(path)
    if how == "spin":
        while True:
            pass
    if how == "sleep":
        time.sleep(3600)
    if how == "lock":
        # Not an Event: when it is interrupted at a bad moment it raises an error of its own.
        lock = threading.Lock()
        lock.acquire()
        lock.acquire(timeout=3600)
    if how == "calls":
        while True:
            max(len(str(n)) for n in range(10))
    if how == "child":
        subprocess.run(["sleep", "3600"], check=False)
    if how == "async":
        asyncio.run(asyncio.sleep(3600))


@task()
def swallow(path: str, times: int) -> int:
    """Catches the first cancels and tells of each."""
    seen = 0
    while seen < times:
        try:
            say(path, str(seen))
            time.sleep(3600)
        except DispatcherCancel:
            seen += 1
    return seen


@task()
def clean_up(path: str) -> None:
    try:
        say(path)
        time.sleep(3600)
    finally:
        say(path, "cleaned")


@task()
def wait_for(path: str, until: str) -> str:
    """Until a file is there."""
    say(path)
    while not os.path.exists(until):
        time.sleep(0.001)
    return until


@task()
def handlers(install: bool = False) -> list[bool]:
    """Whether those that belong to a task are the default ones."""
    seen = [signal.getsignal(number) == signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGINT)]
    if install:
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGUSR1, lambda *_: None)
    return seen


@task()
def exit_on_sigterm(path: str) -> None:
    def handler(*_: Any) -> None:
        raise DispatcherExit("<sigterm>")

    signal.signal(signal.SIGTERM, handler)
    say(path)
    time.sleep(3600)


@task()
class Job:
    """A new instance for each run."""

    made = 0

    def __init__(self) -> None:
        Job.made += 1
        self.runs = 0

    def run(self, *args: Any) -> list[Any]:
        self.runs += 1
        return [self.runs, Job.made, *args]


@task(bind=True)
def bound(context: BoundContext, *args: Any) -> list[Any]:
    return [context.uuid, context.worker_id, *args]


@task(bind=True)
def ask(context: BoundContext, command: str, data: Any = None, times: int = 1) -> list[Any]:
    return [context.control(command, data) for _ in range(times)]


@task(bind=True)
def ask_from_threads(context: BoundContext, number: int) -> list[Any]:
    answers: list[Any] = [None] * number

    def one(index: int) -> None:
        answers[index] = context.control("alive", {"n": index})

    threads = [threading.Thread(target=one, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


_later: list[Any] = []


@task(bind=True)
def ask_later(context: BoundContext) -> None:
    """Leaves a thread that waits for an answer behind."""

    def one() -> None:
        try:
            _later.append(context.control("alive"))
        except RuntimeError as error:
            _later.append(str(error))

    thread = threading.Thread(target=one, daemon=True)
    thread.start()
    _later.append(thread)
    while context._finished_queue.open == 0:
        time.sleep(0.001)


@task()
def what_came_later() -> Any:
    thread = _later[0]
    thread.join(20)
    return _later[1:]


@task(bind=True)
def keep_context(context: BoundContext) -> None:
    _later.append(context)


@task()
def use_kept_context() -> Any:
    return _later[-1].control("alive")


@task()
async def coroutine(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@task()
def collected() -> int:
    return gc.get_freeze_count()


@task()
def log_something(secret: str, text: str = "a line\nwith a break") -> None:
    logging.getLogger("app").info(text)


record: list[Any] = []


@task()
def note(value: Any) -> None:
    record.append(value)


@task(bind=True)
def note_uuid(context: BoundContext) -> None:
    record.append(context.uuid)


@task()
def noted() -> list[Any]:
    seen = record[:]
    record.clear()
    return seen


def unregistered(value: Any = None) -> Any:
    return value


os_system = os.system
CONSTANT = 5


class NoRun:
    pass
