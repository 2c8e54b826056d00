"""Sends messages by NOTIFY as any client may, and remembers what the server took.

Knows nothing of either SDK. Its connection is made anew after a failure, at the next message. Where it stands: trial.py
sends through it; several threads may.
"""

from __future__ import annotations

import contextlib
import threading
import time

import psycopg


class Publisher:
    """One connection, one channel."""

    def __init__(self, dsn: str, channel: str) -> None:
        self.dsn, self.channel = dsn, channel
        self.sent: dict[str, float] = {}
        """By uuid, when the message was given to the server; only those that it took."""
        self.refused: dict[str, float] = {}
        """By uuid, when: those that it did not take, so that the caller knows."""
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def connection(self) -> psycopg.Connection:
        """The present connection, or a new one."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=3)
        return self._connection

    def notify(self, text: str, channel: str | None = None) -> None:
        """Sends text; raises what psycopg raises."""
        with self._lock:
            self.connection().execute("SELECT pg_notify(%s, %s)", (channel or self.channel, text))

    def send(self, text: str, uuid: str | None) -> bool:
        """Sends a message, counted under its uuid if it has one; whether the server took it."""
        at = time.monotonic()
        try:
            self.notify(text)
        except psycopg.Error:
            self.close()
            if uuid:
                self.refused[uuid] = at
            return False
        if uuid:
            self.sent[uuid] = at
        return True

    def close(self) -> None:
        """Gives the connection up."""
        with self._lock, contextlib.suppress(psycopg.Error):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
