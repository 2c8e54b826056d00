"""The original and we on one database: each side's publishers, control clients and commands with either's service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from peers import (
    Application,
    MakePeers,
    Original,
    Ours,
    clean_environment,
)

from conftest import Service, wait_until

pytest_plugins = ["peers"]

SIDES = [
    pytest.param((Original, "new"), id="our client, their service"),
    pytest.param((Ours, "old"), id="their client, our service"),
    pytest.param((Ours, "new"), id="our client, our service"),
]


@pytest.fixture(params=SIDES)
def pair(request: Any, peers: MakePeers, old_python: Path, new_python: Path) -> tuple[Service, Application]:
    """A service of one side, and an application with the package of a side."""
    kind, client = request.param
    service = peers(kind)
    return service, Application(old_python if client == "old" else new_python, service)


def test_tasks_run_with_the_options_that_they_were_published_with(pair: tuple[Service, Application]) -> None:
    service, application = pair
    publish = {"do": "publish"}
    returned = application.do(
        {**publish, "task": "record", "args": [1, "zwei", None, [3.5]], "kwargs": {"key": {"a": "ü🔥"}}},
        {**publish, "task": "Job", "args": [7]},
        {**publish, "task": "record", "args": ["later"], "delay": 0.2},
        {**publish, "task": "too_slow"},
        {**publish, "task": "ask", "args": ["running"], "uuid": "asks"},
    )
    assert [channel for _, channel in returned] == [service.channel] * 5
    first = service.wait_record("record")
    assert (first["args"], first["kwargs"]) == ([1, "zwei", None, [3.5]], {"key": {"a": "ü🔥"}})
    assert service.wait_record("job")["number"] == 7
    assert service.wait_record("interrupted")["error"] == "DispatcherCancel"
    asked = service.wait_record("asked")
    assert asked["uuid"] == "asks"
    assert asked["reply"]["worker-0"]["task"] == "app_tasks.ask"
    service.wait_record("record", 2)
    assert [record["args"] for record in service.records("record")][1:] == [["later"]]


def test_duplicates_are_held_back_and_dropped(pair: tuple[Service, Application]) -> None:
    service, application = pair
    blocked = {"do": "publish", "task": "nap", "args": [30, "held"]}
    application.do(blocked, {**blocked, "on_duplicate": "serial"}, {**blocked, "on_duplicate": "discard"})
    service.wait_record("start")
    wait_until(lambda: "blocked-0" in (service.control("running") or {}), "blocked task")
    (running,) = application.ask("running", data={"task": "app_tasks.nap"})
    assert {key.partition("-")[0] for key in running} == {"worker", "blocked", "node_id"}
    (cancelled,) = application.ask("cancel", data={"task": "app_tasks.nap"})
    assert set(cancelled) == set(running)
    assert service.wait_record("interrupted")["error"] == "DispatcherCancel"


def test_long_messages_and_long_replies_are_joined(pair: tuple[Service, Application]) -> None:
    service, application = pair
    long = {"do": "publish", "task": "measure", "text_of": "ä", "times": 30_000}
    application.do(long, {**long, "text_of": '"\\', "times": 9_000})
    assert service.wait_record("measured", 2)["length"] == 18_000
    first = service.records("measured")[0]
    assert (first["length"], first["begin"], first["end"]) == (30_000, "äää", "äää")
    held = {"do": "publish", "task": "nap", "kwargs": {"seconds": 30, "name": "x" * 20_000}, "uuid": "long"}
    application.do(held)
    service.wait_record("start")
    (reply,) = application.ask("running", data={"uuid": "long"})
    assert reply["worker-0"]["kwargs"]["name"] == "x" * 20_000
    application.ask("cancel", data={"uuid": "long"})


def test_every_command_is_answered(pair: tuple[Service, Application]) -> None:
    service, application = pair
    commands = ["alive", "running", "workers", "main", "producers", "status", "chunks", "aio_tasks"]
    replies = application.do(*({"do": "ask", "command": command, "timeout": 10} for command in commands))
    assert [len(reply) for reply in replies] == [1] * len(commands)
    (alive, running, workers, main, producers, status, chunks, aio_tasks) = (reply[0] for reply in replies)
    assert set(alive) == set(running) == {"node_id"}
    assert {"worker_id", "pid", "status", "finished_count", "current_task", "active_cancel"} <= set(workers["worker-0"])
    assert main["pid"] == service.pid
    assert {"next_worker_id", "finished_count", "worker_ct", "active_task_ct"} <= set(main["pool"])
    assert all("produced_count" in value for key, value in producers.items() if key != "node_id")
    assert status["main"]["pid"] == service.pid
    assert chunks["partials"] == {} and chunks["status"]["active_messages"] == 0
    assert all(set(value) == {"done", "stack"} for key, value in aio_tasks.items() if key != "node_id")


def test_a_level_is_set_and_a_task_is_run_by_control(pair: tuple[Service, Application]) -> None:
    service, application = pair
    (set_level,), (unknown,), (ran,) = application.do(
        {"do": "ask", "command": "set_log_level", "data": {"level": "WARNING"}, "timeout": 10},
        {"do": "ask", "command": "no_such_command", "timeout": 10},
        {"do": "ask", "command": "run", "data": {"task": "app_tasks.record", "args": ["ran"]}, "timeout": 10},
    )
    assert (set_level["logger"], set_level["level"]) == ("dispatcherd", "WARNING")
    assert "error" in unknown
    assert ran["ack"]["task"] == "app_tasks.record"
    assert service.wait_record("record")["args"] == ["ran"]


def test_commands_without_a_reply_and_asynchronous_ones_arrive(pair: tuple[Service, Application]) -> None:
    service, application = pair
    application.publish("nap", 30, "a", uuid="a")
    service.wait_record("start")
    application.do({"do": "tell", "command": "cancel", "data": {"uuid": "a"}})
    service.wait_record("interrupted")
    ((alive,),) = application.do({"do": "ask asynchronously", "command": "alive", "timeout": 10})
    assert set(alive) == {"node_id"}


@pytest.mark.parametrize("kind", [Original, Ours])
def test_the_installed_command_of_each_side_asks_the_other(
    kind: type[Service], peers: MakePeers, original: Path
) -> None:
    service = peers(kind)
    ctl = (original if kind is Ours else Path(sys.executable).parent) / "dispatcherctl"
    service.publish({"task": "app_tasks.nap", "args": [30, "x"], "uuid": "u"})
    service.wait_record("start")

    def run(*arguments: str) -> tuple[int, Any]:
        command = [str(ctl), *arguments, "--config", str(service.home / "dispatcher.yml"), "--log-level", "CRITICAL"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
        return done.returncode, yaml.safe_load(done.stdout)

    code, (reply,) = run("running", "--task", "app_tasks.nap")
    assert (code, reply["worker-0"]["uuid"]) == (0, "u")
    code, replies = run("alive", "--expected-replies", "2")
    assert (code, len(replies)) == (1, 1)
    code, (reply,) = run("cancel", "--uuid", "u")
    assert (code, reply["worker-0"]["uuid"]) == (0, "u")
    service.wait_record("interrupted")
    code, (reply,) = run("set_log_level", "--level", "ERROR")
    assert (code, reply["level"]) == (0, "ERROR")


def test_two_of_ours_and_one_of_theirs_all_reply(peers: MakePeers, old_python: Path, new_python: Path) -> None:
    first = peers(Ours)
    others = [peers(kind, first.channel) for kind in (Ours, Original)]
    services = [first, *others]
    Application(old_python, first).publish("nap", 30, "everywhere", uuid="everywhere")
    for service in services:
        service.wait_record("start")
    for python in (old_python, new_python):
        application = Application(python, first)
        for command in ("alive", "running"):
            replies = application.ask(command, expected_replies=3)
            assert len({reply["node_id"] for reply in replies}) == 3
            if command == "running":
                assert [reply["worker-0"]["uuid"] for reply in replies] == ["everywhere"] * 3
    assert len(Application(new_python, first).ask("cancel", expected_replies=3, data={"uuid": "everywhere"})) == 3
    for service in services:
        service.wait_record("interrupted")


@pytest.mark.parametrize("kind", [Original, Ours])
def test_messages_of_november_2024_run(kind: type[Service], peers: MakePeers, dsn: str) -> None:
    """Empty args and kwargs were written then, and keys that nobody reads any more."""
    service = peers(kind, worker={"task_policy": "any", "allow_eval": True})
    old: dict[str, Any] = {"args": [], "kwargs": {}, "time_pub": 1731000000.0, "guid": ""}
    service.publish({**old, "uuid": "1", "task": "app_tasks.record"})
    service.publish({**old, "uuid": "2", "task": "app_tasks.record", "args": ["delayed"], "delay": 0.1})
    service.publish({**old, "uuid": "3", "task": "app_tasks.one_at_a_time", "args": [1], "on_duplicate": "queue_one"})
    service.publish({**old, "uuid": "4", "task": "app_tasks.record", "args": ["bind"], "on_duplicate": "bind"})
    service.publish("lambda: __import__('app_tasks').record('text')")
    assert service.wait_record("serial")["number"] == 1
    service.wait_record("record", 4)
    assert sorted(map(str, (record["args"] for record in service.records("record")))) == [
        "['bind']", "['delayed']", "['text']", "[]",
    ]  # fmt: skip
    for command in ("running", "cancel", "alive"):
        reply_to = f"reply_to_{service.mark}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f'LISTEN "{reply_to}"')
            service.publish({"control": command, "reply_to": reply_to, "control_data": {}})
            (note,) = connection.notifies(timeout=10, stop_after=1)
        assert set(json.loads(note.payload)) == {"node_id"}
