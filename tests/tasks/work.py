"""The tasks of the integration tests. Each writes down what it did, one JSON line in one write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any

from dispatcher.publish import task


def write_down(event: str, **fields: Any) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
    fd = os.open(os.environ["TEST_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


@task()
def record(*args: Any, **kwargs: Any) -> None:
    write_down("record", args=list(args), kwargs=kwargs)


@task()
def nap(seconds: float, name: str = "") -> None:
    write_down("start", name=name)
    try:
        time.sleep(seconds)
    except BaseException as exc:
        write_down("interrupted", name=name, exc=type(exc).__name__)
        raise
    write_down("end", name=name)


@task()
def stubborn(seconds: float) -> None:
    write_down("start")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except Exception:
            write_down("swallowed")


@task()
def die(how: str) -> None:
    write_down("dying")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)


@task()
def with_child(seconds: float) -> None:
    child = subprocess.Popen(["sleep", "120"])
    write_down("child", child=child.pid)
    time.sleep(seconds)


@task(bind=True)
def ask(context: Any, command: str) -> None:
    write_down("asked", reply=context.control(command), uuid=context.uuid, worker=context.worker_id)


@task()
class Job:
    def run(self, number: int) -> None:
        write_down("job", number=number)


def unregistered() -> None:
    write_down("unregistered")


NOT_CALLABLE = 5
