"""What the tests of bounds share: a service under a flood, and proof meanwhile that it lives."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from conftest import Service, wait_until

GENEROUS = 5.0
"""Seconds that a reply may take under a flood. On a quiet machine it is milliseconds; tests share theirs."""


class Client:
    """A connection to the socket of a service."""

    def __init__(self, path: Path) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(60)
        self._line.connect(str(path))
        self._replies = self._line.makefile("r")

    def send(self, *requests: dict[str, Any]) -> None:
        """Sends requests, all at once."""
        self._line.sendall("".join(json.dumps(request) + "\n" for request in requests).encode())

    def reply(self) -> dict[str, Any]:
        """The next reply, put together if it came in pieces."""
        text = self._replies.readline()
        reply: dict[str, Any] = json.loads(text)
        if "__dispatcherd_chunk__" in reply:
            parts = [
                reply["payload"],
                *(json.loads(self._replies.readline())["payload"] for _ in range(1, reply["total"])),
            ]
            reply = json.loads("".join(parts))
        reply.pop("node_id")
        return reply

    def ask(self, command: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Asks and waits."""
        self.send({"control": command, "reply_to": "here", "control_data": data or {}})
        return self.reply()

    def close(self) -> None:
        self._replies.close()
        self._line.close()


def with_socket(service: Service) -> Service:
    """Adds a broker over a socket, and a second channel for those who behave."""
    service.config["brokers"]["socket"] = {"socket_path": str(service.home / "socket")}
    service.config["brokers"]["pg_notify"]["channels"].append(service.channel + "_calm")
    service.config["publish"] = {"default_broker": "pg_notify"}
    return service


def client(service: Service) -> Client:
    """A connection to a service made by `with_socket`."""
    return Client(Path(service.config["brokers"]["socket"]["socket_path"]))


def resident(pid: int) -> float:
    """Memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} is gone")


class Unharmed:
    """While the block runs, `alive` is asked over the socket and tasks come by the other channel.

    At its end every one of them has run, no reply took too long, and the service has grown by less than `mib`.
    """

    def __init__(self, service: Service, mib: float) -> None:
        self._service, self._mib = service, mib
        self._calm = service.channel + "_calm"
        self.took: list[float] = []
        self.grown = 0.0
        self._sent = 0
        self._over = threading.Event()
        self._asking = threading.Thread(target=self._ask)
        self._failed: list[BaseException] = []

    def __enter__(self) -> Unharmed:
        self._before = resident(self._service.pid)
        self._ran = len(self._service.records("record"))
        self._asking.start()
        self.behave()
        return self

    def _ask(self) -> None:
        try:
            asking = client(self._service)
            while not self._over.wait(0.05):
                began = time.monotonic()
                reply = asking.ask("alive")
                self.took.append(time.monotonic() - began)
                assert reply == {}, reply
                self.grown = max(self.grown, resident(self._service.pid) - self._before)
            asking.close()
        except BaseException as error:
            self._failed.append(error)

    def behave(self, count: int = 20) -> None:
        """Sends honest tasks."""
        for _ in range(count):
            self._sent += 1
            message = json.dumps({"task": "work.record", "uuid": f"calm-{self._sent}", "args": [self._sent]})
            self._service.database.execute("SELECT pg_notify(%s, %s)", (self._calm, message))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.behave()
            wait_until(
                lambda: len(self._service.records("record")) >= self._ran + self._sent, "end of all honest tasks", 60
            )
            wait_until(lambda: self.took or self._failed, "reply to alive")
        self._over.set()
        self._asking.join(60)
        if kind is None:
            assert not self._failed, self._failed
            assert max(self.took) < GENEROUS, f"alive took {max(self.took):.3f} s"
            assert self.grown < self._mib, f"the service grew by {self.grown:.1f} MiB"
