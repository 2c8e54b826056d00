"""Publishing by Postgres notifications, on the application's own connection.

Which connection: the one that `sync_connection_factory` gives; else Django's for this thread, when Django is
configured and the config says nothing of its own; else one that is kept for each process and thread. A publish within
a transaction follows that transaction: sent at COMMIT, dropped at ROLLBACK. psycopg is imported here and nowhere else.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import sql

from dispatcher.brokers import base
from dispatcher.chunking import split_message

MAX_PAYLOAD = 7999
"""Postgres refuses 8,000 bytes."""

_ONE = "SELECT pg_notify(%s, %s)"
_MANY = "SELECT pg_notify(%s, message) FROM unnest(%s::text[]) AS message"

_kept = threading.local()

Connection = psycopg.Connection[Any]


def connection_saver(**config: Any) -> Connection:
    """One connection for each process, thread and config, made anew after a fork or a loss. Autocommit."""
    key = repr(sorted(config.items()))
    if getattr(_kept, "pid", None) != os.getpid():
        # What a fork copied belongs to the parent: forget it without closing it.
        _kept.pid, _kept.connections = os.getpid(), {}
    connection: Connection | None = _kept.connections.get(key)
    if connection is None or connection.closed:
        connection = psycopg.connect(**{"autocommit": True, **config})
        _kept.connections[key] = connection
    return connection


class Broker(base.Broker):
    """Publishes with `pg_notify`.

    :param config: what psycopg connects with: `conninfo`, or keywords
    :param sync_connection_factory: a callable, or its dotted name, that is given `config` and returns a connection
    :param channels: what the service listens to; the only one is the default channel
    """

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        sync_connection_factory: str | Callable[..., Connection] | None = None,
        channels: list[str] | tuple[str, ...] = (),
        default_publish_channel: str | None = None,
        **_service_options: Any,
    ) -> None:
        self.config = {key: value for key, value in (config or {}).items() if value is not None and value != ""}
        self.factory = sync_connection_factory
        self.channels = list(channels)
        self.default_publish_channel = default_publish_channel

    def connection(self) -> Connection:
        """The connection to publish on now."""
        if self.factory is not None:
            factory = _load(self.factory) if isinstance(self.factory, str) else self.factory
            given: Connection = factory(**self.config)
            return given
        if not self.config and (django := _django_connection()) is not None:
            return django
        if not self.config and not any(name in os.environ for name in ("PGHOST", "PGSERVICE", "PGDATABASE")):
            raise RuntimeError(
                "no database to publish to: configure Django, or give brokers.pg_notify.config a conninfo, "
                "or set the PG* environment variables"
            )
        return connection_saver(**self.config)

    def publish_messages(self, channel: str | None, messages: list[str]) -> str:
        """Sends messages in order, in one round trip; a message that is too long goes in pieces."""
        chosen = self.publish_channel(channel)
        payloads = [piece for message in messages for piece in split_message(message, max_bytes=MAX_PAYLOAD)]
        if payloads:
            self._send(chosen, payloads)
        return chosen

    def _send(self, channel: str, payloads: list[str]) -> None:
        connection = self.connection()
        try:
            _notify(connection, channel, payloads)
        except psycopg.OperationalError:
            # A connection of our own that was idle may have been cut; nothing was sent on it then. One of the
            # application's is the application's to mend.
            if self.factory is not None or not connection.closed or not self.config:
                raise
            _notify(self.connection(), channel, payloads)

    def ask(self, channel: str | None, message: str, reply_to: str, timeout: float) -> Iterator[str]:
        """Listens on `reply_to`, sends, and yields what comes until the timeout."""
        chosen = self.publish_channel(channel)
        connection = self.connection()
        if not connection.autocommit:
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                raise RuntimeError(
                    "a control request cannot be answered inside a transaction: Postgres holds the request back until "
                    "COMMIT; ask outside of it, or on a connection of its own"
                )
        elif connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            raise RuntimeError("a control request cannot be answered inside a transaction; ask outside of it")
        before = connection.autocommit
        connection.autocommit = True
        try:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(base.check_channel(reply_to))))
            for piece in split_message(message, max_bytes=MAX_PAYLOAD):
                connection.execute(_ONE, (chosen, piece))
            deadline = time.monotonic() + timeout
            while (left := deadline - time.monotonic()) > 0:
                for note in connection.notifies(timeout=left, stop_after=1):
                    if note.channel == reply_to:
                        yield note.payload
        finally:
            if not connection.closed:
                connection.execute(sql.SQL("UNLISTEN {}").format(sql.Identifier(reply_to)))
                connection.autocommit = before


def _notify(connection: Connection, channel: str, payloads: list[str]) -> None:
    if len(payloads) == 1:
        connection.execute(_ONE, (channel, payloads[0]))
    else:
        connection.execute(_MANY, (channel, payloads))


def _load(dotted: str) -> Callable[..., Connection]:
    module, _, name = dotted.rpartition(".")
    if module == "dispatcherd.brokers.pg_notify" and name == "connection_saver":
        return connection_saver
    factory: Callable[..., Connection] = getattr(importlib.import_module(module), name)
    return factory


def _django_connection() -> Connection | None:
    """Django's own connection for this thread, if Django is configured for Postgres with psycopg 3."""
    if "django" not in sys.modules and "DJANGO_SETTINGS_MODULE" not in os.environ:
        return None
    try:
        from django.conf import settings as django_settings  # type: ignore[import-not-found, unused-ignore]
        from django.db import connection  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    if not django_settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
        return None
    if connection.vendor != "postgresql":
        return None
    connection.ensure_connection()
    inner = connection.connection
    return inner if isinstance(inner, psycopg.Connection) else None
