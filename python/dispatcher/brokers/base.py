"""What a broker offers to those who publish, and to those who ask for control and wait for replies.

Describes only. Where it stands: every broker here has this shape; one outside may leave `publish_messages` out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from typing import Protocol

ConnectedCallback = Callable[[], object]
"""Called once when the broker hears what is sent to its channels."""
AsyncConnectedCallback = Callable[[], Awaitable[object]]
"""The same for the asynchronous methods."""
Received = tuple[int | str, str]
"""Where a message came from (a channel, or the number of a client), and its text."""


class Broker(Protocol):
    """Sends messages, and hears those on its channels."""

    def publish_message(self, channel: str | None = None, message: str = "") -> str | None:
        """Sends one message; gives the channel that it went to. Without a channel, the broker's default."""
        ...

    def process_notify(
        self,
        connected_callback: ConnectedCallback | None = None,
        timeout: float = 5.0,
        max_messages: int | None = 1,
    ) -> Iterator[Received]:
        """Messages on its channels until `timeout` seconds are over or `max_messages` have come."""
        ...

    def close(self) -> None:
        """Gives back what it opened for the synchronous methods."""
        ...

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> None:
        """Sends one message."""
        ...

    def aprocess_notify(
        self, connected_callback: AsyncConnectedCallback | None = None
    ) -> AsyncGenerator[Received, None]:
        """Messages on its channels, without end."""
        ...

    async def aclose(self) -> None:
        """Gives back what it opened for the asynchronous methods."""
        ...


def publish_messages(broker: Broker, messages: Sequence[tuple[str | None, str]]) -> list[str | None]:
    """Sends many messages, at once if the broker can; gives the channel of each."""
    at_once = getattr(broker, "publish_messages", None)
    if at_once is not None:
        channels: list[str | None] = at_once(messages)
        return channels
    return [broker.publish_message(channel=channel, message=message) for channel, message in messages]
