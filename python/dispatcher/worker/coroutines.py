"""Coroutines that can be cancelled one by one.

A cancel is raised where the coroutine waits, as an exception that is both a `DispatcherCancel` and an
`asyncio.CancelledError`: code that catches either one, libraries that clean up after the latter, and task groups
all understand it. Where it stands: around each `async def` task of a worker that runs several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from types import CoroutineType
from typing import Any, TypeVar

from . import exceptions
from .exceptions import DispatcherCancel

T = TypeVar("T")


class _Cancel(exceptions.DispatcherCancel, asyncio.CancelledError):
    """What is raised in a coroutine that is cancelled or out of time."""


# Reports name an error by its class, and this one is no other error to those who read them.
_Cancel.__name__ = _Cancel.__qualname__ = "DispatcherCancel"


class Cancellable:
    """One coroutine on its way to its end, on whatever loop it runs."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._told = False
        """A cancel is to be raised."""
        self._heard = False
        """One was raised."""

    def cancel(self, again: bool) -> None:
        """Raises in the coroutine, from any thread. Before it has begun: as soon as it begins."""
        if again and (self._heard or self._told):
            return
        self._told = True
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._interrupt)
            except RuntimeError:
                pass  # the loop is closed, so the coroutine has ended

    def call(self, function: Callable[[Any], T], argument: Any) -> T:
        """Calls a hook on the loop; nothing is raised while it runs."""
        self._look()
        return function(argument)

    async def run(self, coroutine: CoroutineType[Any, Any, Any]) -> tuple[BaseException | None, Any]:
        """How it ended: what it raised, or what it returned. Raises nothing itself."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            self._look()
            return None, await _Watched(self, coroutine)
        except BaseException as error:
            return error, None
        finally:
            self._task = None
            coroutine.close()

    def _look(self) -> None:
        if self._told:
            self._told, self._heard = False, True
            raise DispatcherCancel

    def _interrupt(self) -> None:
        if self._task is not None and self._told:
            self._task.cancel()

    def take(self, error: BaseException) -> BaseException:
        """What is raised in place of an error that comes from outside of the coroutine."""
        if self._told and isinstance(error, asyncio.CancelledError):
            self._told, self._heard = False, True
            return _Cancel()
        return error


class _Watched:
    """Awaits a coroutine, and looks at what is raised in it from outside."""

    def __init__(self, owner: Cancellable, coroutine: CoroutineType[Any, Any, Any]) -> None:
        self._owner = owner
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        value: Any = None
        while True:
            try:
                waits_for = self._coroutine.send(value) if error is None else self._coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            error = value = None
            try:
                value = yield waits_for
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as raised:
                error = self._owner.take(raised)
