"""Looking into running tasks, and what is kept of those that are ended by force."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Service, wait_until
from dispatcher.chunking import ChunkAccumulator

QUICK = {"cancel_grace": 0.2, "terminate_grace": 0.3, "shutdown_grace": 0}
ONE = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}}


def stack_of(service: Service, **which: str) -> dict[str, Any]:
    reply = service.control("stack", which)
    assert reply is not None and len(reply) == 1, reply
    return reply["worker-0"]


@pytest.mark.parametrize("manager", ["ForkServerManager", "SpawnServerManager"])
@pytest.mark.parametrize("task", ["nap", "loop_in_c", "deaf", "threads"])
def test_a_running_task_shows_its_stack(make_service: Callable[..., Service], task: str, manager: str) -> None:
    service = make_service(service={**ONE, **QUICK, "process_manager_cls": manager}).start()
    number = service.submit(task, *({"threads": [2], "loop_in_c": []}.get(task, [60])))
    pid = service.wait_record("start")["pid"]
    entry = stack_of(service, uuid=number)
    assert (entry["uuid"], entry["task"], entry["pid"]) == (number, f"work.{task}", pid)
    assert 0 <= entry["running_for"] < 20
    assert entry["stack"][0].endswith("(most recent call first):")
    assert any(line.endswith(f"in {task}") and "work.py" in line for line in entry["stack"]), entry["stack"]
    threads = [line for line in entry["stack"] if line.endswith("in _sleep_in_thread")]
    assert len(threads) == (2 if task == "threads" else 0)
    assert set(entry) == {"uuid", "task", "pid", "running_for", "stack"}
    assert len(service.records("start")) == 1


@pytest.mark.parametrize("task", ["nap", "loop_in_c"])
def test_it_takes_less_than_a_tenth_of_a_second_and_nothing_is_touched(
    make_service: Callable[..., Service], task: str
) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"dispatcher-test-{os.getpid()}.sock"
    service = make_service(service={**ONE, **QUICK})
    service.config["brokers"]["socket"] = {"socket_path": str(path)}
    service.start()
    service.submit(task, *([60] if task == "nap" else []))
    service.wait_record("start")
    took = []
    for _ in range(10):
        begun = time.monotonic()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            # The end of sending and a second question, behind which nothing may be lost or overtake.
            client.sendall(b'{"control": "stack", "reply_to": "me"}\n{"control": "alive", "reply_to": "me"}\n')
            client.shutdown(socket.SHUT_WR)
            data = b"".join(iter(lambda: client.recv(65536), b""))
        took.append(time.monotonic() - begun)
        pieces = ChunkAccumulator()
        replies = [reply for line in data.splitlines() if (reply := pieces.ingest_dict(json.loads(line))[1])]
        assert any(line.endswith(f"in {task}") for line in replies[0]["worker-0"]["stack"])
        assert list(replies[1]) == ["node_id"]
    assert min(took) < 0.1, took
    assert not service.records("interrupted")


def test_only_what_fits_is_asked_and_idle_workers_are_left_alone(make_service: Callable[..., Service]) -> None:
    service = make_service(service={"pool_kwargs": {"min_workers": 3, "max_workers": 3}, **QUICK}).start()
    assert service.control("stack") == {}
    first, second = service.submit("nap", 60, "a"), service.submit("loop_in_c")
    service.wait_record("start", 2)
    reply = service.control("stack")
    assert reply is not None and {entry["uuid"] for entry in reply.values()} == {first, second}
    assert [entry["uuid"] for entry in (service.control("stack", {"task": "work.loop_in_c"}) or {}).values()] == [
        second
    ]
    assert service.control("stack", {"uuid": "another"}) == {}


def test_a_task_sees_its_own(service: Service) -> None:
    service.submit("ask_for_stacks")
    entry = service.wait_record("asked")["reply"]["worker-0"]
    assert any(line.endswith("in ask_for_stacks") for line in entry["stack"])


def test_a_stopped_worker_has_none_and_that_is_said(service: Service) -> None:
    service.submit("nap", 60)
    pid = service.wait_record("start")["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert "SIGSTOP" in stack_of(service)["error"]
    os.kill(pid, signal.SIGCONT)
    assert "in nap" in str(stack_of(service)["stack"])


def test_rubbish_of_a_task_is_shown_without_harm_and_within_bounds(service: Service) -> None:
    service.submit("scribble")
    service.wait_record("start")
    for _ in range(3):
        lines = stack_of(service)["stack"]
        assert sum(map(len, lines)) < 1 << 20
        assert "\x1b" not in "".join(lines)
    assert service.control("alive") == {}


def test_what_a_task_was_doing_is_logged_before_it_is_ended_by_force(make_service: Callable[..., Service]) -> None:
    service = make_service(service={**ONE, **QUICK}).start()
    service.submit("record")  # so that the module is loaded: its import counts as well
    service.wait_record("record")
    number = service.submit("deaf", 60, timeout=0.2)
    service.wait_record("start")
    wait_until(lambda: "killed by SIGKILL" in service.log.read_text(), "end of the worker")
    lines = [line for line in service.log_lines() if "stack" in line.get("fields", {})]
    assert [line["message"].split(",")[0] for line in lines] == ["before SIGTERM", "before SIGKILL"]
    for line in lines:
        assert line["level"] == "WARNING" and number in line["message"]
        assert any(at.endswith("in deaf") for at in line["fields"]["stack"].splitlines())
    ended = (service.control("ended", {"uuid": number}) or {})["ended-0"]
    assert any(at.endswith("in deaf") for at in ended["stack"])


def test_nothing_is_taken_from_an_idle_worker_that_is_ended(make_service: Callable[..., Service]) -> None:
    service = make_service(service={**ONE, **QUICK}).start()
    service.submit("record")
    pid = service.wait_record("record")["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert service.stop() == 0
    assert not [line for line in service.log_lines() if line["message"].startswith("before ")]


def test_ten_times_as_many_questions_as_may_be_open_are_all_answered(make_service: Callable[..., Service]) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"dispatcher-test-{os.getpid()}-many.sock"
    service = make_service(service={**ONE, **QUICK})
    service.config["brokers"]["socket"] = {"socket_path": str(path)}
    service.start()
    service.submit("nap", 60)
    os.kill(service.wait_record("start")["pid"], signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b'{"control": "stack", "reply_to": "me"}\n' * 640 + b'{"control": "alive", "reply_to": "me"}\n')
        client.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: client.recv(65536), b""))
    replies = [json.loads(line) for line in data.splitlines()]
    assert len(replies) == 641 and list(replies[-1]) == ["node_id"]
    assert sum("SIGSTOP" in str(reply.get("worker-0")) for reply in replies) >= 64
    assert sum("ask again" in reply.get("error", "") for reply in replies) > 0
    assert service.control("alive") == {}
