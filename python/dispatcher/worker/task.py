"""The worker that runs tasks, made to be subclassed.

``worker.worker_cls`` in the configuration names a subclass; its hooks run at the marked places. The order of a
task: :meth:`TaskWorker.pre_task`, the call, :meth:`TaskWorker.post_task`, then the result goes to the service.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from ..registry import DispatcherMethodRegistry
from ..registry import registry as default_registry
from .context import BoundContext
from .exceptions import DispatcherCancel, DispatcherExit
from .run import Policy, Resolver, TaskNotFound, TaskRefused, call_target
from .signals import Signals
from .wire import Channel

__all__ = ['DispatcherCancel', 'DispatcherExit', 'TaskWorker']

logger = logging.getLogger('dispatcher.worker')

#: a result longer than this stays in the worker; the task has succeeded all the same
MAX_RESULT = 1024 * 1024

_TRACE_FRAMES = 8


class TaskWorker:
    """Runs one task after another.

    :param worker_id: the number that ``worker-0`` shows
    :param message_queue: where messages come from; has ``get``
    :param finished_queue: where results go; has ``put``
    :param registry: what is registered with ``@task``
    :param idle_timeout: seconds of idleness after which :meth:`on_idle` runs; 0 never
    :param worker_kwargs: ``worker.worker_kwargs`` of the configuration, for subclasses
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
        self.idle_timeout = idle_timeout or None
        self.worker_kwargs = worker_kwargs
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.resolver = Resolver(registry, Policy())
        self.exiting = False
        self._trusted = False
        self._error: dict[str, Any] | None = None
        self._outcome = 'success'
        self.channel: Channel
        self.signals: Signals

    # -- hooks for subclasses

    def on_start(self) -> None:
        """Once, before the worker says that it is ready."""

    def on_shutdown(self) -> None:
        """Once, before the worker leaves."""

    def on_idle(self) -> None:
        """Each time that ``idle_timeout`` passes without a task."""

    def pre_task(self, message: dict[str, Any]) -> None:
        """Before each task."""

    def post_task(self, result: dict[str, Any]) -> None:
        """After each task, before the service hears of it."""

    def should_exit(self) -> bool:
        """Whether to leave now: the worker asks after each task."""
        return self.exiting

    # -- messages of the worker

    def get_uuid(self, message: dict[str, Any]) -> str:
        """The uuid of a message."""
        uuid: str = message.get('uuid', '<unknown>')
        return uuid

    def get_ready_message(self) -> dict[str, Any]:
        """What the worker says when it can be given tasks."""
        return {'worker': self.worker_id, 'event': 'ready'}

    def get_shutdown_message(self) -> dict[str, Any]:
        """What the worker says when it leaves."""
        return {'worker': self.worker_id, 'event': 'shutdown'}

    # -- one task

    def enter_task_mode(self) -> None:
        """A task is about to run."""

    def enter_idle_mode(self) -> None:
        """The task is over."""
        self.signals.restore()

    def produce_binder(self, message: dict[str, Any]) -> BoundContext:
        """The first argument of a task with ``bind=True``."""
        return BoundContext(self.channel, self.worker_id, self.get_uuid(message))

    def run_callable(self, message: dict[str, Any]) -> Any:
        """Finds the task's function and calls it; what it returns is the task's result."""
        name = message['task']
        target = self.resolver.resolve(name, self._trusted)
        args = message.get('args', ())
        kwargs = message.get('kwargs') or {}
        if message.get('bind') is True or self.registry.is_bound(target):
            args = [self.produce_binder(message), *args]
        return call_target(target)(*args, **kwargs)

    def perform_work(self, message: dict[str, Any]) -> dict[str, Any]:
        """Runs one task from beginning to end; returns what :meth:`post_task` has seen."""
        uuid = self.get_uuid(message)
        self._outcome, self._error = 'success', None
        value: Any = None
        self.enter_task_mode()
        started = time.time()
        try:
            self.signals.begin(uuid)
            try:
                self.pre_task(message)
                value = self.run_callable(message)
            finally:
                self.signals.current = None
        except DispatcherCancel:
            value, self._outcome = '<cancel>', 'cancelled'
            logger.warning('task %s (uuid=%s) was cancelled', message.get('task'), uuid)
        except DispatcherExit as exc:
            value = str(exc) or '<exit>'
            self.exiting = True
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as exc:
            self._failed(message, uuid, exc)
        finally:
            self.signals.end()
        finished = time.time()
        if self._outcome == 'success':
            self._follow(message, 'callbacks')
        elif self._outcome == 'failure':
            self._follow(message, 'errbacks')
        result = {
            'worker': self.worker_id,
            'event': 'done',
            'result': value,
            'uuid': uuid,
            'time_started': started,
            'time_finish': finished,
        }
        if self.exiting:
            result['is_stopping'] = True
        try:
            self.post_task(result)
        except Exception:
            logger.exception('post_task failed after task %s (uuid=%s)', message.get('task'), uuid)
        self.enter_idle_mode()
        return result

    def _failed(self, message: dict[str, Any], uuid: str, exc: BaseException) -> None:
        self._outcome = 'refused' if isinstance(exc, TaskRefused) else 'failure'
        name = message.get('task')
        frames = traceback.extract_tb(exc.__traceback__)[-_TRACE_FRAMES:]
        trace = [f'{frame.filename}:{frame.lineno} in {frame.name}' for frame in frames]
        self._error = {'type': type(exc).__name__, 'message': _text(exc)[:2000], 'trace': trace}
        if isinstance(exc, KeyboardInterrupt):
            self.exiting = True
        if getattr(exc, 'is_awx_task_error', False):
            logger.warning('task %s (uuid=%s) failed: %s', name, uuid, _text(exc))
        elif isinstance(exc, (TaskRefused, TaskNotFound)):
            pass  # the service's own line says it all
        else:
            where = '\n'.join(f'  {line}' for line in trace)
            logger.error('task %s (uuid=%s) failed: %s: %s\n%s', name, uuid, type(exc).__name__, _text(exc), where)

    def _follow(self, message: dict[str, Any], key: str) -> None:
        """Runs the messages that follow a success or a failure, here and now, each for itself."""
        following = message.get(key)
        if not following:
            return
        if not isinstance(following, list):
            logger.error('%s of task %s must be a list of messages', key, message.get('task'))
            return
        for entry in following:
            if not isinstance(entry, dict) or not isinstance(entry.get('task'), str):
                logger.error('%s of task %s: an entry is no task message', key, message.get('task'))
                continue
            trusted, self._trusted = self._trusted, False
            try:
                self.run_callable({'uuid': self.get_uuid(message), **entry})
            except Exception as exc:
                logger.error('%s %s failed: %s: %s', key, entry.get('task'), type(exc).__name__, _text(exc))
            finally:
                self._trusted = trusted

    # -- between tasks

    def work(self, frame: dict[str, Any]) -> bytes:
        """Runs the task of a run frame and gives the frame that says how it ended."""
        self._trusted = frame.get('trusted') is True
        result = self.perform_work(frame['message'])
        return self._done(result)

    def _done(self, result: dict[str, Any]) -> bytes:
        head = (
            f'{{"event":"done","worker":{self.worker_id},"uuid":{quote(result["uuid"])},'
            f'"outcome":"{self._outcome}","time_started":{result["time_started"]!r},'
            f'"time_finish":{result["time_finish"]!r}'
        )
        value = result.get('result')
        if value is not None:
            head += f',"result":{_result(value)}'
        if self._error is not None:
            head += f',"error":{json.dumps(self._error)}'
        if self.exiting:
            head += ',"is_stopping":true'
        return head.encode() + b'}\n'


def _result(value: Any) -> str:
    """The result as JSON if it is plain and short; a task that has succeeded does not fail by its result."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return 'null'
    return text if len(text) <= MAX_RESULT else 'null'


def _text(exc: BaseException) -> str:
    """An exception's text, even of one that cannot say it."""
    try:
        return str(exc)
    except Exception:
        return f'<{type(exc).__name__} without a readable text>'
