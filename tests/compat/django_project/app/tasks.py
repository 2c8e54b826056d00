"""The tasks of the project."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

from django.db import connection

from app.dispatch import get_queue
from dispatcherd.publish import task
from dispatcherd.worker.task import DispatcherCancel

logger = logging.getLogger("dispatcherd.of.the.project")


def write_down(event: str, **fields: Any) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
    descriptor = os.open(os.environ["TEST_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@task(queue=get_queue)
def started() -> None:
    write_down("started")
    logger.info("the project has started")


@task(queue=get_queue, on_duplicate="discard")
def tick() -> None:
    write_down("tick")


@task(queue=get_queue)
def find(name: str) -> None:
    """Looks for the row that its publisher wrote in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM project_rows WHERE name = %s", [name])
        write_down("found", name=name, rows=cursor.fetchone()[0])


@task(queue=get_queue, timeout=60, on_duplicate="queue_one")
def container(name: str) -> None:
    """Runs until it is cancelled, and cleans up then."""
    write_down("container", name=name)
    try:
        time.sleep(60)
    except DispatcherCancel:
        write_down("stopped", name=name)
        raise


@task(queue=get_queue)
def break_connection() -> None:
    """Leaves its worker with a connection that the server has cut."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        finally:
            write_down("broken")


@task(queue="broadcast_of_all")
class Everywhere:
    def run(self, number: int) -> None:
        write_down("everywhere", number=number)


def plain(number: int) -> None:
    """No task, and published all the same."""
    write_down("plain", number=number)
