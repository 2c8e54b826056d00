"""The life of a worker between its birth and its end: ready, then one task after another.

Forked workers (`template`) and those started by themselves (`__main__`) both run this; nothing that a task
does leads out of it but the worker's own wish to leave. Where it stands: between the channel and the worker
class.
"""

from __future__ import annotations

import importlib
import logging
import os
from time import time
from typing import Any

from dispatcher.registry import registry

from .exceptions import DispatcherCancel, DispatcherExit
from .log import note
from .outcome import done_frame
from .queues import Queue
from .run import Policy
from .signals import Signals
from .task import TaskWorker
from .tickets import Tickets
from .wire import Channel, Frame

logger = logging.getLogger("dispatcher.worker")

PROTOCOL = 1
"""The version of the worker protocol spoken here."""

_AHEAD = 8
"""Tasks that a worker with tickets holds unstarted."""


def live(
    worker_id: int,
    channel: Channel,
    tickets: Tickets | None,
    settings: dict[str, Any],
    stack_signal: int | None = None,
) -> int:
    """Runs tasks until the service or a task says to leave; gives the exit code.

    :param settings: `worker` of the setup packet
    :param stack_signal: what makes this process write its stack, for the service to know
    """
    try:
        worker, queue = _make(worker_id, channel, settings)
        worker.on_start()
    except Exception:
        note(logger, logging.ERROR, "worker %s cannot start", worker_id, exc_info=True)
        return 1
    ready = {
        **worker.get_ready_message(),
        "event": "ready",
        "protocol": PROTOCOL,
        "pid": os.getpid(),
        "slots": 1,
        "ahead": 0 if tickets is None else _AHEAD,
        "tasks": sorted(worker.registry.names()),
    }
    if stack_signal is not None:
        ready["stack_signal"] = stack_signal
    code = 0
    try:
        channel.send_frame(ready)
        _Loop(worker, queue, channel, tickets).run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service has given this worker up, or is gone itself
    except Exception:
        note(logger, logging.ERROR, "worker %s leaves: an error outside of tasks", worker_id, exc_info=True)
        code = 1
    if channel.broken:
        note(logger, logging.ERROR, "worker %s leaves: the service sent %s", worker_id, channel.broken)
        code = 1
    try:
        worker.on_shutdown()
    except Exception:
        note(logger, logging.ERROR, "on_shutdown of worker %s failed", worker_id, exc_info=True)
    try:
        channel.send_frame(worker.get_shutdown_message())
    except OSError:
        pass  # as above
    return code


def worker_class(settings: dict[str, Any]) -> type[TaskWorker]:
    """The worker class that the configuration names."""
    path = settings.get("worker_cls")
    if not path:
        return TaskWorker
    module, _, name = path.rpartition(".")
    found: type[TaskWorker] = getattr(importlib.import_module(module), name)
    return found


def _make(worker_id: int, channel: Channel, settings: dict[str, Any]) -> tuple[TaskWorker, Queue]:
    signals = Signals(channel)
    queue = Queue(channel, signals)
    worker = worker_class(settings)(
        worker_id=worker_id,
        message_queue=queue,
        finished_queue=queue,
        registry=registry,
        **(settings.get("worker_kwargs") or {}),
    )
    # In place of those that a worker object has when it is used by itself.
    signals.enter_idle()
    signals.leaving = worker._signals.leaving
    worker._signals = signals
    worker._policy = Policy(
        settings.get("task_policy", "registered"),
        settings.get("task_prefixes") or (),
        settings.get("allow_eval") is True,
    )
    # A process that a task forks has no part in the channel, and must not keep it open.
    os.register_at_fork(after_in_child=channel.sock.close)
    return worker, queue


def _overrides(worker: TaskWorker, hook: str) -> bool:
    return getattr(type(worker), hook) is not getattr(TaskWorker, hook)


class _Loop:
    """One task after another."""

    def __init__(self, worker: TaskWorker, queue: Queue, channel: Channel, tickets: Tickets | None) -> None:
        self._worker = worker
        self._signals = worker._signals
        self._queue = queue
        self._channel = channel
        self._tickets = tickets
        self._leave = False
        # Looked up once: an empty hook is not worth its call.
        self._pre_task = _overrides(worker, "pre_task")
        self._post_task = _overrides(worker, "post_task")
        self._perform_work = _overrides(worker, "perform_work")

    def run(self) -> None:
        """Runs tasks until it is time to leave."""
        channel, tickets = self._channel, self._tickets
        frames, send = channel.frames, channel.send
        self._look_whether_to_leave()
        while not self._leave:
            if not frames:
                if channel.closed:
                    return
                self._wait()
                continue
            frame = frames.popleft()
            event = frame.get("event")
            if event == "run":
                if tickets is None or tickets.claim(frame["seq"]):
                    send(self._task(frame))
            elif event == "stop":
                return
            # A cancel that is met here was for a task that has ended, a reply for one that did not wait.
            elif event not in ("cancel", "reply"):
                logger.debug("a frame of the unknown kind %r is ignored", event)

    def _wait(self) -> None:
        """Waits for frames, or for a signal that says to leave; `on_idle` runs whenever the wait is long."""
        worker, channel, signals = self._worker, self._channel, self._signals
        signals.waiting = True
        # Looked at after the flag is up: from here on the signal itself ends the wait.
        if signals.leaving:
            channel.close_for_reading()
        if not worker.idle_timeout or channel.wait(worker.idle_timeout):
            channel.receive()
        else:
            signals.waiting = False
            try:
                worker.on_idle()
            except Exception:
                note(logger, logging.ERROR, "on_idle failed", exc_info=True)
        signals.waiting = False
        self._look_whether_to_leave()

    def _look_whether_to_leave(self) -> None:
        """After a signal the end of the channel says so instead: what has reached the worker still runs."""
        # The worker is asked first: a signal between the two questions must not count as anything else.
        leave = self._worker.should_exit()
        by_signal = self._signals.leaving and not self._worker.exit_after_current_task
        self._leave = leave and not by_signal

    def _task(self, frame: Frame) -> bytes:
        """Runs the task of a frame and gives the frame that says how it ended."""
        worker, signals = self._worker, self._signals
        message: dict[str, Any] = frame["message"]
        uuid: str = message["uuid"]
        worker._trusted = frame.get("trusted") is True
        worker.enter_task_mode()
        done = self._perform(frame, message, uuid)
        signals.current = signals.answered = ""
        if self._queue.open:
            self._queue.close()
        worker.enter_idle_mode()
        if self._post_task:
            try:
                worker.post_task(done)
            except Exception:
                name = message.get("task")
                note(logger, logging.ERROR, "post_task of %s (uuid=%s) failed", name, uuid, exc_info=True)
        value = done["result"]
        if value is None:
            value = worker._ending.value
        self._look_whether_to_leave()
        return done_frame(worker.worker_id, uuid, worker._ending, value, self._leave or signals.leaving)

    def _perform(self, frame: Frame, message: dict[str, Any], uuid: str) -> dict[str, Any]:
        """`pre_task` and `perform_work`, whatever a subclass has made of them: there is always a result."""
        worker, signals = self._worker, self._signals
        try:
            if not (self._pre_task or self._perform_work or "unreadable" in frame):
                return worker.perform_work(message)
            signals.current = uuid
            worker._ending.begin(time())
            if "unreadable" in frame:
                raise ValueError(frame["unreadable"])
            if self._pre_task:
                self._before(message, uuid)
            if not self._perform_work:
                return worker.perform_work(message)
            done = {"result": None, **signals.call(worker.perform_work, message)}
            worker._ending.finished = worker._ending.finished or time()
            return done
        except BaseException as error:
            signals.current = ""
            worker._note_error(message, worker._ending, error)
            return worker._finish(uuid)

    def _before(self, message: dict[str, Any], uuid: str) -> None:
        try:
            self._signals.call(self._worker.pre_task, message)
        except (DispatcherCancel, DispatcherExit):
            raise
        except Exception:
            name = message.get("task")
            note(logger, logging.ERROR, "pre_task of %s (uuid=%s) failed", name, uuid, exc_info=True)
