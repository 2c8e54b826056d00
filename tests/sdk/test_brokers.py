"""Brokers for tests and for machines without Postgres."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dispatcher import config
from dispatcher.brokers import get_broker
from dispatcher.brokers.memory import Broker
from dispatcher.publish import submit_task


def sample() -> None:
    pass


@pytest.mark.parametrize("name", ["noop", "dispatcher.testing.brokers.noop", "dispatcher.testing.brokers.memory"])
def test_tasks_are_published_without_a_server(name: str) -> None:
    config.setup({"version": 2, "brokers": {name: {}}})
    assert submit_task(sample)[1] == ""


def test_error_only_refuses() -> None:
    config.setup({"version": 2, "brokers": {"dispatcher.testing.brokers.error_only": {"error_message": "no"}}})
    with pytest.raises(RuntimeError, match="no"):
        submit_task(sample)


def test_memory_delivers_what_was_put_in() -> None:
    broker = Broker()
    broker.queue_notification("a", "1")
    broker.queue_notification("b", "2")
    assert list(broker.process_notify(max_messages=1)) == [("a", "1")]

    async def rest() -> list[Any]:
        got = []

        async def more() -> None:
            broker.queue_notification("c", "3")

        async for item in broker.aprocess_notify(connected_callback=more):
            got.append(item)
            if len(got) == 2:
                return got
        return got

    assert asyncio.run(asyncio.wait_for(rest(), 5)) == [("b", "2"), ("c", "3")]


def test_a_dotted_name_is_a_module_of_the_application() -> None:
    assert isinstance(get_broker("dispatcher.brokers.memory", None), Broker)
