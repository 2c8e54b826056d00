"""How several tasks at once ask their service: each gets the answer to its own question.

Where it stands: between `slots`, which reads the answers, and the queues that a run's context knows.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from .wire import Channel, Frame

_LOOK = 0.05
"""How often a thread that waits for an answer lets itself be cancelled, in seconds."""


class Questions:
    """The requests that are open.

    :param read: takes in frames, in the main thread, where nobody else does it while a task waits there
    """

    def __init__(self, channel: Channel, read: Callable[[float], None]) -> None:
        self._channel = channel
        self._read = read
        self._pid = os.getpid()
        self._main = get_ident()
        self._asked = 0
        self._open: dict[int, SimpleQueue[Any]] = {}

    def send(self, frame: Frame) -> None:
        """Sends a frame, from any thread."""
        if os.getpid() != self._pid:
            raise RuntimeError("only a running task can ask its service, from the worker's own process")
        with self._channel.lock:
            self._channel.send_frame(frame)

    def ask(self, request: Frame) -> tuple[int, SimpleQueue[Any]]:
        """Sends a control request; gives its number and where the answer comes."""
        with self._channel.lock:
            self._asked += 1
            number = self._asked
        answer: SimpleQueue[Any] = SimpleQueue()
        self._open[number] = answer
        try:
            self.send({**request, "id": number})
        except BaseException:
            self.forget(number)
            raise
        return number, answer

    def answered(self, frame: Frame) -> None:
        """An answer has come. One that nobody waits for any more is dropped."""
        answer = self._open.pop(frame["id"], None)
        if answer is not None:
            answer.put(frame["data"])

    def forget(self, number: int) -> None:
        """Nobody waits for this answer."""
        self._open.pop(number, None)

    def wait(self, answer: SimpleQueue[Any]) -> Any:
        """The answer if it comes within a moment, else raises Empty. In the main thread it has to be read."""
        if get_ident() != self._main:
            return answer.get(timeout=_LOOK)
        if answer.empty():
            self._read(_LOOK)
        return answer.get_nowait()


class RunQueue:
    """Both queues of one run in one: `put` asks, the next `get` gives the answer."""

    def __init__(self, questions: Questions) -> None:
        self.turn = allocate_lock()
        """Held by the thread of the run that waits for an answer."""
        self._questions = questions
        self._over = False
        self._number = 0
        self._answer: SimpleQueue[Any] | None = None

    def put(self, message: Frame) -> None:
        """Sends a frame; a control request is numbered."""
        if self._over:
            raise RuntimeError("only a running task can ask its service, from the worker's own process")
        if message.get("event") == "control":
            self._number, self._answer = self._questions.ask(message)
        else:
            self._questions.send(message)

    def get(self, timeout: float | None = None) -> Any:
        """The answer to the request that was put last."""
        answer, number = self._answer, self._number
        if answer is None:
            raise RuntimeError("a worker with several slots reads its channel itself: ask before you get")
        try:
            while True:
                if self._over:
                    raise RuntimeError("the task has ended, its service does not answer it any more")
                try:
                    return self._questions.wait(answer)
                except Empty:
                    continue
        finally:
            self._answer = None
            self._questions.forget(number)

    def close(self) -> None:
        """The run is over: nobody waits for an answer any more."""
        self._over = True
