"""The three signals of a worker.

SIGUSR1 belongs to the service, which writes a cancel frame first: it raises `DispatcherCancel` in the task
that the frame names, or in the running one if there is no frame at all. SIGINT and SIGTERM mean *leave* to an
idle worker; while a task runs they do what they do to any program, so a task may install handlers of its own.

A handler runs between any two steps of the interpreter. So that a cancel hits its task and nothing else, it
raises only above `Signals.call` on the stack; at any other moment it notes that it came, and the next `call`
looks. Where it stands: around everything of the application that a task consists of.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from types import CoroutineType, FrameType
from typing import Any, NoReturn, TypeVar

from .exceptions import DispatcherCancel
from .wire import Channel

T = TypeVar("T")

# Below `signal` stands a module of C with the same functions. Handlers change four times a task, and what the
# upper ones add, enums, takes longer than all the rest of the worker.
_below = importlib.import_module("_signal")
_set: Callable[[int, Any], Any] = _below.signal
_get: Callable[[int], Any] = _below.getsignal

_USR1, _TERM, _INT, _DEFAULT = map(int, (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIG_DFL))


class Signals:
    """What the worker is doing, as far as its signal handlers must know."""

    def __init__(self, channel: Channel | None = None) -> None:
        self.channel = channel
        """Where cancel frames come from; none for a worker object that is used by itself."""
        self.current = ""
        """The uuid of the task that `call` belongs to."""
        self.answered = ""
        """Its uuid too, once a cancel frame has got through to it."""
        self.leaving = False
        """Told to leave, by a signal that came while no task ran."""
        self.waiting = False
        """The worker is about to wait for frames, or waits."""
        self._pid = os.getpid()
        self._pending = False
        self._shielded = 0
        # One object each, so that it can be seen whether they are still installed.
        self._cancel, self._leave = self._on_cancel, self._on_leave

    # -- which handlers are installed

    def enter_idle(self) -> None:
        """All three are ours."""
        _set(_TERM, self._leave)
        _set(_INT, self._leave)
        if _get(_USR1) is not self._cancel:
            _set(_USR1, self._cancel)

    def enter_task(self) -> None:
        """Only SIGUSR1 is ours."""
        _set(_TERM, _DEFAULT)
        _set(_INT, _DEFAULT)
        if _get(_USR1) is not self._cancel:
            _set(_USR1, self._cancel)

    # -- for worker classes, which know these names from dispatcherd

    @property
    def kill_now(self) -> bool:
        """As `leaving`."""
        return self.leaving

    def exit_gracefully(self, *_: object) -> None:
        """The worker leaves when the present task is over."""
        self.leaving = True

    # -- running code of the application

    def call(self, function: Callable[[Any], T], argument: Any) -> T:
        """Calls a function in which the current task may be cancelled. Set `current` before."""
        if self._pending:
            self._look()
        return function(argument)

    def run_coroutine(self, coroutine: CoroutineType[Any, Any, T]) -> T:
        """Runs what an `async def` task gives, on an event loop of its own."""
        # Imported only by those who write such tasks: it is larger than the rest of the worker.
        import asyncio

        return asyncio.run(coroutine)

    def shield(self) -> None:
        """From here on nothing is raised, in the thread that handlers run in."""
        self._shielded += 1

    def unshield(self) -> None:
        """Raises what has been held back meanwhile."""
        self._shielded -= 1
        if self._pending and not self._shielded:
            self._look()

    def _look(self) -> None:
        """Raises if a cancel frame names the current task; a signal without a frame came before its time."""
        if self._read_frames()[0]:
            self._raise()

    def _raise(self) -> NoReturn:
        self.answered = self.current
        raise DispatcherCancel

    def _read_frames(self) -> tuple[bool, bool]:
        """Whether cancel frames name the current task, and whether there are any at all."""
        channel, hit, any_at_all = self.channel, False, False
        while True:
            self._shielded += 1
            try:
                self._pending = False
                ours, others = ([], 0) if channel is None else channel.take_cancels(self.current)
            finally:
                self._shielded -= 1
            any_at_all = any_at_all or bool(ours) or others > 0
            # A signal just before a system call does not wake it, so the service may say it again.
            heard = self.answered == self.current
            hit = hit or any(not (heard and cancel.get("again")) for cancel in ours)
            # Looked at with the shield down: what comes later acts by itself.
            if not self._pending:
                break
        # A task further back may be meant: whoever comes next looks again. Never taken back here, as a
        # handler may have found more since.
        if others:
            self._pending = True
        return hit, any_at_all

    # -- handlers

    def _on_cancel(self, _signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            raise DispatcherCancel  # in a child of the task, which has no part in the channel
        if self._shielded or not _within_call(frame):
            self._pending = True
            return
        hit, any_at_all = self._read_frames()
        if hit:
            self._raise()
        if not any_at_all and self.answered != self.current:
            # Nobody's frame, so somebody's own signal. Once a frame has got through, a signal without one may
            # belong to a repeat that was read together with it.
            raise DispatcherCancel

    def _on_leave(self, _signum: int, _frame: FrameType | None) -> None:
        self.leaving = True
        if self.waiting and self.channel is not None and os.getpid() == self._pid:
            # Ends the wait without an exception, which could fall between a frame and its keeping.
            self.channel.close_for_reading()


_CALL = Signals.call.__code__


def _within_call(frame: FrameType | None) -> bool:
    """Whether the interrupted code was called by `Signals.call`, or is it."""
    while frame is not None:
        if frame.f_code is _CALL:
            return True
        frame = frame.f_back
    return False
