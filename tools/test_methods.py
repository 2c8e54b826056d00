"""The tasks of the demo. The service and the publisher both import this module, so it stands on both their paths."""

from __future__ import annotations

import time
from typing import Any

from dispatcher.publish import task


@task(queue="test_channel")
def print_hello() -> None:
    print("hello world!!")


@task(queue="test_channel")
def sleep_function(seconds: float = 1) -> None:
    time.sleep(seconds)


@task(queue="test_channel", on_duplicate="discard")
def sleep_discard(seconds: float = 1) -> None:
    time.sleep(seconds)


@task(queue="test_channel", on_duplicate="serial")
def sleep_serial(seconds: float = 1) -> None:
    time.sleep(seconds)


@task(queue="test_channel", on_duplicate="queue_one")
def sleep_queue_one(seconds: float = 1) -> None:
    time.sleep(seconds)


@task(queue="test_channel", timeout=1)
def task_has_timeout(seconds: float = 10) -> None:
    time.sleep(seconds)


@task(queue="test_channel", bind=True)
def hello_world_binder(binder: Any) -> None:
    workers = binder.control("workers")
    print(f"hello from worker {binder.worker_id}, one of {len(workers)}; this task is {binder.uuid}")


@task(queue="test_channel")
class RunJob:
    def run(self, number: int = 0) -> None:
        print(f"a class ran, number {number}")


@task()
def scheduled_tick() -> None:
    print("tick")


@task()
def confirm_started() -> None:
    print("the service is up")
