"""Questions and commands to running services, and their replies.

Waits no longer than it is told, and refuses to wait for a reply that cannot come. Where it stands: for applications and
their commands; the service's side is not here.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from dispatcher.brokers import get_broker
from dispatcher.brokers.base import Broker
from dispatcher.chunking import ChunkAccumulator

logger = logging.getLogger(__name__)

JSON_ERROR_STR = "JSON parse error"
"""The `error` of a reply that is no JSON object; `original` holds what came."""


class _Replies:
    """Replies as they come, chunks joined."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.received: list[dict[str, Any]] = []
        self._accumulator = ChunkAccumulator()

    def add(self, payload: str) -> bool:
        """Takes one payload; whether all expected replies are there."""
        try:
            reply = json.loads(payload)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            logger.warning("a reply of %d characters is no JSON object", len(payload))
            reply = {"error": JSON_ERROR_STR, "original": payload}
        _, whole = self._accumulator.ingest_dict(reply)
        if whole is not None:
            self.received.append(whole)
        return len(self.received) >= self.expected

    def report_missing(self, command: str, timeout: float) -> None:
        """Says in the log that fewer replies came than expected."""
        if len(self.received) < self.expected:
            logger.warning(
                "control %s: %d of %d replies came in %s s",
                command,
                len(self.received),
                self.expected,
                timeout,
            )


class Control:
    """Speaks to the services that listen on one channel of one broker."""

    def __init__(self, broker_name: str, broker_config: dict[str, Any], queue: str | None = None) -> None:
        """`queue` is the channel to send to; the default is the broker's own."""
        self.broker_name = broker_name
        self.broker_config = broker_config
        self.queuename = queue

    @classmethod
    def generate_reply_queue_name(cls) -> str:
        """A new channel for replies."""
        return f"reply_to_{str(uuid.uuid4()).replace('-', '_')}"

    def create_message(self, command: str, reply_to: str | None = None, send_data: dict[str, Any] | None = None) -> str:
        """The request as text."""
        request: dict[str, Any] = {"control": command}
        if reply_to:
            request["reply_to"] = reply_to
        if send_data:
            request["control_data"] = send_data
        try:
            return json.dumps(request)
        except (TypeError, ValueError) as error:
            raise type(error)(f"the data of control command {command!r} cannot be sent as JSON: {error}") from error

    def control(self, command: str, data: dict[str, Any] | None = None) -> None:
        """Sends a command and waits for nothing. Inside a transaction it leaves at COMMIT."""
        broker = self._broker()
        try:
            broker.publish_message(channel=self.queuename, message=self.create_message(command, send_data=data))
        finally:
            broker.close()

    def control_with_reply(
        self,
        command: str,
        expected_replies: int = 1,
        timeout: float = 1.0,
        data: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Sends a command; gives the replies, one of each service, that came until `timeout` seconds were over."""
        reply_to = self.generate_reply_queue_name()
        message = self.create_message(command, reply_to, data)
        replies = _Replies(expected_replies)
        broker = self._broker(reply_to)
        try:
            self._refuse_in_transaction(broker, command)
            self._collect(broker, reply_to, message, timeout, replies.add)
        finally:
            broker.close()
        replies.report_missing(command, timeout)
        return replies.received

    def _collect(self, broker: Broker, reply_to: str, message: str, timeout: float, add: Callable[[str], bool]) -> None:
        heard = broker.process_notify(
            connected_callback=lambda: broker.publish_message(channel=self.queuename, message=message),
            timeout=timeout,
            max_messages=None,
        )
        deadline = time.monotonic() + timeout
        try:
            for origin, payload in heard:
                # A line of the application's may still hold what was sent to channels it listened to before.
                if isinstance(origin, str) and origin != reply_to:
                    continue
                if add(payload) or time.monotonic() > deadline:
                    break
        except TimeoutError:
            pass
        finally:
            close = getattr(heard, "close", None)
            if close:
                close()

    async def acontrol(self, command: str, data: dict[str, Any] | None = None) -> None:
        """Sends a command and waits for nothing."""
        broker = self._broker()
        try:
            message = self.create_message(command, send_data=data)
            await broker.apublish_message(channel=self.queuename, message=message)
        finally:
            await broker.aclose()

    async def acontrol_with_reply(
        self,
        command: str,
        expected_replies: int = 1,
        timeout: float = 1.0,
        data: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """As `control_with_reply`, on a connection of its own."""
        import asyncio  # late, as few need it and it takes longer than all else to load

        reply_to = self.generate_reply_queue_name()
        message = self.create_message(command, reply_to, data)
        replies = _Replies(expected_replies)
        broker = self._broker(reply_to)

        async def send() -> None:
            await broker.apublish_message(channel=self.queuename, message=message)

        async def collect() -> None:
            heard = broker.aprocess_notify(connected_callback=send)
            try:
                async for _, payload in heard:
                    if replies.add(payload):
                        return
            finally:
                await heard.aclose()

        try:
            await asyncio.wait_for(collect(), timeout)
        except asyncio.TimeoutError:
            pass
        finally:
            await broker.aclose()
        replies.report_missing(command, timeout)
        return replies.received

    def _broker(self, reply_to: str | None = None) -> Broker:
        """A broker for one command. The service's own checks of the line are not a client's business."""
        overrides: dict[str, Any] = {}
        if self.broker_name == "pg_notify":
            overrides = {"max_connection_idle_seconds": None, "max_self_check_message_age_seconds": None}
        if reply_to is not None:
            listening: dict[str, Any] = {**overrides, "channels": [reply_to]}
            self._keep_default_channel(listening)
            try:
                return get_broker(self.broker_name, self.broker_config, **listening)
            except TypeError:
                pass  # a broker without channels: replies come back the way that the request went
        return get_broker(self.broker_name, self.broker_config, **overrides)

    def _keep_default_channel(self, overrides: dict[str, Any]) -> None:
        """The only channel is where requests go by default, and stays that when the reply channel takes its place."""
        channels = self.broker_config.get("channels") or []
        if self.queuename is None and not self.broker_config.get("default_publish_channel") and len(channels) == 1:
            overrides["default_publish_channel"] = channels[0]

    def _refuse_in_transaction(self, broker: Broker, command: str) -> None:
        waits_for_commit = getattr(broker, "in_transaction", None)
        if waits_for_commit is not None and waits_for_commit():
            raise RuntimeError(
                f"control_with_reply({command!r}) inside a transaction can get no reply: Postgres keeps the request "
                "back until COMMIT, and the caller would wait for the reply before that. Call it outside of the "
                "transaction (Django: outside of transaction.atomic(), or in transaction.on_commit), or use the "
                "broker without a connection factory, so that control gets a connection of its own"
            )
