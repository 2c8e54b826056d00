"""The end of a service manager: counts what a service says to it.

Where it stands: under the rows about standing still.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType


class NotifySocket:
    """`NOTIFY_SOCKET` of a service that believes to be under systemd."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.path = str(place / "notify.sock")
        self._heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> NotifySocket:
        self._reader.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._over.set()
        self._reader.join()
        self._socket.close()

    def count(self, word: str) -> int:
        """How often it was said."""
        return self._heard.count(word)

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                self._heard += self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                continue
