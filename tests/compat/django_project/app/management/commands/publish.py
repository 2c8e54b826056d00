"""`manage.py publish`: what views and models of the project do, one step for each argument; answers in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from app import tasks
from dispatcherd.factories import get_control_from_settings
from dispatcherd.publish import submit_task


def _row_and_task(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO project_rows VALUES (%s)", [name])
    tasks.find.delay(name)


def committed() -> None:
    with transaction.atomic():
        _row_and_task("committed")


def rolled_back() -> None:
    try:
        with transaction.atomic():
            _row_and_task("rolled back")
            raise KeyError
    except KeyError:
        pass


def rolled_back_to_a_savepoint() -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                _row_and_task("inner")
                raise KeyError
        except KeyError:
            _row_and_task("outer")


def same_connection() -> bool:
    before = _backend()
    tasks.find.delay("nothing")
    return before == _backend()


def _backend() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def several_kinds() -> list[Any]:
    return [
        tasks.Everywhere.delay(3)[1],
        plain(),
        tasks.container.apply_async(args=["a"], uuid="container-a")[0]["uuid"],
    ]


def plain() -> str:
    body, _ = submit_task(tasks.plain, args=(4,), queue=tasks.get_queue())
    return str(body["task"])


def break_connection() -> None:
    tasks.break_connection.delay()


def find() -> None:
    tasks.find.delay("after")


def healthy() -> bool:
    """How EDA asks one node for its health."""
    control = get_control_from_settings(default_publish_channel=tasks.get_queue())
    return bool(control.control_with_reply("alive", timeout=3))


STEPS: dict[str, Callable[[], Any]] = {
    step.__name__: step
    for step in (
        committed, rolled_back, rolled_back_to_a_savepoint, same_connection, several_kinds, plain, break_connection,
        find, healthy,
    )
}  # fmt: skip


class Command(BaseCommand):
    help = "Publishes"

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("steps", nargs="+", choices=list(STEPS))

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps([STEPS[step]() for step in options["steps"]]))
