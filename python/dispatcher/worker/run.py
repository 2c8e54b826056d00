"""From a name in a message to a call: find the object, ask whether it may run, call it.

The name has passed the service's gate already; here the object that it leads to passes one.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..registry import DispatcherMethodRegistry


class TaskRefused(Exception):
    """The policy does not let this object run."""


class TaskNotFound(Exception):
    """The name leads to nothing that can be called."""


@dataclass(frozen=True)
class Policy:
    """What may run, as the service's configuration says."""

    kind: str = 'registered'
    prefixes: tuple[str, ...] = ()
    allow_eval: bool = False


@dataclass
class Resolver:
    """Finds the callable of a task; remembers what it has found."""

    registry: DispatcherMethodRegistry
    policy: Policy = field(default_factory=Policy)
    _known: dict[tuple[str, bool], Callable[..., Any]] = field(default_factory=dict)

    def resolve(self, name: str, trusted: bool) -> Callable[..., Any]:
        """The callable of this name; for a class, the class itself (see :func:`call_target`)."""
        known = self._known.get((name, trusted))
        if known is not None:
            return known
        if name.startswith('lambda') and not name.isidentifier():
            return self._evaluate(name, trusted)
        target = _find(name)
        if not trusted:
            self._gate(name, target)
        self._known[(name, trusted)] = target
        return target

    def _evaluate(self, name: str, trusted: bool) -> Callable[..., Any]:
        if not (trusted or (self.policy.allow_eval and self.policy.kind == 'any')):
            raise TaskRefused(
                'text that begins with lambda runs only with worker.task_policy: any and worker.allow_eval: true'
            )
        target: Callable[..., Any] = eval(name)  # what the two switches are for
        return target

    def _gate(self, name: str, target: Any) -> None:
        if self.policy.kind == 'any':
            return
        if self.policy.kind == 'prefix':
            home = f'{getattr(target, "__module__", "")}.'
            if not any(home.startswith(prefix) for prefix in self.policy.prefixes):
                raise TaskRefused(
                    f'task {name!r} is not defined under one of worker.task_prefixes (worker.task_policy is prefix)'
                )
            return
        if not self.registry.is_registered(target):
            raise TaskRefused(
                f'task {name!r} is not registered: decorate it with @task(), or set worker.task_policy '
                "(now 'registered') to 'prefix' or 'any'"
            )


def _find(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.rpartition('.')
    if not module_name or not attribute:
        raise TaskNotFound(f'task {name!r} is no dotted path such as package.module.function')
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (module_name == exc.name or module_name.startswith(exc.name + '.')):
            raise TaskNotFound(
                f'no module {module_name!r} for task {name!r}; is it on the PYTHONPATH of the service?'
            ) from None
        raise
    target: Callable[..., Any] | None = getattr(module, attribute, None)
    if target is None:
        raise TaskNotFound(f'module {module_name!r} has no {attribute!r} for task {name!r}')
    if inspect.isclass(target) and not callable(getattr(target, 'run', None)):
        raise TaskNotFound(f'class {name!r} has no method run')
    if not callable(target):
        raise TaskNotFound(f'{name!r} cannot be called, it is a {type(target).__name__}')
    return target


def call_target(target: Callable[..., Any]) -> Callable[..., Any]:
    """What to call: a function itself, for a class the method ``run`` of a new instance."""
    if inspect.isclass(target):
        instance: Any = target()
        run: Callable[..., Any] = instance.run
        return run
    return target
