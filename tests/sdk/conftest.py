"""What the SDK's tests share: a channel for each test, settings that lead to it, and a service on it."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dispatcher import config
from dispatcher.testing import running_service
from dispatcher.testing.service import RunningService

PATIENCE = 10.0
"""Seconds that anything may take before a test gives up."""


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"test_{uuid.uuid4().hex[:16]}"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins without settings, and leaves none behind."""
    for variable in config.CONFIG_FILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    before = config.settings._wrapped
    config.settings._wrapped = None
    yield
    config.settings._wrapped = before


@pytest.fixture
def pg_config(dsn: str, channel: str) -> dict[str, Any]:
    """A configuration for this test's channel."""
    return {
        "version": 2,
        "service": {"pool_kwargs": {"min_workers": 1, "max_workers": 2}},
        "brokers": {"pg_notify": {"config": {"conninfo": dsn}, "channels": [channel]}},
        "producers": {"ControlProducer": {}},
    }


class Listener:
    """Hears one channel on a connection of its own."""

    def __init__(self, dsn: str, channel: str) -> None:
        self.channel = channel
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self.heard: list[str] = []

    def next(self, timeout: float = PATIENCE) -> str:
        """The next payload."""
        if not self.heard:
            self.heard += [note.payload for note in self.connection.notifies(timeout=timeout, stop_after=1)]
        assert self.heard, f"nothing came on {self.channel} within {timeout} s"
        return self.heard.pop(0)

    def take(self, count: int) -> list[str]:
        """The next payloads."""
        return [self.next() for _ in range(count)]

    def is_quiet(self) -> bool:
        """Whether nothing has come. A message sent on another connection after it proves that nothing is under way."""
        mark = uuid.uuid4().hex
        self.connection.execute("SELECT pg_notify(%s, %s)", (self.channel, mark))
        return self.next() == mark


@pytest.fixture
def listener(dsn: str, channel: str) -> Iterator[Listener]:
    """Hears this test's channel."""
    made = Listener(dsn, channel)
    yield made
    made.connection.close()


@pytest.fixture
def setup(pg_config: dict[str, Any]) -> dict[str, Any]:
    """This process publishes to this test's channel."""
    config.setup(pg_config)
    return pg_config


@pytest.fixture
def start_service(pg_config: dict[str, Any]) -> Iterator[Callable[..., RunningService]]:
    """Starts services that answer; all are stopped at the end of the test. Keys given replace those of the config."""
    with ExitStack() as stack:

        def start(**sections: Any) -> RunningService:
            changed = {**pg_config, **sections}
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            return stack.enter_context(running_service(changed, env=environment))

        yield start


@pytest.fixture
def service(start_service: Callable[..., RunningService], setup: dict[str, Any]) -> RunningService:
    """A service on this test's channel."""
    return start_service()
