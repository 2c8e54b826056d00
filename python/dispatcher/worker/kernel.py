"""What only the kernel can do for processes and Python has no call for.

Where it stands: used while a fork server or a single worker starts, never by a forked worker.
"""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(wanted: bool = True) -> None:
    """SIGKILL for this process when the thread that started it ends, or no longer so."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if wanted else 0)


def adopt_orphans() -> None:
    """Whatever loses its parent below this process becomes its child."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(f"prctl({option}, {value}) failed")
