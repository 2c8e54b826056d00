"""Cancelling: the right task, always, whatever the moment."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from harness import Worker, readable, wait_until

HOWS = ["spin", "sleep", "lock", "calls", "child", "async"]
RUNS = int(os.environ.get("DISPATCHER_TEST_RACES", "2500"))
"""Random moments for each kind of race, four of which make the whole."""


@pytest.mark.parametrize("how", HOWS)
def test_a_running_task_is_cancelled_whatever_it_does(worker: Worker, how: str, tmp_path: Path) -> None:
    uuid = worker.run("worker_tasks.never_end", how, str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert done["outcome"] == "cancelled" and done["result"] == "<cancel>"
    assert done["error"]["type"] == "DispatcherCancel" and done["error"]["trace"]
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_a_cancel_for_another_task_is_ignored(worker: Worker, tmp_path: Path) -> None:
    here, go = tmp_path / "here", tmp_path / "go"
    uuid = worker.run("worker_tasks.wait_for", str(here), str(go))
    wait_until(here.exists, "the task")
    worker.cancel("another")
    worker.cancel("and another")
    go.touch()
    assert worker.done(uuid)["outcome"] == "success"


def test_a_signal_without_any_frame_cancels_the_running_task(worker: Worker, tmp_path: Path) -> None:
    uuid = worker.run("worker_tasks.never_end", "sleep", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    worker.signal(signal.SIGUSR1)
    assert worker.done(uuid)["outcome"] == "cancelled"


def test_a_signal_to_an_idle_worker_does_nothing_to_the_next_task(worker: Worker) -> None:
    for _ in range(50):
        worker.signal(signal.SIGUSR1)
        assert worker.call("worker_tasks.spin", 0.001, "done")["result"] == "done"


def test_a_cancel_after_the_end_does_nothing_to_the_next_task(worker: Worker) -> None:
    for _ in range(50):
        done = worker.call("worker_tasks.nothing")
        worker.cancel(done["uuid"])
        assert worker.call("worker_tasks.spin", 0.001, "done")["result"] == "done"


def test_a_frame_whose_signal_is_late_does_not_hit_the_next_task(worker: Worker, tmp_path: Path) -> None:
    """The next task was handed out before; the frame comes while it runs, and the signal with it."""
    here, go = tmp_path / "here", tmp_path / "go"
    first = worker.run_frame("worker_tasks.nothing", uuid="first")
    second = worker.run_frame("worker_tasks.wait_for", str(here), str(go), uuid="second")
    worker.give_tickets(first["seq"], second["seq"])
    worker.send(first, second)
    wait_until(here.exists, "the second task")
    worker.cancel("first")
    worker.cancel("first")
    go.touch()
    assert worker.done("first")["outcome"] == "success"
    assert worker.done("second")["outcome"] == "success"


def test_a_task_that_waits_in_the_channel_is_cancelled_when_its_turn_comes(worker: Worker, tmp_path: Path) -> None:
    here, go = tmp_path / "here", tmp_path / "go"
    worker.run("worker_tasks.wait_for", str(here), str(go), uuid="first")
    worker.run("worker_tasks.nothing", uuid="second")
    worker.run("worker_tasks.never_end", "spin", uuid="third")
    worker.run("worker_tasks.nothing", uuid="fourth")
    wait_until(here.exists, "the first task")
    worker.cancel("third")
    go.touch()
    assert [worker.done()["outcome"] for _ in range(4)] == ["success", "success", "cancelled", "success"]


def test_each_cancel_reaches_a_task_that_swallows_them(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "seen"
    uuid = worker.run("worker_tasks.swallow", str(path), 3)
    for n in range(3):
        wait_until(lambda n=n: path.exists() and path.read_text() == str(n), f"cancel {n}")
        worker.cancel(uuid)
    assert worker.done(uuid)["result"] == 3


def test_a_cancel_that_is_sent_again_is_not_raised_again_once_it_was_heard(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "seen"
    uuid = worker.run("worker_tasks.swallow", str(path), 2)
    wait_until(lambda: path.exists() and path.read_text() == "0", "the task")
    worker.cancel(uuid)
    wait_until(lambda: path.read_text() == "1", "the first cancel")
    for _ in range(20):
        worker.cancel(uuid, again=True)
    assert not readable(worker.sock.fileno(), 0.05) and path.read_text() == "1"
    worker.cancel(uuid)
    for _ in range(20):
        worker.cancel(uuid, again=True)
    assert worker.done(uuid)["result"] == 2
    assert worker.call("worker_tasks.spin", 0.01, "next")["result"] == "next"


def test_a_task_may_clean_up(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "state"
    uuid = worker.run("worker_tasks.clean_up", str(path))
    wait_until(path.exists, "the task")
    worker.cancel(uuid)
    assert worker.done_by_cancel(uuid)["outcome"] == "cancelled"
    assert path.read_text() == "cleaned"


def test_a_task_that_raises_the_cancel_itself_counts_as_cancelled(worker: Worker) -> None:
    assert worker.call("worker_tasks.leave_by", "cancel")["outcome"] == "cancelled"


def test_nothing_follows_a_cancelled_task(worker: Worker) -> None:
    follow = [{"task": "worker_tasks.note", "args": [1]}]
    worker.call("worker_tasks.leave_by", "cancel", callbacks=follow, errbacks=follow)
    assert worker.call("worker_tasks.noted")["result"] == []


def test_a_cancel_ends_what_follows_a_task(worker: Worker, tmp_path: Path) -> None:
    endless = {"task": "worker_tasks.never_end", "args": ["sleep", str(tmp_path / "here")]}
    follow = [endless, {"task": "worker_tasks.note", "args": [1]}]
    uuid = worker.run("worker_tasks.nothing", callbacks=follow)
    wait_until((tmp_path / "here").exists, "the callback")
    worker.cancel(uuid)
    assert worker.done(uuid)["outcome"] == "cancelled"
    assert worker.call("worker_tasks.noted")["result"] == []


def test_a_task_that_waits_for_an_answer_is_cancelled(worker: Worker) -> None:
    uuid = worker.run("worker_tasks.ask", "alive")
    request = worker.frame()
    worker.cancel(uuid)
    assert worker.done(uuid)["outcome"] == "cancelled"
    worker.send({"event": "reply", "id": request["id"], "data": {"late": True}})
    worker.run("worker_tasks.ask", "alive")
    worker.send({"event": "reply", "id": worker.frame()["id"], "data": {"late": False}})
    assert worker.done()["result"] == [{"late": False}]


def test_an_import_that_hangs_is_cancelled(worker: Worker, tmp_path: Path) -> None:
    uuid = worker.run("hanging_module.task")
    wait_until(lambda: "hanging now" in worker.template.text(), "the import")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert done["outcome"] == "cancelled"
    # Nothing more is run with what may be half loaded.
    assert done["is_stopping"] is True
    assert worker.template.exit_of(worker) == 0


def test_a_signal_in_a_child_of_a_task_stays_in_the_child(worker: Worker, tmp_path: Path) -> None:
    assert worker.call("process_tasks.fork_and_signal", str(tmp_path / "child"))["result"] == "7"
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_a_task_that_takes_the_signal_for_itself_does_not_keep_it(worker: Worker, tmp_path: Path) -> None:
    worker.call("worker_tasks.handlers", True)
    uuid = worker.run("worker_tasks.never_end", "sleep", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    worker.cancel(uuid)
    assert worker.done(uuid)["outcome"] == "cancelled"


def pause(chance: random.Random, most: float) -> None:
    end = time.perf_counter() + chance.random() * most
    while time.perf_counter() < end:
        pass


def test_no_cancel_of_an_endless_task_is_ever_lost(worker: Worker) -> None:
    chance = random.Random(11)
    for n in range(RUNS):
        uuid = worker.run("worker_tasks.never_end", chance.choice(HOWS[:4]))
        pause(chance, 3e-4)
        worker.cancel(uuid)
        assert worker.done_by_cancel(uuid)["outcome"] == "cancelled", n
    assert worker.silent()


def test_a_cancel_around_the_end_of_its_task_never_hits_the_next(worker: Worker) -> None:
    chance, outcomes = random.Random(12), {"success": 0, "cancelled": 0}
    for n in range(RUNS):
        first = worker.run_frame("worker_tasks.spin", chance.random() * 1e-4, uuid=f"a{n}")
        second = worker.run_frame("worker_tasks.spin", chance.random() * 1e-4, n, uuid=f"b{n}")
        worker.give_tickets(first["seq"], second["seq"])
        worker.send(first, second)
        pause(chance, 2.5e-4)
        worker.cancel(f"a{n}")
        outcomes[worker.done(f"a{n}")["outcome"]] += 1
        last = worker.done(f"b{n}")
        assert last["outcome"] == "success" and last["result"] == n
    assert worker.silent()
    assert min(outcomes.values()) > RUNS / 100, f"the moments were chosen badly: {outcomes}"


def test_cancels_of_two_tasks_in_a_row_hit_both_or_whoever_is_left_and_nobody_else(worker: Worker) -> None:
    chance = random.Random(13)
    for n in range(RUNS):
        names = [f"{letter}{n}" for letter in "abc"]
        frames = [
            worker.run_frame("worker_tasks.spin", chance.random() * 1e-4, uuid=names[0]),
            worker.run_frame("worker_tasks.never_end", chance.choice(HOWS[:4]), uuid=names[1]),
            worker.run_frame("worker_tasks.spin", chance.random() * 1e-4, n, uuid=names[2]),
        ]
        worker.give_tickets(*(frame["seq"] for frame in frames))
        worker.send(*frames)
        pause(chance, 2e-4)
        worker.cancel(names[0])
        pause(chance, 1e-4)
        worker.cancel(names[1])
        assert worker.done(names[0])["outcome"] in ("success", "cancelled")
        assert worker.done_by_cancel(names[1])["outcome"] == "cancelled", n
        last = worker.done(names[2])
        assert last["outcome"] == "success" and last["result"] == n
    assert worker.silent()


def test_cancels_of_a_task_that_asks_its_service_leave_the_channel_whole(worker: Worker) -> None:
    chance = random.Random(14)
    for n in range(RUNS):
        uuid = worker.run("worker_tasks.ask", "alive", {"n": n})
        frame = worker.frame()
        if chance.random() < 0.5:
            worker.send({"event": "reply", "id": frame["id"], "data": {"n": n}})
        pause(chance, 2e-4)
        worker.cancel(uuid)
        done = worker.done(uuid)
        assert done["outcome"] == "cancelled" or done["result"] == [{"n": n}]
        worker.send({"event": "reply", "id": frame["id"], "data": {"n": "late"}})
        assert worker.call("worker_tasks.give", n)["result"] == n
    assert worker.silent()
