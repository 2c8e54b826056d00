"""A running service as an object, for tests that were written against dispatcherd's own.

It is a view: the service is a process of its own, whose counters are asked for when they are read. Where it stands:
what `dispatcherd.testing.asyncio.adispatcher_service` gives.
"""

from __future__ import annotations

import asyncio
from typing import Any

from dispatcher.testing.service import RunningService

LOOK = 0.02
"""Seconds between two looks at the counters while somebody may wait for an event."""


class PoolEvents:
    """What tests wait for."""

    def __init__(self) -> None:
        self.queue_cleared = asyncio.Event()
        """No task is queued any more."""
        self.work_cleared = asyncio.Event()
        """A task has ended, and now none runs or waits."""
        self.workers_ready = asyncio.Event()
        """The workers that are always there are ready."""


class Pool:
    """The counters of the pool."""

    def __init__(self, running: RunningService) -> None:
        self.events = PoolEvents()
        self._running = running
        self._seen = 0

    @property
    def finished_count(self) -> int:
        """Tasks that have ended."""
        return int(self.get_status_data()["finished_count"])

    @property
    def canceled_count(self) -> int:
        """Tasks that were cancelled."""
        return int(self.get_status_data()["canceled_count"])

    def get_status_data(self) -> dict[str, Any]:
        """The counters as the control command `main` gives them."""
        status: dict[str, Any] = self._running.ask("main")["pool"]
        return status

    def _look(self) -> tuple[bool, bool]:
        """Whether the queue is empty, and whether all work is done that was there since the last look."""
        pool = self.get_status_data()
        tasks = [key for key in self._running.ask("running") if key != "node_id"]
        so_far = pool["finished_count"] + pool["canceled_count"]
        ended = so_far > self._seen and not tasks
        if ended:
            self._seen = so_far
        return not any(key.startswith("queued-") for key in tasks), ended


class DispatcherMain:
    """One running service."""

    def __init__(self, running: RunningService) -> None:
        self.pool = Pool(running)
        self._running = running
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process of the service."""
        return self._running.process.pid

    @property
    def received_count(self) -> int:
        """Messages that have come."""
        return int(self._running.ask("main")["received_count"])

    @property
    def control_count(self) -> int:
        """Control requests that have come; each look at a counter is one."""
        return int(self._running.ask("main")["control_count"])

    async def ask(self, command: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """The reply to a control command."""
        return await asyncio.to_thread(self._running.ask, command, data)

    async def watch(self) -> None:
        """Begins to look for what `pool.events` tell."""
        self.pool.events.workers_ready.set()
        self._watching = asyncio.create_task(self._watch(), name="watches a service")

    async def _watch(self) -> None:
        events = self.pool.events
        while True:
            empty, ended = await asyncio.to_thread(self.pool._look)
            if empty:
                events.queue_cleared.set()
            if ended:
                events.work_cleared.set()
            await asyncio.sleep(LOOK)

    async def leave(self) -> None:
        """Ends the looking."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
