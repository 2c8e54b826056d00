"""A broker within this process, for tests: it keeps what is published, and delivers what the test puts in.

It never leaves the process, so no service hears it. Where it stands: `brokers: {memory: {}}` in the config;
`get_publisher_from_settings()` gives the one that tasks are published with.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from dispatcher.brokers.base import AsyncConnectedCallback, ConnectedCallback, Received
from dispatcher.brokers.noop import Broker as NoopBroker


class Broker(NoopBroker):
    """Keeps messages. Not for use by several threads at a time."""

    def __init__(self, channels: Sequence[str] = (), default_publish_channel: str | None = None) -> None:
        super().__init__(channels, default_publish_channel)
        self.published_messages: list[dict[str, Any]] = []
        """What was published, oldest first: channel, origin, message (text) and is_async."""
        self._waiting: deque[Received] = deque()
        self._arrived: asyncio.Event | None = None

    def __str__(self) -> str:
        return "memory-broker"

    def queue_notification(self, origin: int | str, message: str) -> None:
        """Puts in a message for `process_notify` or `aprocess_notify` to deliver."""
        self._waiting.append((origin, message))
        if self._arrived:
            self._arrived.set()

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        """Keeps the message; gives its channel."""
        used = self._channel(channel)
        self._keep(used or None, None, message, is_async=False)
        return used

    def publish_messages(self, messages: Sequence[tuple[str | None, str]]) -> list[str]:
        """Keeps the messages."""
        return [self.publish_message(channel, message) for channel, message in messages]

    def _keep(self, channel: str | None, origin: int | str | None, message: str, *, is_async: bool) -> None:
        self.published_messages.append({"channel": channel, "origin": origin, "message": message, "is_async": is_async})

    def process_notify(
        self,
        connected_callback: ConnectedCallback | None = None,
        timeout: float = 5.0,
        max_messages: int | None = 1,
    ) -> Iterator[Received]:
        """Delivers what was put in, without waiting for more."""
        if connected_callback:
            connected_callback()
        delivered = 0
        while self._waiting and (max_messages is None or delivered < max_messages):
            delivered += 1
            yield self._waiting.popleft()

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> None:
        """Keeps the message."""
        self._keep(self._channel(channel) or None, origin, message, is_async=True)

    async def aprocess_notify(
        self, connected_callback: AsyncConnectedCallback | None = None
    ) -> AsyncGenerator[Received, None]:
        """Delivers what was put in, and waits for more."""
        self._arrived = asyncio.Event()
        if connected_callback:
            await connected_callback()
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            self._arrived.clear()
            await self._arrived.wait()
