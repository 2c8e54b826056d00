"""A broker that keeps what was published, for tests of applications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dispatcher.brokers import base


class Broker(base.Broker):
    """Keeps messages in `published`: pairs of channel and text, in order."""

    def __init__(self, channels: list[str] | None = None, default_publish_channel: str | None = None, **_: Any) -> None:
        self.channels = list(channels or [])
        self.default_publish_channel = default_publish_channel
        self.published: list[tuple[str, str]] = []

    def publish_messages(self, channel: str | None, messages: list[str]) -> str:
        """Keeps them."""
        chosen = self.publish_channel(channel)
        self.published += [(chosen, message) for message in messages]
        return chosen

    def ask(self, channel: str | None, message: str, reply_to: str, timeout: float) -> Iterator[str]:
        """Keeps the request; nobody answers."""
        self.publish_message(channel, message)
        return iter(())
