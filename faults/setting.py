"""The configuration of a service under a fault, and the ways to ask it things without Postgres.

Both systems get the same configuration; what only ours knows is in `own`. Where it stands: under trial.py.
"""

from __future__ import annotations

import json
import socket
import uuid
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from compared import System
from postgres import free_port


class Setting:
    """One service: where it listens, how many workers it has, and what else it is told."""

    def __init__(
        self,
        system: System,
        place: Path,
        dsn: str,
        *,
        workers: int = 4,
        service: dict[str, Any] | None = None,
        own: dict[str, dict[str, Any]] | None = None,
        socket_path: Path | None = None,
        **sections: dict[str, Any],
    ) -> None:
        """`service`: keys of that section; `own`: keys by section that only our service gets; `sections`: the rest."""
        self.place, self.workers = place, workers
        self.channel = f"fault_{uuid.uuid4().hex[:10]}"
        self.socket = socket_path or place / "control.sock"
        self.port = free_port() if system.name == "dispatcher" else None
        """Of HTTP; the other system would need a library more for it."""
        self.config: dict[str, dict[str, Any]] = {
            "service": {
                "pool_kwargs": {"min_workers": workers, "max_workers": workers},
                "process_manager_kwargs": {"preload_modules": ["fault_tasks"]},
                **(service or {}),
            },
            "brokers": {
                "pg_notify": {
                    "config": {"conninfo": dsn},
                    "channels": [self.channel],
                    "default_publish_channel": self.channel,
                },
                "socket": {"socket_path": str(self.socket)},
            },
            "producers": {"ControlProducer": {}},
            "publish": {"default_broker": "pg_notify"},
            **sections,
        }
        if self.port:
            own = {**(own or {}), "service": {**(own or {}).get("service", {}), "metrics_kwargs": {"port": self.port}}}
            for section, keys in own.items():
                self.config[section] = {**self.config.get(section, {}), **keys}

    def write(self) -> list[str]:
        """Writes the file; gives the arguments that name it."""
        path = self.place / "service.yml"
        path.write_text(json.dumps({"version": 2, **self.config}, indent=1))  # JSON is YAML
        return ["--config", str(path), "--log-level", "WARNING"]

    def page(self, path: str) -> tuple[int, str] | None:
        """What HTTP answers."""
        if not self.port:
            return None
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers={"Accept": "*/*"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def ready(self) -> bool | None:
        """What `/readyz` says; None where nothing answers."""
        answer = self.page("/readyz")
        return answer[0] == 200 if answer else None


def ask(path: Path, command: str, data: dict[str, Any] | None, patience: float) -> dict[str, Any] | None:
    """The answer to a control request over the socket, put together when it comes in pieces."""
    request = {"control": command, "reply_to": "faults", "control_data": data or {}}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("r", encoding="utf-8") as replies:
                lines = [json.loads(line) for line in replies]
        except (OSError, ValueError):
            return None
    if lines and "__dispatcherd_chunk__" in lines[0]:
        whole: dict[str, Any] = json.loads("".join(piece["payload"] for piece in lines))
        return whole
    return lines[0] if lines else None
