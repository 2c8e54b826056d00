"""Connections to Postgres for those who publish: the application's own, or one kept per process and thread.

Nothing here opens a transaction, and a connection that this module did not open is never closed by it. Where it stands:
`pg_notify` asks for a connection for every message.
"""

from __future__ import annotations

import os
import select
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import generators, pq

NOTIFY_ONE = "SELECT pg_notify(%s, %s)"
NOTIFY_MANY = "SELECT count(pg_notify(c, m)) FROM unnest(%s::text[], %s::text[]) AS t(c, m)"
_RAW_ONE = b"SELECT pg_notify($1, $2)"
_RAW_MANY = b"SELECT count(pg_notify(c, m)) FROM unnest($1, $2) AS t(c, m)"
_TEXT, _TEXT_ARRAY = 25, 1009
"""Type numbers of Postgres (pg_type.dat) for text and text[]."""
_STATEMENT = b"dispatcher_notify"
_FORGOTTEN = {b"26000", b"42P05"}
"""Error codes of a pooler that gave us another server connection: the prepared statement is unknown there, or known
already. The statement was refused, so nothing was sent."""
_KEPT_PER_THREAD = 4
"""Connections to different databases that one thread keeps; the oldest makes room."""


class NotifyConnection(psycopg.Connection[Any]):
    """A connection that we opened ourselves. It sends notifications with as little work as psycopg allows."""

    _notify_is_prepared: bool | None = None
    _codec: str = "utf-8"
    _line: select.poll | None = None

    def is_usable(self) -> bool:
        """Whether the line stands. An idle line that the server has cut is noticed here, before anything is sent."""
        if self.closed:
            return False
        if self._line is None:
            self._line = select.poll()
            self._line.register(self.fileno(), select.POLLIN)
        if self._line.poll(0) and self.lock.acquire(blocking=False):
            try:
                # First comes what the server still had to say, then the end of the line.
                while self._line.poll(0):
                    self.pgconn.consume_input()
            except psycopg.OperationalError:
                pass
            finally:
                self.lock.release()
        return self.pgconn.status == pq.ConnStatus.OK

    def notify(self, channel: str, message: str) -> None:
        """Sends one message."""
        if not self._may_go_direct():
            self.execute(NOTIFY_ONE, (channel, message))
            return
        parameters = (channel.encode(self._codec), message.encode(self._codec))
        with self.lock:
            if self._notify_is_prepared:
                self.pgconn.send_query_prepared(_STATEMENT, parameters, param_formats=(1, 1))
            else:
                self.pgconn.send_query_params(_RAW_ONE, parameters, (_TEXT, _TEXT), param_formats=(1, 1))
            result = self.wait(generators.execute(self.pgconn))[-1]
            if result.status == pq.ExecStatus.TUPLES_OK:
                return
            if not self._notify_is_prepared or result.error_field(pq.DiagnosticField.SQLSTATE) not in _FORGOTTEN:
                raise psycopg.errors.error_from_result(result, encoding=self._codec)
            self._notify_is_prepared = False
        self.notify(channel, message)

    def notify_many(self, messages: Sequence[tuple[str, str]]) -> None:
        """Sends many messages, all or none, in one statement."""
        if not self._may_go_direct():
            channels, texts = zip(*messages, strict=True)
            self.execute(NOTIFY_MANY, (list(channels), list(texts)))
            return
        arrays = tuple(_text_array([message[side].encode(self._codec) for message in messages]) for side in (0, 1))
        with self.lock:
            types = (_TEXT_ARRAY, _TEXT_ARRAY)
            self.pgconn.send_query_params(_RAW_MANY, arrays, types, param_formats=(1, 1))
            result = self.wait(generators.execute(self.pgconn))[-1]
            if result.status != pq.ExecStatus.TUPLES_OK:
                raise psycopg.errors.error_from_result(result, encoding=self._codec)

    def _may_go_direct(self) -> bool:
        """Inside a transaction or a pipeline psycopg has its own things to send first, so it does all of it."""
        pgconn = self.pgconn
        if (
            pgconn.transaction_status != pq.TransactionStatus.IDLE
            or not self.autocommit
            or pgconn.pipeline_status != pq.PipelineStatus.OFF
        ):
            return False
        if self._notify_is_prepared is None:
            self._prepare()
        return True

    def _prepare(self) -> None:
        """Once for a connection. `prepare_threshold=None` is psycopg's way to say that a pooler forbids it."""
        self._codec = self.info.encoding
        self._notify_is_prepared = False
        if self.prepare_threshold is None:
            return
        with self.lock:
            self.pgconn.send_prepare(_STATEMENT, _RAW_ONE, (_TEXT, _TEXT))
            result = self.wait(generators.execute(self.pgconn))[-1]
        self._notify_is_prepared = result.status == pq.ExecStatus.COMMAND_OK


def _text_array(items: Sequence[bytes]) -> bytes:
    """The binary form of a text[] of one dimension."""
    head = struct.pack("!iiiii", 1, 0, _TEXT, len(items), 1)
    return head + b"".join([struct.pack("!i", len(item)) + item for item in items])


def create_connection(**config: Any) -> NotifyConnection:
    """A new connection, in autocommit mode."""
    connection = NotifyConnection.connect(**config)
    if not connection.autocommit:
        connection.set_autocommit(True)
    return connection


async def acreate_connection(**config: Any) -> psycopg.AsyncConnection[Any]:
    """A new asynchronous connection, in autocommit mode."""
    connection = await psycopg.AsyncConnection.connect(**config)
    if not connection.autocommit:
        await connection.set_autocommit(True)
    return connection


def send(connection: Any, messages: Sequence[tuple[str, str]]) -> None:
    """Sends pairs of channel and message on any connection: ours, or one of psycopg or psycopg2 of the application."""
    if isinstance(connection, NotifyConnection):
        if len(messages) == 1:
            connection.notify(*messages[0])
        else:
            connection.notify_many(messages)
        return
    with connection.cursor() as cursor:
        if len(messages) == 1:
            cursor.execute(NOTIFY_ONE, messages[0])
        else:
            channels, texts = zip(*messages, strict=True)
            cursor.execute(NOTIFY_MANY, (list(channels), list(texts)))


# ---- one connection a thread --------------------------------------------------------------------------------------


class _Kept:
    """The connections of one thread; they are closed when the thread ends."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.connections: dict[str, NotifyConnection] = {}

    def __del__(self, getpid: Callable[[], int] = os.getpid) -> None:
        if self.owner == getpid():
            for connection in self.connections.values():
                connection.close()


_thread = threading.local()
left_to_parent: list[object] = []
"""After a fork, what belongs to the parent: kept, so that nothing in the child says good-bye on the parent's line."""


def _connections() -> dict[str, NotifyConnection]:
    kept: _Kept | None = getattr(_thread, "kept", None)
    if kept is None:
        kept = _thread.kept = _Kept()
    return kept.connections


def _after_fork() -> None:
    global _thread
    left_to_parent.append(getattr(_thread, "kept", None))
    _thread = threading.local()


os.register_at_fork(after_in_child=_after_fork)


def thread_connection(key: str, config: dict[str, Any]) -> NotifyConnection:
    """This thread's connection for `config`, which `key` tells apart from others; opened anew if the line was cut."""
    connections = _connections()
    connection = connections.get(key)
    if connection is not None and connection.is_usable():
        return connection
    close_thread_connection(key)
    while len(connections) >= _KEPT_PER_THREAD:
        close_thread_connection(next(iter(connections)))
    connections[key] = connection = create_connection(**config)
    return connection


def close_thread_connection(key: str) -> None:
    """Closes this thread's connection, if there is one."""
    connection = _connections().pop(key, None)
    if connection is not None:
        connection.close()


# ---- Django's connection -------------------------------------------------------------------------------------------


def django_uses_postgres() -> bool:
    """Whether this process has a Django that is configured with Postgres as its default database. Imports nothing."""
    django_conf = sys.modules.get("django.conf")
    if django_conf is None or not django_conf.settings.configured:
        return False
    from django.db import connections

    return bool(connections["default"].vendor == "postgresql")


def django_connection() -> Any:
    """Django's own connection for this thread, so that a message follows Django's transaction."""
    from django.db import connections

    wrapper = connections["default"]
    wrapper.ensure_connection()
    return wrapper.connection


def django_parameters() -> dict[str, Any]:
    """What Django connects with, as libpq keywords; for the service, which has no Django."""
    from django.db import connections

    keywords = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    given: dict[str, Any] = connections["default"].get_connection_params()
    return {name: value for name, value in given.items() if name in keywords and value is not None}


def in_transaction(connection: Any) -> bool:
    """Whether what is sent now waits for a COMMIT: a transaction is open, or the first statement opens one."""
    if not getattr(connection, "autocommit", True):
        return True
    info = getattr(connection, "info", None)
    return info is not None and int(info.transaction_status) != int(pq.TransactionStatus.IDLE)
