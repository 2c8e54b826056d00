"""What a transaction of Django does to what was published in it, as far as a test has to know.

A message on Django's connection is sent at COMMIT and dropped at ROLLBACK, to a savepoint too. Here no message reaches
the connection, so its `commit`, `rollback` and `savepoint_rollback` are watched. No callbacks are registered, as tests
count those. Where it stands: under `published`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def connection_in_transaction() -> Any | None:
    """This thread's default connection of Django, if a transaction is open on it. Imports nothing of Django."""
    django_conf = sys.modules.get("django.conf")
    if django_conf is None or not django_conf.settings.configured:
        return None
    from django.db import connections

    if "default" not in connections.settings:
        return None
    connection = connections["default"]
    return connection if connection.in_atomic_block else None


class Fate:
    """What has become of one message."""

    stands = True
    """No ROLLBACK has taken it back so far."""


class Transactions:
    """The messages that still depend on a transaction."""

    def __init__(self) -> None:
        self._leave: list[Callable[[], None]] = []
        self._open: dict[int, list[tuple[Fate, frozenset[str]]]] = {}
        """By connection: the messages of its transaction, each with the savepoints that were set before it."""

    def fate(self) -> Fate:
        """Of a message that is published now."""
        fate, connection = Fate(), connection_in_transaction()
        if connection is not None:
            if id(connection) not in self._open:
                self._open[id(connection)] = self._watch(connection)
            self._open[id(connection)].append((fate, frozenset(filter(None, connection.savepoint_ids))))
        return fate

    def leave(self) -> None:
        """Watches no more."""
        while self._leave:
            self._leave.pop()()

    def _watch(self, connection: Any) -> list[tuple[Fate, frozenset[str]]]:
        """Messages to be are put in the list that this gives; what happens on the connection takes them out."""
        messages: list[tuple[Fate, frozenset[str]]] = []

        def after_rollback() -> None:
            for fate, _ in messages:
                fate.stands = False
            messages.clear()

        def after_savepoint_rollback(savepoint: str) -> None:
            for fate, below in messages:
                if savepoint in below:
                    fate.stands = False

        watched: dict[str, Callable[..., None]] = {
            "commit": messages.clear,
            "rollback": after_rollback,
            "savepoint_rollback": after_savepoint_rollback,
        }
        # On the object, above the methods of its class: taking these away again leaves it as it was.
        for name, after in watched.items():
            setattr(connection, name, _then(getattr(connection, name), after))

        def leave() -> None:
            for name in watched:
                delattr(connection, name)

        self._leave.append(leave)
        return messages


def _then(method: Callable[..., Any], after: Callable[..., None]) -> Callable[..., Any]:
    """The method, and what follows it."""

    def call(*args: Any) -> Any:
        value = method(*args)
        after(*args)
        return value

    return call
