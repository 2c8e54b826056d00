"""Control requests to running services: `Control.control_with_reply("alive")`.

Where it stands: a client; what a command does is the service's.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from dispatcher.brokers import get_broker
from dispatcher.chunking import ChunkAccumulator


class Control:
    """Asks every service that listens on a channel.

    :param broker_name: the broker's name in the config
    :param broker_config: its options
    :param queue: the channel to ask on; else the broker's default
    """

    def __init__(self, broker_name: str, broker_config: dict[str, Any], queue: str | None = None) -> None:
        self.broker_name = broker_name
        self.broker_config = broker_config
        self.queuename = queue

    @classmethod
    def generate_reply_queue_name(cls) -> str:
        """A channel that nobody else listens to."""
        return f"reply_to_{str(uuid.uuid4()).replace('-', '_')}"

    @staticmethod
    def create_message(command: str, reply_to: str | None = None, data: dict[str, Any] | None = None) -> str:
        """The request as it is sent."""
        message: dict[str, Any] = {"control": command}
        if reply_to:
            message["reply_to"] = reply_to
        if data:
            message["control_data"] = data
        return json.dumps(message)

    def control(self, command: str, data: dict[str, Any] | None = None) -> None:
        """Sends a request and waits for no answer."""
        broker = get_broker(self.broker_name, self.broker_config)
        broker.publish_message(self.queuename, self.create_message(command, data=data))

    def control_with_reply(
        self,
        command: str,
        expected_replies: int = 1,
        timeout: float = 1.0,
        data: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The replies that came: as many as expected, fewer when the timeout (seconds) is over first."""
        reply_to = self.generate_reply_queue_name()
        broker = get_broker(self.broker_name, self.broker_config)
        joiner = ChunkAccumulator()
        replies: list[dict[str, Any]] = []
        waiting = broker.ask(self.queuename, self.create_message(command, reply_to, data), reply_to, timeout)
        for payload in waiting:
            _, message = joiner.ingest_dict(json.loads(payload))
            if message is not None:
                replies.append(message)
            if len(replies) >= expected_replies:
                break
        close = getattr(waiting, "close", None)
        if close is not None:
            close()
        return replies

    async def acontrol(self, command: str, data: dict[str, Any] | None = None) -> None:
        """The same from an event loop, in a thread."""
        await asyncio.to_thread(self.control, command, data)

    async def acontrol_with_reply(
        self,
        command: str,
        expected_replies: int = 1,
        timeout: float = 1.0,
        data: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The same from an event loop, in a thread."""
        return await asyncio.to_thread(self.control_with_reply, command, expected_replies, timeout, data)
