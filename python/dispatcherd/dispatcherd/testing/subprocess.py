"""A real service for the time of a synchronous test, which hears of its events by a queue.

Leaves no process behind. Where it stands: as the original's of this name.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dispatcher.testing import running_service
from dispatcherd.service.main import LOOK, Pool
from dispatcherd.testing.asyncio import quick_to_stop


class CommunicationItems:
    """How a test hears of its service."""

    def __init__(
        self, main_events: Iterable[str] = (), pool_events: Iterable[str] = (), context: object = None
    ) -> None:
        """`pool_events`: names of events of the pool that are to be told of, such as `work_cleared`."""
        self.q_in: queue.Queue[str] = queue.Queue()
        """`"stop"` ends the telling."""
        self.q_out: queue.Queue[str] = queue.Queue()
        """The names of events, each time that they happen."""
        self.main_events = tuple(main_events)
        self.pool_events = tuple(pool_events)


@contextmanager
def dispatcher_service(
    config: dict[str, Any], main_events: Iterable[str] = (), pool_events: Iterable[str] = ()
) -> Iterator[CommunicationItems]:
    """Starts a service with `config`, waits until it answers, and stops it at the end of the block."""
    items = CommunicationItems(main_events, pool_events)
    over = threading.Event()
    with running_service(quick_to_stop(config)) as running:
        teller = threading.Thread(target=_tell, args=(Pool(running), items, over))
        teller.start()
        try:
            yield items
        finally:
            over.set()
            teller.join()


def _tell(pool: Pool, items: CommunicationItems, over: threading.Event) -> None:
    """Puts the names of events into the queue until it is over."""
    empty_before = True
    while not over.wait(LOOK) and not (not items.q_in.empty() and items.q_in.get() == "stop"):
        empty, ended = pool._look()
        happened = {"queue_cleared": empty and not empty_before, "work_cleared": ended}
        empty_before = empty
        for name in items.pool_events:
            if happened.get(name):
                items.q_out.put(name)
