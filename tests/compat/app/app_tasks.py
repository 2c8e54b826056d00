"""The tasks of an application that was written for dispatcherd: the same file for the original and for us."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from dispatcherd.publish import task


def write_down(event: str, **fields: Any) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
    descriptor = os.open(os.environ["TEST_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@task()
def record(*args: Any, **kwargs: Any) -> None:
    write_down("record", args=list(args), kwargs=kwargs)


@task()
def measure(text: str) -> None:
    write_down("measured", length=len(text), begin=text[:3], end=text[-3:])


@task()
def nap(seconds: float, name: str = "") -> None:
    write_down("start", name=name)
    try:
        time.sleep(seconds)
    except Exception as error:
        write_down("interrupted", name=name, error=type(error).__name__)
        raise
    write_down("end", name=name)


@task(on_duplicate="serial")
def one_at_a_time(number: int) -> None:
    write_down("serial", number=number)


@task(bind=True)
def ask(binder: Any, command: str) -> None:
    write_down("asked", reply=binder.control(command), uuid=binder.uuid)


@task(timeout=0.3)
def too_slow() -> None:
    nap(30, "too slow")


@task()
class Job:
    def run(self, number: int) -> None:
        write_down("job", number=number)
