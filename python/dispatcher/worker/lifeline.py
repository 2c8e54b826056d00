"""A worker's end when the service is gone, whatever the worker is doing then.

The service holds the only writing end of a pipe and never writes. Each worker asks the kernel to signal it when
something happens to the reading end; the one thing that can happen is that the service ends. The signal is
SIGKILL, so it needs no handler and no cooperation: a task that ignores every signal or loops in C ends too.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

_F_SETSIG = 10  # <fcntl.h> of Linux; the same number on every architecture that Python runs on


def hold(fd: int) -> None:
    """Ties this process to the pipe's other end; ends it at once if that is closed already."""
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    if poller.poll(0):
        os._exit(1)
