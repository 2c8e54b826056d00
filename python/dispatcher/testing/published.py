"""What was published, for tests: nothing leaves the process, and a test can look at it and run it.

    with published() as tasks:
        sign_up("ann")
    tasks.assert_published(send_welcome, args=["ann"], times=1)

Stands in for the broker behind `delay`, `apply_async`, `submit_task` and `submit_many`, so everything before it is the
real thing, with its errors: options, JSON, the choice of the channel. Control requests are no part of it. Where it
stands: `eager` adds to it, `matching` compares, `transaction` follows Django.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload
from unittest import mock

from dispatcher import factories
from dispatcher.brokers.base import Broker
from dispatcher.brokers.noop import Broker as NoopBroker
from dispatcher.config import CONFIG_FILE_VARIABLES, DispatcherSettings, LazySettings, is_setup
from dispatcher.config import settings as global_settings
from dispatcher.testing import matching
from dispatcher.testing.transaction import Fate, Transactions

if TYPE_CHECKING:
    from dispatcher.testing.eager import Run

Settings = LazySettings | DispatcherSettings
Control = Mapping[str, Any] | Callable[[str, "dict[str, Any] | None"], Any] | None
"""What a bound task is answered: replies by command, or a function of the command and its data that gives them."""


@dataclass(frozen=True)
class PublishedTask:
    """One task as a service would have received it."""

    task: str
    """Its name, `package.module.function`."""
    args: list[Any]
    """Its positional arguments after their way through JSON: a tuple is a list."""
    kwargs: dict[str, Any]
    """Its keyword arguments after their way through JSON."""
    queue: str | None
    """The channel that it went to; None when the task, the call and the configuration name none."""
    uuid: str
    """Its name in logs and control commands."""
    message: dict[str, Any] = field(repr=False)
    """All of it, further keys such as `delay`, `timeout` and `on_duplicate` included."""

    def __str__(self) -> str:
        return matching.call_text(self)


class PublishedTasks(Sequence[PublishedTask]):
    """What was published, oldest first, without what a rolled-back transaction of Django took back.

    What waits for a COMMIT counts: tests often run in a transaction that never ends in one.
    """

    def __init__(self) -> None:
        self.runs: list[Run] = []
        """How the tasks that have been run here have ended, in the order in which they ran."""
        self._entries: list[tuple[PublishedTask, Fate]] = []
        self._transactions = Transactions()
        self._waiting: deque[tuple[PublishedTask, Fate]] = deque()
        """Not run yet."""

    # -- what is there

    def __len__(self) -> int:
        return len(self._standing())

    @overload
    def __getitem__(self, index: int) -> PublishedTask: ...
    @overload
    def __getitem__(self, index: slice) -> list[PublishedTask]: ...
    def __getitem__(self, index: int | slice) -> PublishedTask | list[PublishedTask]:
        return self._standing()[index]

    def __repr__(self) -> str:
        return f"<PublishedTasks: {', '.join(map(str, self)) or 'none'}>"

    def _standing(self) -> list[PublishedTask]:
        return [task for task, fate in self._entries if fate.stands]

    def clear(self) -> None:
        """Forgets what has been published and run so far."""
        self._entries.clear()
        self._waiting.clear()
        self.runs.clear()

    # -- assertions

    def matching(
        self,
        task: Callable[..., Any] | str | None = None,
        *,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        **options: Any,
    ) -> list[PublishedTask]:
        """What was published and is so, oldest first. The parameters are those of `assert_published`."""
        wanted = matching.Wanted(task, args, kwargs, queue, options)
        return [entry for entry in self if not wanted.differences(entry)]

    def assert_published(
        self,
        task: Callable[..., Any] | str | None = None,
        *,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        times: int | None = None,
        **options: Any,
    ) -> list[PublishedTask]:
        """Raises AssertionError unless such a task was published; gives those that were.

        What is not given may be anything.

        task: the function or class, or its name.
        args, kwargs: exactly these; values that compare as they like (`mock.ANY`) may be among them.
        queue: the channel.
        times: how often; at least once if None.
        options: further keys of the message, such as `delay=60` or `on_duplicate="serial"`.
        """
        __tracebackhide__ = True
        wanted = matching.Wanted(task, args, kwargs, queue, options)
        found = [entry for entry in self if not wanted.differences(entry)]
        if (not found) if times is None else len(found) != times:
            raise AssertionError(matching.complaint(wanted, list(self), found, times))
        return found

    def assert_not_published(
        self,
        task: Callable[..., Any] | str | None = None,
        *,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        **options: Any,
    ) -> None:
        """Raises AssertionError if such a task was published; without parameters, if anything was."""
        __tracebackhide__ = True
        self.assert_published(task, args=args, kwargs=kwargs, queue=queue, times=0, **options)

    # -- running

    def run_all(self, *, raises: bool = True, control: Control = None) -> list[Run]:
        """Runs what has not been run yet, oldest first, and what that publishes; gives how each has ended.

        The parameters are those of `eager`.
        """
        from dispatcher.testing.eager import run_waiting

        return run_waiting(self, raises, control)

    # -- for the broker

    def _take(self, entries: list[PublishedTask], *, in_transactions: bool) -> None:
        fated = [(entry, self._transactions.fate() if in_transactions else Fate()) for entry in entries]
        self._entries += fated
        self._arrived(fated)

    def _arrived(self, fated: list[tuple[PublishedTask, Fate]]) -> None:
        self._waiting += fated


class _Recorder(NoopBroker):
    """In place of the broker of some settings."""

    def __init__(self, tasks: PublishedTasks, name: str | None, options: dict[str, Any]) -> None:
        super().__init__(options.get("channels") or (), options.get("default_publish_channel"))
        self._tasks = tasks
        own_line = name == "pg_notify" and options.get("config") and not options.get("sync_connection_factory")
        self._in_transactions = not own_line and name != "socket"
        """Whether what is published here would follow the transaction of the application."""

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        """Notes the task."""
        return self.publish_messages([(channel, message)])[0]

    def publish_messages(self, messages: Sequence[tuple[str | None, str]]) -> list[str]:
        """Notes the tasks."""
        channels = [self._channel(channel) for channel, _ in messages]
        read = [_read(channel, text) for channel, (_, text) in zip(channels, messages, strict=True)]
        self._tasks._take([entry for entry in read if entry is not None], in_transactions=self._in_transactions)
        return channels

    async def apublish_message(
        self, channel: str | None = None, origin: int | str | None = None, message: str = ""
    ) -> None:
        """Notes the task."""
        self.publish_message(channel, message)


def _read(channel: str, text: str) -> PublishedTask | None:
    """The task of a message; None for a message of another kind."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("task"), str):
        return None
    args, kwargs = list(message.get("args") or ()), dict(message.get("kwargs") or {})
    return PublishedTask(message["task"], args, kwargs, channel or None, str(message.get("uuid", "")), message)


def _recorder_for(tasks: PublishedTasks, broker_name: str | None, settings: Settings) -> _Recorder:
    """What stands in for the broker that these settings would give; their mistakes are raised as ever.

    Without settings anything can be published, as a test that publishes needs none.
    """
    from_file = any(os.environ.get(variable) for variable in CONFIG_FILE_VARIABLES)
    if isinstance(settings, LazySettings) and not is_setup(settings) and not from_file:
        return _Recorder(tasks, None, {})
    name = factories._publish_broker_name(broker_name, settings)
    return _Recorder(tasks, name, settings.brokers[name] or {})


@contextmanager
def recording(tasks: PublishedTasks) -> Iterator[PublishedTasks]:
    """Puts `tasks` in place of every broker of this process, whatever its settings become meanwhile."""

    def publisher(publish_broker: str | None = None, settings: Settings = global_settings, **_overrides: Any) -> Broker:
        return _recorder_for(tasks, publish_broker, settings)

    with mock.patch.object(factories, "get_publisher_from_settings", publisher):
        try:
            yield tasks
        finally:
            tasks._transactions.leave()


@contextmanager
def published() -> Iterator[PublishedTasks]:
    """Within the block nothing is sent: what is published, by any thread of this process, is there to be looked at."""
    with recording(PublishedTasks()) as tasks:
        yield tasks
