"""The worker that runs tasks, made to be subclassed.

`worker.worker_cls` in the configuration names a subclass; its hooks run at the marked places. Around a task:
`pre_task`, `perform_work`, `post_task`, then the service hears of it. Never speaks with the service itself.
Where it stands: `loop` hands it one message after another.
"""

from __future__ import annotations

import logging
import os
from time import time
from types import CoroutineType
from typing import Any

from dispatcher.registry import DispatcherMethodRegistry
from dispatcher.registry import registry as default_registry

from .context import BoundContext
from .exceptions import DispatcherCancel, DispatcherExit
from .log import note
from .outcome import Ending, error_of, own_traceback
from .run import Policy, TaskNotFound, TaskRefused, find
from .signals import Signals

__all__ = ["DispatcherCancel", "DispatcherExit", "TaskWorker"]

logger = logging.getLogger("dispatcher.worker.task")

_SHOWN_TYPES = (type(None), list, dict, int, str)
"""Types of results that `post_task` sees; dispatcherd's, and no subclasses of them."""


class TaskWorker:
    """Runs one task after another.

    :param worker_id: the number that `worker-0` shows
    :param message_queue: where messages come from; has `get` and `put`
    :param finished_queue: where results go; has `get` and `put`
    :param registry: what is decorated with `@task`
    :param idle_timeout: seconds without a task after which `on_idle` runs; 0 never
    :param worker_kwargs: further keys of `worker.worker_kwargs` in the configuration
    """

    def __init__(
        self,
        worker_id: int,
        message_queue: Any,
        finished_queue: Any,
        registry: DispatcherMethodRegistry = default_registry,
        idle_timeout: float = 0,
        **worker_kwargs: Any,
    ) -> None:
        self.worker_id = worker_id
        self.message_queue = message_queue
        self.finished_queue = finished_queue
        self.registry = registry
        self.idle_timeout = idle_timeout
        self.worker_kwargs = worker_kwargs
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.exit_after_current_task = False
        self._policy: Policy | None = None
        """What the configuration lets run; none while only this process itself hands over messages."""
        self._trusted = False
        """Whether the current message comes from the configuration."""
        self._cancel: DispatcherCancel | None = None
        """What ended the last call of `run_callable`, if it was cancelled."""
        self._ending = Ending()
        self._signals = Signals()
        self._signals.enter_idle()

    # -- hooks

    def on_start(self) -> None:
        """Runs once, before the worker is ready. If it raises, the worker leaves; another starts later."""

    def on_shutdown(self) -> None:
        """Runs once, before the worker leaves."""

    def on_idle(self) -> None:
        """Runs each time that `idle_timeout` passes without a task."""

    def pre_task(self, message: dict[str, Any]) -> None:
        """Runs before each task, which may be cancelled here already. The task runs even if it raises."""

    def post_task(self, result: dict[str, Any]) -> None:
        """Runs after each task, before the service hears of its end."""

    def should_exit(self) -> bool:
        """Whether to leave; asked between tasks."""
        return self._stopping() or self._orphaned()

    @property
    def signal_handler(self) -> Signals:
        """Whether the worker was told to leave (`kill_now`), and a way to tell it (`exit_gracefully()`)."""
        return self._signals

    def enter_task_mode(self) -> None:
        """A task is about to run: SIGTERM and SIGINT get their default handlers."""
        self._signals.enter_task()

    def enter_idle_mode(self) -> None:
        """The task is over: SIGTERM and SIGINT mean leave."""
        self._signals.enter_idle()

    # -- messages of the worker

    def get_uuid(self, message: dict[str, Any]) -> str:
        """The uuid of a task message."""
        uuid: str = message.get("uuid", "<unknown>")
        return uuid

    def get_ready_message(self) -> dict[str, Any]:
        """What the worker says when it can be given tasks; `loop` adds what the protocol asks for."""
        return {"worker": self.worker_id, "event": "ready"}

    def get_shutdown_message(self) -> dict[str, Any]:
        """What the worker says when it leaves."""
        return {"worker": self.worker_id, "event": "shutdown"}

    # -- one task

    def produce_binder(self, message: dict[str, Any]) -> BoundContext:
        """The first argument of a task with `bind=True`."""
        return BoundContext(self.worker_id, message, self.message_queue, self.finished_queue)

    def run_callable(self, message: dict[str, Any]) -> Any:
        """Finds what the message names and calls it; what it returns is the result, `"<cancel>"` after a cancel."""
        function, args, kwargs = self._find(message)
        try:
            value = function(*args, **kwargs)
            return self._signals.run_coroutine(value) if type(value) is CoroutineType else value
        except DispatcherCancel as error:
            # A subclass that wraps this call sees a result and no exception, as it does with dispatcherd.
            self._cancel = error
            return "<cancel>"

    def _find(self, message: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """What a message names, and what it is called with."""
        try:
            method = find(message["task"], self.registry, self._policy, self._trusted)
        except DispatcherCancel as error:
            if error.cut_import:
                # What it had begun may be half there (Django's list of apps, a module of C): no more is run with it.
                self.exit_after_current_task = True
                note(logger, logging.WARNING, "worker %s leaves: an import was cut off by a cancel", self.worker_id)
            raise
        args = message.get("args") or ()
        if method.bind or message.get("bind") is True:
            args = (self.produce_binder(message), *args)
        return method.get_callable(), args, message.get("kwargs") or {}

    def perform_work(self, message: dict[str, Any]) -> dict[str, Any]:
        """Runs one task and what is to follow it; gives what `post_task` sees."""
        uuid = self.get_uuid(message)
        self._ending.begin(time())
        self.exit_after_current_task = False
        self._carry_out(message, uuid, self._ending)
        return self._finish(uuid)

    def _finish(self, uuid: str) -> dict[str, Any]:
        """The last task has ended as `ending` says: what `post_task` sees of it."""
        ending = self._ending
        ending.finished = time()
        value = ending.value
        result = {
            "worker": self.worker_id,
            "event": "done",
            "result": value if type(value) in _SHOWN_TYPES else None,
            "uuid": uuid,
            "time_started": ending.started,
            "time_finish": ending.finished,
        }
        if self._stopping():
            result["is_stopping"] = True
        return result

    def _stopping(self) -> bool:
        return self.exit_after_current_task or self._signals.leaving

    def _orphaned(self) -> bool:
        """Whether the process that made this one is gone. Workers of a service learn of that by their channel."""
        if self._signals.channel is not None or os.getppid() == self.ppid:
            return False
        note(logger, logging.ERROR, "worker %s leaves: parent PID changed, its maker is gone", self.worker_id)
        return True

    def _carry_out(self, message: dict[str, Any], uuid: str, ending: Ending) -> None:
        """One message, then its errbacks if it failed, and its callbacks unless it was cancelled."""
        signals = self._signals
        signals.current = uuid
        self._cancel = None
        try:
            ending.value = signals.call(self.run_callable, message)
        except BaseException as error:
            # Not even sys.exit ends the worker; DispatcherExit is there for that.
            signals.current = ""
            self._note_error(message, ending, error)
        else:
            signals.current = ""
            if self._cancel is not None:
                value = ending.value
                self._note_error(message, ending, self._cancel)
                ending.value = value
        self._cancel = None
        if ending.outcome == "failure" and "errbacks" in message:
            self._follow(message, "errbacks", uuid, ending)
        if ending.outcome != "cancelled" and "callbacks" in message:
            self._follow(message, "callbacks", uuid, ending)

    def _follow(self, message: dict[str, Any], key: str, uuid: str, ending: Ending) -> None:
        """Runs the messages under this key as parts of their task."""
        what = f"{key} of task {message['task']} (uuid={uuid})"
        entries = message[key] or ()
        if not isinstance(entries, (list, tuple)):
            note(logger, logging.ERROR, "%s: no list of messages", what)
            return
        for entry in entries:
            if self._stopping() or ending.outcome == "cancelled":
                return
            if not isinstance(entry, dict) or not isinstance(entry.get("task"), str):
                note(logger, logging.ERROR, "%s: an entry is no task message", what)
                continue
            own = Ending()
            self._carry_out({**entry, "uuid": uuid}, uuid, own)
            if own.outcome == "cancelled":
                # Whoever cancels a task means what is left of it.
                ending.outcome, ending.error = own.outcome, own.error
            elif own.error is not None:
                why = own.error["message"]
                note(logger, logging.ERROR, "%s: %s %s: %s", what, entry["task"], own.outcome, why)

    def _note_error(self, message: dict[str, Any], ending: Ending, error: BaseException) -> None:
        """Notes and logs what ended a call."""
        if isinstance(error, DispatcherExit):
            self.exit_after_current_task = True
            ending.value = error.result
            return
        name, uuid = message.get("task"), self.get_uuid(message)
        ending.error = error_of(error)
        ending.outcome = "failure"
        if isinstance(error, DispatcherCancel):
            ending.outcome, ending.value = "cancelled", "<cancel>"
            where = ending.error["trace"][-1:] or ["its start"]
            note(logger, logging.WARNING, "task %s (uuid=%s) was cancelled at %s", name, uuid, where[0])
        elif isinstance(error, TaskRefused):
            # Of this and the next the service writes a line that says it all.
            ending.outcome = "refused"
        elif isinstance(error, TaskNotFound):
            pass
        elif getattr(error, "is_awx_task_error", False):
            # Seen and recorded by the application already.
            note(logger, logging.WARNING, "task %s (uuid=%s) failed: %s", name, uuid, ending.error["message"])
        else:
            trace = (type(error), error, own_traceback(error))
            text = ending.error["message"]
            note(logger, logging.ERROR, "task %s (uuid=%s) failed: %s", name, uuid, text, exc_info=trace)
