"""The worker class of the project: it keeps the database connection fit for the next task."""

from __future__ import annotations

from typing import Any

from django.db import connection

from dispatcherd.worker.task import TaskWorker


class ProjectWorker(TaskWorker):
    def on_start(self) -> None:
        connection.ensure_connection()

    def pre_task(self, message: dict[str, Any]) -> None:
        connection.close_if_unusable_or_obsolete()
