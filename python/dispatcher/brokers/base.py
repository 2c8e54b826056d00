"""What a broker of the publishing side has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

MAX_CHANNEL = 63
"""Postgres cuts longer names in silence, and two channels would become one."""


class Broker(ABC):
    """Sends messages, and listens for replies."""

    channels: list[str]
    default_publish_channel: str | None

    @abstractmethod
    def publish_messages(self, channel: str | None, messages: list[str]) -> str:
        """Sends messages in order; returns the channel they went to."""

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        """Sends one message; returns the channel it went to."""
        return self.publish_messages(channel, [message])

    @abstractmethod
    def ask(self, channel: str | None, message: str, reply_to: str, timeout: float) -> Iterator[str]:
        """Listens on `reply_to`, sends, and yields what comes until the timeout (seconds)."""

    def publish_channel(self, channel: str | None) -> str:
        """The channel to use: the given one, the default, or the only one there is."""
        chosen = channel or self.default_publish_channel
        if not chosen and len(self.channels) == 1:
            chosen = self.channels[0]
        if not chosen:
            raise ValueError(
                "no channel to publish to: give queue= to the task or the call, "
                "or set default_publish_channel in the broker's config"
            )
        return check_channel(chosen)


def check_channel(channel: str) -> str:
    """The channel's name, if it can be one."""
    if not isinstance(channel, str) or not channel:
        raise ValueError(f"a channel needs a name, not {channel!r}")
    if len(channel.encode()) > MAX_CHANNEL:
        raise ValueError(f"the channel name {channel!r} is longer than {MAX_CHANNEL} bytes, which Postgres would cut")
    return channel
