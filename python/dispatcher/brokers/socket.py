"""Messages over a Unix socket, to a service on the same machine: a line each, and replies on the same connection.

The service does not use this; it has a socket of its own. It keeps no connection, as each would take one of the places
that the service has for clients. Where it stands: `brokers: {socket: {socket_path: /run/app.sock}}` in the config.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncGenerator, Iterator, Sequence

from dispatcher.brokers.base import AsyncConnectedCallback, ConnectedCallback
from dispatcher.chunking import split_message

SOCKET_MAX_MESSAGE_BYTES = 1024
"""The longest line that is sent; a longer message goes in pieces."""
SEND_TIMEOUT = 10.0
"""Seconds that a service may take to let a client in, and to take a message, before the publisher is told."""
READ = 65536
"""How many bytes are read at a time."""
RETRY = 0.01
"""Seconds until a client knocks again at a service whose queue of clients is full."""
ORIGIN = 0
"""What stands for the channel of a reply: there is but one connection."""


class Broker:
    """Sends to the service behind a socket, and hears its replies. For one thread at a time while it listens."""

    def __init__(self, socket_path: str) -> None:
        """`socket_path`: where the service has its socket."""
        self.socket_path = socket_path
        self.max_message_bytes = SOCKET_MAX_MESSAGE_BYTES
        self._listening: socket.socket | None = None
        self._alistening: socket.socket | None = None

    def __str__(self) -> str:
        return f"socket-broker-{self.socket_path}"

    def _lines(self, messages: Sequence[str]) -> bytes:
        """What is sent for these messages."""
        pieces = [piece for message in messages for piece in split_message(message, max_bytes=self.max_message_bytes)]
        return "".join(f"{piece}\n" for piece in pieces).encode()

    def _explained(self, error: OSError) -> OSError:
        """The error, naming the socket and what to look at."""
        if isinstance(error, TimeoutError):
            return TimeoutError(f"brokers.socket: the service at {self.socket_path} took nothing in time")
        hint = f"{error.strerror or error}; does a service with this socket_path run?"
        return OSError(error.errno, hint, self.socket_path)

    def _is_connected(self, connection: socket.socket, deadline: float) -> bool:
        """Connects; false when the service's queue of clients is full. Only time helps that."""
        try:
            connection.connect(self.socket_path)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                return False
            connection.close()
            raise self._explained(TimeoutError()) from error
        except OSError as error:
            connection.close()
            raise self._explained(error) from error
        return True

    # ---- synchronous

    def _connect(self, timeout: float) -> socket.socket:
        connection, deadline = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), time.monotonic() + timeout
        connection.settimeout(timeout)
        while not self._is_connected(connection, deadline):
            time.sleep(RETRY)
        return connection

    def _send(self, messages: Sequence[str]) -> None:
        lines = self._lines(messages)
        connection = self._listening or self._connect(SEND_TIMEOUT)
        try:
            connection.settimeout(SEND_TIMEOUT)
            connection.sendall(lines)
        except OSError as error:
            raise self._explained(error) from error
        finally:
            if connection is not self._listening:
                connection.close()

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        """Sends one message; gives the channel, which says nothing to a socket."""
        self._send([message])
        return channel or ""

    def publish_messages(self, messages: Sequence[tuple[str | None, str]]) -> list[str]:
        """Sends many messages over one connection; gives their channels."""
        if messages:
            self._send([message for _, message in messages])
        return [channel or "" for channel, _ in messages]

    def process_notify(
        self,
        connected_callback: ConnectedCallback | None = None,
        timeout: float = 5.0,
        max_messages: int | None = 1,
    ) -> Iterator[tuple[int, str]]:
        """Lines of the service, until `timeout` seconds are over, `max_messages` have come, or it ends the connection.

        What is published meanwhile goes over this connection, so that its replies come back here.
        """
        deadline = time.monotonic() + timeout
        received = 0
        lines = _Lines()
        with self._connect(timeout) as connection:
            self._listening = connection
            try:
                if connected_callback:
                    connected_callback()
                while (left := deadline - time.monotonic()) > 0:
                    connection.settimeout(left)
                    try:
                        read = connection.recv(READ)
                    except TimeoutError:
                        return
                    if not read:
                        return
                    for line in lines.add(read):
                        received += 1
                        yield ORIGIN, line
                        if max_messages is not None and received >= max_messages:
                            return
            finally:
                self._listening = None

    def close(self) -> None:
        """There is nothing to close: what listens closes its own connection."""

    # ---- asynchronous

    async def _aconnect(self) -> socket.socket:
        import asyncio  # late, as most publishers do without

        connection, deadline = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), time.monotonic() + SEND_TIMEOUT
        connection.setblocking(False)
        while not self._is_connected(connection, deadline):
            await asyncio.sleep(RETRY)
        return connection

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> None:
        """Sends one message. `origin` is of services; it says nothing here."""
        import asyncio  # late, as most publishers do without

        lines = self._lines([message])
        connection = self._alistening or await self._aconnect()
        try:
            sending = asyncio.get_running_loop().sock_sendall(connection, lines)
            await asyncio.wait_for(sending, SEND_TIMEOUT)
        except asyncio.TimeoutError as error:  # of its own before Python 3.11
            raise self._explained(TimeoutError()) from error
        except OSError as error:
            raise self._explained(error) from error
        finally:
            if connection is not self._alistening:
                connection.close()

    async def aprocess_notify(
        self, connected_callback: AsyncConnectedCallback | None = None
    ) -> AsyncGenerator[tuple[int, str], None]:
        """Lines of the service, until it ends the connection."""
        import asyncio  # late, as most publishers do without

        loop = asyncio.get_running_loop()
        lines = _Lines()
        with await self._aconnect() as connection:
            self._alistening = connection
            try:
                if connected_callback:
                    await connected_callback()
                while read := await loop.sock_recv(connection, READ):
                    for line in lines.add(read):
                        yield ORIGIN, line
            finally:
                self._alistening = None

    async def aclose(self) -> None:
        """There is nothing to close."""


class _Lines:
    """Bytes in, lines out."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, read: bytes) -> list[str]:
        """The lines that are whole now; empty ones say nothing and are left out."""
        first, *others = read.split(b"\n")
        self._parts.append(first)
        if not others:
            return []
        whole = [b"".join(self._parts), *others[:-1]]
        self._parts = [others[-1]]
        return [line.decode("utf-8", "replace") for line in whole if line]
