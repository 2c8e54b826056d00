"""A worker program that asks its service without end and never reads an answer."""

from __future__ import annotations

import json
import os


def main() -> None:
    ready = json.dumps({"event": "ready", "protocol": 1, "pid": os.getpid(), "slots": 1}) + "\n"
    os.write(0, ready.encode())
    asks = b"".join(b'{"event": "control", "id": %d, "command": "workers"}\n' % number for number in range(100))
    while True:
        os.write(0, asks)


if __name__ == "__main__":
    main()
