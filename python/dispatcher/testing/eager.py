"""Tasks run in the test itself, by the call that publishes them.

    with eager() as tasks:
        report.delay(2026)          # runs it, as a worker would, and raises what it raises
    assert tasks.runs[0].result == "done"

As a worker would: found by its name, under the task policy of the settings, with arguments that have been through JSON,
an object to talk to the service if it is bound, an event loop if it is `async def`. What is missing is the
service: `delay`, `timeout` and `on_duplicate` are noted and have no effect, and the hooks of a worker class
do not run. Where it stands: on `published`; `PublishedTasks.run_all` uses it too.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any

from dispatcher.config import is_setup, settings
from dispatcher.registry import registry
from dispatcher.testing.published import Control, PublishedTask, PublishedTasks, recording
from dispatcher.testing.transaction import Fate, connection_in_transaction
from dispatcher.worker.context import BoundContext
from dispatcher.worker.exceptions import DispatcherCancel, DispatcherExit
from dispatcher.worker.run import Policy, TaskRefused, find

LIMIT = 1000
"""Tasks that one publish may set off: more are a task that publishes itself without end."""

_here = threading.local()
"""`running`: this thread is inside of a run, so what it publishes waits until that is over."""


@dataclass
class Run:
    """One run of a task, and how it ended."""

    task: PublishedTask
    outcome: str = "success"
    """`success`, `failure`, `cancelled` (it raised DispatcherCancel) or `refused` (by the task policy)."""
    result: Any = None
    """What it returned, or gave to DispatcherExit."""
    error: BaseException | None = None
    """What it raised."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """What it told its service by its bound object, questions apart."""


class EagerTasks(PublishedTasks):
    """What was published within `eager`. `raises` and `control` may be changed on the way."""

    def __init__(self, raises: bool, control: Control, on_commit: bool) -> None:
        super().__init__()
        self.raises, self.control, self._on_commit = raises, control, on_commit

    def _arrived(self, fated: list[tuple[PublishedTask, Fate]]) -> None:
        if self._on_commit and connection_in_transaction() is not None:
            from django.db import transaction

            transaction.on_commit(lambda: self._run(fated))
        else:
            self._run(fated)

    def _run(self, fated: list[tuple[PublishedTask, Fate]]) -> None:
        super()._arrived(fated)
        if getattr(_here, "running", False):
            return
        try:
            run_waiting(self, self.raises, self.control)
        except BaseException:
            self._waiting.clear()
            raise


@contextmanager
def eager(*, raises: bool = True, control: Control = None, on_commit: bool = False) -> Iterator[EagerTasks]:
    """Within the block every publish runs its task at once, and is recorded as `published` does.

    A task that is published by a task runs when that one has ended, before the outermost publish returns.

    raises: let the publish raise what the task raised; otherwise look at `runs`.
    control: what `binder.control(...)` answers: replies by command, or a function of the command and its data.
    on_commit: inside a transaction of Django run the task at its COMMIT, not at the call. In a `TestCase`, which never
      commits, that is where `captureOnCommitCallbacks(execute=True)` says.
    """
    tasks = EagerTasks(raises, control, on_commit)
    with recording(tasks):
        yield tasks


def run_waiting(tasks: PublishedTasks, raises: bool, control: Control) -> list[Run]:
    """Runs what waits, and what is published by it, until nothing waits; gives those runs."""
    ran: list[Run] = []
    while tasks._waiting:
        task, fate = tasks._waiting.popleft()
        if not fate.stands:
            continue
        if len(ran) == LIMIT:
            raise RuntimeError(
                f"one publish has set off {LIMIT} tasks and {task.task} is next: does a task publish itself without "
                "end? dispatcher.testing.published shows what it publishes without running it"
            )
        run = _perform(task, control)
        ran.append(run)
        tasks.runs.append(run)
        if run.error is not None and raises:
            raise run.error
    return ran


def _perform(task: PublishedTask, control: Control) -> Run:
    """Runs one task to its end."""
    run = Run(task)
    before = getattr(_here, "running", False)
    _here.running = True
    try:
        run.result = _call(task, _Service(run, control))
    except DispatcherExit as error:
        run.result = error.result
    except DispatcherCancel as error:
        run.outcome, run.error = "cancelled", error
    except TaskRefused as error:
        run.outcome, run.error = "refused", error
    except (Exception, SystemExit) as error:
        run.outcome, run.error = "failure", error
    finally:
        _here.running = before
    return run


def _call(task: PublishedTask, service: _Service) -> Any:
    method = find(task.task, registry, _policy(), trusted=False)
    args = task.args
    if method.bind or task.message.get("bind") is True:
        args = [BoundContext(0, task.message, service, service), *args]
    value = method.get_callable()(*args, **task.kwargs)
    return _await(value) if type(value) is CoroutineType else value


def _await(coroutine: CoroutineType[Any, Any, Any]) -> Any:
    """Runs it on an event loop of its own, in another thread if this one has a loop that is at work."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1, initializer=setattr, initargs=(_here, "running", True)) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _policy() -> Policy:
    worker = settings.worker if is_setup() else {}
    kind = worker.get("task_policy") or os.environ.get("DISPATCHER_TASK_POLICY") or "registered"
    return Policy(kind, worker.get("task_prefixes") or (), bool(worker.get("allow_eval")))


class _Service:
    """Both queues of a worker, as the bound object of a task uses them."""

    def __init__(self, run: Run, control: Control) -> None:
        self._run, self._control = run, control
        self._reply: Any = None

    def put(self, frame: dict[str, Any]) -> None:
        """Hears what the task says."""
        if frame.get("event") != "control":
            self._run.events.append(frame)
        elif self._control is None:
            raise RuntimeError(
                f"{self._run.task.task} asks its service {frame['command']!r}, and a test has none: "
                f"say what it answers, as in control={{{frame['command']!r}: {{}}}}"
            )
        elif callable(self._control):
            self._reply = self._control(frame["command"], frame.get("control_data"))
        else:
            unknown = {"error": f"the test has no reply to {frame['command']!r}"}
            self._reply = self._control.get(frame["command"], unknown)

    def get(self) -> Any:
        """The reply to the last question."""
        return self._reply
