"""From the name in a message to what is called: find the object, ask whether it may run.

The name has passed the service's gate already; here what it leads to passes one. Never calls a task. Where it
stands: at the beginning of `TaskWorker.run_callable`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from typing import Any

from dispatcher.registry import DispatcherMethod, DispatcherMethodRegistry, InvalidMethod
from dispatcher.utils import is_lambda

from .exceptions import DispatcherCancel


class TaskRefused(Exception):
    """The task policy does not let this object run."""


class TaskNotFound(Exception):
    """The name leads to nothing that can be called."""


class Policy:
    """What may run, as the configuration of the service says.

    :param kind: `registered` (what is decorated with `@task`), `prefix` (what is defined under one of the
        prefixes) or `any` (whatever can be imported)
    :param prefixes: modules, with or without a dot at the end
    :param allow_eval: with `any`, whether text that begins with `lambda` is evaluated
    """

    def __init__(
        self,
        kind: str = "registered",
        prefixes: Iterable[str] = (),
        allow_eval: bool = False,
    ) -> None:
        self.kind = kind
        self.prefixes = tuple(prefix.rstrip(".") + "." for prefix in prefixes)
        self.allow_eval = allow_eval

    def check(self, name: str, fn: Any, registered: bool) -> None:
        """Raises `TaskRefused` if this object may not run under this name."""
        if self.kind == "registered":
            if not registered:
                raise TaskRefused(
                    f"task {name!r} is not registered and worker.task_policy is 'registered': decorate it "
                    "with @task(), or set worker.task_policy to 'prefix' or 'any'"
                )
        elif self.kind == "prefix":
            # Where it is defined, not where it was found: os.system imported by a module of tasks is no task.
            home = f"{getattr(fn, '__module__', None)}."
            if not any(home.startswith(prefix) for prefix in self.prefixes):
                raise TaskRefused(
                    f"task {name!r} is not defined under one of worker.task_prefixes and worker.task_policy "
                    "is 'prefix': add its module to worker.task_prefixes, or set worker.task_policy to 'any'"
                )
        elif self.kind != "any":
            raise TaskRefused(f"task {name!r}: this worker does not know worker.task_policy {self.kind!r}")


def find(
    name: str,
    registry: DispatcherMethodRegistry,
    policy: Policy | None,
    trusted: bool,
) -> DispatcherMethod:
    """The task of this name; imports its module if need be.

    :param policy: none for a worker object that its maker calls directly, with messages of its own
    :param trusted: the task comes from the configuration: any name that can be imported
    """
    method = registry.lookup_dict.get(name)
    registered = method is not None
    if method is None:
        if is_lambda(name):
            return _evaluate(name, policy)
        target = _load(name, registry)
        # The import may have registered it, and not the same object if there is a decorator above @task.
        method = registry.lookup_dict.get(name)
        registered = method is not None or registry.is_registered(target)
        if method is None:
            method = registry.get_from_callable(target) if registered else _unregistered(name, target)
    if policy is not None and not trusted:
        policy.check(name, method.fn, registered)
    return method


def _load(name: str, registry: DispatcherMethodRegistry) -> Any:
    """What the name leads to. Of an import that fails nothing is left."""
    before = set(registry.registry)
    is_loaded = name.rpartition(".")[0] in sys.modules
    try:
        return _import(name)
    except BaseException as error:
        # What stood above the line that failed has been registered, and lacks what stands below it.
        registry.forget_unloaded(before)
        if isinstance(error, DispatcherCancel) and not is_loaded:
            error.cut_import = True
        raise


def _import(name: str) -> Any:
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        raise TaskNotFound(f"task {name!r} has no module in its name, which is like package.module.function")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports
        raise TaskNotFound(
            f"task {name!r}: there is no module {module_name!r}; is it on the PYTHONPATH of the service?"
        ) from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise TaskNotFound(f"task {name!r}: the module {module_name!r} has no {attribute!r}") from None


def _unregistered(name: str, target: Any) -> DispatcherMethod:
    try:
        if callable(target):
            return DispatcherMethod(target)
    except InvalidMethod:
        pass
    if isinstance(target, type):
        raise TaskNotFound(f"task {name!r} is a class without a method run, which it needs to be a task")
    # Only its type: what it is may be a secret.
    raise TaskNotFound(f"task {name!r} cannot be called, it is of the type {type(target).__name__}")


def _evaluate(text: str, policy: Policy | None) -> DispatcherMethod:
    if policy is None or policy.kind != "any" or not policy.allow_eval:
        kind = "any" if policy is None else policy.kind
        raise TaskRefused(
            "a task that is text beginning with lambda runs only with worker.task_policy: any "
            f"(now {kind}) and worker.allow_eval: true"
        )
    return DispatcherMethod(eval(text, {}))  # what the two switches are for
