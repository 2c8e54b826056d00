"""The native service as a process, with a configuration that is handed over and not written to disk.

Knows nothing of what the service does. Where it stands: under `run_service` and the test helpers.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dispatcher import _binary
from dispatcher.worker.kernel import die_with_parent

if TYPE_CHECKING:
    import subprocess

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Service:
    """One service with its configuration."""

    def __init__(self, config: dict[str, Any]) -> None:
        """`config` is what `dispatcher.config.setup` takes."""
        self.config = config

    def run(self) -> None:
        """Becomes the service: the process stays the same, this program ends, and the call does not return.

        While other threads run, which would end with this program, the service is a child of this process instead.
        Signals that stop it are passed on; the call returns when it has ended well, else raises SystemExit.
        """
        if threading.active_count() > 1:
            self._run_as_child()
            return
        descriptor = self._hand_over()
        _binary.become(self._command(descriptor), self._environment())

    def _run_as_child(self) -> None:
        # A session of its own, so that a signal to the group comes once, from here. It dies with this process.
        with _passed_on() as pass_on:
            process = self.start(start_new_session=True, preexec_fn=die_with_parent)
            pass_on(process)
            code = process.wait()
        if code:
            sys.exit(code if code > 0 else 128 - code)

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """Starts the service as a child; the options are those of `subprocess.Popen`."""
        import subprocess

        descriptor = self._hand_over()
        environment = {**(options.pop("env", None) or os.environ), "DISPATCHER_PYTHON": sys.executable}
        try:
            return subprocess.Popen(
                self._command(descriptor),
                executable=_binary.find_binary(),
                env={**environment, **self._environment()},
                pass_fds=(descriptor, *options.pop("pass_fds", ())),
                **options,
            )
        finally:
            os.close(descriptor)

    @staticmethod
    def _command(descriptor: int) -> list[str]:
        return [_binary.NAME, "serve", "--config-fd", str(descriptor), *_log_level()]

    @staticmethod
    def _environment() -> dict[str, str]:
        """So that workers import what this process imports."""
        return {"DISPATCHER_SYS_PATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}

    def _hand_over(self) -> int:
        """The configuration as JSON in a file in memory, which every child that gets the descriptor can read."""
        text = json.dumps(self._effective(), default=_as_json)
        descriptor = os.memfd_create("dispatcher-config", 0)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.set_inheritable(descriptor, True)
        return descriptor

    def _effective(self) -> dict[str, Any]:
        """The configuration, with Django's way to the database when it names none."""
        options = self.config.get("brokers", {}).get("pg_notify")
        if options is None or options.get("config"):
            return self.config
        from dispatcher.brokers.pg_connections import django_parameters, django_uses_postgres

        if not django_uses_postgres():
            return self.config
        options = {**options, "config": django_parameters()}
        return {**self.config, "brokers": {**self.config["brokers"], "pg_notify": options}}


@contextmanager
def _passed_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Passes on the signals that stop a service, to the process that the function is given, each of them once."""
    came: deque[int] = deque()
    receivers: list[subprocess.Popen[bytes]] = []

    def deliver() -> None:
        try:
            while receivers:
                receivers[0].send_signal(came.popleft())
        except IndexError:
            pass  # all of them

    def handler(number: int, _frame: object) -> None:
        came.append(number)
        deliver()

    def pass_on(process: subprocess.Popen[bytes]) -> None:
        receivers.append(process)
        deliver()

    if threading.current_thread() is not threading.main_thread():
        yield pass_on  # handlers are the main thread's
        return
    stopping = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in stopping}
    try:
        yield pass_on
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _log_level() -> list[str]:
    """The level that the application has set for our logger, if it has, for what the service itself logs."""
    logger: logging.Logger | None = logging.getLogger(_binary.NAME)
    # The root's is not meant for us: Python sets it to WARNING if nobody sets it.
    while logger is not None and logger.parent is not None:
        if logger.level:
            fitting = [name for name in LEVELS if logging.getLevelName(name) >= logger.level]
            return ["--log-level", (fitting or LEVELS[-1:])[0]]
        logger = logger.parent
    return []


def _as_json(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(
        f"the config holds {value!r} of type {type(value).__name__}; the service gets it as JSON, "
        "so it may hold text, numbers, true, false, None, lists and dicts"
    )
