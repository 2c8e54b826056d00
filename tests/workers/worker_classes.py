"""Worker classes for the tests of hooks."""

from __future__ import annotations

import os
import signal
from typing import Any

import worker_tasks

from dispatcher.worker.task import DispatcherExit, TaskWorker


class Noting(TaskWorker):
    def __init__(self, *args: Any, flavour: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        worker_tasks.record.append(
            ["init", flavour, self.worker_id, self.pid == os.getpid(), self.ppid == os.getppid()]
        )

    def on_start(self) -> None:
        worker_tasks.record.append("on_start")

    def pre_task(self, message: dict[str, Any]) -> None:
        worker_tasks.record.append(["pre_task", message["task"]])

    def post_task(self, result: dict[str, Any]) -> None:
        worker_tasks.record.append(["post_task", result["result"]])

    def on_idle(self) -> None:
        worker_tasks.record.append("on_idle")

    def on_shutdown(self) -> None:
        print("on_shutdown", worker_tasks.record.count("on_idle"), flush=True)

    def get_ready_message(self) -> dict[str, Any]:
        return {**super().get_ready_message(), "flavour": "mint"}

    def get_shutdown_message(self) -> dict[str, Any]:
        return {**super().get_shutdown_message(), "flavour": "mint"}


class Raising(TaskWorker):
    """Every hook fails."""

    def pre_task(self, message: dict[str, Any]) -> None:
        raise RuntimeError("pre_task on purpose")

    def post_task(self, result: dict[str, Any]) -> None:
        raise RuntimeError("post_task on purpose")

    def on_idle(self) -> None:
        worker_tasks.record.append("on_idle")
        raise RuntimeError("on_idle on purpose")


class Quitting(TaskWorker):
    """Its post_task raises what no hook may."""

    def post_task(self, result: dict[str, Any]) -> None:
        raise SystemExit(3)


class FailingStart(TaskWorker):
    def on_start(self) -> None:
        raise RuntimeError("on_start on purpose")


class Slow(TaskWorker):
    """Its pre_task never ends by itself."""

    def pre_task(self, message: dict[str, Any]) -> None:
        if message.get("slow"):
            worker_tasks.never_end("sleep", message["slow"])


class OwnWork(TaskWorker):
    """Runs tasks its own way, and badly."""

    def perform_work(self, message: dict[str, Any]) -> Any:
        if message["args"] == ["raise"]:
            raise RuntimeError("perform_work on purpose")
        if message["args"] == ["wait"]:
            worker_tasks.never_end("spin", message["kwargs"]["path"])
        if message["args"] == ["none"]:
            return None
        return {"result": "my own"}


class Wrapping(TaskWorker):
    def run_callable(self, message: dict[str, Any]) -> Any:
        return ["before", super().run_callable(message), "after"]


class Leaving(TaskWorker):
    """Leaves after two tasks."""

    done = 0

    def post_task(self, result: dict[str, Any]) -> None:
        self.done += 1

    def should_exit(self) -> bool:
        return self.done >= 2 or super().should_exit()


class Terminable(TaskWorker):
    """SIGTERM ends the task and then the worker, as an application may have it."""

    def pre_task(self, message: dict[str, Any]) -> None:
        def handler(*_: Any) -> None:
            raise DispatcherExit("<sigterm>")

        signal.signal(signal.SIGTERM, handler)
