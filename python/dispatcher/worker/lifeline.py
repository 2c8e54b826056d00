"""A worker's end when the service is gone, whatever the worker is doing then.

The service holds the only writing end of a pipe and never writes. Each worker asks the kernel to signal it
when something happens at its reading end, and the one thing that can happen is that the service ends. The
signal is SIGKILL, so it needs no handler and no cooperation: a task that ignores every signal, or loops in C,
ends too. Where it stands: the first thing a forked worker does.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

from .wire import lift

_F_SETSIG = 10
"""`<fcntl.h>` of Linux; the same number on every architecture."""


def hold(fd: int) -> int:
    """Ties this process to the pipe's other end, ends it now if that is closed; gives the descriptor that
    counts.

    The settings belong to the open file, which all workers share when each gets a duplicate of one
    descriptor: the last to set them would be the only one to be signalled. So each opens the pipe anew.
    """
    own = lift(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    os.close(fd)
    fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(own, fcntl.F_SETFL, os.O_RDONLY | os.O_NONBLOCK | os.O_ASYNC)
    # What happened before the kernel was asked has not been signalled.
    poller = select.poll()
    poller.register(own, 0)
    if poller.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)
    return own
