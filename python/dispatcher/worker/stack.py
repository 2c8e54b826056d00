"""What this worker is doing, for the service that looks into it: its Python stack, written into a pipe.

There are two ways, each on a signal of its own. The gentle one is a handler of Python: it runs between two steps of the
interpreter, shows every thread, and can do no harm. While a task loops in C it does not run; then the service sends the
other signal, whose handler is one of C and needs nothing of Python. That one reads the stack of the main thread alone,
and only when the interpreter is at rest there, as it is not made for stacks that change meanwhile. Where it stands:
offered once, before the first task.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from types import FrameType

_SIGSTKFLT = 16
"""`<signal.h>` of Linux on every architecture that has it; Python names it from 3.11 on."""

GENTLE = int(signal.SIGURG)
"""Does nothing to a program that does not handle it, and no program of ours has sockets with urgent data."""

HARD = _SIGSTKFLT if _SIGSTKFLT in map(int, signal.valid_signals()) else int(signal.SIGUSR2)
"""No kernel sends SIGSTKFLT and hardly any program knows it, so it is neither a task's own nor one that comes by
chance. Both have a name, which the service needs to send them without unsafe code."""

_FRAMES = 100
"""The most of one stack."""


def offer(fd: int) -> list[int]:
    """Writes the stack into this pipe whenever one of the signals comes; gives their numbers, the gentle one first.

    Programs that tasks start do not inherit the handlers, and nobody signals them.

    :param fd: never blocks; what does not fit is lost
    """
    own = os.getpid()

    def show(_signum: int, frame: FrameType | None) -> None:
        if os.getpid() == own:
            try:
                os.write(fd, _stacks(frame).encode("utf-8", "backslashreplace"))
            except (OSError, RecursionError, MemoryError):
                pass  # nobody reads, or the task has used everything up; a cancel, which may fall in here, goes on

    signal.signal(GENTLE, show)
    # What waits in the kernel goes on waiting, and is none the wiser.
    signal.siginterrupt(GENTLE, False)
    faulthandler.register(HARD, file=fd, all_threads=False, chain=False)
    return [GENTLE, HARD]


def _stacks(frame: FrameType | None) -> str:
    """Every thread, this one last: places only."""
    own = threading.get_ident()
    others = [(ident, top) for ident, top in sys._current_frames().items() if ident != own]
    text = "".join(f"Thread 0x{ident:016x} (most recent call first):\n{_stack(top)}\n" for ident, top in others)
    return f"{text}Current thread 0x{own:016x} (most recent call first):\n{_stack(frame)}"


def _stack(frame: FrameType | None) -> str:
    lines: list[str] = []
    while frame is not None and len(lines) < _FRAMES:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}\n')
        frame = frame.f_back
    return "".join(lines) if frame is None else "".join(lines) + "  ...\n"
