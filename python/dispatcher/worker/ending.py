"""The end of processes: a worker's own, and that of everything below a fork server.

Where it stands: the last thing that either does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

_ROUND = 0.05
"""Seconds after which what is left is looked for again, if nothing has ended before."""


def leave(code: int) -> NoReturn:
    """Ends this process as an interpreter ends, but without exit hooks, which a fork has copied from its
    parent.

    Waits for threads that a task has left running, unless they are daemons; the service waits no longer than
    its grace.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    quit_now(code)


def quit_now(code: int) -> NoReturn:
    """Ends this process with nothing but what it has printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed, or nobody reads it
    os._exit(code)


def end_all_below() -> None:
    """Kills and buries every process below this one.

    Nothing gets away if this process adopts orphans. It looks again after each death, as what is killed may
    have started something just before.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        signal.sigtimedwait({signal.SIGCHLD}, _ROUND)


def children(parent: int) -> list[int]:
    """The living children of a process."""
    return [pid for pid, living in _family().get(parent, []) if living]


def descendants(root: int) -> list[int]:
    """Every process below this one, parents before children; those that have ended and are not buried are
    left out."""
    family = _family()
    found: list[int] = []
    todo = [root]
    while todo:
        below = family.pop(todo.pop(), [])
        found += [pid for pid, living in below if living]
        todo += [pid for pid, _ in below]
    return found


def _family() -> dict[int, list[tuple[int, bool]]]:
    """The children of every process, and whether they live."""
    family: dict[int, list[tuple[int, bool]]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                # After the name, which stands in brackets and may hold anything: state, parent.
                state, parent = file.read().rpartition(b")")[2].split(None, 2)[:2]
        except OSError:
            continue
        family.setdefault(int(parent), []).append((int(entry), state not in b"ZX"))
    return family
