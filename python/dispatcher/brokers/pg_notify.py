"""Messages over Postgres: `pg_notify`, and LISTEN for those who wait for replies.

The service does not use this; it has a client of its own. A message sent here inside a transaction of the application
leaves at COMMIT, or never. Where it stands: `brokers: {pg_notify: {...}}` in the config.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import psycopg

from dispatcher.brokers import pg_connections as connections
from dispatcher.brokers.base import AsyncConnectedCallback, ConnectedCallback
from dispatcher.brokers.pg_connections import NotifyConnection, acreate_connection, create_connection
from dispatcher.chunking import split_message
from dispatcher.utils import resolve_callable

__all__ = [
    'Broker', 'DispatcherdInvalidChannel', 'InvalidChannel', 'acreate_connection', 'async_connection_saver',
    'connection_save', 'connection_saver', 'create_connection', 'validate_channel_name',
]  # fmt: skip

logger = logging.getLogger(__name__)

PG_NOTIFY_MAX_PAYLOAD_BYTES = 8000
"""Postgres takes payloads that are shorter than this (NOTIFY_PAYLOAD_MAX_LENGTH in async.c of Postgres)."""
MAX_CHANNEL_BYTES = 63
"""The longest name of anything in Postgres (NAMEDATALEN - 1)."""


class InvalidChannel(psycopg.errors.SyntaxError):
    """A name that cannot be a channel."""


DispatcherdInvalidChannel = InvalidChannel
"""The name that dispatcherd has for it."""


def validate_channel_name(channel_name: str) -> None:
    """Raises when this cannot be a channel of Postgres."""
    if not isinstance(channel_name, str):
        raise InvalidChannel(
            f"channel name {channel_name!r} is of type {type(channel_name).__name__}, it has to be text"
        )
    if not channel_name:
        raise InvalidChannel(
            "the channel name is empty, and a Postgres channel name can not be blank; "
            "look at the queue of the task or call, and at default_publish_channel in the config"
        )
    size = len(channel_name.encode("utf-8", "surrogatepass"))
    if size > MAX_CHANNEL_BYTES:
        raise InvalidChannel(
            f"channel name {channel_name!r} is too long: {size} bytes, Postgres allows {MAX_CHANNEL_BYTES}"
        )


class Broker:
    """Sends and hears notifications of one database. The synchronous methods may be used by several threads."""

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        async_connection_factory: str | None = None,
        sync_connection_factory: str | None = None,
        sync_connection: Any = None,
        async_connection: psycopg.AsyncConnection[Any] | None = None,
        channels: Sequence[str] = (),
        default_publish_channel: str | None = None,
        max_connection_idle_seconds: float | None = 30,
        max_self_check_message_age_seconds: float | None = 2,
    ) -> None:
        """How to connect, first that is given: a connection, a factory, Django when it is configured with Postgres and
        there is no `config`, `config`.

        config: what psycopg's `connect` takes, such as `conninfo` or `host` and `dbname`.
        sync_connection_factory, async_connection_factory: dotted path of a function that gives the connection to use;
          called with `config` for every message; what it gives is never closed here.
        channels: what `process_notify` listens to.
        default_publish_channel: for messages without a channel; if None, the only one of `channels`.
        max_connection_idle_seconds, max_self_check_message_age_seconds: of the service's check; without effect.
        """
        self._config = dict(config or {})
        self._django = not (config or sync_connection or sync_connection_factory) and connections.django_uses_postgres()
        if not (self._config or self._django):
            sync_ways, async_ways = (
                sync_connection_factory or sync_connection,
                async_connection_factory or async_connection,
            )
            if not (sync_ways or async_ways):
                raise RuntimeError(
                    "brokers.pg_notify: Must specify either config or async_connection_factory, or a "
                    "sync_connection_factory, or configure Django with a Postgres database, to say how to connect"
                )
        if max_connection_idle_seconds is not None and (
            max_self_check_message_age_seconds is None
            or max_self_check_message_age_seconds > max_connection_idle_seconds
        ):
            raise RuntimeError(
                "brokers.pg_notify: max_self_check_message_age_seconds "
                f"({max_self_check_message_age_seconds}) must not be more than max_connection_idle_seconds "
                f"({max_connection_idle_seconds})"
            )
        for channel in channels:
            validate_channel_name(channel)
        self.channels = list(channels)
        self.default_publish_channel = default_publish_channel
        self.max_connection_idle_seconds = max_connection_idle_seconds
        self.max_message_bytes = PG_NOTIFY_MAX_PAYLOAD_BYTES
        self._sync_factory, self._sync_connection = sync_connection_factory, sync_connection
        self._async_factory, self._async_connection = async_connection_factory, async_connection
        self._owns_sync = self._owns_async = False
        self._kept_key: str | None = None
        self._listening: psycopg.AsyncConnection[Any] | None = None

    def __str__(self) -> str:
        return "pg_notify-broker"

    def keep_connection(self) -> None:
        """From now on, use this thread's kept connection where a new one would be opened."""
        if self._config and not (self._sync_factory or self._sync_connection):
            self._kept_key = json.dumps(self._config, sort_keys=True, default=repr)

    def get_publish_channel(self, channel: str | None = None) -> str:
        """The channel for a message: the given one, the default, or the only one."""
        if channel is None:
            channel = self.default_publish_channel
        if channel is None:
            if len(self.channels) != 1:
                raise ValueError(
                    "Could not determine a channel to publish to: the task has no queue, and brokers.pg_notify has "
                    f"no default_publish_channel and {len(self.channels)} channels ({', '.join(self.channels)}); "
                    "set default_publish_channel, give the task one by @task(queue=...), or the call by queue=..."
                )
            channel = self.channels[0]
        validate_channel_name(channel)
        return channel

    def get_self_check_stats(self) -> dict[str, Any]:
        """The service's own checks, of which a client has none."""
        return {
            'enabled': self.max_connection_idle_seconds is not None,
            'success_count': 0, 'average_time_seconds': None, 'max_time_seconds': None,
        }  # fmt: skip

    def _pieces(self, message: str) -> list[str]:
        """The message in payloads that Postgres takes. One of exactly the limit has to be split as well."""
        size = len(message.encode("utf-8")) if len(message) * 4 >= self.max_message_bytes else 0
        return split_message(message, max_bytes=self.max_message_bytes - (size == self.max_message_bytes))

    # ---- synchronous

    def get_connection(self) -> Any:
        """The connection to use now, in this thread."""
        if self._kept_key is not None:
            return connections.thread_connection(self._kept_key, self._config)
        if self._sync_connection is not None and not self._sync_connection.closed:
            return self._sync_connection
        if self._sync_factory:
            return self._call_factory(self._sync_factory, "sync_connection_factory")
        if self._django:
            return connections.django_connection()
        if not self._config:
            raise RuntimeError("brokers.pg_notify: no config and no sync_connection_factory to connect with")
        self._sync_connection, self._owns_sync = create_connection(**self._config), True
        return self._sync_connection

    def _call_factory(self, path: str, option: str) -> Any:
        factory = resolve_callable(path)
        if factory is None:
            raise RuntimeError(f"brokers.pg_notify.{option}: {path} names nothing in its module")
        return factory(**self._config)

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        """Sends one message; gives its channel. Inside a transaction it leaves at COMMIT."""
        channel = self.get_publish_channel(channel)
        if len(message) * 4 < self.max_message_bytes:
            connections.send(self.get_connection(), ((channel, message),))
        else:
            connections.send(self.get_connection(), [(channel, piece) for piece in self._pieces(message)])
        return channel

    def publish_messages(self, messages: Sequence[tuple[str | None, str]]) -> list[str]:
        """Sends many messages, all or none, in one round trip; gives their channels.

        Postgres delivers messages of one channel that are equal to the byte once only.
        """
        channels: dict[str | None, str] = {}
        for channel, _ in messages:
            if channel not in channels:
                channels[channel] = self.get_publish_channel(channel)
        pairs = [(channels[channel], piece) for channel, message in messages for piece in self._pieces(message)]
        if pairs:
            connections.send(self.get_connection(), pairs)
        return [channels[channel] for channel, _ in messages]

    def in_transaction(self) -> bool:
        """Whether what is published now waits for a COMMIT of the application."""
        return connections.in_transaction(self.get_connection())

    def process_notify(
        self,
        connected_callback: ConnectedCallback | None = None,
        timeout: float = 5.0,
        max_messages: int | None = 1,
    ) -> Iterator[tuple[str, str]]:
        """Channel and text of each notification, until `timeout` seconds are over or `max_messages` have come."""
        connection = self.get_connection()
        try:
            # The connection may be the application's, with channels of its own that would be heard here.
            connection.execute("UNLISTEN *")
            for channel in self.channels:
                connection.execute(_listen(channel))
            if connected_callback:
                connected_callback()
            for notice in connection.notifies(timeout=timeout, stop_after=max_messages):
                yield notice.channel, notice.payload
        finally:
            try:
                connection.execute("UNLISTEN *")
            except psycopg.Error as error:
                logger.warning("could not stop listening to %s: %s", ", ".join(self.channels), error)

    def close(self) -> None:
        """Closes the connection, if it was opened here."""
        if self._kept_key is not None:
            connections.close_thread_connection(self._kept_key)
        if self._owns_sync:
            self._sync_connection.close()
            self._sync_connection, self._owns_sync = None, False

    # ---- asynchronous

    async def aget_connection(self) -> psycopg.AsyncConnection[Any]:
        """The asynchronous connection of this broker."""
        if self._async_connection is None or self._async_connection.closed:
            if self._async_factory:
                self._async_connection = await self._call_factory(self._async_factory, "async_connection_factory")
            else:
                config = self._config or (connections.django_parameters() if self._django else {})
                if not config:
                    raise RuntimeError("brokers.pg_notify: no config and no async_connection_factory to connect with")
                self._async_connection, self._owns_async = await acreate_connection(**config), True
        assert self._async_connection is not None
        return self._async_connection

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> None:
        """Sends one message. `origin` is of other brokers; it says nothing here."""
        channel = self.get_publish_channel(channel)
        connection = await self.aget_connection()
        for piece in self._pieces(message):
            await connection.execute(connections.NOTIFY_ONE, (channel, piece))

    async def aprocess_notify(
        self, connected_callback: AsyncConnectedCallback | None = None
    ) -> AsyncGenerator[tuple[str, str], None]:
        """Channel and text of each notification, without end. Send replies with another broker."""
        connection = await self.aget_connection()
        try:
            for channel in self.channels:
                await connection.execute(_listen(channel))
            if connected_callback:
                await connected_callback()
            async for notice in connection.notifies():
                yield notice.channel, notice.payload
        finally:
            if not connection.closed:
                await connection.execute("UNLISTEN *")

    async def aclose(self) -> None:
        """Closes the asynchronous connection, if it was opened here."""
        if self._owns_async and self._async_connection is not None:
            await self._async_connection.close()
            self._async_connection, self._owns_async = None, False


def _listen(channel: str) -> psycopg.sql.Composed:
    validate_channel_name(channel)
    return psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel))


# ---- one connection a process, for use as a factory -----------------------------------------------------------------


class ConnectionSaver:
    """One connection for all threads of the process, as an application with a connection of its own would have."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets its connections without closing them."""
        self._connection: Any = None
        self._async_connection: psycopg.AsyncConnection[Any] | None = None
        self._config: dict[str, Any] = {}
        self._lock = threading.Lock()

    def is_usable(self) -> bool:
        """Whether the synchronous connection can be used as it is."""
        connection = self._connection
        if isinstance(connection, NotifyConnection):
            return connection.is_usable()
        return connection is not None and not connection.closed


connection_save = ConnectionSaver()


def _after_fork() -> None:
    connections.left_to_parent.append(connection_save.__dict__.copy())
    connection_save.reset()


os.register_at_fork(after_in_child=_after_fork)


def connection_saver(**config: Any) -> Any:
    """The connection of this process, for use as `sync_connection_factory`; opened anew if the line was cut."""
    saver = connection_save
    with saver._lock:
        if saver._connection is not None and not (saver._config == config and saver.is_usable()):
            saver._connection.close()
            saver._connection = None
        if saver._connection is None:
            saver._connection = create_connection(**config)
            saver._config = config
        return saver._connection


async def async_connection_saver(**config: Any) -> psycopg.AsyncConnection[Any]:
    """The asynchronous connection of this process, for use as `async_connection_factory`."""
    saver = connection_save
    if saver._async_connection is None or saver._async_connection.closed:
        saver._async_connection = await acreate_connection(**config)
    return saver._async_connection
