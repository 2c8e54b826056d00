"""A Postgres for the session and a real service for a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
TASKS = CHECKOUT / "tests" / "tasks"
sys.path.insert(0, str(CHECKOUT / "tools"))
sys.path.insert(0, str(TASKS))

import postgres  # noqa: E402
import processes  # noqa: E402
from dispatcher._binary import find_binary  # noqa: E402
from dispatcher.chunking import ChunkAccumulator  # noqa: E402
from support import canary  # noqa: E402

PATIENCE = 20.0
"""Seconds that anything may take on a slow machine; nothing is ever waited for longer than it takes."""


def wait_until(probe: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Polls until the probe gives something true."""
    deadline = time.monotonic() + patience
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {patience} s")
        time.sleep(0.01)
    return value


alive = processes.living
"""The process exists and is no zombie."""


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    """A database: the one that DISPATCHER_TEST_DSN names, or one of our own."""
    if given := os.environ.get("DISPATCHER_TEST_DSN"):
        yield given
        return
    server = postgres.temporary_server(os.environ.get("DISPATCHER_PG_WHEEL"))
    server.start()
    try:
        yield server.dsn
    finally:
        server.remove()


class Service:
    """One running service, in a directory and on a channel of its own."""

    def __init__(self, dsn: str, home: Path, changes: dict[str, Any]) -> None:
        self.home = home
        self.channel = f"test_{uuid.uuid4().hex[:12]}"
        self.mark = uuid.uuid4().hex
        self.out = home / "out.jsonl"
        self.log = home / "service.log"
        canary.watch(self.log)
        self.config: dict[str, Any] = {
            "version": 2,
            "service": {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0},
            "brokers": {
                "pg_notify": {
                    "config": {"conninfo": dsn},
                    "channels": [self.channel],
                    "default_publish_channel": self.channel,
                }
            },
        }
        for section, keys in changes.items():
            self.config[section] = {**self.config.get(section, {}), **keys}
        self.database = psycopg.connect(dsn, autocommit=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> Service:
        """Starts it and waits until it answers."""
        self.launch(*arguments)
        wait_until(lambda: self.control("alive", wait=0.3) is not None, "answer of the service")
        return self

    def launch(self, *arguments: str, **options: Any) -> None:
        """Starts it; `options` are those of `Popen`."""
        path = self.home / "dispatcher.yml"
        path.write_text(json.dumps(self.config))
        environment = {
            **os.environ,
            "TEST_OUT": str(self.out),
            "TEST_MARK": self.mark,
            "DISPATCHER_PYTHON": sys.executable,
        }
        environment["PYTHONPATH"] = os.pathsep.join([str(TASKS), *filter(None, [os.environ.get("PYTHONPATH")])])
        # It names a password, and is nothing that a service needs.
        environment.pop("DISPATCHER_TEST_DSN", None)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [find_binary(), "serve", "--config", str(path), "--log-format", "json", *arguments],
                **{"env": environment, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options},
            )

    @property
    def pid(self) -> int:
        """Of the service itself."""
        assert self.process is not None
        return self.process.pid

    def publish(self, message: dict[str, Any] | str) -> None:
        """Sends a message as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.database.execute("SELECT pg_notify(%s, %s)", (self.channel, text))

    def submit(self, task: str, *args: Any, **options: Any) -> str:
        """Sends a task of `tests/tasks/work.py`; returns its uuid."""
        number = uuid.uuid4().hex
        self.publish(canary.plant({"task": f"work.{task}", "uuid": number, "args": list(args), **options}))
        return number

    def control(self, command: str, data: dict[str, Any] | None = None, wait: float = 5.0) -> dict[str, Any] | None:
        """The reply to a control request, without its node id."""
        reply_to = f"reply_to_{uuid.uuid4().hex}"
        with psycopg.connect(self.config["brokers"]["pg_notify"]["config"]["conninfo"], autocommit=True) as connection:
            connection.execute(f'LISTEN "{reply_to}"')
            self.publish({"control": command, "reply_to": reply_to, "control_data": data or {}})
            pieces, deadline = ChunkAccumulator(), time.monotonic() + wait
            while (left := deadline - time.monotonic()) > 0:
                for note in connection.notifies(timeout=left, stop_after=1):
                    _, reply = pieces.ingest_dict(json.loads(note.payload))
                    if reply is not None:
                        reply.pop("node_id")
                        return reply
        return None

    def main(self) -> dict[str, Any]:
        """The reply to `main`."""
        reply = self.control("main")
        assert reply is not None, self.log.read_text()
        return reply

    def records(self, event: str) -> list[dict[str, Any]]:
        """What tasks wrote down under this name."""
        if not self.out.exists():
            return []
        found = [json.loads(line) for line in self.out.read_text().splitlines()]
        return [record for record in found if record["event"] == event]

    def wait_record(self, event: str, count: int = 1) -> dict[str, Any]:
        """Waits until tasks wrote this down so often; the last of them."""
        wait_until(
            lambda: len(self.records(event)) >= count, f"{count} x {event}; log:\n{self.log.read_text()[-2000:]}"
        )
        return self.records(event)[count - 1]

    def refused(self) -> dict[str, int]:
        """Refused messages by reason."""
        refused: dict[str, int] = self.main()["refused"]
        return refused

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log, line by line; what tasks print is left out."""
        lines = []
        for line in self.log.read_text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return [line for line in lines if isinstance(line, dict)]

    def processes(self) -> list[int]:
        """Every living process of this service, its tasks' children included."""
        return sorted(processes.marked(f"TEST_MARK={self.mark}"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)

    def destroy(self) -> None:
        """Ends whatever is left; before that, it must not have told what it should not."""
        self.database.close()
        try:
            self.look_for_secrets()
        finally:
            self.end()

    def look_for_secrets(self) -> None:
        """What others can read of its processes and its metrics tells no arguments and no password."""
        metrics = self.config["service"].get("metrics_kwargs")
        if metrics and self.process is not None and self.process.poll() is None:
            canary.search_metrics(metrics["port"])
        connection = self.config["brokers"].get("pg_notify", {}).get("config", {}).get("conninfo", "")
        password = str(psycopg.conninfo.conninfo_to_dict(connection).get("password", ""))
        for pid in self.processes():
            canary.search_process(pid, password)

    def end(self) -> None:
        """Ends whatever is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():
            with suppress(ProcessLookupError):  # it may be ending by itself just now
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """After every test: no log tells the arguments of a task. The other fixtures have ended by then."""
    yield
    canary.search_logs()


@pytest.fixture
def make_service(dsn: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Makes services from changes to the sections of the config; all are ended after the test."""
    made: list[Service] = []

    def make(**changes: Any) -> Service:
        home = tmp_path / f"service-{len(made)}"
        home.mkdir()
        made.append(Service(dsn, home, changes))
        return made[-1]

    yield make
    for service in made:
        service.destroy()


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """A running service with one worker."""
    return make_service().start()
