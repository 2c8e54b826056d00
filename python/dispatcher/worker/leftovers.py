"""What a worker that has ended leaves behind: processes that a task started, and that the fork server has adopted.

A process below a worker carries the worker's number: in its environment, or, forked and not started anew, in its
name. One that has shed both is not known by this, and ends with the fork server; a control group, where there is
one, knows it all the same. Where it stands: marks are set by a forked worker, read by the fork server.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from functools import partial

from .ending import children, descendants

_VARIABLE = "DISPATCHER_WORKER_ID"
_NAME = "of worker "


def mark(worker: int) -> None:
    """From here on, whatever this process starts carries its number."""
    os.environ[_VARIABLE] = str(worker)
    os.register_at_fork(after_in_child=partial(_name, f"{_NAME}{worker}".encode()))


def end_leftovers(workers: Collection[int], numbers: Collection[int]) -> bool:
    """Kills the adopted children of this process whose worker is gone, and all below them; whether there were any.

    :param workers: the processes of living workers
    :param numbers: their numbers
    """
    adopted = [pid for pid in children(os.getpid()) if pid not in workers]
    left = [pid for pid in adopted if worker_of(pid) not in (None, *numbers)]
    for pid in left:
        for one in (*descendants(pid), pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
    return bool(left)


def worker_of(pid: int) -> int | None:
    """The number of the worker that a process has come from; none if it carries none."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            name = file.read().strip()
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    if name.startswith(_NAME):
        number = name.removeprefix(_NAME)
    else:
        prefix = f"{_VARIABLE}="
        number = next((entry.removeprefix(prefix) for entry in environment if entry.startswith(prefix)), "")
    return int(number) if number.isdecimal() else None


def _name(name: bytes) -> None:
    with suppress(OSError):
        fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, name)
        finally:
            os.close(fd)
