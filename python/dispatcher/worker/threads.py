"""Threads that run tasks, and cancels that reach one of them.

A cancel is raised in its thread by the interpreter, between two steps of Python code: it does not end a call of C that
waits, such as a long sleep, before that returns. It hits nothing but the code of its task: the interpreter is told
only while that code runs, and what was told too late is taken back. Where it stands: below `slots`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from types import CoroutineType
from typing import Any, TypeVar

from . import exceptions
from .coroutines import Cancellable
from .ending import quit_now
from .exceptions import DispatcherCancel

T = TypeVar("T")

# One function twice: with an exception, and with none, which takes back what was not raised yet.
_raise_in = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_raise_nothing_in = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
_raise_nothing_in.argtypes = (ctypes.c_ulong, ctypes.c_void_p)


class InThread:
    """How a cancel reaches a run that has a thread for itself.

    :param loop: where its coroutines run; none: on a loop of their own, in the thread
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._lock = allocate_lock()
        """Held while the state below changes together with what the interpreter has been told."""
        self._thread = 0
        self._depth = 0
        """Calls of the task's code that have begun and not ended."""
        self._wanted = False
        """A cancel came while none of its code ran."""
        self._told = False
        """The interpreter is to raise and has not done so."""
        self._heard = False
        """A cancel has got through."""
        self._coroutine: Cancellable | None = None

    def cancel(self, again: bool) -> None:
        """Raises in the thread, or in the coroutine that it waits for. Before the code runs: as soon as it does."""
        with self._lock:
            if again and (self._heard or self._wanted):
                return
            if self._coroutine is not None:
                self._coroutine.cancel(again)
            elif self._depth:
                self._told = True
                _raise_in(self._thread, self._kind())
            else:
                self._wanted = True

    def call(self, function: Callable[[Any], T], argument: Any) -> T:
        """Calls a function in which the run may be cancelled."""
        with self._lock:
            self._thread = get_ident()
            self._depth += 1
            wanted, self._wanted = self._wanted, False
        try:
            if wanted:
                self._heard = True
                raise DispatcherCancel
            return function(argument)
        finally:
            self.leave(self._depth - 1)

    def run_coroutine(self, coroutine: CoroutineType[Any, Any, Any]) -> Any:
        """Runs a coroutine to its end while this thread waits."""
        work = Cancellable()
        with self._lock:
            if self._told:
                # It would be raised when the wait is over.
                self._take_back()
                work.cancel(again=False)
            self._coroutine = work
        try:
            if self._loop is None:
                error, value = asyncio.run(work.run(coroutine))
            else:
                error, value = asyncio.run_coroutine_threadsafe(work.run(coroutine), self._loop).result()
        finally:
            with self._lock:
                self._coroutine = None
        if error is not None:
            raise error
        return value

    def leave(self, depth: int) -> None:
        """So many calls are left; after the last one nothing is raised any more, whatever was told before."""
        while True:
            try:
                with self._lock:
                    self._depth = depth
                    if not depth:
                        self._take_back()
                return
            except DispatcherCancel:
                continue

    def _take_back(self) -> None:
        _raise_nothing_in(self._thread, None)
        self._told = False

    def _kind(self) -> type[DispatcherCancel]:
        """The interpreter makes an object of it when it raises it, which says that the cancel has got through."""
        reach = self

        class Cancel(exceptions.DispatcherCancel):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                reach._told, reach._heard = False, True

        Cancel.__name__ = Cancel.__qualname__ = "DispatcherCancel"
        return Cancel


class Threads:
    """As many threads as there are tasks for them at a time; one that has ended its task is used again."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], Callable[[], None]] | None] = SimpleQueue()
        self._idle = 0
        self._count = 0
        self._lock = allocate_lock()
        self._pid = os.getpid()

    def start(self, job: Callable[[], Callable[[], None]]) -> None:
        """Runs this at once, in a context of its own, and then what it gives: by that time its thread counts as
        free, so that whoever hears of the end finds a thread for the next one."""
        with self._lock:
            fresh = self._idle == 0
            if not fresh:
                self._idle -= 1
            self._count += fresh
        self._jobs.put(job)
        if fresh:
            threading.Thread(target=self._serve, name=f"task-{self._count}", daemon=True).start()

    def stop(self) -> None:
        """The threads end once they have nothing to do."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            report = Context().run(job)
            if os.getpid() != self._pid:
                # A task has forked and returned twice. The copy has no part in anything.
                quit_now(1)
            with self._lock:
                self._idle += 1
            report()
