"""A worker that misses the first cancels, as one does to which the signal comes at a bad moment.

It writes down each cancel frame, and ends its task as cancelled at the third. For `worker.command`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time


def main() -> None:
    signals: list[float] = []
    signal.signal(signal.SIGUSR1, lambda *_: signals.append(time.time()))
    sock = socket.socket(fileno=0)
    lines = sock.makefile("rb")
    lines.readline()  # the setup
    cancels: list[bool] = []

    def say(**frame: object) -> None:
        sock.sendall(json.dumps(frame).encode() + b"\n")

    say(event="ready", worker=int(os.environ["DISPATCHER_WORKER_ID"]), protocol=1, pid=os.getpid())
    for line in lines:
        frame = json.loads(line)
        if frame["event"] == "stop":
            say(event="shutdown", worker=0)
            return
        if frame["event"] == "run":
            cancels.clear()
            if frame["message"]["task"].endswith("record"):
                say(event="done", uuid=frame["message"]["uuid"], outcome="success")
        if frame["event"] == "cancel":
            cancels.append(frame.get("again", False))
            if len(cancels) == 3:
                with open(os.environ["TEST_OUT"], "a") as out:
                    record = {"event": "heard", "again": cancels, "signals": len(signals), "pid": os.getpid()}
                    out.write(json.dumps(record) + "\n")
                say(event="done", uuid=frame["uuid"], outcome="cancelled")


if __name__ == "__main__":
    main()
