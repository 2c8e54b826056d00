"""The life of a worker that runs several tasks at once: one event loop in the main thread, which reads the channel.

With `worker.concurrency: async` the coroutines of tasks run on that same loop, and plain functions in threads; with
`threads` every task has a thread. Cancels reach one task without the others. Where it stands: in the place of
`loop.OneSlot`, between the channel and the worker class.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from inspect import iscoroutinefunction
from time import monotonic, time
from types import FrameType
from typing import Any

from .asking import Questions, RunQueue
from .coroutines import Cancellable
from .ending import quit_now
from .exceptions import DispatcherCancel
from .log import note
from .making import make, worker_class
from .outcome import done_frame
from .per_task import RUN, Run, of_several
from .performing import Performer
from .signals import Signals
from .threads import InThread, Threads
from .tickets import Tickets
from .wire import Channel, Frame

logger = logging.getLogger("dispatcher.worker")

_EXCUSE = 5.0
"""Seconds within which the signal of a cancel frame comes, if it comes at all."""


class SlotSignals(Signals):
    """The three signals of a worker with several slots. Nothing is raised by them: the loop looks what is meant."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.waiting = True
        self.on_signal: Callable[[], None] = lambda: None
        """Called after SIGUSR1; only schedules."""

    def _on_cancel(self, _signum: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            raise DispatcherCancel  # in a child of a task, which has no part in the channel
        self.on_signal()


class Slots:
    """Several tasks at once.

    :param concurrency: `async` or `threads`
    :param slots: how many at most; the service keeps to it
    """

    ahead = 0

    def __init__(
        self,
        worker_id: int,
        channel: Channel,
        tickets: Tickets | None,
        settings: dict[str, Any],
        concurrency: str,
        slots: int,
    ) -> None:
        if concurrency not in ("async", "threads"):
            raise ValueError(f"this worker does not know worker.concurrency {concurrency!r}")
        self.slots = slots
        self._channel = channel
        self._tickets = tickets
        self._loop = loop = asyncio.new_event_loop()
        self._context = copy_context()
        """That of no run."""
        self._signals = signals = SlotSignals(channel)
        signals.on_signal = lambda: self._soon(self._signalled, tuple(self._runs))
        self._questions = Questions(channel, self._read_within)
        idle_queue = RunQueue(self._questions)
        kind = of_several(worker_class(settings))
        self.worker = make(kind, worker_id, settings, channel, signals, idle_queue)
        self._performer = Performer(self.worker)
        self._coroutines_here = concurrency == "async"
        self._threads = Threads()
        self._runs: set[Run] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._excused: deque[float] = deque()
        """When cancel frames were read whose signals have not come."""
        self._leave = False
        self._idle: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[None] = loop.create_future()

    def run(self) -> None:
        """Runs tasks until it is time to leave and none runs any more."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        finally:
            self._threads.stop()
            self._end_leftovers()

    async def _live(self) -> None:
        self._loop.add_reader(self._channel.fd, self._step, self._read)
        self._step(self._take)
        try:
            await self._over
        finally:
            self._loop.remove_reader(self._channel.fd)

    def _end_leftovers(self) -> None:
        """What tasks have left running on the loop is cancelled, as `asyncio.run` does it."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=1))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    # -- what comes by the channel

    def _step(self, step: Callable[..., None], *args: Any) -> None:
        """A step of the worker itself: when it fails, the worker ends."""
        try:
            step(*args)
            self._look_whether_to_leave()
        except BaseException as error:
            if not self._over.done():
                self._over.set_exception(error)

    def _soon(self, step: Callable[..., None], *args: Any) -> None:
        """Has the main thread take this step, from any thread or signal handler."""
        self._loop.call_soon_threadsafe(self._step, step, *args, context=self._context)

    def _read(self) -> None:
        with self._channel.lock:
            self._channel.drain()
        if self._channel.closed:
            self._loop.remove_reader(self._channel.fd)  # its end would be news again and again
        self._take()

    def _read_within(self, seconds: float) -> None:
        """For a coroutine that keeps the loop from reading while it waits for an answer."""
        if self._channel.wait(seconds):
            with self._channel.lock:
                self._channel.drain()
            self._soon(self._take)
            while (frame := next((f for f in self._channel.frames if f.get("event") == "reply"), None)) is not None:
                self._channel.frames.remove(frame)
                self._questions.answered(frame)

    def _take(self) -> None:
        frames = self._channel.frames
        while frames:
            frame = frames.popleft()
            event = frame.get("event")
            if event == "run":
                self._begin(frame)
            elif event == "cancel":
                self._excused.append(monotonic())
                for run in [run for run in self._runs if run.uuid == frame.get("uuid")]:
                    run.reach.cancel(frame.get("again") is True)
            elif event == "reply":
                self._questions.answered(frame)
            elif event == "stop":
                self._leave = True
            else:
                logger.debug("a frame of the unknown kind %r is ignored", event)

    def _signalled(self, meant: tuple[Run, ...]) -> None:
        """SIGUSR1 has come. Each cancel frame excuses one; if there is none, all that ran when it came is meant."""
        self._read()
        now = monotonic()
        while self._excused and now - self._excused[0] > _EXCUSE:
            self._excused.popleft()
        if self._excused:
            self._excused.popleft()
            return
        for run in self._runs.intersection(meant):
            run.reach.cancel(again=True)

    def _look_whether_to_leave(self) -> None:
        # After a signal the end of the channel says so instead: what has reached the worker still runs.
        if not self._signals.leaving or self.worker.exit_after_current_task:
            self._leave = self._leave or self.worker.should_exit()
        if self._runs:
            return
        if self._leave or self._channel.closed:
            if not self._over.done():
                self._over.set_result(None)
        elif self.worker.idle_timeout and self._idle is None:
            self._idle = self._loop.call_later(self.worker.idle_timeout, self._soon, self._on_idle)

    def _on_idle(self) -> None:
        self._idle = None
        try:
            self.worker.on_idle()
        except Exception:
            note(logger, logging.ERROR, "on_idle failed", exc_info=True)

    # -- one task

    def _begin(self, frame: Frame) -> None:
        if self._tickets is not None and (self._leave or not self._tickets.claim(frame["seq"])):
            return  # the service has it, or takes it back
        here = self._coroutines_here and self._is_coroutine(frame)
        reach = Cancellable() if here else InThread(self._loop if self._coroutines_here else None)
        run = Run(frame, reach, self._signals, RunQueue(self._questions))
        if not self._runs:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            self.worker.enter_task_mode()
        self._runs.add(run)
        if isinstance(reach, Cancellable):
            # The loop itself keeps no more than a weak reference.
            task = self._loop.create_task(self._run_here(run, reach))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._threads.start(lambda: self._run_in_thread(run, reach))

    def _is_coroutine(self, frame: Frame) -> bool:
        """Whether the task is known to be one that needs no thread: nothing else of it may block the loop."""
        message = frame["message"]
        if "unreadable" in frame or "callbacks" in message or "errbacks" in message or not self._performer.is_plain:
            return False
        method = self.worker.registry.lookup_dict.get(message["task"])
        return method is not None and iscoroutinefunction(method.fn)

    async def _run_here(self, run: Run, work: Cancellable) -> None:
        RUN.set(run)
        worker, ending, error = self.worker, self.worker._ending, None
        ending.begin(time())
        try:
            self._performer.before(run.message, run.uuid)
            function, args, kwargs = worker._find(run.message)
            error, ending.value = await work.run(function(*args, **kwargs))
        except BaseException as raised:
            error = raised
        if error is not None:
            worker._note_error(run.message, ending, error)
        try:
            self._end(run, worker._finish(run.uuid))()
        except BaseException as raised:
            self._soon(self._fail, raised)

    def _run_in_thread(self, run: Run, reach: InThread) -> Callable[[], None]:
        RUN.set(run)
        try:
            try:
                done = self._performer.perform(run.frame, run.message, run.uuid)
                reach.leave(0)
            except DispatcherCancel as error:
                # It hit between two steps of ours, when the task had ended.
                reach.leave(0)
                self.worker._note_error(run.message, self.worker._ending, error)
                done = self.worker._finish(run.uuid)
            return self._end(run, done)
        except BaseException as error:
            return partial(self._soon, self._fail, error)

    def _fail(self, error: BaseException) -> None:
        """What no task may raise ends the worker, as it does in one with a single slot; no slot is lost in silence."""
        raise error

    def _end(self, run: Run, done: dict[str, Any]) -> Callable[[], None]:
        """The run is over; gives what has the main thread do the rest."""
        if os.getpid() != self._signals._pid:
            quit_now(1)  # a task has forked and returned twice; the copy has no part in anything
        run.queue.close()
        value = self._performer.after(run.message, run.uuid, done)
        return partial(self._soon, self._report, run, self.worker._ending, value)

    def _report(self, run: Run, ending: Any, value: Any) -> None:
        worker, signals = self.worker, self._signals
        self._runs.discard(run)
        if not self._runs:
            worker.enter_idle_mode()
        self._look_whether_to_leave()
        stopping = self._leave or signals.leaving
        frame = done_frame(worker.worker_id, run.uuid, ending, value, stopping)
        with self._channel.lock:
            self._channel.send(frame)
