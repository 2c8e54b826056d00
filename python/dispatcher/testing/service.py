"""A real service for the time of a test.

Leaves no process behind, whatever the test does. Where it stands: for the tests of applications and our own.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dispatcher.config import DispatcherSettings
from dispatcher.control import Control
from dispatcher.factories import from_settings, get_control_from_settings


@dataclass
class RunningService:
    """A service that answers."""

    process: subprocess.Popen[bytes]
    control: Control
    settings: DispatcherSettings

    def ask(self, command: str, data: dict[str, Any] | None = None, timeout: float = 5.0) -> dict[str, Any]:
        """The reply of this service to a control command."""
        replies = self.control.control_with_reply(command, timeout=timeout, data=data)
        if not replies:
            raise TimeoutError(f"no reply to {command} within {timeout} s")
        return replies[0]

    def finished(self) -> int:
        """How many tasks have ended."""
        return int(self.ask("main")["pool"]["finished_count"])

    def wait_finished(self, count: int, timeout: float = 10.0) -> int:
        """Waits until at least so many tasks have ended; gives the number, or raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while (now := self.finished()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{now} of {count} tasks ended within {timeout} s")
            time.sleep(0.02)
        return now


@contextmanager
def running_service(config: dict[str, Any], timeout: float = 20.0, **options: Any) -> Iterator[RunningService]:
    """Starts a service with `config`, waits until it answers, and stops it at the end of the block.

    `options` are those of `subprocess.Popen`. To publish to it from the same process, call `setup(config)` as well.
    """
    settings = DispatcherSettings(config)
    process = from_settings(settings).start(**options)
    service = RunningService(process, get_control_from_settings(settings=settings), settings)
    try:
        _wait_until_it_answers(service, timeout)
        yield service
    finally:
        _stop(process, timeout)


def _wait_until_it_answers(service: RunningService, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not _answers(service):
        if service.process.poll() is not None:
            raise RuntimeError(f"the service ended with exit code {service.process.returncode} before it answered")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service did not answer within {timeout} s")


def _answers(service: RunningService) -> bool:
    try:
        return bool(service.control.control_with_reply("alive", timeout=0.2))
    except (FileNotFoundError, ConnectionRefusedError):
        # The socket is not there yet, or that of an earlier service still is. Those fail at once.
        time.sleep(0.01)
        return False


def _stop(process: subprocess.Popen[bytes], timeout: float) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
