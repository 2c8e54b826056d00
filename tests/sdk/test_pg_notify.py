"""Publishing over Postgres: whose connection, which transaction, and what happens when the line is cut."""

from __future__ import annotations

import os
import threading
import warnings
from typing import Any

import psycopg
import pytest

from dispatcher import config
from dispatcher.brokers import pg_connections, pg_notify
from dispatcher.factories import get_publisher_from_settings
from dispatcher.publish import submit_many, submit_task


def sample(*args: object) -> None:
    pass


def backend(connection: Any) -> int:
    return int(connection.info.backend_pid)


def own_connection() -> Any:
    broker: Any = get_publisher_from_settings()
    return broker.get_connection()


@pytest.fixture(autouse=True)
def forget_saver() -> Any:
    yield
    if pg_notify.connection_save._connection is not None:
        pg_notify.connection_save._connection.close()
    pg_notify.connection_save.reset()


def cut(dsn: str, connection: Any) -> None:
    """Ends the server's side of a connection, and waits until it is gone."""
    pid = backend(connection)
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


# ---- one connection a thread


@pytest.mark.usefixtures("setup")
class TestKeptConnection:
    def test_is_used_for_every_message(self, listener: Any) -> None:
        submit_task(sample)
        first = backend(own_connection())
        submit_task(sample)
        assert backend(own_connection()) == first
        listener.take(2)

    def test_is_another_one_in_each_thread_and_closed_with_it(self) -> None:
        seen: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            thread = threading.Thread(target=lambda: seen.append(own_connection()))
            thread.start()
            thread.join()
        assert seen[0] is not own_connection()
        assert seen[0].closed

    def test_that_the_server_has_cut_is_opened_anew_without_an_error(self, dsn: str, listener: Any) -> None:
        submit_task(sample, args=[1])
        cut(dsn, own_connection())
        submit_task(sample, args=[2])
        submit_many(sample, [[3], [4]])
        assert len(set(listener.take(4))) == 4
        assert listener.is_quiet()

    def test_of_the_parent_survives_a_fork(self, listener: Any) -> None:
        submit_task(sample)
        mine = backend(own_connection())
        child = os.fork()
        if child == 0:
            try:
                submit_task(sample)
                os._exit(0 if backend(own_connection()) != mine else 3)
            except BaseException:
                os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        submit_task(sample)
        assert backend(own_connection()) == mine
        listener.take(3)

    def test_needs_no_prepared_statement_behind_a_pooler(self, listener: Any) -> None:
        submit_task(sample)
        own_connection().execute("DEALLOCATE ALL")  # what a pooler looks like that changed the server connection
        submit_task(sample)
        submit_task(sample)
        listener.take(3)
        assert listener.is_quiet()

    def test_may_be_in_a_transaction_of_whoever_borrowed_it(self, listener: Any) -> None:
        with own_connection().transaction():
            submit_task(sample)
            submit_many(sample, [[1], [2]])
            assert listener.is_quiet()
        listener.take(3)


def test_prepare_threshold_none_means_no_prepared_statement(pg_config: Any, listener: Any) -> None:
    pg_config["brokers"]["pg_notify"]["config"]["prepare_threshold"] = None
    config.setup(pg_config)
    submit_task(sample)
    assert own_connection().execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    listener.next()


# ---- the application's connection


def test_factory_is_asked_for_every_message_and_its_transaction_counts(
    pg_config: Any, listener: Any, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = psycopg.connect(dsn)
    asked: list[dict[str, Any]] = []

    def factory(**given: Any) -> Any:
        asked.append(given)
        return application

    monkeypatch.setattr(pg_connections, "of_the_application", factory, raising=False)
    options = pg_config["brokers"]["pg_notify"]
    options["sync_connection_factory"] = "dispatcher.brokers.pg_connections.of_the_application"
    config.setup(pg_config)
    submit_task(sample)
    application.rollback()
    submit_task(sample, args=["kept"])
    submit_many(sample, [["many"], ["more"]])
    assert listener.is_quiet()
    application.commit()
    assert [name in text for name, text in zip(["kept", "many", "more"], listener.take(3), strict=True)] == [True] * 3
    assert asked == [options["config"]] * 3
    assert not application.closed
    application.close()


def test_connection_saver_is_one_for_all_threads(dsn: str) -> None:
    mine = pg_notify.connection_saver(conninfo=dsn)
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(pg_notify.connection_saver(conninfo=dsn)))
    thread.start()
    thread.join()
    assert seen == [mine]


def test_connection_saver_opens_a_cut_line_anew(dsn: str) -> None:
    before = pg_notify.connection_saver(conninfo=dsn)
    cut(dsn, before)
    after = pg_notify.connection_saver(conninfo=dsn)
    assert after is not before
    assert not after.closed


def test_many_threads_may_share_one_connection(pg_config: Any, listener: Any) -> None:
    saver = "dispatcher.brokers.pg_notify.connection_saver"
    pg_config["brokers"]["pg_notify"]["sync_connection_factory"] = saver
    config.setup(pg_config)
    threads = [
        threading.Thread(target=lambda n=n: [submit_task(sample, args=[n, i]) for i in range(25)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(listener.take(100))) == 100


# ---- messages


@pytest.mark.parametrize("size", [7999, 8000, 8001, 30_000])
def test_message_of_any_length_is_sent(size: int, dsn: str, listener: Any) -> None:
    import json

    from dispatcher.chunking import ChunkAccumulator

    message = json.dumps({"task": "x", "args": ["m" * (size - 24)]}, separators=(",", ":"))
    message = message.replace('"args"', '"args"' + " " * (size - len(message)))
    pg_notify.Broker(config={"conninfo": dsn}).publish_message(listener.channel, message)
    accumulator, got = ChunkAccumulator(), None
    while got is None:
        payload = listener.next()
        assert len(payload) < 8000
        got = accumulator.ingest_dict(json.loads(payload))[1]
    assert got == json.loads(message)


def test_many_messages_keep_their_order_and_their_channels(dsn: str, listener: Any) -> None:
    broker = pg_notify.Broker(config={"conninfo": dsn}, default_publish_channel=listener.channel)
    messages: list[tuple[str | None, str]] = [(None, "1"), ("elsewhere", "2"), (listener.channel, '"ü🔥\\'), (None, "")]
    assert broker.publish_messages(messages) == [listener.channel, "elsewhere", listener.channel, listener.channel]
    assert listener.take(3) == ["1", '"ü🔥\\', ""]
    broker.close()


def test_text_with_a_zero_byte_is_refused_and_the_connection_stays_good(dsn: str, listener: Any) -> None:
    broker = pg_notify.Broker(config={"conninfo": dsn})
    with pytest.raises(psycopg.Error):
        broker.publish_message(listener.channel, "a\0b")
    broker.publish_message(listener.channel, "good")
    assert listener.next() == "good"
    broker.close()


# ---- what is said when it is wrong


@pytest.mark.parametrize(("name", "problem"), [("", "is empty"), ("ü" * 32, "64 bytes"), (5, "type int")])
def test_bad_channel_is_said_with_its_reason(name: Any, problem: str, setup: Any) -> None:
    with pytest.raises(pg_notify.InvalidChannel, match=problem):
        submit_task(sample, queue=name)


def test_no_queue_says_the_three_ways_to_give_one(pg_config: Any) -> None:
    pg_config["brokers"]["pg_notify"]["channels"] = ["a", "b"]
    config.setup(pg_config)
    with pytest.raises(ValueError, match=r"2 channels \(a, b\).*default_publish_channel.*@task\(queue=.*queue="):
        submit_task(sample)


def test_no_way_to_connect_says_what_there_is() -> None:
    config.setup({"version": 2, "brokers": {"pg_notify": {"channels": ["a"]}}})
    with pytest.raises(RuntimeError, match=r"config or async_connection_factory.*Django"):
        submit_task(sample)


def test_factory_that_is_not_there_is_named() -> None:
    broker = pg_notify.Broker(config={"dbname": "x"}, sync_connection_factory="os.path.nothing")
    with pytest.raises(RuntimeError, match=r"sync_connection_factory: os\.path\.nothing"):
        broker.get_connection()
