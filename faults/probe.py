"""Asks a service `alive` over its socket again and again, and writes down when it asked and how long the answer took.

A process of its own, so that what an injector does at the same time is not in its figures. It also writes by how much
its own sleeps were late: what the machine, and not the service, was slow by. Where it stands: trial.py starts it and
reads it.
"""

from __future__ import annotations

import os
import socket
import sys
import time

PAUSE = 0.02
"""Seconds between two requests."""
REQUEST = b'{"control": "alive", "reply_to": "probe"}\n'


def ask(path: str) -> bool:
    """Whether an answer came; connecting included."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        try:
            connection.connect(path)
            connection.sendall(REQUEST)
            return b"node_id" in connection.recv(65536)
        except OSError:
            return False


def main() -> None:
    """Until it is killed."""
    path, out = sys.argv[1:]
    fd = os.open(out, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        began = time.monotonic()
        os.write(fd, f"asked {began:.6f} 0\n".encode())
        word = "took" if ask(path) else "refused"
        ended = time.monotonic()
        os.write(fd, f"{word} {began:.6f} {ended - began:.6f}\n".encode())
        time.sleep(PAUSE)
        os.write(fd, f"late {ended:.6f} {time.monotonic() - ended - PAUSE:.6f}\n".encode())


if __name__ == "__main__":
    main()
