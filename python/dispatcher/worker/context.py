"""What a task with ``bind=True`` gets as its first argument."""

from __future__ import annotations

from typing import Any

from .wire import Channel

_requests = 0


class BoundContext:
    """A task's view of its service."""

    def __init__(self, channel: Channel, worker_id: int, uuid: str) -> None:
        self._channel = channel
        #: the number of the worker that runs the task
        self.worker_id = worker_id
        #: the task's own uuid
        self.uuid = uuid

    def control(self, command: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Asks the service that runs this task, and waits for its answer.

        The answer is that of the control command (``running``, ``workers``, …) without ``node_id``; an unknown
        command or a bad argument gives ``{'error': …}``.
        """
        global _requests
        _requests += 1
        frame = {
            'event': 'control',
            'worker': self.worker_id,
            'id': _requests,
            'command': command,
            'control_data': data or {},
        }
        self._channel.send_frame(frame)
        reply: dict[str, Any] = self._channel.wait_reply(_requests)['data']
        return reply
