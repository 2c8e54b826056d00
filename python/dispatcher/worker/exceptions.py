"""What a task may raise, or have raised in it, to speak with its worker.

Knows nothing else of the worker. Where it stands: imported by applications and by everything here.
"""

from __future__ import annotations

from typing import Any


class DispatcherCancel(Exception):
    """Raised in a task that is cancelled or out of time. Catch it to clean up, then let it go on."""

    cut_import = False
    """It came while the module of the task was being imported for the first time."""


class DispatcherExit(Exception):
    """Raised by a task, or by a signal handler of its own: the task is over and the worker leaves after it.

    :param result: what the task counts as having returned
    """

    def __init__(self, result: Any = "<exit>") -> None:
        super().__init__(result)
        self.result = result
