"""Marking tasks and publishing them: `@task`, `submit_task` and `submit_many`.

Waits for no service and learns nothing about what becomes of a task. Where it stands: the door for applications.

    @task(queue='test_channel')
    def print_hello():
        print('hello world!!')

    print_hello.delay()
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from dispatcher.config import settings as global_settings
from dispatcher.processors.blocker import Blocker
from dispatcher.registry import (
    DispatcherMethod,
    DispatcherMethodRegistry,
    ForeignMethod,
    InvalidMethod,
    Message,
    NotRegistered,
    Params,
    Queue,
    Settings,
)
from dispatcher.registry import registry as default_registry
from dispatcher.utils import DispatcherCallable, RunnableClass

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=DispatcherCallable)
J = TypeVar("J", bound=RunnableClass)


class TaskFunction(Protocol[P, R_co]):
    """A function with `@task`: callable as before, and publishable."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs it here and now."""
        ...

    def delay(self, *args: Any, **kwargs: Any) -> tuple[Message, str]:
        """Publishes it with these arguments."""
        ...

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        queue: Queue = None,
        uuid: str | None = None,
        settings: Settings = ...,
        bind: bool = False,
        timeout: float | None = 0.0,
        processor_options: Iterable[Params] = (),
        delay: float | None = None,
        on_duplicate: str | None = None,
    ) -> tuple[Message, str]:
        """Publishes it with options for this one submission."""
        ...


class TaskClass(Protocol[R_co]):
    """A class with `@task`."""

    def __call__(self, *args: Any, **kwargs: Any) -> R_co:
        """A new instance."""
        ...

    def delay(self, *args: Any, **kwargs: Any) -> tuple[Message, str]:
        """Publishes it with these arguments for `run`."""
        ...

    def apply_async(
        self, args: Iterable[Any] | None = None, kwargs: dict[str, Any] | None = None, **options: Any
    ) -> tuple[Message, str]:
        """Publishes it with options for this one submission."""
        ...


D = TypeVar("D", Literal[True], Literal[False])


@dataclass(frozen=True)
class DispatcherDecorator(Generic[D]):
    """What `task(...)` gives: registers the callable that it is put on."""

    registry: DispatcherMethodRegistry
    options: dict[str, Any]
    decorate: bool = True

    @overload
    def __call__(self: DispatcherDecorator[Literal[True]], fn: type[J], /) -> TaskClass[J]: ...
    @overload
    def __call__(self: DispatcherDecorator[Literal[True]], fn: _Function[P, R_co], /) -> TaskFunction[P, R_co]: ...
    @overload
    def __call__(self: DispatcherDecorator[Literal[False]], fn: F, /) -> F: ...
    def __call__(self, fn: Any, /) -> Any:
        """The same object, registered; with `delay` and `apply_async`, unless `decorate` is off."""
        method = self.registry.register(fn, **self.options)
        if self.decorate:
            try:
                fn.apply_async, fn.delay = method.apply_async, method.delay
            except (AttributeError, TypeError) as error:
                raise InvalidMethod(
                    f"{fn!r} takes no attributes, so it cannot get delay and apply_async; "
                    "use @task(decorate=False) and publish it by submit_task"
                ) from error
        return fn


class _Function(Protocol[P, R_co]):
    """Any function, for type checkers."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


@overload
def task(
    *,
    bind: bool = False,
    queue: Queue = None,
    timeout: float | None = None,
    decorate: Literal[True] = True,
    on_duplicate: str | None = None,
    processor_options: Iterable[Params] = (),
    registry: DispatcherMethodRegistry = default_registry,
) -> DispatcherDecorator[Literal[True]]: ...
@overload
def task(
    *,
    bind: bool = False,
    queue: Queue = None,
    timeout: float | None = None,
    decorate: Literal[False],
    on_duplicate: str | None = None,
    processor_options: Iterable[Params] = (),
    registry: DispatcherMethodRegistry = default_registry,
) -> DispatcherDecorator[Literal[False]]: ...
def task(
    *,
    bind: bool = False,
    queue: Queue = None,
    timeout: float | None = None,
    decorate: bool = True,
    on_duplicate: str | None = None,
    processor_options: Iterable[Params] = (),
    registry: DispatcherMethodRegistry = default_registry,
) -> Any:
    """Marks a function, or a class with a method `run`, as a task. It stays callable as it was.

    bind: the first argument is an object to talk to the service with; publishers do not pass it.
    queue: the channel to publish to, or a function that gives it at each submission; None leaves it to the config.
    timeout: seconds after which a run is cancelled; None or 0 for never.
    decorate: give it the methods `delay` and `apply_async`; without them, publish it by `submit_task`.
    on_duplicate: what to do while an equal task waits or runs, see `utils.DuplicateBehavior`.
    processor_options: more options, such as `Delayer.Params(delay=5)`.
    registry: where to register it, for tests.
    """
    options = tuple(processor_options)
    if on_duplicate:
        options = (*options, Blocker.Params(on_duplicate=on_duplicate))
    given = {"bind": bind, "queue": queue, "timeout": timeout, "processor_options": options}
    return DispatcherDecorator(registry, given, decorate)


def submit_task(
    fn: DispatcherCallable | TaskFunction[Any, Any] | TaskClass[Any] | str,
    /,
    *,
    args: Iterable[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    uuid: str | None = None,
    queue: Queue = None,
    timeout: float | None = 0.0,
    processor_options: Iterable[Params] = (),
    bind: bool = False,
    registry: DispatcherMethodRegistry = default_registry,
    settings: Settings = global_settings,
    delay: float | None = None,
    on_duplicate: str | None = None,
) -> tuple[Message, str]:
    """Publishes a task, with or without `@task`; gives the message (its `uuid` among it) and its channel.

    fn: the function or class; or the name of a task that this process cannot import, a native one say.
    args, kwargs: what the task is called with; JSON has to be able to express it.
    uuid: its name in logs and control commands; a random one by default.
    queue, timeout, delay, on_duplicate, processor_options: as in `task`, for this one submission.
    bind, registry, settings: for tests.
    """
    return _method(fn, registry).apply_async(
        args=args,
        kwargs=kwargs,
        queue=queue,
        uuid=uuid,
        settings=settings,
        bind=bind,
        timeout=timeout,
        processor_options=processor_options,
        delay=delay,
        on_duplicate=on_duplicate,
    )


def submit_many(
    fn: DispatcherCallable | TaskFunction[Any, Any] | TaskClass[Any] | str,
    calls: Iterable[Iterable[Any] | dict[str, Any]],
    /,
    *,
    queue: Queue = None,
    timeout: float | None = 0.0,
    processor_options: Iterable[Params] = (),
    registry: DispatcherMethodRegistry = default_registry,
    settings: Settings = global_settings,
) -> tuple[list[Message], str]:
    """Publishes many runs of one task in one round trip, all or none; gives the messages and their channel.

    fn: as in `submit_task`.
    calls: for each run its positional arguments (a list or tuple), or its keyword arguments (a dict).
    queue, timeout, processor_options: as in `task`, for all of them.
    """
    method = _method(fn, registry)
    options = tuple(processor_options)
    bodies = [
        method.get_async_body(
            args=None if isinstance(call, dict) else call,
            kwargs=call if isinstance(call, dict) else None,
            timeout=timeout,
            processor_options=options,
        )
        for call in calls
    ]
    channel = method.choose_queue(queue)
    messages = [(channel, method.encode(body)) for body in bodies]
    # Late, as a worker that only runs tasks needs neither.
    from dispatcher.brokers.base import publish_messages
    from dispatcher.factories import get_publisher_from_settings

    broker = get_publisher_from_settings(settings=settings)
    channels = publish_messages(broker, messages)
    return bodies, cast("str", channels[0] if channels else channel or "")


def _method(fn: Any, registry: DispatcherMethodRegistry) -> DispatcherMethod:
    if isinstance(fn, str):
        # One that is known here has the options of its `@task`.
        return registry.lookup_dict.get(fn) or ForeignMethod(fn)
    try:
        return registry.get_from_callable(fn)
    except NotRegistered:
        return DispatcherMethod(fn)
