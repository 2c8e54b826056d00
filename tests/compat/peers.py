"""The original beside us: a virtualenv of its own with dispatcherd from the package index, its service and its clients.

The virtualenv is made once, under `.run/`. Where it cannot be made the tests fail, and say why: a skipped test would
prove nothing. Where it stands: the fixtures of this directory; a test module asks for them by `pytest_plugins`.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import CHECKOUT, PATIENCE, Service, wait_until
from dispatcher.control import Control

APP = CHECKOUT / "tests" / "compat" / "app"
VERSION = "2026.5.27"
HOME = CHECKOUT / ".run" / "original"
NEEDED = [f"dispatcherd=={VERSION}", "psycopg[binary]>=3.2.4", "prometheus-client", "Django>=4.2"]


@pytest.fixture(scope="session")
def original() -> Path:
    """The directory of programs of a virtualenv with the original in it."""
    HOME.mkdir(parents=True, exist_ok=True)
    programs = HOME / "venv" / "bin"
    made = HOME / "venv" / "made"
    with (HOME / "lock").open("w") as lock:
        # Several test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _run("make a virtualenv", [sys.executable, "-m", "venv", "--clear", str(HOME / "venv")])
            _run("install the original", [str(programs / "python"), "-m", "pip", "install", "--quiet", *NEEDED])
            made.write_text(VERSION)
    return programs


def _run(what: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-1500:]
        pytest.fail(f"could not {what}, without which nothing here can be proved ({' '.join(command)}):\n{words}")


class Application:
    """The program `app/client.py` under one of the two packages."""

    def __init__(self, python: Path, service: Service) -> None:
        self.python = python
        self.service = service

    def do(self, *steps: dict[str, Any]) -> list[Any]:
        """Carries out the steps; gives what each of them returned."""
        given = json.dumps({"config": self.service.config, "steps": list(steps)})
        command = [str(self.python), str(APP / "client.py"), given]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
        assert done.returncode == 0, done.stderr
        returned: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return returned

    def publish(self, task: str, *args: Any, **options: Any) -> Any:
        """Publishes one task; gives its uuid."""
        ((message, _channel),) = self.do({"do": "publish", "task": task, "args": args, **options})
        return message["uuid"]

    def ask(self, command: str, **options: Any) -> list[dict[str, Any]]:
        """The replies to a control command."""
        (replies,) = self.do({"do": "ask", "command": command, "timeout": PATIENCE, **options})
        assert isinstance(replies, list)
        return replies


def clean_environment(**more: str) -> dict[str, str]:
    """For a program that has to find the package of its own Python, not of ours."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DISPATCHER", "PYTHON"))}
    return {**environment, **more}


class Ours(Service):
    """Our service, with the tasks of the application."""

    def start(self, *arguments: str) -> Service:
        """Starts it and waits until it answers."""
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(APP), *filter(None, [before])])
        try:
            return super().start(*arguments)
        finally:
            os.environ.pop("PYTHONPATH")
            if before is not None:
                os.environ["PYTHONPATH"] = before


class Original(Service):
    """The original's service, with the same tasks."""

    programs: Path

    def start(self, *arguments: str) -> Service:
        """Starts it and waits until it answers."""
        path = self.home / "dispatcher.yml"
        path.write_text(json.dumps(self.config))
        environment = clean_environment(TEST_OUT=str(self.out), TEST_MARK=self.mark, PYTHONPATH=str(APP))
        with self.log.open("ab") as log:
            command = [str(self.programs / "dispatcherd"), "--config", str(path), *arguments]
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(lambda: self.control("alive", wait=0.3) is not None, f"answer of the original; log: {self.log}")
        return self


MakePeers = Callable[..., Any]


@pytest.fixture
def peers(dsn: str, tmp_path: Path, original: Path) -> Iterator[MakePeers]:
    """Makes services of either kind; those that are to share a channel are given that of the first."""
    made: list[Service] = []

    def make(kind: type[Service], channel: str | None = None, **changes: Any) -> Service:
        home = tmp_path / f"{kind.__name__.lower()}-{len(made)}"
        home.mkdir()
        service = kind(dsn, home, {"producers": {"ControlProducer": {}}, **changes})
        service.config["service"]["main_kwargs"] = {"node_id": home.name}
        if isinstance(service, Original):
            service.programs = original
        if channel is not None:
            service.channel = channel
            service.config["brokers"]["pg_notify"].update(channels=[channel], default_publish_channel=channel)
        made.append(service)
        service.start()
        # On a shared channel any of them may have answered so far.
        control = Control("pg_notify", service.config["brokers"]["pg_notify"])
        wait_until(lambda: home.name in _nodes(control, len(made)), f"answer of {home.name}")
        return service

    yield make
    for service in made:
        service.destroy()


def _nodes(control: Control, count: int) -> list[str]:
    return [reply["node_id"] for reply in control.control_with_reply("alive", expected_replies=count, timeout=0.5)]


@pytest.fixture
def old_python(original: Path) -> Path:
    """The Python that has the original."""
    return original / "python"


@pytest.fixture
def new_python() -> Path:
    """The Python that has our package of the same name."""
    return Path(sys.executable)
