"""The three signals of a worker.

SIGUSR1 belongs to the service: it raises :exc:`DispatcherCancel` in the running task. SIGINT and SIGTERM mean
*leave* to an idle worker; while a task runs they do what they do to any Python program, unless the task has
installed handlers of its own. Installing handlers costs system calls, so ours stay in place and act by what the
worker is doing; after each task they are put back if the task has changed them.
"""

from __future__ import annotations

# The public getsignal wraps its answer in an enum, which costs more than a short task.
import _signal  # type: ignore[import-not-found]
import os
import signal
from types import FrameType

from .exceptions import DispatcherCancel
from .wire import Channel


class Leave(BaseException):
    """Breaks an idle worker's wait."""


class Signals:
    """What the worker is doing, as far as signals must know."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        #: the uuid of the running task
        self.current: str | None = None
        #: a SIGUSR1 came between two tasks
        self._missed = False
        #: only while this is set may a wait be broken
        self.waiting = False
        self.leaving = False

    def install(self) -> None:
        """Takes over the three signals."""
        signal.signal(signal.SIGUSR1, self._on_cancel)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)

    def restore(self) -> None:
        """Takes back what a task may have changed."""
        if _signal.getsignal(signal.SIGTERM) != self._on_stop:
            signal.signal(signal.SIGTERM, self._on_stop)
        if _signal.getsignal(signal.SIGINT) != self._on_stop:
            signal.signal(signal.SIGINT, self._on_stop)
        if _signal.getsignal(signal.SIGUSR1) != self._on_cancel:
            signal.signal(signal.SIGUSR1, self._on_cancel)

    def begin(self, uuid: str) -> None:
        """A task is current from here on; raises in it if it was cancelled on its way here."""
        self.current = uuid
        if self._missed or self.channel.cancelled:
            self._missed = False
            self._check(uuid, asked_by_name=True)

    def end(self) -> None:
        """No task is current any more."""
        self.current = None
        self.channel.cancelled.clear()

    def _on_cancel(self, _signum: int, _frame: FrameType | None) -> None:
        uuid = self.current
        if uuid is None:
            self._missed = True
            return
        self._check(uuid, asked_by_name=False)

    def _check(self, uuid: str, asked_by_name: bool) -> None:
        """Raises when a cancel frame names this task; or, outside of frames, when someone sent a bare signal."""
        channel = self.channel
        channel.read_now()
        channel.look_for_cancels()
        if uuid in channel.cancelled:
            channel.cancelled.discard(uuid)
            raise DispatcherCancel
        if not asked_by_name and not channel.cancelled:
            raise DispatcherCancel

    def _on_stop(self, signum: int, _frame: FrameType | None) -> None:
        if self.current is None:
            self.leaving = True
            if self.waiting:
                raise Leave
            return
        if signum == signal.SIGINT:
            raise KeyboardInterrupt
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
