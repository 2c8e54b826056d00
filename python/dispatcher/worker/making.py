"""From the settings of a worker to its worker object.

Where it stands: once, before the worker is ready.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from dispatcher.registry import registry

from .run import Policy
from .signals import Signals
from .task import TaskWorker
from .wire import Channel


def worker_class(settings: dict[str, Any]) -> type[TaskWorker]:
    """The worker class that the configuration names."""
    path = settings.get("worker_cls")
    if not path:
        return TaskWorker
    module, _, name = path.rpartition(".")
    found: type[TaskWorker] = getattr(importlib.import_module(module), name)
    return found


def make(
    kind: type[TaskWorker],
    worker_id: int,
    settings: dict[str, Any],
    channel: Channel,
    signals: Signals,
    queue: Any,
) -> TaskWorker:
    """A worker object.

    :param kind: its class
    :param queue: both queues in one
    """
    worker = kind(
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
    return worker
