"""Tickets: who may start a task that was handed out early.

Beside its channel a worker inherits the reading end of a pipe, into which the service puts the number of each
run frame before it writes the frame. The worker takes one number out before it starts a task; the service
takes numbers out to have tasks back. The kernel hands each number to one of the two: whoever has it has the
task.

Never blocks. Where it stands: between the frame and the run.
"""

from __future__ import annotations

import os

_SIZE = 8
"""Bytes of a ticket: the frame's number, little-endian."""


class Tickets:
    """The worker's end of the pipe."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._last = 0

    def claim(self, seq: int) -> bool:
        """Takes the ticket of a frame; false when the service has it, and so the task, back."""
        while self._last < seq:
            try:
                ticket = os.read(self._fd, _SIZE)
            except BlockingIOError:
                return False
            if len(ticket) < _SIZE:
                return False
            self._last = int.from_bytes(ticket, "little")
        # A later ticket stays for its frame.
        return self._last == seq
