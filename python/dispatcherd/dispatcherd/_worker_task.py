"""What `dispatcherd.worker.task` has beyond `dispatcher.worker.task`.

The service uses none of it. Where it stands: `_same` adds these names to the module.
"""

from __future__ import annotations

import signal
from typing import NoReturn

from dispatcher.worker.context import BoundContext as DispatcherBoundMethods
from dispatcher.worker.exceptions import DispatcherCancel

__all__ = ["DispatcherBoundMethods", "WorkerSignalHandler"]


class WorkerSignalHandler:
    """The signals of a worker process, for code that makes one of its own. Installs its handlers when it is made."""

    def __init__(self, worker_id: int) -> None:
        self.worker_id = worker_id
        self.kill_now = False
        """Told to leave."""
        self.enter_idle_mode()

    def enter_idle_mode(self) -> None:
        """SIGTERM and SIGINT mean leave, SIGUSR1 cancel."""
        self._install(self.exit_gracefully)

    def enter_task(self) -> None:
        """SIGTERM and SIGINT do what they do to any program, SIGUSR1 means cancel."""
        self._install(signal.SIG_DFL)

    def _install(self, on_leave: object) -> None:
        for number, handler in (
            (signal.SIGTERM, on_leave),
            (signal.SIGINT, on_leave),
            (signal.SIGUSR1, self.task_cancel),
        ):
            signal.signal(number, handler)  # type: ignore[arg-type]

    def exit_gracefully(self, *_: object) -> None:
        """The worker leaves when the present task is over."""
        self.kill_now = True

    def task_cancel(self, *_: object) -> NoReturn:
        """Does to the caller what a cancel does to a task."""
        raise DispatcherCancel
