"""The life of a worker between its birth and its end: ready, then one task after another.

Used by forked workers (``template``) and by those started alone (``__main__``); both end by leaving this
function, never by an exception of a task.
"""

from __future__ import annotations

import importlib
import logging
import os
import select
import socket
from typing import Any

from ..registry import registry
from .run import Policy, Resolver
from .signals import Leave, Signals
from .task import TaskWorker
from .wire import Channel, ChannelClosed

logger = logging.getLogger('dispatcher.worker')

#: tasks that a worker with tickets holds unstarted
_AHEAD = 8

_PROTOCOL = 1


class _Messages:
    """The queues that a worker class gets; dispatcherd's have ``get`` and ``put`` too."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def get(self) -> Any:
        """The next message, or ``'stop'``."""
        frame = self._channel.next_frame()
        return frame['message'] if frame['event'] == 'run' else 'stop'

    def put(self, message: dict[str, Any]) -> None:
        """Sends a frame to the service."""
        self._channel.send_frame(message)


def make_worker(worker_id: int, channel: Channel, settings: dict[str, Any]) -> TaskWorker:
    """The worker object that the configuration asks for."""
    worker_cls = TaskWorker
    if settings.get('worker_cls'):
        module, _, name = settings['worker_cls'].rpartition('.')
        worker_cls = getattr(importlib.import_module(module), name)
    queue = _Messages(channel)
    kwargs = dict(settings.get('worker_kwargs') or {})
    worker = worker_cls(worker_id, queue, queue, registry=registry, **kwargs)
    policy = Policy(
        settings.get('task_policy', 'registered'),
        tuple(settings.get('task_prefixes') or ()),
        bool(settings.get('allow_eval')),
    )
    worker.resolver = Resolver(registry, policy)
    worker.channel = channel
    worker.signals = Signals(channel)
    return worker


def live(worker_id: int, sock: socket.socket, tickets: int | None, settings: dict[str, Any]) -> int:
    """Runs tasks until the service or a task says to leave; returns the exit code."""
    channel = Channel(sock, tickets)
    worker = make_worker(worker_id, channel, settings)
    signals = worker.signals
    signals.install()
    try:
        worker.on_start()
    except Exception:
        logger.exception('on_start of worker %s failed, the worker leaves', worker_id)
        return 1
    ready = {
        **worker.get_ready_message(),
        'protocol': _PROTOCOL,
        'pid': os.getpid(),
        'slots': 1,
        'ahead': _AHEAD if tickets is not None else 0,
        'tasks': sorted(registry.names()),
    }
    try:
        channel.send_frame(ready)
        _work(worker, channel, signals)
        worker.on_shutdown()
        channel.send_frame(worker.get_shutdown_message())
    except (ChannelClosed, BrokenPipeError, ConnectionResetError):
        return 0
    except Exception:
        logger.exception('worker %s leaves after an error of its own', worker_id)
        return 1
    return 0


def _work(worker: TaskWorker, channel: Channel, signals: Signals) -> None:
    while not (signals.leaving or worker.should_exit()):
        try:
            signals.waiting = True
            if worker.idle_timeout is not None:
                _wait_or_idle(worker, channel)
            frame = channel.next_frame()
            signals.waiting = False
        except Leave:
            return
        finally:
            signals.waiting = False
        if frame['event'] == 'stop':
            return
        channel.send(worker.work(frame))


def _wait_or_idle(worker: TaskWorker, channel: Channel) -> None:
    """Calls the idle hook each time that the timeout passes with nothing to read."""
    while not channel.has_lines():
        readable, _, _ = select.select([channel.sock], [], [], worker.idle_timeout)
        if readable:
            return
        try:
            worker.on_idle()
        except Exception:
            logger.exception('on_idle of worker %s failed', worker.worker_id)
