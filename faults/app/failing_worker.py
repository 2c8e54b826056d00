"""A worker that never gets ready."""

from __future__ import annotations

import importlib
import os
from typing import Any

from fault_tasks import mark

task: Any = importlib.import_module(os.environ["FAULT_SDK"] + ".worker.task")


class FailingWorker(task.TaskWorker):  # type: ignore[misc]
    """Dies in its start hook, each time."""

    def on_start(self) -> None:
        mark("I", "failing_worker")
        os._exit(9)
