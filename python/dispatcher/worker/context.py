"""What a task with `bind=True` gets as its first argument: its view of the worker and the service.

Knows only the two queues of the worker. Where it stands: made for each run of such a task.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any

_turn = allocate_lock()
"""Held by the thread that waits for an answer, as answers do not say whose they are."""


class BoundContext:
    """A task's view of its service."""

    def __init__(
        self,
        worker_id: int,
        message: dict[str, Any],
        message_queue: Any,
        finished_queue: Any,
    ) -> None:
        self.worker_id = worker_id
        """The number of the worker that runs the task."""
        self.uuid: str = message.get("uuid", "<unknown>")
        """The task's own uuid."""
        self._message_queue = message_queue
        self._finished_queue = finished_queue

    def control(self, command: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Asks the service that runs this task, and waits for its answer.

        The answer is that of the control command (`running`, `workers`, `cancel` ...) without `node_id`; an
        unknown command or a bad argument gives `{"error": ...}`.
        """
        request: dict[str, Any] = {"worker": self.worker_id, "event": "control", "command": command}
        if data:
            request["control_data"] = data
        with getattr(self._finished_queue, "turn", _turn):
            self._finished_queue.put(request)
            reply: dict[str, Any] = self._message_queue.get()
        return reply

    def progress(self, percent: float | None = None, text: str | None = None, data: Any = None) -> None:
        """Says how far the task has come; `running` shows the last word of it. Does not wait for an answer.

        :param percent: from 0 to 100
        :param text: for people, at most 1,024 bytes are kept
        :param data: for programs, strict JSON of at most 16,384 bytes; more is left out
        :raises ValueError, TypeError: `data` is no strict JSON
        """
        message = {"percent": percent, "text": text, "data": data}
        self._finished_queue.put({"event": "progress", "worker": self.worker_id, "uuid": self.uuid, **message})
