"""`python -m dispatcher.worker`: one worker by itself, as a service starts it that does not fork.

Its channel is descriptor 0, and the first frame on it is the setup. It has no tickets, so it is given one
task at a time. Where it stands: in the place of `template`, for `process_manager_cls: SpawnServerManager`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback

from . import stack
from .ending import leave
from .kernel import die_with_parent
from .loop import live
from .setup import prepare
from .wire import Channel, lift, take_stdin


def main() -> int:
    """Runs tasks until the service closes the channel; gives the exit code."""
    number = os.environ.get("DISPATCHER_WORKER_ID", "")
    if not number.isdecimal():
        sys.stderr.write("python -m dispatcher.worker is started by the service: run `dispatcher serve`\n")
        return 2
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    channel = Channel(take_stdin())
    die_with_parent()
    fds = channel.receive_fds()
    while not channel.frames:
        if channel.closed:
            return 0
        channel.receive()
    setup = channel.frames.popleft()
    try:
        prepare(setup)
    except BaseException:
        traceback.print_exc()
        return 1
    stack_signals = stack.offer(lift(fds[0])) if fds else None
    return live(int(number), channel, None, setup["worker"], stack_signals)


if __name__ == "__main__":
    leave(main())
