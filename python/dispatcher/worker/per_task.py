"""What each of several tasks at once has for itself, while they share one worker object.

A worker class knows one task at a time: its ending, its cancel, its way to the service. Here a class is made of it
whose objects keep those for each run, found by the context of whoever asks. All else, and so every attribute that an
application adds, is shared. Where it stands: between `slots` and the worker class.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Protocol

from .outcome import Ending
from .signals import Signals
from .task import TaskWorker
from .wire import Frame


class Reach(Protocol):
    """How a cancel gets to what a run is doing."""

    def cancel(self, again: bool) -> None:
        """Makes the run give way.

        :param again: only if no cancel has got through to it before
        """

    def call(self, function: Any, argument: Any) -> Any:
        """Calls a function in which the run may be cancelled."""


class Run:
    """One task, from its frame to its end."""

    def __init__(self, frame: Frame, reach: Reach, signals: Signals, queue: Any) -> None:
        self.frame = frame
        self.message: dict[str, Any] = frame["message"]
        self.uuid: str = self.message["uuid"]
        self.reach = reach
        self.queue = queue
        self.own = {
            "_ending": Ending(),
            "_cancel": None,
            "_trusted": frame.get("trusted") is True,
            "_signals": RunSignals(signals, reach),
            "message_queue": queue,
            "finished_queue": queue,
        }


class RunSignals:
    """What `Signals` is to a worker with one task: for one run of several."""

    def __init__(self, shared: Signals, reach: Reach) -> None:
        self._shared = shared
        self.channel = shared.channel
        self.current = ""
        self.call = reach.call
        self.run_coroutine = getattr(reach, "run_coroutine", None)
        """Only where a thread waits for its end."""
        self.exit_gracefully = shared.exit_gracefully

    @property
    def leaving(self) -> bool:
        """Whether the worker was told to leave."""
        return self._shared.leaving

    @property
    def kill_now(self) -> bool:
        """As `leaving`."""
        return self._shared.leaving


RUN: ContextVar[Run] = ContextVar("dispatcher_run")
"""The run that this code belongs to; threads and coroutines that it starts with its context are of it too."""


class _OfRun:
    """An attribute of which each run has its own; outside of runs it is the worker's."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, worker: TaskWorker | None, owner: type) -> Any:
        if worker is None:
            return self
        run = RUN.get(None)
        return worker.__dict__[self._name] if run is None else run.own[self._name]

    def __set__(self, worker: TaskWorker, value: Any) -> None:
        run = RUN.get(None)
        (worker.__dict__ if run is None else run.own)[self._name] = value


class _Once:
    """True for good, once it is set: what one run wishes is no other's to take back."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, worker: TaskWorker | None, owner: type) -> Any:
        return self if worker is None else worker.__dict__.get(self._name, False)

    def __set__(self, worker: TaskWorker, value: bool) -> None:
        if value:
            worker.__dict__[self._name] = True


class _PerTask:
    _ending = _OfRun()
    _cancel = _OfRun()
    _trusted = _OfRun()
    _signals = _OfRun()
    message_queue = _OfRun()
    finished_queue = _OfRun()
    exit_after_current_task = _Once()


def of_several(kind: type[TaskWorker]) -> type[TaskWorker]:
    """The class whose objects may have several tasks at once."""
    return type(kind.__name__, (_PerTask, kind), {"__module__": kind.__module__})
