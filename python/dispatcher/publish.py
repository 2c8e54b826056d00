"""The decorator that makes a task, and the calls that ask for a run.

Where it stands: the first thing an application imports. Connects only when something is published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dispatcher.config import LazySettings
from dispatcher.config import settings as global_settings
from dispatcher.processors.blocker import Blocker
from dispatcher.processors.params import ProcessorParams
from dispatcher.registry import (
    DispatcherMethod,
    DispatcherMethodRegistry,
    NotRegistered,
    Queue,
    encode,
    resolve_queue,
)
from dispatcher.registry import registry as default_registry
from dispatcher.utils import DispatcherCallable

__all__ = ["submit_many", "submit_task", "task"]

F = TypeVar("F")


def task(
    *,
    bind: bool = False,
    queue: Queue | None = None,
    timeout: float | None = None,
    decorate: bool = True,
    on_duplicate: str | None = None,
    processor_options: Iterable[ProcessorParams] = (),
    registry: DispatcherMethodRegistry = default_registry,
) -> Callable[[F], F]:
    """Makes a task of a function, or of a class with a method `run`.

    The function stays what it is; with `decorate` it gains `delay(*args, **kwargs)` and `apply_async(args=, kwargs=)`.

    :param bind: pass a context as the first argument (`uuid`, `worker_id`, `control`)
    :param queue: the channel to publish to, or a callable that names it at publish time
    :param timeout: seconds that one run may take; none means no limit
    :param on_duplicate: `parallel`, `discard`, `serial` or `queue_one`
    """
    options = list(processor_options)
    if on_duplicate:
        options.append(Blocker.Params(on_duplicate=on_duplicate))

    def decorator(fn: F) -> F:
        method = registry.register(
            fn,  # type: ignore[arg-type]  # register itself refuses what cannot be a task
            bind=bind,
            queue=queue,
            timeout=timeout,
            processor_options=options,
        )
        if decorate:
            fn.delay = method.delay  # type: ignore[attr-defined]
            fn.apply_async = method.apply_async  # type: ignore[attr-defined]
        return fn

    return decorator


def _method(fn: DispatcherCallable, registry: DispatcherMethodRegistry) -> DispatcherMethod:
    try:
        return registry.get_from_callable(fn)
    except NotRegistered:
        return DispatcherMethod(fn)


def submit_task(
    fn: DispatcherCallable,
    /,
    *,
    args: Iterable[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    uuid: str | None = None,
    queue: Queue | None = None,
    timeout: float | None = None,
    processor_options: Iterable[ProcessorParams] = (),
    bind: bool = False,
    registry: DispatcherMethodRegistry = default_registry,
    settings: LazySettings = global_settings,
) -> tuple[dict[str, Any], str]:
    """Asks for one run of a function; returns the message and the channel it was sent to.

    The function need not be decorated here; whether the service runs it then is up to its `worker.task_policy`.
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
    )


def submit_many(
    fn: DispatcherCallable,
    calls: Iterable[Iterable[Any] | dict[str, Any]],
    /,
    *,
    queue: Queue | None = None,
    timeout: float | None = None,
    processor_options: Iterable[ProcessorParams] = (),
    registry: DispatcherMethodRegistry = default_registry,
    settings: LazySettings = global_settings,
) -> tuple[list[dict[str, Any]], str]:
    """Asks for many runs of one function in a few round trips; returns the messages and their channel.

    :param calls: for each run its positional arguments (a list or tuple), or its keyword arguments (a dict)
    """
    from dispatcher.factories import get_publisher_from_settings

    method = _method(fn, registry)
    options = list(processor_options)
    bodies = [
        method.get_async_body(kwargs=call, timeout=timeout, processor_options=options)
        if isinstance(call, dict)
        else method.get_async_body(args=call, timeout=timeout, processor_options=options)
        for call in calls
    ]
    broker = get_publisher_from_settings(settings=settings)
    channel = broker.publish_messages(
        channel=resolve_queue(queue or method.queue), messages=[encode(body) for body in bodies]
    )
    return bodies, channel
