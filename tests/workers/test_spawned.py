"""A worker that is started by itself, without a fork server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import DEADLINE, HERE, MARK, PYTHON_PATH, Worker, marked, setup_packet, wait_until


class Spawned(Worker):
    def __init__(self, log: Path, mark: str, first: bytes, *fds: int) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(5, ours, None)
        self.log = log
        environment = {**os.environ, "PYTHONPATH": f"{PYTHON_PATH}:{HERE}", MARK: mark, "DISPATCHER_WORKER_ID": "5"}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dispatcher.worker"], stdin=theirs, stderr=output, env=environment
            )
        theirs.close()
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)
        assert socket.send_fds(self.sock, [first], fds) == len(first)


def line(*preload: str) -> bytes:
    return json.dumps(setup_packet([*preload])).encode() + b"\n"


@pytest.fixture
def spawned(tmp_path: Path) -> Iterator[Spawned]:
    worker = Spawned(tmp_path / "log", tmp_path.name, line("worker_tasks", "process_tasks"))
    yield worker
    worker.close()
    worker.process.wait(DEADLINE)


def test_it_is_ready_for_one_task_at_a_time(spawned: Spawned) -> None:
    ready = spawned.frame()
    assert ready["ahead"] == 0 and ready["worker"] == 5 and ready["pid"] == spawned.pid
    assert spawned.call("worker_tasks.give", 1)["result"] == 1
    assert "0" in spawned.call("process_tasks.descriptors")["result"]
    assert spawned.call("process_tasks.read_stdin")["result"] == ""


def test_frames_that_come_with_the_setup_are_kept(tmp_path: Path) -> None:
    run = {"event": "run", "seq": 1, "message": {"task": "worker_tasks.give", "args": [1], "uuid": "u"}}
    worker = Spawned(tmp_path / "log", tmp_path.name, line("worker_tasks") + json.dumps(run).encode() + b"\n")
    assert worker.frame()["event"] == "ready"
    assert worker.done("u")["result"] == 1
    worker.send({"event": "stop"})
    assert worker.frame()["event"] == "shutdown"
    assert worker.process.wait(DEADLINE) == 0
    worker.close()


def test_it_is_cancelled_as_others_are(spawned: Spawned, tmp_path: Path) -> None:
    spawned.frame()
    uuid = spawned.run("worker_tasks.never_end", "sleep", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    spawned.cancel(uuid)
    assert spawned.done(uuid)["outcome"] == "cancelled"


def test_modules_that_cannot_be_loaded_end_it(tmp_path: Path) -> None:
    worker = Spawned(tmp_path / "log", tmp_path.name, line("no_such_module"))
    assert worker.process.wait(DEADLINE) == 1
    assert "no_such_module" in worker.log.read_text()
    worker.close()


def test_a_closed_channel_before_the_setup_ends_it(tmp_path: Path) -> None:
    worker = Spawned(tmp_path / "log", tmp_path.name, b"")
    worker.close()
    assert worker.process.wait(DEADLINE) == 0


def test_without_a_service_it_says_how_to_start_one() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON_PATH)}
    ended = subprocess.run(
        [sys.executable, "-m", "dispatcher.worker"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2 and "dispatcher serve" in ended.stderr


def test_it_dies_with_the_service_whatever_it_does(tmp_path: Path) -> None:
    starter = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
from test_spawned import *
worker = Spawned(Path({str(tmp_path / "log")!r}), {tmp_path.name + "-mark"!r}, line("worker_tasks", "process_tasks"))
worker.frame()
worker.run("process_tasks.loop_in_c", {str(tmp_path / "here")!r})
wait_until(Path({str(tmp_path / "here")!r}).exists, "the task")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", starter], check=False, timeout=DEADLINE)
    wait_until(lambda: not marked(f"{tmp_path.name}-mark"), "its end")
