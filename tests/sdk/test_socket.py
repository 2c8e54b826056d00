"""The socket: what is sent, what is heard, and what is said when there is no service."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher import config
from dispatcher.brokers import get_broker
from dispatcher.brokers import socket as socket_broker
from dispatcher.brokers.socket import Broker
from dispatcher.chunking import split_message
from dispatcher.control import Control
from dispatcher.factories import get_control_from_settings, get_publisher_from_settings
from dispatcher.publish import submit_many, submit_task
from dispatcher.testing.service import RunningService

PATIENCE = 10.0


class Peer:
    """Plays a service: keeps each line that comes, and answers requests with what it was given."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.lines: list[list[str]] = []
        self.answers: list[str] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.lines.append([])
            thread = threading.Thread(target=self._serve, args=(connection, self.lines[-1]), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, kept: list[str]) -> None:
        with connection, connection.makefile("r") as lines:
            for line in lines:
                kept.append(line.rstrip("\n"))
                if '"reply_to"' in line:
                    connection.sendall("".join(f"{answer}\n" for answer in self.answers).encode())

    def wait_for(self, count: int) -> list[str]:
        """All lines, of every connection, once there are so many."""
        deadline = time.monotonic() + PATIENCE
        while sum(map(len, self.lines)) < count:
            assert time.monotonic() < deadline, f"{self.lines} instead of {count} lines"
            time.sleep(0.005)
        return [line for kept in self.lines for line in kept]

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "s")
    config.setup({"version": 2, "brokers": {"socket": {"socket_path": made.path}}})
    yield made
    made.close()


def sample() -> None:
    pass


def test_a_task_is_a_line(peer: Peer) -> None:
    message, channel = submit_task(sample, args=["ä"])
    assert channel == ""
    (line,) = peer.wait_for(1)
    assert json.loads(line) == message


def test_many_tasks_take_one_connection(peer: Peer) -> None:
    messages, _ = submit_many(sample, [[number] for number in range(20)])
    assert [json.loads(line) for line in peer.wait_for(20)] == messages
    assert len(peer.lines) == 1


def test_a_long_message_goes_in_lines_of_1024_bytes(peer: Peer) -> None:
    text = json.dumps({"task": "x", "args": ["é🔥" * 2000]}, ensure_ascii=False)
    Broker(peer.path).publish_message(message=text)
    count = len(split_message(text, max_bytes=1024))
    lines = peer.wait_for(count)
    assert max(len(line.encode()) for line in lines) <= 1024
    assert "".join(json.loads(line)["payload"] for line in lines) == text


def test_asynchronous_publishing_sends_the_same(peer: Peer) -> None:
    asyncio.run(Broker(peer.path).apublish_message("ignored", message='{"task": "x"}'))
    assert peer.wait_for(1) == ['{"task": "x"}']


def test_a_reply_in_pieces_is_one_reply(peer: Peer) -> None:
    long = json.dumps({"node_id": "a", "filler": "f" * 20_000})
    peer.answers = split_message(long, max_bytes=1024)
    assert get_control_from_settings().control_with_reply("running", timeout=PATIENCE) == [json.loads(long)]
    assert len(peer.lines) == 1, "the request went over the connection that listens"


def test_a_reply_is_heard_asynchronously(peer: Peer) -> None:
    peer.answers = ["", '{"node_id": "a"}']
    replies = asyncio.run(get_control_from_settings().acontrol_with_reply("alive", timeout=PATIENCE))
    assert replies == [{"node_id": "a"}]


def test_fewer_replies_than_expected_are_given_when_time_is_up(peer: Peer) -> None:
    peer.answers = ['{"node_id": "a"}']
    control = get_control_from_settings()
    began = time.monotonic()
    assert control.control_with_reply("alive", expected_replies=2, timeout=0.2) == [{"node_id": "a"}]
    assert asyncio.run(control.acontrol_with_reply("alive", expected_replies=2, timeout=0.2)) == [{"node_id": "a"}]
    assert 0.4 <= time.monotonic() - began < PATIENCE


def test_a_command_without_reply_is_sent_and_not_waited_for(peer: Peer) -> None:
    get_control_from_settings().control("cancel", data={"uuid": "x"})
    asyncio.run(get_control_from_settings().acontrol("alive"))
    assert sorted(peer.wait_for(2)) == ['{"control": "alive"}', '{"control": "cancel", "control_data": {"uuid": "x"}}']


def test_the_number_of_messages_ends_listening(peer: Peer) -> None:
    peer.answers = ["one", "two", "three"]
    broker = Broker(peer.path)
    heard = broker.process_notify(
        lambda: broker.publish_message(message='{"reply_to": 1}'), timeout=PATIENCE, max_messages=2
    )
    assert list(heard) == [(0, "one"), (0, "two")]
    broker.publish_message(message="after")
    peer.wait_for(2)
    assert [len(kept) for kept in peer.lines] == [1, 1], "what is sent afterwards has a connection of its own"


@pytest.mark.parametrize("left_behind", [False, True])
def test_without_a_service_the_error_says_where_it_looked(left_behind: bool, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    if left_behind:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
    kind = ConnectionRefusedError if left_behind else FileNotFoundError
    broker = Broker(path)
    for attempt in (
        lambda: broker.publish_message(message="x"),
        lambda: list(broker.process_notify()),
        lambda: asyncio.run(broker.apublish_message(message="x")),
        lambda: Control("socket", {"socket_path": path}).control_with_reply("alive"),
    ):
        with pytest.raises(kind, match=f"does a service with this socket_path run.*{path}"):
            attempt()


def test_a_service_that_takes_nothing_is_an_error_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_broker, "SEND_TIMEOUT", 0.1)
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen(1)
        long = "x" * 5_000_000
        with pytest.raises(TimeoutError, match="took nothing"):
            Broker(path).publish_message(message=long)
        with pytest.raises(TimeoutError, match="took nothing"):
            asyncio.run(Broker(path).apublish_message(message=long))


def test_unknown_options_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="'path'; it has socket_path"):
        get_broker("socket", {"path": "/x"})


@pytest.fixture
def socket_service(
    tmp_path: Path, start_service: Callable[..., RunningService], pg_config: dict[str, Any]
) -> RunningService:
    """A real service with both brokers, asked over the socket."""
    pg_config["brokers"]["socket"] = {"socket_path": str(tmp_path / "service")}
    pg_config["publish"] = {"default_broker": "socket", "default_control_broker": "socket"}
    config.setup(pg_config)
    return start_service()


def test_a_service_answers_over_the_socket(socket_service: RunningService) -> None:
    control = get_control_from_settings()
    (reply,) = control.control_with_reply("alive", timeout=PATIENCE)
    assert reply["node_id"]
    (reply,) = asyncio.run(control.acontrol_with_reply("status", timeout=PATIENCE))
    assert reply["producers"]["socket-producer"]["produced_count"] >= 2


def test_hundreds_of_tasks_over_connections_of_their_own_all_arrive(socket_service: RunningService) -> None:
    control = get_control_from_settings()
    publisher = get_publisher_from_settings()
    (before,) = control.control_with_reply("producers", timeout=PATIENCE)
    threads = [
        threading.Thread(target=lambda: [publisher.publish_message(message="no.such.task") for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline, questions = time.monotonic() + PATIENCE, 0
    while True:
        (now,) = control.control_with_reply("producers", timeout=PATIENCE)
        questions += 1
        count = now["socket-producer"]["produced_count"] - before["socket-producer"]["produced_count"] - questions
        if count == 400:
            return
        assert time.monotonic() < deadline, f"{count} of 400 came"
