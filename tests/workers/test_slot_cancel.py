"""Cancels in workers that run several tasks at once: they reach one task, and no other."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import BOTH, Worker, ends, readable, wait_until

MakeWorker = Callable[..., Worker]


@pytest.mark.parametrize("concurrency", BOTH)
@pytest.mark.parametrize("how", ["sleep", "gather", "wait_for", "thread", "busy"])
def test_a_coroutine_is_cancelled_without_its_neighbours(
    make: MakeWorker, tmp_path: Path, concurrency: str, how: str
) -> None:
    worker, go = make(concurrency), tmp_path / "go"
    others = [worker.run("slot_tasks.until", str(tmp_path / f"other-{n}"), str(go)) for n in range(5)]
    uuid = worker.run("slot_tasks.wait_for_ever", str(tmp_path / "here"), how)
    wait_until((tmp_path / "here").exists, "the task")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert (done["outcome"], done["result"], done["error"]["type"]) == ("cancelled", "<cancel>", "DispatcherCancel")
    assert "in wait_for_ever" in done["error"]["trace"][0]
    assert worker.silent()
    go.touch()
    assert all(end["outcome"] == "success" for end in ends(worker, 5).values()) and others


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_thread_is_cancelled_without_its_neighbours(make: MakeWorker, tmp_path: Path, concurrency: str) -> None:
    worker, go = make(concurrency), tmp_path / "go"
    for n in range(5):
        worker.run("slot_tasks.until_in_thread", str(tmp_path / f"other-{n}"), str(go))
    uuid = worker.run("slot_tasks.sleep_by_steps", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert (done["outcome"], done["result"], done["error"]["type"]) == ("cancelled", "<cancel>", "DispatcherCancel")
    assert any("in sleep_by_steps" in place for place in done["error"]["trace"])
    go.touch()
    assert all(end["outcome"] == "success" for end in ends(worker, 5).values())


@pytest.mark.parametrize("concurrency", BOTH)
@pytest.mark.parametrize("name", ["cancel", "asyncio"])
@pytest.mark.parametrize("then", ["raise", "swallow"])
def test_a_coroutine_may_catch_a_cancel_by_either_name(
    make: MakeWorker, tmp_path: Path, concurrency: str, name: str, then: str
) -> None:
    worker = make(concurrency)
    uuid = worker.run("slot_tasks.catch", name, then, str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert done["outcome"] == ("cancelled" if then == "raise" else "success")
    assert worker.call("slot_tasks.noted")["result"] == [[then, True, True]]


@pytest.mark.parametrize("concurrency", BOTH)
def test_what_a_coroutine_does_to_itself_is_no_cancel(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency)
    assert worker.call("slot_tasks.own_timeout")["result"] == "its own"
    done = worker.call("slot_tasks.cancels_itself")
    assert (done["outcome"], done["error"]["type"]) == ("failure", "CancelledError")


@pytest.mark.parametrize("concurrency", BOTH)
def test_each_cancel_reaches_a_thread_that_swallows_them_and_repeats_do_not(
    make: MakeWorker, tmp_path: Path, concurrency: str
) -> None:
    worker, path = make(concurrency), tmp_path / "seen"
    uuid = worker.run("slot_tasks.swallow_by_steps", str(path), 3)
    for n in range(3):
        wait_until(lambda n=n: path.exists() and path.read_text() == str(n), f"cancel {n}")
        worker.cancel(uuid)
        if n < 2:
            wait_until(lambda n=n: path.read_text() == str(n + 1), f"cancel {n}")
            for _ in range(20):
                worker.cancel(uuid, again=True)
            assert not readable(worker.sock.fileno(), 0.05) and path.read_text() == str(n + 1)
    assert worker.done(uuid)["result"] == 3


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_signal_without_any_frame_cancels_all_that_runs(make: MakeWorker, tmp_path: Path, concurrency: str) -> None:
    worker = make(concurrency)
    for n in range(3):
        worker.run("slot_tasks.wait_for_ever", str(tmp_path / f"a{n}"))
        worker.run("slot_tasks.sleep_by_steps", str(tmp_path / f"b{n}"))
    for n in range(3):
        wait_until((tmp_path / f"a{n}").exists, "the task")
        wait_until((tmp_path / f"b{n}").exists, "the task")
    worker.cancel("another")
    worker.cancel("and another")
    assert not readable(worker.sock.fileno(), 0.1)
    # Two signals may have come as one; then the next one counts as that of the second frame.
    while not readable(worker.sock.fileno(), 0.05):
        worker.signal(signal.SIGUSR1)
    assert {end["outcome"] for end in ends(worker, 6).values()} == {"cancelled"}


@pytest.mark.parametrize("concurrency", BOTH)
@pytest.mark.parametrize("task", ["slot_tasks.rest", "slot_tasks.spin_briefly"])
def test_cancels_at_any_moment_hit_their_task_or_nothing(make: MakeWorker, concurrency: str, task: str) -> None:
    worker, chance = make(concurrency, 4), random.Random(7)
    open_now: dict[str, bool] = {}
    seen = set()
    for _ in range(600):
        uuid = worker.run(task, 0.002)
        open_now[uuid] = chance.random() < 0.4
        if open_now[uuid]:
            end = time.monotonic() + chance.random() * 0.004
            while time.monotonic() < end:
                pass
            worker.cancel(uuid)
        if len(open_now) == 4:
            done = worker.done()
            cancelled = open_now.pop(done["uuid"])
            assert done["outcome"] == "success" or (done["outcome"] == "cancelled" and cancelled), done
            seen.add(done["outcome"])
    ends(worker, len(open_now))
    assert seen == {"success", "cancelled"}
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_a_task_that_waits_for_an_answer_is_cancelled(make: MakeWorker) -> None:
    worker = make("threads")
    uuid = worker.run("slot_tasks.ask_many", 1, 1)
    number = worker.frame()["id"]
    worker.cancel(uuid)
    assert worker.done(uuid)["outcome"] == "cancelled"
    worker.send({"event": "reply", "id": number, "data": {}})
    assert worker.call("worker_tasks.give", 1)["result"] == 1
