"""``python -m dispatcher.worker``: one worker by itself, as a service starts it that does not fork.

Its channel is descriptor 0; the first line on it is the ``setup`` packet. It has no tickets, so it is given one
task at a time.
"""

from __future__ import annotations

import json
import os
import sys

from .loop import live
from .setup import prepare
from .template import move_away


def main() -> int:
    """Runs tasks until the service closes the channel."""
    number = os.environ.get('DISPATCHER_WORKER_ID')
    if number is None:
        print('python -m dispatcher.worker is started by the service; run `dispatcher serve` instead', file=sys.stderr)
        return 2
    sock = move_away(0)
    line = bytearray()
    while not line.endswith(b'\n'):
        # Byte by byte: what follows the line is not ours to read.
        byte = sock.recv(1)
        if not byte:
            return 0
        line += byte
    setup = json.loads(line)
    prepare(setup)
    return live(int(number), sock, None, setup['worker'])


if __name__ == '__main__':
    sys.exit(main())
