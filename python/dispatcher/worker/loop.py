"""The life of a worker between its birth and its end: ready, then one task after another.

Forked workers (`template`) and those started by themselves (`__main__`) both run this; nothing that a task
does leads out of it but the worker's own wish to leave. Where it stands: between the channel and the worker
class.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from .log import note
from .making import make, worker_class
from .outcome import done_frame
from .performing import Performer
from .queues import Queue
from .signals import Signals
from .tickets import Tickets
from .wire import Channel, Frame

if TYPE_CHECKING:
    from .slots import Slots

logger = logging.getLogger("dispatcher.worker")

PROTOCOL = 1
"""The version of the worker protocol spoken here."""

_AHEAD = 8
"""Tasks that a worker with tickets holds unstarted."""


def live(
    worker_id: int,
    channel: Channel,
    tickets: Tickets | None,
    settings: dict[str, Any],
    stack_signals: list[int] | None = None,
) -> int:
    """Runs tasks until the service or a task says to leave; gives the exit code.

    :param settings: `worker` of the setup packet
    :param stack_signals: what makes this process write its stack, for the service to know
    """
    try:
        life = _life(worker_id, channel, tickets, settings)
        worker = life.worker
        worker.on_start()
    except Exception:
        note(logger, logging.ERROR, "worker %s cannot start", worker_id, exc_info=True)
        return 1
    ready = {
        **worker.get_ready_message(),
        "event": "ready",
        "protocol": PROTOCOL,
        "pid": os.getpid(),
        "slots": life.slots,
        "ahead": life.ahead,
        "tasks": sorted(worker.registry.names()),
    }
    if stack_signals:
        ready["stack_signals"] = stack_signals
    code = 0
    try:
        channel.send_frame(ready)
        life.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service has given this worker up, or is gone itself
    except Exception:
        note(logger, logging.ERROR, "worker %s leaves: an error outside of tasks", worker_id, exc_info=True)
        code = 1
    if channel.broken:
        note(logger, logging.ERROR, "worker %s leaves: the service sent %s", worker_id, channel.broken)
        code = 1
    try:
        worker.on_shutdown()
    except Exception:
        note(logger, logging.ERROR, "on_shutdown of worker %s failed", worker_id, exc_info=True)
    try:
        channel.send_frame(worker.get_shutdown_message())
    except OSError:
        pass  # as above
    return code


def _life(
    worker_id: int,
    channel: Channel,
    tickets: Tickets | None,
    settings: dict[str, Any],
) -> OneSlot | Slots:
    """The way in which this worker runs tasks."""
    concurrency, slots = settings.get("concurrency") or "process", settings.get("slots") or 1
    if concurrency == "process":
        return OneSlot(worker_id, channel, tickets, settings)
    # Imported only by those who want it: it is larger than the rest of the worker.
    from .slots import Slots

    return Slots(worker_id, channel, tickets, settings, concurrency, slots)


class OneSlot:
    """One task after another."""

    slots = 1

    def __init__(
        self,
        worker_id: int,
        channel: Channel,
        tickets: Tickets | None,
        settings: dict[str, Any],
    ) -> None:
        self._signals = signals = Signals(channel)
        self._queue = queue = Queue(channel, signals)
        self._channel = channel
        self._tickets = tickets
        self.worker = make(worker_class(settings), worker_id, settings, channel, signals, queue)
        self._performer = Performer(self.worker)
        self.ahead = 0 if tickets is None else _AHEAD
        self._leave = False

    def run(self) -> None:
        """Runs tasks until it is time to leave."""
        channel, tickets = self._channel, self._tickets
        frames, send = channel.frames, channel.send
        self._look_whether_to_leave()
        while not self._leave:
            if not frames:
                if channel.closed:
                    return
                self._wait()
                continue
            frame = frames.popleft()
            event = frame.get("event")
            if event == "run":
                if tickets is None or tickets.claim(frame["seq"]):
                    send(self._task(frame))
            elif event == "stop":
                return
            # A cancel that is met here was for a task that has ended, a reply for one that did not wait.
            elif event not in ("cancel", "reply"):
                logger.debug("a frame of the unknown kind %r is ignored", event)

    def _wait(self) -> None:
        """Waits for frames, or for a signal that says to leave; `on_idle` runs whenever the wait is long."""
        worker, channel, signals = self.worker, self._channel, self._signals
        signals.waiting = True
        # Looked at after the flag is up: from here on the signal itself ends the wait.
        if signals.leaving:
            channel.close_for_reading()
        if not worker.idle_timeout or channel.wait(worker.idle_timeout):
            channel.receive()
        else:
            signals.waiting = False
            try:
                worker.on_idle()
            except Exception:
                note(logger, logging.ERROR, "on_idle failed", exc_info=True)
        signals.waiting = False
        self._look_whether_to_leave()

    def _look_whether_to_leave(self) -> None:
        """After a signal the end of the channel says so instead: what has reached the worker still runs."""
        # The worker is asked first: a signal between the two questions must not count as anything else.
        leave = self.worker.should_exit()
        by_signal = self._signals.leaving and not self.worker.exit_after_current_task
        self._leave = leave and not by_signal

    def _task(self, frame: Frame) -> bytes:
        """Runs the task of a frame and gives the frame that says how it ended."""
        worker, signals = self.worker, self._signals
        message: dict[str, Any] = frame["message"]
        uuid: str = message["uuid"]
        worker._trusted = frame.get("trusted") is True
        worker.enter_task_mode()
        done = self._performer.perform(frame, message, uuid)
        signals.current = signals.answered = ""
        if self._queue.open:
            self._queue.close()
        worker.enter_idle_mode()
        value = self._performer.after(message, uuid, done)
        self._look_whether_to_leave()
        return done_frame(worker.worker_id, uuid, worker._ending, value, self._leave or signals.leaving)
