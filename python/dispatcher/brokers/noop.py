"""A broker that drops everything, for tests and for databases that cannot notify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dispatcher.brokers import base


class Broker(base.Broker):
    """Sends nothing, hears nothing."""

    def __init__(self, **_options: Any) -> None:
        self.channels = []
        self.default_publish_channel = "noop"

    def publish_messages(self, channel: str | None, messages: list[str]) -> str:
        """Drops them."""
        return self.publish_channel(channel)

    def ask(self, channel: str | None, message: str, reply_to: str, timeout: float) -> Iterator[str]:
        """Nobody answers."""
        return iter(())
