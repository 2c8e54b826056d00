"""Messages as the SDK writes them, without a database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatcher.config import temporary_settings
from dispatcher.factories import get_publisher_from_settings
from dispatcher.processors.blocker import Blocker
from dispatcher.processors.delayer import Delayer
from dispatcher.publish import submit_many, submit_task, task
from dispatcher.registry import DispatcherMethodRegistry, InvalidMethod

CONFIG = {"version": 2, "brokers": {"memory": {"channels": ["only"]}}}


def function(*args: Any, **kwargs: Any) -> None:
    """Something to publish."""


def published(call: Any) -> list[tuple[str, dict[str, Any], str]]:
    """What a call publishes: channel, message, text."""
    with temporary_settings(CONFIG) as settings:
        call()
        broker: Any = get_publisher_from_settings(settings=settings)
        return [(channel, json.loads(text), text) for channel, text in broker.published]


def keys(call: Any) -> list[str]:
    ((_, message, _),) = published(call)
    return list(message)


def test_a_plain_message_has_three_keys_in_order() -> None:
    assert keys(lambda: submit_task(function)) == ["task", "time_pub", "uuid"]


def test_arguments_come_after_the_uuid_and_only_when_there_are_any() -> None:
    assert keys(lambda: submit_task(function, args=(1, "a"), kwargs={"k": None})) == [
        "task",
        "time_pub",
        "uuid",
        "args",
        "kwargs",
    ]


def test_options_of_a_call_come_last() -> None:
    options = [Delayer.Params(delay=3), Blocker.Params(on_duplicate="serial")]
    assert keys(lambda: submit_task(function, timeout=5, bind=True)) == ["task", "time_pub", "uuid", "bind", "timeout"]
    assert keys(lambda: submit_task(function, processor_options=options)) == [
        "task",
        "time_pub",
        "uuid",
        "delay",
        "on_duplicate",
    ]


def test_options_of_the_decorator_stand_where_the_original_puts_them() -> None:
    registry = DispatcherMethodRegistry()

    @task(timeout=0.4, registry=registry)
    def with_timeout(_number: int) -> None: ...

    @task(on_duplicate="discard", registry=registry)
    def discarded(_text: str) -> None: ...

    assert keys(lambda: with_timeout.delay(1)) == ["timeout", "task", "time_pub", "uuid", "args"]  # type: ignore[attr-defined]
    assert keys(lambda: discarded.apply_async(args=["x"])) == ["task", "time_pub", "on_duplicate", "uuid", "args"]  # type: ignore[attr-defined]


def test_the_text_is_ascii_with_the_separators_of_python() -> None:
    ((_, message, text),) = published(lambda: submit_task(function, args=["ü🔥"], uuid="u"))
    assert text.isascii() and text == json.dumps(message)


def test_the_channel_is_the_calls_then_the_decorators_then_the_only_one() -> None:
    registry = DispatcherMethodRegistry()

    @task(queue=lambda: "named", registry=registry)
    def queued() -> None: ...

    assert published(lambda: queued.apply_async(queue="call"))[0][0] == "call"  # type: ignore[attr-defined]
    assert published(queued.delay)[0][0] == "named"  # type: ignore[attr-defined]
    assert published(lambda: submit_task(function))[0][0] == "only"


def test_many_calls_become_as_many_messages() -> None:
    sent = published(lambda: submit_many(function, [[1], {"k": 2}]))
    assert [(message.get("args"), message.get("kwargs")) for _, message, _ in sent] == [([1], None), (None, {"k": 2})]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: submit_task(function, args=[1, object()]), r"args\[1\] \(a object\)"),
        (lambda: submit_task(function, kwargs={"when": {1, 2}}), r"kwargs\['when'\] \(a set\)"),
        (lambda: submit_task(function, queue="x" * 64), "longer than 63 bytes"),
    ],
)
def test_an_error_says_what_was_wrong_and_where(call: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        published(call)


def test_a_class_without_run_cannot_be_a_task() -> None:
    with pytest.raises(InvalidMethod, match="no method run"):

        @task(registry=DispatcherMethodRegistry())
        class NoRun:
            pass


def test_a_decorated_function_stays_what_it_is() -> None:
    registry = DispatcherMethodRegistry()

    @task(registry=registry)
    def double(number: int) -> int:
        return number * 2

    assert double(2) == 4
    assert registry.is_registered(double)
