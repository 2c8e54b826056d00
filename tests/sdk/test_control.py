"""Control commands: the request, the replies, and when no reply can come."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from dispatcher import config
from dispatcher.brokers import pg_connections
from dispatcher.brokers.memory import Broker as MemoryBroker
from dispatcher.chunking import split_message
from dispatcher.control import Control
from dispatcher.factories import get_control_from_settings


def answering(listener: Any, *payloads: str) -> Callable[[], None]:
    """Plays a service: hears one request, sends the payloads to where it wants the reply."""

    def play() -> None:
        request = json.loads(listener.next())
        for payload in payloads:
            listener.connection.execute("SELECT pg_notify(%s, %s)", (request["reply_to"], payload))

    thread = threading.Thread(target=play)
    thread.start()
    return thread.join


def test_request_is_the_same_text_as_dispatcherd_writes(listener: Any, setup: Any) -> None:
    control = get_control_from_settings()
    control.control("cancel", data={"uuid": "x"})
    assert listener.next() == '{"control": "cancel", "control_data": {"uuid": "x"}}'
    assert control.create_message("alive", reply_to="r") == '{"control": "alive", "reply_to": "r"}'


def test_replies_are_joined_and_given_in_order(listener: Any, setup: Any) -> None:
    long = json.dumps({"node_id": "b", "filler": "f" * 20_000})
    join = answering(listener, '{"node_id": "a"}', *split_message(long, max_bytes=7999))
    replies = get_control_from_settings().control_with_reply("running", expected_replies=2, timeout=5)
    join()
    assert [reply["node_id"] for reply in replies] == ["a", "b"]
    assert len(replies[1]["filler"]) == 20_000


@pytest.mark.parametrize("payload", ["not json", "[1]"])
def test_a_reply_that_is_no_object_is_given_as_an_error(payload: str, listener: Any, setup: Any) -> None:
    join = answering(listener, payload)
    replies = get_control_from_settings().control_with_reply("alive", timeout=5)
    join()
    assert replies == [{"error": "JSON parse error", "original": payload}]


def test_asynchronous_request_is_answered(listener: Any, setup: Any) -> None:
    join = answering(listener, '{"node_id": "a"}')
    replies = asyncio.run(get_control_from_settings().acontrol_with_reply("alive", timeout=5))
    join()
    assert replies == [{"node_id": "a"}]


def test_no_reply_gives_an_empty_list_after_the_timeout(setup: Any) -> None:
    assert get_control_from_settings().control_with_reply("alive", timeout=0.1) == []
    assert asyncio.run(get_control_from_settings().acontrol_with_reply("alive", timeout=0.1)) == []


def test_overrides_reach_one_node(dsn: str, pg_config: Any, listener: Any) -> None:
    pg_config["brokers"]["pg_notify"]["default_publish_channel"] = "somewhere_else"
    config.setup(pg_config)
    get_control_from_settings(default_publish_channel=listener.channel).control("alive")
    assert listener.next() == '{"control": "alive"}'


@pytest.mark.parametrize("autocommit", [True, False])
def test_request_inside_a_transaction_is_refused_at_once(
    autocommit: bool, dsn: str, pg_config: Any, monkeypatch: pytest.MonkeyPatch, listener: Any
) -> None:
    with psycopg.connect(dsn, autocommit=autocommit) as application:
        monkeypatch.setattr(pg_connections, "of_the_application", lambda **_: application, raising=False)
        options = pg_config["brokers"]["pg_notify"]
        options["sync_connection_factory"] = "dispatcher.brokers.pg_connections.of_the_application"
        config.setup(pg_config)
        control = get_control_from_settings()
        with application.transaction():
            with pytest.raises(RuntimeError, match=r"inside a transaction.*COMMIT.*on_commit"):
                control.control_with_reply("alive", timeout=30)
            control.control("cancel")
            assert listener.is_quiet()
    assert listener.next() == '{"control": "cancel"}'


def test_listening_leaves_the_applications_connection_as_it_was(dsn: str, pg_config: Any) -> None:
    options = pg_config["brokers"]["pg_notify"]
    with psycopg.connect(dsn, autocommit=True) as application:
        control = Control("pg_notify", {"config": {}, "sync_connection": application, "channels": options["channels"]})
        assert control.control_with_reply("alive", timeout=0.1) == []
        assert application.execute("SELECT pg_listening_channels()").fetchall() == []


def test_data_that_is_no_json_names_the_command() -> None:
    with pytest.raises(TypeError, match="'running'"):
        Control("noop", {}).control("running", data={"x": object()})


def test_a_service_answers(service: Any) -> None:
    assert service.ask("alive")["node_id"]


class _Recording(MemoryBroker):
    """A broker of an application, which takes channels and replies on them."""

    def publish_message(self, channel: str | None = None, message: str = "") -> str:
        self.queue_notification(self.channels[0], json.dumps({"asked": channel, "node_id": "x"}))
        return super().publish_message(channel, message)


def test_an_applications_own_broker_listens_to_the_reply_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "application.broker", SimpleNamespace(Broker=_Recording))  # type: ignore[arg-type]
    control = Control("application.broker", {}, queue="there")
    assert control.control_with_reply("alive") == [{"asked": "there", "node_id": "x"}]


class _Plain(MemoryBroker):
    """Knows no channels."""

    def __init__(self) -> None:
        super().__init__()
        self.queue_notification(7, '{"node_id": "y"}')


def test_a_broker_without_channels_can_be_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "application.broker", SimpleNamespace(Broker=_Plain))  # type: ignore[arg-type]
    assert Control("application.broker", {}).control_with_reply("alive") == [{"node_id": "y"}]
