"""What this worker is doing, for the service that looks into it: its Python stack, written into a pipe.

The handler is one of C, so it answers while a task loops in C, waits in a system call, or ignores every other signal,
and no code of the task or of Python runs for it. Where it stands: offered once, before the first task.
"""

from __future__ import annotations

import faulthandler
import signal

_SIGSTKFLT = 16
"""`<signal.h>` of Linux on every architecture that has it; Python names it from 3.11 on."""

SIGNAL = _SIGSTKFLT if _SIGSTKFLT in map(int, signal.valid_signals()) else int(signal.SIGUSR2)
"""What makes the worker write. No kernel sends SIGSTKFLT and hardly any program knows it, so it is neither a task's own
nor one that comes by chance; and it has a name, which the service needs to send it without unsafe code."""


def offer(fd: int) -> int:
    """Writes the stacks of all threads into this pipe whenever the signal comes; gives the signal's number.

    Children that tasks start do not inherit the handler with a program of their own, and nobody signals them.

    :param fd: never blocks; what does not fit is lost
    """
    faulthandler.register(SIGNAL, file=fd, all_threads=True, chain=False)
    return SIGNAL
