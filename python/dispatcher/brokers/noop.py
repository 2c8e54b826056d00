"""A broker that sends nothing, for tests and for machines without any way to deliver.

It never fails and never delivers. Where it stands: `brokers: {noop: {}}` in the config.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence

from dispatcher.brokers.base import AsyncConnectedCallback, ConnectedCallback, Received


class Broker:
    """Takes every message and forgets it."""

    def __init__(self, channels: Sequence[str] = (), default_publish_channel: str | None = None) -> None:
        """`channels` and `default_publish_channel` are what `submit_task` reports when no queue is given."""
        self.channels = list(channels)
        self.default_publish_channel = default_publish_channel or (channels[0] if len(channels) == 1 else None)

    def __str__(self) -> str:
        return "noop-broker"

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        """Forgets the message; gives the channel that it would have gone to, empty if there is none."""
        return self._channel(channel)

    def publish_messages(self, messages: Sequence[tuple[str | None, str]]) -> list[str]:
        """Forgets the messages."""
        return [self._channel(channel) for channel, _ in messages]

    def _channel(self, channel: str | None) -> str:
        return channel if channel is not None else self.default_publish_channel or ""

    def process_notify(
        self,
        connected_callback: ConnectedCallback | None = None,
        timeout: float = 5.0,
        max_messages: int | None = 1,
    ) -> Iterator[Received]:
        """Hears nothing, and does not wait for it."""
        if connected_callback:
            connected_callback()
        return iter(())

    def close(self) -> None:
        """There is nothing to close."""

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> None:
        """Forgets the message."""

    async def aprocess_notify(
        self, connected_callback: AsyncConnectedCallback | None = None
    ) -> AsyncGenerator[Received, None]:
        """Hears nothing, for ever."""
        if connected_callback:
            await connected_callback()
        await asyncio.get_running_loop().create_future()
        yield ("", "")

    async def aclose(self) -> None:
        """There is nothing to close."""
