"""The tasks of the benchmark, the same bodies for both systems.

A finished no-op adds one byte to a file that is open for appending, so its size is the count of what has run; a
latency task adds one double. BENCH_SDK says whose `@task` to use. Where it stands: imported by workers and publishers.
"""

from __future__ import annotations

import importlib
import os
import struct
import time
from collections.abc import Callable
from typing import Any, TypeVar

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT

F = TypeVar("F", bound=Callable[..., Any])

_sdk = importlib.import_module(f"{os.environ['BENCH_SDK']}.publish")


def task() -> Callable[[F], F]:
    """The decorator of the SDK."""
    decorator: Callable[[F], F] = _sdk.task()
    return decorator


class _Files:
    """Descriptors of this process; a fork opens its own."""

    pid = 0
    count = -1
    delays = -1

    def of_this_process(self) -> _Files:
        """Opens the files when that has not been done since the last fork."""
        if self.pid != (pid := os.getpid()):
            self.pid = pid
            self.count = os.open(os.environ["BENCH_COUNT"], _FLAGS)
            self.delays = os.open(os.environ["BENCH_DELAYS"], _FLAGS)
        return self


_files = _Files()


@task()
def noop(_number: int) -> None:
    """Counts itself."""
    os.write(_files.of_this_process().count, b".")


@task()
def stamp(sent: float) -> None:
    """Notes how long ago it was published."""
    delay = time.time() - sent
    os.write(_files.of_this_process().delays, struct.pack("<d", delay))


@task()
def hold(path: str) -> None:
    """Counts itself, then keeps its worker until the file is there."""
    os.write(_files.of_this_process().count, b".")
    while not os.path.exists(path):
        time.sleep(0.002)
