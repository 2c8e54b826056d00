"""Tasks: what `@task` registers, what a message for one holds, and how it is published.

A message is a JSON object; its keys, their order and its separators are the same as dispatcherd's, so that either side
may be the other's. Where it stands: `publish` above, `factories` and the brokers below.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast
from uuid import uuid4

from dispatcher.config import DispatcherSettings, LazySettings
from dispatcher.config import settings as global_settings
from dispatcher.message import check_options, dump
from dispatcher.utils import MODULE_METHOD_DELIMITER, DispatcherCallable, resolve_callable

LONGEST_NAME = 255
"""Bytes of a task's name; the service refuses longer ones."""
Message = dict[str, Any]
"""What is published, before it becomes text."""
Queue = str | Callable[[], str] | None
"""The channel of a task, or a function that gives it at each submission."""
Settings = LazySettings | DispatcherSettings


class Params(Protocol):
    """Options for a stage of the service, such as `Delayer.Params`."""

    def to_dict(self) -> dict[str, Any]:
        """The keys for the message."""
        ...


class DispatcherError(RuntimeError):
    """Something about a task is wrong."""


class NotRegistered(DispatcherError):
    """The task has no `@task`."""


class InvalidMethod(DispatcherError):
    """This cannot be a task."""


class DispatcherMethod:
    """One task: its callable, and the options that `@task` gave it."""

    def __init__(
        self,
        fn: DispatcherCallable,
        queue: Queue = None,
        bind: bool = False,
        processor_options: Iterable[Params] = (),
        **submission_defaults: Any,
    ) -> None:
        """`submission_defaults` are keys of every message, such as `timeout`; empty ones are left out."""
        if not hasattr(fn, "__qualname__"):
            raise InvalidMethod(
                f"{fn!r} cannot be a task: Can only register methods and classes, which have a name to find them by"
            )
        if isinstance(fn, type) and not callable(getattr(fn, "run", None)):
            raise InvalidMethod(f"the class {fn.__qualname__} has no method run, which a class that is a task needs")
        self.fn = fn
        self.queue = queue
        self.bind = bind
        self.processor_options = tuple(processor_options)
        self.submission_defaults = submission_defaults

    def serialize_task(self) -> str:
        """The dotted name that a worker finds the task by."""
        module = self.fn.__module__
        if module == "__main__":
            spec = getattr(sys.modules["__main__"], "__spec__", None)
            module = spec.name if spec is not None else module
        return f"{module}{MODULE_METHOD_DELIMITER}{self.fn.__qualname__}"

    def get_callable(self) -> Callable[..., Any]:
        """What to call: the function, or `run` of a new instance of the class."""
        if isinstance(self.fn, type):
            run: Callable[..., Any] = cast("Any", self.fn)().run
            return run
        return self.fn

    def publication_defaults(self) -> Message:
        """The keys of a message that do not depend on the submission."""
        defaults = {key: value for key, value in self.submission_defaults.items() if value}
        defaults["task"] = self.serialize_task()
        defaults["time_pub"] = time.time()
        for options in self.processor_options:
            defaults.update(options.to_dict())
        return defaults

    def get_async_body(
        self,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        uuid: str | None = None,
        bind: bool = False,
        timeout: float | None = 0.0,
        processor_options: Iterable[Params] = (),
    ) -> Message:
        """The message for one submission."""
        body = self.publication_defaults()
        body["uuid"] = uuid or str(uuid4())
        if args:
            body["args"] = args
        if kwargs:
            body["kwargs"] = kwargs
        if bind:
            body["bind"] = bind
        if timeout:
            body["timeout"] = timeout
        for options in processor_options:
            body.update(options.to_dict())
        return body

    def choose_queue(self, queue: Queue = None) -> str | None:
        """The channel for one submission: of the call, else of the task; None leaves it to the broker."""
        chosen = self.queue if queue is None else queue
        return chosen() if callable(chosen) else chosen

    def encode(self, body: Message) -> str:
        """The message as text; raises with the place of whatever is wrong with it."""
        if body["task"].startswith("__main__."):
            raise DispatcherError(
                f"task {self.fn.__qualname__} is defined in the script that is being run, which workers cannot import; "
                "move it to a module and import it from there"
            )
        check_options(body)
        return dump(body, self.fn)

    def delay(self, *args: Any, **kwargs: Any) -> tuple[Message, str]:
        """Publishes the task with these arguments; gives the message and its channel."""
        return self.apply_async(args=args, kwargs=kwargs)

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        queue: Queue = None,
        uuid: str | None = None,
        settings: Settings = global_settings,
        bind: bool = False,
        timeout: float | None = 0.0,
        processor_options: Iterable[Params] = (),
        delay: float | None = None,
        on_duplicate: str | None = None,
    ) -> tuple[Message, str]:
        """Publishes the task; gives the message and its channel. Nobody confirms that a service heard it."""
        body = self.get_async_body(args, kwargs, uuid, bind, timeout, processor_options)
        if delay:
            body["delay"] = delay
        if on_duplicate:
            body["on_duplicate"] = on_duplicate
        text = self.encode(body)
        broker = _factories().get_publisher_from_settings(settings=settings)
        return body, broker.publish_message(channel=self.choose_queue(queue), message=text)


def _factories() -> Any:
    """Imported late, as it needs brokers, and looked up at each call, so that tests may replace what is in it."""
    return importlib.import_module("dispatcher.factories")


class UnregisteredMethod(DispatcherMethod):
    """A task that is known by its name only."""

    def __init__(self, task: str) -> None:
        fn = resolve_callable(task)
        if fn is None:
            raise ImportError(f"there is no {task!r}: its module has no such name")
        super().__init__(fn)


class ForeignMethod(DispatcherMethod):
    """A task that is only published here, by its name: a native one, or one of another project."""

    def __init__(self, task: str) -> None:
        parts = task.split(MODULE_METHOD_DELIMITER)
        if len(parts) < 2 or not all(part.isidentifier() for part in parts) or len(task.encode()) > LONGEST_NAME:
            raise InvalidMethod(
                f"{task[:80]!r} is no name of a task: names with dots between them, {LONGEST_NAME} bytes at most, "
                "such as 'app.reports.render'"
            )
        super().__init__(_elsewhere)
        self.name = task

    def serialize_task(self) -> str:
        """The name, as it was given."""
        return self.name


def _elsewhere() -> None:
    raise NotRegistered("this task is run by another program")


class DispatcherMethodRegistry:
    """The tasks of this process."""

    def __init__(self) -> None:
        self.registry: set[DispatcherMethod] = set()
        self.lock = threading.Lock()
        self._by_callable: dict[int, DispatcherMethod] = {}
        self._by_name: dict[str, DispatcherMethod] | None = None

    def register(self, fn: DispatcherCallable, **options: Any) -> DispatcherMethod:
        """Registers a task; the options are those of `DispatcherMethod`. The last registration of a callable counts."""
        method = DispatcherMethod(fn, **options)
        with self.lock:
            replaced = self._by_callable.get(id(fn))
            if replaced is not None:
                self.registry.discard(replaced)
            self.registry.add(method)
            self._by_callable[id(fn)] = method
            self._by_name = None
        return method

    def forget_unloaded(self, before: set[DispatcherMethod]) -> None:
        """Forgets tasks that were registered since then by modules whose import has failed."""
        with self.lock:
            for method in self.registry - before:
                if method.fn.__module__ not in sys.modules:
                    self.registry.discard(method)
                    self._by_callable.pop(id(method.fn), None)
                    self._by_name = None

    @property
    def lookup_dict(self) -> dict[str, DispatcherMethod]:
        """Every task by its dotted name."""
        by_name = self._by_name
        if by_name is None:
            with self.lock:
                by_name = self._by_name = {method.serialize_task(): method for method in self._by_callable.values()}
        return by_name

    def get_method(self, task: str, allow_unregistered: bool = True) -> DispatcherMethod:
        """The task of that name; imports its module, which may register it."""
        known = self.lookup_dict.get(task)
        if known is None:
            imported = UnregisteredMethod(task)
            known = self.lookup_dict.get(task)
            if known is None and not allow_unregistered:
                raise NotRegistered(f"task {task!r} is not registered, and only registered ones are allowed; add @task")
            known = known or imported
        return known

    def get_from_callable(self, fn: DispatcherCallable) -> DispatcherMethod:
        """The task of that callable."""
        method = self._by_callable.get(id(fn))
        if method is None:
            raise NotRegistered(f"{fn!r} is not registered as a task; decorate it with @task()")
        return method

    def names(self) -> list[str]:
        """The names of all tasks."""
        return list(self.lookup_dict)

    def is_registered(self, fn: object) -> bool:
        """Whether `@task` was put on it."""
        return id(fn) in self._by_callable

    def is_bound(self, fn: object) -> bool:
        """Whether it was registered with `bind=True`: its first argument is the object to talk to the service with."""
        method = self._by_callable.get(id(fn))
        return method is not None and method.bind


registry = DispatcherMethodRegistry()
"""Where `@task` registers."""
