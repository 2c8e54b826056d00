"""Tasks for the tests of workers that run several at once."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import time
from typing import Any

from worker_tasks import say

from dispatcher.publish import task
from dispatcher.worker.context import BoundContext
from dispatcher.worker.exceptions import DispatcherCancel, DispatcherExit

record: list[Any] = []
mark: contextvars.ContextVar[int] = contextvars.ContextVar("mark", default=0)
together = {"now": 0, "most": 0}
turn = threading.Lock()


@task()
async def overlap(count: int) -> int:
    """Waits until so many of these are there at once."""
    with turn:
        together["now"] += 1
        together["most"] = max(together["most"], together["now"])
    while together["most"] < count:
        await asyncio.sleep(0.005)
    with turn:
        together["now"] -= 1
    return together["most"]


@task()
async def rest(seconds: float) -> None:
    await asyncio.sleep(seconds)


@task()
async def until(path: str, go: str) -> str:
    say(path)
    while not os.path.exists(go):
        await asyncio.sleep(0.005)
    return threading.current_thread().name


@task()
def until_in_thread(path: str, go: str) -> str:
    say(path)
    while not os.path.exists(go):
        time.sleep(0.005)
    return threading.current_thread().name


@task()
async def wait_for_ever(path: str, how: str = "sleep") -> None:
    say(path)
    if how == "sleep":
        await asyncio.sleep(3600)
    elif how == "gather":
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(3600))
    elif how == "wait_for":
        await asyncio.wait_for(asyncio.Event().wait(), 3600)
    elif how == "thread":
        await asyncio.to_thread(time.sleep, 0.2)
        await asyncio.sleep(3600)
    elif how == "busy":
        while True:
            await asyncio.sleep(0)


@task()
async def catch(name: str, then: str, path: str) -> str:
    """Catches a cancel by one of its names, cleans up with an await, and lets it go on or not."""
    kind: Any = {"cancel": DispatcherCancel, "asyncio": asyncio.CancelledError}[name]
    try:
        say(path)
        await asyncio.sleep(3600)
    except kind as error:
        await asyncio.sleep(0.01)
        record.append([then, isinstance(error, DispatcherCancel), isinstance(error, asyncio.CancelledError)])
        if then == "raise":
            raise
    return "caught"


@task()
async def own_timeout() -> str:
    """Its own timeout is no cancel of the worker's."""
    try:
        await asyncio.wait_for(asyncio.sleep(3600), 0.01)
    except asyncio.TimeoutError:
        return "its own"
    return "none"


@task()
async def cancels_itself() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await asyncio.sleep(1)


@task()
async def fails(text: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(text)


@task()
async def block(seconds: float, path: str) -> None:
    """What no coroutine should do."""
    say(path)
    time.sleep(seconds)


@task()
def sleep_by_steps(path: str) -> None:
    say(path)
    while True:
        time.sleep(0.01)


@task()
def swallow_by_steps(path: str, times: int) -> int:
    seen = 0
    while seen < times:
        try:
            say(path, str(seen))
            while True:
                time.sleep(0.005)
        except DispatcherCancel:
            seen += 1
    return seen


@task()
def spin_briefly(number: int) -> int:
    end = time.monotonic() + 0.002
    while time.monotonic() < end:
        pass
    return number


def returns_coroutine(seconds: float) -> Any:
    return asyncio.sleep(seconds, "slept")


task()(returns_coroutine)


@task(bind=True)
def ask_many(context: BoundContext, times: int, tag: int) -> list[Any]:
    return [context.control("echo", {"tag": tag, "n": n}) for n in range(times)]


@task(bind=True)
async def ask_on_the_loop(context: BoundContext, tag: int) -> Any:
    await asyncio.sleep(0)
    return context.control("echo", {"tag": tag})


@task(bind=True)
async def ask_beside_the_loop(context: BoundContext, tag: int) -> Any:
    return await asyncio.to_thread(context.control, "echo", {"tag": tag})


@task(bind=True)
def who(context: BoundContext) -> list[Any]:
    return [context.uuid, context.worker_id, threading.current_thread() is threading.main_thread()]


@task()
def leave(path: str) -> None:
    say(path)
    raise DispatcherExit("bye")


@task()
async def own_context(number: int) -> bool:
    before = mark.get()
    mark.set(number)
    await asyncio.sleep(0.01)
    return before == 0 and mark.get() == number


@task()
def fork_and_return() -> str:
    if os.fork() == 0:
        return "forged"
    os.wait()
    return "true"


@task()
async def fork_in_coroutine() -> str:
    if os.fork() == 0:
        return "forged"
    os.wait()
    return "true"


@task()
def noted() -> list[Any]:
    return record


@task()
def is_default(number: int = signal.SIGTERM) -> bool:
    return signal.getsignal(number) == signal.SIG_DFL
