"""The two systems that are compared, each with its service, its publisher and its configuration.

Both get the same configuration but for names, the same tasks and the same database. Where it stands: measure.py runs
these; tools/compared.py knows where they are installed, tools/processes.py reads what they use.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

sys.path.insert(0, str(HERE.parent / "tools"))

import compared  # noqa: E402
import processes  # noqa: E402
from compared import System  # noqa: E402

CONFIG = """\
version: 2
service:
  pool_kwargs:
    min_workers: {least}
    max_workers: {most}
{preload}brokers:
  pg_notify:
    config:
      conninfo: {dsn}
    sync_connection_factory: {sdk}.brokers.pg_notify.connection_saver
    channels: [{channel}]
    default_publish_channel: {channel}
{socket}{worker}"""

PRELOAD = """\
  process_manager_kwargs:
    preload_modules: [bench_tasks]
"""

SOCKET = """\
  socket:
    socket_path: {path}
publish:
  default_broker: pg_notify
"""


WORKER = """\
worker:
  command: {command}
  slots: {slots}
"""


@dataclass(frozen=True)
class Program:
    """What the workers of a service are: a command, or Python if there is none."""

    command: tuple[str, ...] = ()
    slots: int = 1
    """Tasks at a time in one of them."""


PYTHON = Program()


class BenchError(RuntimeError):
    """A system did not do what a measurement waits for."""


def ours() -> System:
    """The service of this checkout."""
    return compared.ours()


def peer() -> System:
    """dispatcherd; BENCH_PEER_PYTHON names where it is installed."""
    return compared.peer(os.environ.get("BENCH_PEER_PYTHON"))


def environment(system: System, place: Path) -> dict[str, str]:
    """What the processes of a system are given."""
    return {
        **system.environment(HERE / "app"),
        "BENCH_SDK": system.sdk,
        "BENCH_CONFIG": str(place / f"{system.name}.yml"),
        "BENCH_COUNT": str(place / "count"),
        "BENCH_DELAYS": str(place / "delays"),
    }


class Line:
    """A publishing process, driven line by line."""

    def __init__(self, command: list[str], variables: dict[str, str], log: Path) -> None:
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                bufsize=1,
            )
        self._line()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"the publisher ended with code {self.process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def send(self, action: str, /, **words: Any) -> None:
        """Begins an action."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"action": action, **words}) + "\n")

    def receive(self) -> dict[str, Any]:
        """Waits for its end."""
        reply = self._line()
        if "error" in reply:
            raise BenchError(f"the publisher failed: {reply['error']}")
        return reply

    def call(self, action: str, /, **words: Any) -> dict[str, Any]:
        """Both."""
        self.send(action, **words)
        return self.receive()

    def rate(self, action: str, count: int, **words: Any) -> float:
        """Tasks a second that the action published."""
        reply = self.call(action, count=count, **words)
        return float(count / (reply["ended"] - reply["began"]))

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()


class Publisher(Line):
    """A publisher of the SDK of one of the two systems."""

    def __init__(self, system: System, place: Path) -> None:
        command = [system.python, str(HERE / "app" / "bench_publisher.py")]
        super().__init__(command, environment(system, place), place / f"{system.name}.log")


class Trial:
    """One system, at work for one measurement: `with Trial(system, dsn, place) as trial`."""

    def __init__(
        self,
        system: System,
        dsn: str,
        place: Path,
        workers: tuple[int, int] = (2, 2),
        socket: bool = False,
        program: Program = PYTHON,
    ) -> None:
        """`socket`: whether the service listens on `socket_path` as well."""
        self.system, self.place = system, place
        self.socket_path = place / f"{system.name}.sock"
        self.count, self.delays = place / "count", place / "delays"
        self.workers, self.elastic = workers[0], workers[0] != workers[1]
        self.channel = f"bench_{system.name}"
        self.config = {
            "least": workers[0],
            "most": workers[1],
            "preload": PRELOAD if self.elastic else "",
            "dsn": dsn,
            "sdk": system.sdk,
            "channel": self.channel,
            "worker": WORKER.format(command=json.dumps(program.command), slots=program.slots)
            if program.command
            else "",
            "socket": SOCKET.format(path=self.socket_path) if socket else "",
        }
        self.log = (place / f"{system.name}.log").open("ab")
        self.service: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Trial:
        (self.place / f"{self.system.name}.yml").write_text(CONFIG.format(**self.config))
        self.reset()
        self.publisher = Publisher(self.system, self.place)
        return self

    def __exit__(self, *_error: object) -> None:
        self.publisher.close()
        if self.service:
            processes.end(self.service)
        self.log.close()

    @property
    def pid(self) -> int:
        """The service's main process."""
        assert self.service is not None
        return self.service.pid

    def reset(self) -> None:
        """Nothing has run so far."""
        self.count.write_bytes(b"")
        self.delays.write_bytes(b"")

    def done(self) -> int:
        """Tasks that have run."""
        return self.count.stat().st_size

    def start(self) -> float:
        """Starts the service; gives the time."""
        began = time.time()
        self.service = subprocess.Popen(
            [*self.system.service, "--config", str(self.place / f"{self.system.name}.yml"), "--log-level", "ERROR"],
            env=environment(self.system, self.place),
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        return began

    def start_warm(self) -> None:
        """Starts the service and lets every worker run something; a pool that may grow gets no cause to."""
        self.start()
        if self.elastic:
            self.listening()
            work = 1
        else:
            self.first_task()
            time.sleep(0.2)
            work = 50 * self.workers
        self.reset()
        self.publisher.call("burst", count=work)
        self.wait(work)
        time.sleep(1.0)
        self.reset()

    def first_task(self) -> float:
        """Publishes one task after another until one has run; gives the time. What nobody listens to is lost."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.publisher.call("burst", count=1)
            for _ in range(10):
                if self.done():
                    return time.time()
                time.sleep(0.001)
            self._alive()
        raise BenchError(f"{self.system.name} ran nothing in 30 s")

    def listening(self) -> None:
        """Waits until the service answers."""
        deadline = time.monotonic() + 30
        while not self.publisher.call("control", command="alive", timeout=0.2)["result"]:
            if time.monotonic() > deadline:
                raise BenchError(f"{self.system.name} did not answer in 30 s")
            self._alive()

    def wait(self, count: int, timeout: float = 300) -> float:
        """Waits until so many tasks have run; gives the time."""
        deadline = time.monotonic() + timeout
        while self.done() < count:
            if time.monotonic() > deadline:
                raise BenchError(f"{self.system.name} ran {self.done()} of {count} tasks in {timeout:.0f} s")
            self._alive()
            time.sleep(0.001)
        return time.time()

    def ask(self, command: str) -> dict[str, Any]:
        """The service's answer to a control request."""
        replies = self.publisher.call("control", command=command, timeout=30)["result"]
        if not replies:
            raise BenchError(f"{self.system.name} did not answer the request {command}")
        reply: dict[str, Any] = replies[0]
        return reply

    def received(self) -> int:
        """Tasks that the service has taken in."""
        reply = self.ask("main")
        return int(reply["received_count"] - reply["control_count"])

    def _alive(self) -> None:
        if self.service and self.service.poll() is not None:
            raise BenchError(f"{self.system.name} ended with code {self.service.returncode}; see {self.log.name}")
