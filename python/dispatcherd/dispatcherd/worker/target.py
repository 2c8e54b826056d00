"""The loop of a worker between two queues, for code that runs worker objects itself.

Workers of the service do not come here: they speak the worker protocol. Where it stands: the target of the processes
that `service.process` makes.
"""

from __future__ import annotations

import json
import logging
from queue import Empty
from typing import Any

from dispatcher.config import is_setup, settings, setup
from dispatcher.worker.exceptions import DispatcherCancel
from dispatcher.worker.making import worker_class
from dispatcher.worker.task import TaskWorker

logger = logging.getLogger(__name__)

STOP = "stop"
"""The message that ends the loop."""


def work_loop_internal(worker: TaskWorker) -> None:
    """Runs the messages of `message_queue` until `"stop"` comes; what becomes of each goes to `finished_queue`."""
    worker.on_start()
    worker.finished_queue.put(worker.get_ready_message())
    while not worker.should_exit():
        try:
            message = _next(worker)
        except DispatcherCancel:
            continue  # for a task that has ended meanwhile
        if message == STOP:
            break
        if message is not None:
            _run(worker, message)
    worker.on_shutdown()
    worker.finished_queue.put(worker.get_shutdown_message())


def _next(worker: TaskWorker) -> Any:
    """The next message, or none after a long wait."""
    if not worker.idle_timeout:
        return worker.message_queue.get()
    try:
        return worker.message_queue.get(timeout=worker.idle_timeout)
    except Empty:
        worker.on_idle()
        return None


def _run(worker: TaskWorker, message: dict[str, Any]) -> None:
    worker.enter_task_mode()
    try:
        worker.pre_task(message)
    except Exception:
        logger.exception("pre_task of %s failed", message.get("task"))
    try:
        result = worker.perform_work(message)
    finally:
        worker.enter_idle_mode()
    worker.post_task(result)
    worker.finished_queue.put(result)


def work_loop(worker_id: int, settings: str, finished_queue: Any, message_queue: Any) -> None:
    """The whole life of such a worker process; `settings` are those of the service as JSON."""
    _configure(settings)
    worker = _make(worker_id, finished_queue, message_queue)
    work_loop_internal(worker)


def _configure(text: str) -> None:
    """An application that has been set up by a preloaded module keeps its settings."""
    if not is_setup():
        setup(config=json.loads(text))


def _make(worker_id: int, finished_queue: Any, message_queue: Any) -> TaskWorker:
    made: TaskWorker = worker_class(settings.worker)(
        worker_id=worker_id,
        finished_queue=finished_queue,
        message_queue=message_queue,
        **(settings.worker.get("worker_kwargs") or {}),
    )
    return made
