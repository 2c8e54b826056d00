"""What any worker program has to do, whatever language it is written in: the worker protocol as transcripts.

Each program of `workers.yml` is started as a service starts it and spoken with over its channel. The tasks that it
must have: `demo.give`, `fail`, `wait`, `block`, `deaf`, `ask` and `tell` (`demo.py` says what they do).
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import DEADLINE, Frame, Gone, ends, readable, wait_until
from programs import LANGUAGES, NUMBER, Program, require, setup_line

Start = Callable[..., Program]


@pytest.fixture(params=sorted(LANGUAGES))
def language(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


@pytest.fixture
def start(language: str, tmp_path: Path) -> Iterator[Start]:
    made: list[Program] = []

    def starter(**worker: Any) -> Program:
        program = Program(language, tmp_path, tmp_path.name, setup_line(language, **worker))
        made.append(program)
        return program.started()

    yield starter
    for program in made:
        program.end()


@pytest.fixture
def program(start: Start) -> Program:
    return start()


def begin(program: Program, task: str, here: Path, *args: Any, **more: Any) -> str:
    """Hands out a task that makes this file, and waits for that."""
    uuid = program.run(task, str(here), *args, **more)
    wait_until(here.exists, f"{task} runs")
    return uuid


def test_ready_says_what_it_is(program: Program) -> None:
    ready = program.ready
    assert (ready["protocol"], ready["worker"], ready["pid"]) == (1, NUMBER, program.pid)
    assert ready["slots"] == 4
    assert {"demo.give", "demo.fail", "demo.wait"} <= set(ready["tasks"])
    assert set(ready.get("stack_signals", [])) <= {23, 16, 12}


def test_a_task_that_returns_is_a_success_with_its_times(program: Program) -> None:
    before = time.time()
    done = program.call("demo.give", {"a": [1, "ü🔥", None]}, uuid='odd "uuid" ü')
    assert done["outcome"] == "success" and done["worker"] == NUMBER
    assert done["uuid"] == 'odd "uuid" ü'
    assert before - 0.01 <= done["time_started"] <= done["time_finish"] <= time.time() + 0.01
    assert done.get("result") == {"a": [1, "ü🔥", None]}
    assert not done.get("is_stopping") and done.get("error") is None


def test_a_task_that_fails_says_why(program: Program) -> None:
    done = program.call("demo.fail", "because")
    assert done["outcome"] == "failure"
    assert "because" in done["error"]["message"] and done["error"]["type"]
    assert program.call("demo.give", 1)["outcome"] == "success"


def test_a_name_that_leads_to_nothing_is_a_failure(program: Program) -> None:
    done = program.call("no.such.task")
    assert done["outcome"] == "failure" and "no.such.task" in done["error"]["message"]


def test_the_task_policy_holds_for_what_is_not_trusted(start: Start) -> None:
    program = start(task_policy="prefix", task_prefixes=["other"])
    done = program.call("demo.give", 1)
    assert done["outcome"] == "refused"
    assert all(word in done["error"]["message"] for word in ("demo.give", "prefix", "worker.task_p"))
    assert program.call("demo.give", 1, trusted=True)["outcome"] == "success"
    assert start(task_policy="prefix", task_prefixes=["demo"]).call("demo.give", 1)["outcome"] == "success"
    assert start(task_policy="of a later version").call("demo.give", 1)["outcome"] == "refused"


def test_unknown_frames_and_keys_are_passed_over(program: Program) -> None:
    program.send({"event": "of a later version", "uuid": "u"}, {"event": "reply", "id": 77, "data": {}})
    program.sock.sendall(b"\n")
    frame = program.run_frame("demo.give", 1, uuid="u", later={"a": 1})
    program.send({**frame, "priority": 5})
    assert program.done("u")["result"] == 1


def test_a_message_is_read_as_its_publisher_wrote_it(program: Program) -> None:
    message = '{"task": "demo.fail", "task": "demo.give", "args": [[NaN, -Infinity]], "uuid": "one", "uuid": "u"}'
    program.sock.sendall(f'{{"event":"run","seq":1,"attempt":1,"message":{message}}}\n'.encode())
    # What only Python writes may be a failure of its task where it means nothing; its worker goes on.
    assert program.done("u")["outcome"] in ("success", "failure")
    assert program.call("demo.give", 2**60)["outcome"] == "success"
    long = "x" * 1_500_000
    done = program.call("demo.give", long)
    assert done["outcome"] == "success" and done.get("result") is None, "longer than what may be sent"


def test_frames_may_come_in_any_pieces(language: str, tmp_path: Path) -> None:
    program = Program(language, tmp_path, tmp_path.name, b"")
    frames = [program.run_frame("demo.give", n, uuid=str(n)) for n in range(3)]
    stream = setup_line(language) + b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)
    for start in range(0, len(stream), 7):
        program.sock.sendall(stream[start : start + 7])
    program.started()
    assert {uuid: done["result"] for uuid, done in ends(program, 3).items()} == {"0": 0, "1": 1, "2": 2}
    program.end()


def test_as_many_run_at_once_as_there_are_slots(program: Program, tmp_path: Path) -> None:
    uuids = {begin(program, "demo.wait", tmp_path / f"{n}", str(tmp_path / "go")) for n in range(4)}
    assert program.silent()
    (tmp_path / "go").touch()
    done = ends(program, 4)
    assert set(done) == uuids and all(end["outcome"] == "success" for end in done.values())


@pytest.mark.parametrize("task", ["demo.wait", "demo.block"])
def test_a_cancel_reaches_its_task_and_no_other(program: Program, tmp_path: Path, task: str) -> None:
    if task == "demo.block" and not LANGUAGES[program.language].get("threads"):
        pytest.skip("this language has no threads for tasks that block")
    neighbour = begin(program, "demo.wait", tmp_path / "a", str(tmp_path / "go"))
    uuid = begin(program, task, tmp_path / "b", str(tmp_path / "never"))
    program.cancel(uuid)
    done = program.done_by_cancel(uuid)
    assert done["outcome"] == "cancelled" and done["error"]["message"] is not None
    program.cancel(uuid, again=True)
    program.cancel("nobody's")
    assert program.silent()
    (tmp_path / "go").touch()
    assert program.done(neighbour)["outcome"] == "success"


def test_a_signal_without_a_frame_cancels_what_runs_and_nothing_later(program: Program, tmp_path: Path) -> None:
    uuids = {begin(program, "demo.wait", tmp_path / f"{n}", str(tmp_path / "never")) for n in range(2)}
    program.signal(signal.SIGUSR1)
    done = ends(program, 2)
    assert set(done) == uuids and {end["outcome"] for end in done.values()} == {"cancelled"}
    program.signal(signal.SIGUSR1)
    for n in range(20):
        assert program.call("demo.give", n)["outcome"] == "success"


def test_a_stop_lets_it_finish_what_it_has(program: Program, tmp_path: Path) -> None:
    uuid = begin(program, "demo.wait", tmp_path / "a", str(tmp_path / "go"))
    program.send({"event": "stop"})
    assert not readable(program.sock.fileno(), 0.05)
    (tmp_path / "go").touch()
    assert program.done(uuid)["outcome"] == "success"
    assert program.frame()["event"] == "shutdown"
    assert program.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_leaves_by_a_signal_in_good_order(program: Program, number: int) -> None:
    assert program.call("demo.give", 1)["outcome"] == "success"
    program.signal(number)
    assert program.frame()["event"] == "shutdown"
    assert program.exit_code() == 0


@pytest.mark.parametrize("task", ["demo.wait", "demo.deaf"])
def test_sigterm_ends_a_worker_that_runs_a_task(program: Program, tmp_path: Path, task: str) -> None:
    arguments = () if task == "demo.deaf" else (str(tmp_path / "never"),)
    begin(program, task, tmp_path / "a", *arguments)
    program.signal(signal.SIGTERM)
    assert program.exit_code() == -signal.SIGTERM


def test_the_end_of_the_channel_is_the_end_of_an_idle_worker(program: Program) -> None:
    program.sock.close()
    program.exit_code()


def test_half_a_frame_before_the_end_of_the_channel_is_not_run(program: Program) -> None:
    frame = json.dumps(program.run_frame("demo.give", 1))
    program.sock.sendall(frame.encode())
    program.sock.shutdown(1)
    program.exit_code()
    with pytest.raises(Gone):
        assert program.frame()["event"] == "shutdown"
        program.frame()


def test_a_channel_that_ends_before_the_setup_ends_it(language: str, tmp_path: Path) -> None:
    program = Program(language, tmp_path, tmp_path.name, b"")
    program.sock.close()
    program.process.wait(DEADLINE)
    program.end()


def test_each_question_gets_its_own_answer(program: Program) -> None:
    uuids = {program.run("demo.ask", "alive", {"n": n}): n for n in range(4)}
    asked: list[Frame] = [program.frame() for _ in range(4)]
    assert {frame["event"] for frame in asked} == {"control"} and len({frame["id"] for frame in asked}) == 4
    for frame in reversed(asked):
        program.send({"event": "reply", "id": frame["id"], "data": frame["control_data"]})
    done = ends(program, 4)
    assert {uuid: done[uuid]["result"]["n"] for uuid in uuids} == uuids


def test_a_task_says_how_far_it_has_come(program: Program, tmp_path: Path) -> None:
    uuid = program.run("demo.tell", 40, "nearly half", {"rows": 7}, str(tmp_path / "go"))
    told = program.frame()
    assert (told["event"], told["uuid"]) == ("progress", uuid)
    assert (told["percent"], told["text"], told["data"]) == (40, "nearly half", {"rows": 7})
    (tmp_path / "go").touch()
    assert program.done(uuid)["outcome"] == "success"


def test_each_of_two_thousand_is_answered_once(program: Program) -> None:
    left = {str(n) for n in range(2000)}
    for first in range(0, 2000, 4):
        program.send(*(program.run_frame("demo.give", n, uuid=str(n)) for n in range(first, first + 4)))
        for _ in range(4):
            left.remove(program.done()["uuid"])
    assert not left and program.silent()


def test_without_a_service_it_says_so_and_ends(language: str) -> None:
    ended = subprocess.run(
        LANGUAGES[language]["command"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode == 2 and "dispatcher serve" in ended.stderr
