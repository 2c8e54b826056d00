"""Names of tasks: from a dotted path to the callable, and back.

Never decides whether a task may run; the worker's task policy does, before it asks here. Where it stands: below the
registry and the worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, runtime_checkable

MODULE_METHOD_DELIMITER = "."
"""Stands between the module and the name within it."""


@runtime_checkable
class RunnableClass(Protocol):
    """A class that is a task: a new instance for each run, and `run` does the work."""

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Does the work."""
        ...


DispatcherCallable = Callable[..., Any] | type[RunnableClass]
"""What may be a task: a function, or a class with `run`."""


class DuplicateBehavior(Enum):
    """What happens to a task when an equal one (task, args and kwargs) waits or runs."""

    parallel = "parallel"
    """Nothing; both run."""
    discard = "discard"
    """The new one is dropped."""
    serial = "serial"
    """The new one waits until the other has ended; any number may wait."""
    queue_one = "queue_one"
    """As serial, but one may wait; further ones are dropped."""


def is_lambda(task: str) -> bool:
    """Whether this is the text of a lambda, to be evaluated, and no name: `lambda_tasks.clean` is one."""
    return task.startswith("lambda") and not task.replace(MODULE_METHOD_DELIMITER, "").isidentifier()


def resolve_callable(task: str) -> Callable[..., Any] | None:
    """The callable that a task name stands for; None when the module has no such name.

    The text of a lambda is evaluated as Python, so only call this with names that are trusted.
    """
    if is_lambda(task):
        evaluated: Callable[..., Any] = eval(task)
        return evaluated
    module_name, delimiter, name = task.rpartition(MODULE_METHOD_DELIMITER)
    if not delimiter:
        raise RuntimeError(
            f"the task name {task!r} has no module in it; a task is named as MODULE{MODULE_METHOD_DELIMITER}FUNCTION"
        )
    found: Callable[..., Any] | None = getattr(importlib.import_module(module_name), name, None)
    return found


def serialize_task(f: DispatcherCallable) -> str:
    """The dotted name of a function or a class: the reverse of `resolve_callable`."""
    return f"{f.__module__}{MODULE_METHOD_DELIMITER}{f.__name__}"
