"""A TCP proxy between a service and Postgres that can be told to misbehave.

`delay` is seconds that each piece of data waits; `refuse` closes new connections at once; `hole()` swallows for ever
what goes over the present connections, while their kernels get acknowledgements; `pause` stops all data until it is
cleared. Where it stands: rows_network.py puts services behind it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Link:
    """One connection: both its ends."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.dead = False
        """Whether what goes over it is swallowed."""

    def close(self) -> None:
        """Ends both sides, whatever waits on them."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Listens on a port of this machine: `port`."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        """Where new connections go."""
        self.delay, self.pause, self.refuse = 0.0, False, False
        self.accepted: list[float] = []
        """When each connection came."""
        self.links: set[Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hole(self) -> None:
        """The present connections become deaf and mute; new ones work. As after a firewall has lost its state."""
        for link in list(self.links):
            link.dead = True

    def cut(self) -> None:
        """Ends the present connections."""
        for link in list(self.links):
            link.close()

    def close(self) -> None:
        """Ends all."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self.accepted.append(time.monotonic())
                if self.refuse:
                    client.close()
                else:
                    threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self.target, 5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        link = Link(client, server)
        self.links.add(link)
        back = threading.Thread(target=self._pump, args=(link, server, client), daemon=True)
        back.start()
        self._pump(link, client, server)
        back.join()
        self.links.discard(link)

    def _pump(self, link: Link, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.pause and not link.dead:
                    time.sleep(0.005)
                if link.dead:
                    continue
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        if not link.dead:
            link.close()
