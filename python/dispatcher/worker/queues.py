"""The two queues that a worker class is made with, on top of the channel.

Worker classes and bound tasks know queues with `get` and `put`; with dispatcherd these lead through pipes of
their own. Where it stands: between the channel and what an application sees of it.
"""

from __future__ import annotations

import os
import socket
from _thread import get_ident
from typing import Any

from .signals import Signals
from .wire import Channel, Frame

_LOOK = 1.0
"""How often a thread that waits for an answer looks whether its task is still there, in seconds."""


class Queue:
    """Both queues in one: `get` takes what comes from the service, `put` sends to it."""

    def __init__(self, channel: Channel, signals: Signals) -> None:
        self.open = 0
        """The number of the control request that waits for its answer; 0 if there is none."""
        self._channel = channel
        self._signals = signals
        self._pid = os.getpid()
        self._main = get_ident()
        self._asked = 0

    def put(self, message: Frame) -> None:
        """Sends a frame. A control request is numbered, and the next `get` gives its answer."""
        if message.get("event") == "control":
            self._asked += 1
            message = {**message, "id": self._asked}
            # Marked before the task is looked for; `close` looks for the mark when the task is no more there.
            self.open = self._asked
            if os.getpid() != self._pid or not self._signals.current:
                self.open = 0
                raise RuntimeError("only a running task can ask its service, from the worker's own process")
        with _Step(self):
            self._channel.send_frame(message)

    def get(self, timeout: float | None = None) -> Any:
        """The answer to the request that was put last, else the next task message or `"stop"`.

        :param timeout: seconds; `TimeoutError` after it
        """
        if self.open:
            return self._answer()
        channel = self._channel
        while True:
            while channel.frames:
                frame = channel.frames.popleft()
                if frame.get("event") == "run":
                    return frame["message"]
                if frame.get("event") == "stop":
                    return "stop"
            if channel.closed:
                return "stop"
            if timeout is not None and not channel.wait(timeout):
                raise TimeoutError(f"no message in {timeout} s")
            channel.receive()

    def close(self) -> None:
        """The task is over: nobody waits for an answer any more."""
        if self.open:
            with self._channel.lock:
                self.open = 0

    def _answer(self) -> Any:
        """Waits for the answer; frames for later are kept. Only the wait itself can be interrupted."""
        channel, number = self._channel, self.open
        while True:
            with _Step(self):
                if self.open != number:
                    raise RuntimeError("the task has ended, its service does not answer it any more")
                try:
                    channel.receive(socket.MSG_DONTWAIT)
                except BlockingIOError:
                    pass
                frame = channel.take_reply(number)
                if frame is not None:
                    self.open = 0
                    return frame["data"]
                if channel.closed:
                    raise RuntimeError("the service has closed this worker's channel")
            channel.wait(_LOOK)


class _Step:
    """A step on the channel that neither a signal nor another thread comes between."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __enter__(self) -> None:
        queue = self._queue
        if get_ident() == queue._main:
            queue._signals.shield()
        queue._channel.lock.acquire()

    def __exit__(self, *_: object) -> None:
        queue = self._queue
        queue._channel.lock.release()
        if get_ident() == queue._main:
            queue._signals.unshield()
