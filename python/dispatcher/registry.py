"""What is registered with `@task`: a callable, the options of its decorator, and how it is published.

Knows no transport: a method asks its settings' broker. Where it stands: between the decorator and the broker; the
worker asks it whether an object is a task.
"""

from __future__ import annotations

import json
import time
import uuid as uuid_module
from collections.abc import Callable, Iterable
from typing import Any

from dispatcher.config import LazySettings
from dispatcher.config import settings as global_settings
from dispatcher.processors.params import ProcessorParams
from dispatcher.utils import DispatcherCallable, resolve_callable, serialize_task

Queue = str | Callable[[], str]
"""A channel, or something that names it when a task is published."""


class NotRegistered(RuntimeError):
    """The callable is no task of this registry."""


class InvalidMethod(TypeError):
    """The object cannot be a task."""


class DispatcherMethod:
    """One task: its callable and the options that stand in its decorator."""

    def __init__(
        self,
        fn: DispatcherCallable,
        *,
        queue: Queue | None = None,
        bind: bool = False,
        timeout: float | None = None,
        processor_options: Iterable[ProcessorParams] = (),
    ) -> None:
        if not callable(fn):
            raise InvalidMethod(f"a task has to be a function or a class with run, not {type(fn).__name__}")
        if isinstance(fn, type) and not callable(getattr(fn, "run", None)):
            raise InvalidMethod(f"the class {fn.__qualname__} has no method run, which a class that is a task needs")
        self.fn = fn
        self.queue = queue
        self.bind = bind
        self.timeout = timeout
        self.defaults: dict[str, Any] = {}
        for options in processor_options:
            self.defaults.update(options.to_dict())

    def serialize_task(self) -> str:
        """The task's name."""
        return serialize_task(self.fn)

    def get_callable(self) -> Callable[..., Any]:
        """What to call: the function itself, for a class the method `run` of a new instance."""
        if isinstance(self.fn, type):
            run: Callable[..., Any] = self.fn().run
            return run
        return self.fn

    def get_async_body(
        self,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        uuid: str | None = None,
        bind: bool = False,
        timeout: float | None = None,
        processor_options: Iterable[ProcessorParams] = (),
    ) -> dict[str, Any]:
        """The message that asks for one run. Options that say nothing are left out."""
        body: dict[str, Any] = {}
        if self.timeout:
            body["timeout"] = self.timeout
        body["task"] = self.serialize_task()
        body["time_pub"] = time.time()
        body.update(self.defaults)
        body["uuid"] = uuid or str(uuid_module.uuid4())
        if args := list(args or ()):
            body["args"] = args
        if kwargs:
            body["kwargs"] = kwargs
        if bind or self.bind:
            body["bind"] = True
        if timeout:
            body["timeout"] = timeout
        for options in processor_options:
            body.update(options.to_dict())
        return body

    def delay(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], str]:
        """Asks for one run with these arguments."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        queue: Queue | None = None,
        uuid: str | None = None,
        settings: LazySettings = global_settings,
        bind: bool = False,
        timeout: float | None = None,
        processor_options: Iterable[ProcessorParams] = (),
    ) -> tuple[dict[str, Any], str]:
        """Asks for one run; returns the message and the channel it was sent to.

        :param queue: the channel; else the decorator's, else the broker's default
        :param uuid: the task's uuid; else a random one
        :param timeout: seconds that the task may run
        :param processor_options: `Delayer.Params`, `Blocker.Params`
        """
        from dispatcher.factories import get_publisher_from_settings

        body = self.get_async_body(args, kwargs, uuid, bind, timeout, processor_options)
        broker = get_publisher_from_settings(settings=settings)
        channel = broker.publish_message(channel=resolve_queue(queue or self.queue), message=encode(body))
        return body, channel

    def publication_defaults(self) -> dict[str, Any]:
        """What the decorator adds to every message."""
        return {"task": self.serialize_task(), **self.defaults}


def resolve_queue(queue: Queue | None) -> str | None:
    """The channel's name; a callable is asked now, in the publisher."""
    return queue() if callable(queue) else queue


def encode(body: dict[str, Any]) -> str:
    """The message as JSON text; says which argument cannot be written."""
    try:
        return json.dumps(body)
    except (TypeError, ValueError) as error:
        raise TypeError(f"task {body.get('task')}: {_culprit(body)} cannot be sent as JSON: {error}") from None


def _culprit(body: dict[str, Any]) -> str:
    named = [(f"args[{index}]", value) for index, value in enumerate(body.get("args", ()))]
    named += [(f"kwargs[{key!r}]", value) for key, value in body.get("kwargs", {}).items()]
    for name, value in named:
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            return f"{name} (a {type(value).__name__})"
    return "an option"


class DispatcherMethodRegistry:
    """Tasks by their callable and by their name."""

    def __init__(self) -> None:
        self._by_callable: dict[DispatcherCallable, DispatcherMethod] = {}
        self._by_name: dict[str, DispatcherMethod] = {}

    def register(self, fn: DispatcherCallable, **options: Any) -> DispatcherMethod:
        """Makes a task of a callable. Registered again, the last options count."""
        method = DispatcherMethod(fn, **options)
        self._by_callable[fn] = method
        self._by_name[method.serialize_task()] = method
        return method

    def get_from_callable(self, fn: DispatcherCallable) -> DispatcherMethod:
        """The task of this callable; raises `NotRegistered`."""
        method = self._by_callable.get(fn)
        if method is None:
            raise NotRegistered(f"{fn!r} is no registered task; decorate it with @task()")
        return method

    def get_method(self, task: str, allow_unregistered: bool = True) -> DispatcherMethod:
        """The task of this name, importing its module if need be; raises `NotRegistered`."""
        method = self._by_name.get(task)
        if method is None:
            found = resolve_callable(task)
            if found is None:
                raise NotRegistered(f"no task {task!r}: its module has no such name")
            method = self._by_callable.get(found) or self._by_name.get(task)
            if method is None and allow_unregistered:
                method = DispatcherMethod(found)
        if method is None:
            raise NotRegistered(f"{task!r} is no registered task; decorate it with @task()")
        return method

    def is_registered(self, fn: Any) -> bool:
        """Whether this very object is a task."""
        try:
            return fn in self._by_callable
        except TypeError:  # not hashable, so never registered
            return False

    def is_bound(self, fn: Any) -> bool:
        """Whether the decorator of this callable says `bind=True`."""
        return self.is_registered(fn) and self._by_callable[fn].bind

    def names(self) -> list[str]:
        """The names of all tasks."""
        return list(self._by_name)


registry = DispatcherMethodRegistry()
"""The registry that `@task` uses unless another is given."""
