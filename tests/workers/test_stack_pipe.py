"""The stack of a worker: given on a signal, whatever the task does, and nothing of the task is touched."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from harness import Template, Worker, setup_packet, wait_until
from test_spawned import Spawned

HOWS = ["spin", "sleep", "lock", "calls", "child", "async"]


@pytest.mark.parametrize("how", HOWS)
def test_a_running_task_shows_where_it_is_and_goes_on(worker: Worker, how: str, tmp_path: Path) -> None:
    uuid = worker.run("worker_tasks.never_end", how, str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    for _ in range(20):
        text = worker.stack(["in never_end", "in run"])
    assert "(most recent call first):" in text
    assert worker.silent()
    worker.cancel(uuid)
    assert worker.done_by_cancel(uuid)["outcome"] == "cancelled"


def test_a_loop_in_c_that_no_handler_of_python_interrupts_shows_itself(worker: Worker, tmp_path: Path) -> None:
    worker.run("process_tasks.loop_within", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    assert "in loop_within" in worker.stack(["in run"])


def test_every_thread_is_shown(worker: Worker, tmp_path: Path) -> None:
    worker.run("process_tasks.with_threads", 3, str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    text = worker.stack(["in with_threads", "in run\n"])
    assert text.count("in wait_in_thread") == 3, text


def test_a_task_that_ignores_every_signal_shows_itself(worker: Worker, tmp_path: Path) -> None:
    worker.run("process_tasks.ignore_all", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    assert "in ignore_all" in worker.stack(["in run"])


def test_an_idle_worker_is_not_disturbed(worker: Worker) -> None:
    for n in range(20):
        assert "in live" in worker.stack(["in main"])
        assert worker.call("worker_tasks.give", n)["result"] == n


def test_what_the_service_does_not_read_costs_the_worker_nothing(worker: Worker) -> None:
    for _ in range(1000):
        for number in worker.ready["stack_signals"]:
            worker.signal(number)
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_the_signals_are_those_that_a_service_sends(worker: Worker) -> None:
    assert worker.ready["stack_signals"] == [signal.SIGURG, 16]


def test_a_fork_without_a_stack_pipe_is_refused(template: Template) -> None:
    ours, theirs = socket.socketpair()
    tickets = os.pipe()
    template.send({"event": "fork", "worker": 3}, (theirs.fileno(), tickets[0], template.lifeline))
    packet, _ = template.expect("fork_failed")
    assert "3 of 4" in packet["error"]
    for end in (ours, theirs):
        end.close()
    for fd in tickets:
        os.close(fd)


def test_a_worker_that_is_started_by_itself_takes_the_pipe_beside_the_setup(tmp_path: Path) -> None:
    looks, theirs = os.pipe()
    packet = json.dumps(setup_packet(["worker_tasks"])).encode() + b"\n"
    worker = Spawned(tmp_path / "log", tmp_path.name, packet, theirs)
    os.close(theirs)
    worker.looks = looks
    worker.ready = worker.frame()
    uuid = worker.run("worker_tasks.never_end", "sleep", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    assert "in never_end" in worker.stack(["in main"])
    worker.cancel(uuid)
    worker.done_by_cancel(uuid)
    worker.close()
    worker.process.wait(20)


def test_one_that_is_given_no_pipe_announces_no_signal(tmp_path: Path) -> None:
    worker = Spawned(tmp_path / "log", tmp_path.name, json.dumps(setup_packet(["worker_tasks"])).encode() + b"\n")
    assert "stack_signals" not in worker.frame()
    worker.close()
    worker.process.wait(20)
