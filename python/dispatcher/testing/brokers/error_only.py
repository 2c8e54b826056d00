"""A broker that refuses to publish, for tests that must not.

It never sends. Where it stands: `brokers: {dispatcher.testing.brokers.error_only: {}}` in the config.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from dispatcher.brokers.noop import Broker as NoopBroker


class Broker(NoopBroker):
    """Raises at every attempt to publish."""

    def __init__(self, error_message: str = "this broker is for tests that must not publish") -> None:
        super().__init__()
        self.error_message = error_message

    def __str__(self) -> str:
        return "error-only-broker"

    def publish_message(self, channel: str | None = None, message: str = "") -> NoReturn:
        """Raises."""
        raise RuntimeError(self.error_message)

    def publish_messages(self, messages: Sequence[tuple[str | None, str]]) -> NoReturn:
        """Raises."""
        raise RuntimeError(self.error_message)

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> NoReturn:
        """Raises."""
        raise RuntimeError(self.error_message)
