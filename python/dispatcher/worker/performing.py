"""One task from its frame to the frame that says how it ended, with the hooks of a worker class around it.

Whatever a task or a hook does, there is an end to report. Where it stands: between what hands out tasks (`loop`
for one at a time, `slots` for several) and the worker class.
"""

from __future__ import annotations

import logging
from time import time
from typing import Any

from .exceptions import DispatcherCancel, DispatcherExit
from .log import note
from .task import TaskWorker
from .wire import Frame

logger = logging.getLogger("dispatcher.worker")


class Performer:
    """Runs tasks on a worker object."""

    def __init__(self, worker: TaskWorker) -> None:
        self._worker = worker
        # Looked up once: an empty hook is not worth its call.
        self._pre_task = _overrides(worker, "pre_task")
        self._post_task = _overrides(worker, "post_task")
        self._perform_work = _overrides(worker, "perform_work")
        self.is_plain = not (self._perform_work or _overrides(worker, "run_callable"))
        """How a task is called is as `TaskWorker` has it."""

    def perform(self, frame: Frame, message: dict[str, Any], uuid: str) -> dict[str, Any]:
        """`pre_task` and `perform_work`, whatever a subclass has made of them: there is always a result."""
        worker = self._worker
        try:
            if not (self._pre_task or self._perform_work or "unreadable" in frame):
                return worker.perform_work(message)
            worker._signals.current = uuid
            worker._ending.begin(time())
            if "unreadable" in frame:
                raise ValueError(frame["unreadable"])
            self.before(message, uuid)
            if not self._perform_work:
                return worker.perform_work(message)
            done = {"result": None, **worker._signals.call(worker.perform_work, message)}
            worker._ending.finished = worker._ending.finished or time()
            return done
        except BaseException as error:
            worker._signals.current = ""
            worker._note_error(message, worker._ending, error)
            return worker._finish(uuid)

    def before(self, message: dict[str, Any], uuid: str) -> None:
        """`pre_task`. Only what speaks with the worker gets out of it."""
        if not self._pre_task:
            return
        try:
            self._worker._signals.call(self._worker.pre_task, message)
        except (DispatcherCancel, DispatcherExit):
            raise
        except Exception:
            name = message.get("task")
            note(logger, logging.ERROR, "pre_task of %s (uuid=%s) failed", name, uuid, exc_info=True)

    def after(self, message: dict[str, Any], uuid: str, done: dict[str, Any]) -> Any:
        """`post_task`; gives what is sent as the result."""
        if self._post_task:
            try:
                self._worker.post_task(done)
            except Exception:
                name = message.get("task")
                note(logger, logging.ERROR, "post_task of %s (uuid=%s) failed", name, uuid, exc_info=True)
        value = done["result"]
        return self._worker._ending.value if value is None else value


def _overrides(worker: TaskWorker, hook: str) -> bool:
    return getattr(type(worker), hook) is not getattr(TaskWorker, hook)
