"""A real service for the time of an asynchronous test.

Leaves no process behind. Where it stands: as the original's of this name; the service is a process of its own, not a
part of the test's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dispatcher.testing import running_service
from dispatcherd.service.main import DispatcherMain


def quick_to_stop(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with a service that cancels running tasks when it is stopped, unless it says something else."""
    return {**config, "service": {"shutdown_grace": 0, **(config.get("service") or {})}}


@asynccontextmanager
async def adispatcher_service(config: dict[str, Any]) -> AsyncIterator[DispatcherMain]:
    """Starts a service with `config`, and stops it at the end, running tasks and all."""
    running = running_service(quick_to_stop(config))
    dispatcher = DispatcherMain(await asyncio.to_thread(running.__enter__))
    try:
        await dispatcher.watch()
        yield dispatcher
    finally:
        await dispatcher.leave()
        await asyncio.to_thread(running.__exit__, None, None, None)
