"""Several tasks at once in one worker: they overlap, and whatever happens to one happens to no other."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import BOTH, Frame, Gone, Worker, ends, readable, wait_until

MakeWorker = Callable[..., Worker]


@pytest.mark.parametrize("concurrency", BOTH)
def test_it_announces_its_slots_and_holds_nothing_unstarted(make: MakeWorker, concurrency: str) -> None:
    ready = make(concurrency, 7).ready
    assert (ready["slots"], ready["ahead"]) == (7, 0)


@pytest.mark.parametrize("concurrency", BOTH)
def test_as_many_as_there_are_slots_run_at_once(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency)
    uuids = [worker.run("slot_tasks.overlap", 20) for _ in range(20)]
    done = ends(worker, 20)
    assert set(done) == set(uuids)
    assert all(end["result"] == 20 for end in done.values())


@pytest.mark.parametrize("concurrency", BOTH)
def test_plain_functions_overlap_in_threads(make: MakeWorker, tmp_path: Path, concurrency: str) -> None:
    worker = make(concurrency)
    paths = [tmp_path / str(number) for number in range(20)]
    for path in paths:
        worker.run("slot_tasks.until_in_thread", str(path), str(tmp_path / "go"))
    for path in paths:
        wait_until(path.exists, "every task")
    (tmp_path / "go").touch()
    assert len({end["result"] for end in ends(worker, 20).values()}) == 20
    # Threads that have ended their task are used again.
    again = [
        worker.call("slot_tasks.until_in_thread", str(paths[0]), str(tmp_path / "go"))["result"] for _ in range(30)
    ]
    assert len(set(again)) <= 20


def test_coroutines_run_in_the_main_thread_of_an_async_worker(make: MakeWorker, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    arguments = (str(tmp_path / "here"), str(tmp_path / "go"))
    assert make("async").call("slot_tasks.until", *arguments)["result"] == "MainThread"
    assert make("threads").call("slot_tasks.until", *arguments)["result"].startswith("task-")


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_failure_is_told_as_ever(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency)
    done = worker.call("slot_tasks.fails", "because")
    assert (done["outcome"], done["error"]["type"], done["error"]["message"]) == ("failure", "ValueError", "because")
    assert [place.rpartition(" ")[2] for place in done["error"]["trace"]] == ["fails"]
    done = worker.call("worker_tasks.fail", "too")
    assert done["error"]["trace"][0].endswith(" in fail")
    assert worker.call("worker_tasks.unregistered")["outcome"] == "refused"
    assert worker.call("no.such.task")["outcome"] == "failure"
    assert worker.call("slot_tasks.returns_coroutine", 0.01)["result"] == "slept"
    assert worker.call("worker_tasks.coroutine", [1])["result"] == [1]
    log = worker.template.text()
    assert "task slot_tasks.fails" in log and "ValueError: because" in log


@pytest.mark.parametrize("concurrency", BOTH)
def test_each_task_gets_the_answer_to_its_own_question(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency)
    kinds = [("ask_many", (3,)), ("ask_on_the_loop", ()), ("ask_beside_the_loop", ())]
    tags = {worker.run(f"slot_tasks.{kinds[n % 3][0]}", *kinds[n % 3][1], n): n for n in range(15)}
    asked: list[Frame] = []
    done: dict[str, Frame] = {}
    chance = random.Random(3)
    while len(done) < 15:
        frame = worker.frame() if not asked or readable(worker.sock.fileno(), 0.05) else None
        if frame is None:
            asked.sort(key=lambda _: chance.random())
            worker.send({"event": "reply", "id": asked[0]["id"], "data": asked.pop(0)["control_data"]})
        elif frame["event"] == "control":
            asked.append(frame)
        else:
            done[frame["uuid"]] = frame
    for uuid, tag in tags.items():
        result = done[uuid]["result"]
        wanted = [{"tag": tag, "n": n} for n in range(3)] if tag % 3 == 0 else {"tag": tag}
        assert result == wanted, done[uuid]


@pytest.mark.parametrize("concurrency", BOTH)
def test_tasks_see_their_own_context(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency)
    for n in range(1, 11):
        worker.run("slot_tasks.own_context", n)
    assert all(end["result"] is True for end in ends(worker, 10).values())
    first, second = worker.run("slot_tasks.who"), worker.run("slot_tasks.who")
    done = ends(worker, 2)
    assert [done[uuid]["result"] for uuid in (first, second)] == [[first, 0, False], [second, 0, False]]


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_stop_lets_what_runs_finish(make: MakeWorker, tmp_path: Path, concurrency: str) -> None:
    worker = make(concurrency)
    worker.run("slot_tasks.until", str(tmp_path / "a"), str(tmp_path / "go"))
    worker.run("slot_tasks.until_in_thread", str(tmp_path / "b"), str(tmp_path / "go"))
    wait_until((tmp_path / "a").exists, "task")
    wait_until((tmp_path / "b").exists, "task")
    worker.send({"event": "stop"})
    assert not readable(worker.sock.fileno(), 0.05)
    (tmp_path / "go").touch()
    assert [end["outcome"] for end in ends(worker, 2).values()] == ["success", "success"]
    assert worker.frame()["event"] == "shutdown"
    assert worker.template.exit_of(worker) == 0


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_task_that_has_its_worker_leave_leaves_the_others_their_time(
    make: MakeWorker, tmp_path: Path, concurrency: str
) -> None:
    worker = make(concurrency)
    other = worker.run("slot_tasks.until", str(tmp_path / "a"), str(tmp_path / "go"))
    wait_until((tmp_path / "a").exists, "task")
    done = worker.call("slot_tasks.leave", str(tmp_path / "b"))
    assert done["is_stopping"] is True and done["result"] == "bye"
    worker.run("worker_tasks.give", 1)
    assert worker.take_back() == [3] or not worker.tickets
    (tmp_path / "go").touch()
    done = worker.done(other)
    assert done["outcome"] == "success" and done["is_stopping"] is True
    assert worker.frame()["event"] == "shutdown"
    worker.wait_end()


@pytest.mark.parametrize("concurrency", BOTH)
def test_sigterm_has_an_idle_worker_leave_and_ends_a_busy_one(
    make: MakeWorker, tmp_path: Path, concurrency: str
) -> None:
    worker = make(concurrency)
    assert worker.call("slot_tasks.is_default")["result"] is True
    worker.signal(signal.SIGTERM)
    assert worker.frame()["event"] == "shutdown"
    assert worker.template.exit_of(worker) == 0
    worker = make(concurrency)
    worker.run("slot_tasks.wait_for_ever", str(tmp_path / "a"))
    wait_until((tmp_path / "a").exists, "task")
    worker.signal(signal.SIGTERM)
    assert worker.template.exit_of(worker) == signal.SIGTERM


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_channel_that_is_closed_ends_it_when_its_tasks_are_over(
    make: MakeWorker, tmp_path: Path, concurrency: str
) -> None:
    worker = make(concurrency)
    worker.run("slot_tasks.until", str(tmp_path / "a"), str(tmp_path / "go"))
    wait_until((tmp_path / "a").exists, "task")
    worker.sock.shutdown(1)
    before = cpu(worker.pid)
    assert not readable(worker.pidfd, 0.3)
    assert cpu(worker.pid) - before < 20, "it turns round and round"
    (tmp_path / "go").touch()
    worker.wait_end()


def cpu(pid: int) -> int:
    """Ticks of a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_the_copy_of_a_worker_that_returns_from_a_task_says_nothing(make: MakeWorker) -> None:
    worker = make("async")
    for task in ("slot_tasks.fork_and_return", "slot_tasks.fork_in_coroutine"):
        assert worker.call(task)["result"] == "true"
    assert worker.silent()
    assert worker.call("worker_tasks.give", 1)["result"] == 1


@pytest.mark.parametrize("concurrency", BOTH)
def test_hooks_of_a_class_run_around_each_task(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency, worker_cls="worker_classes.Noting", worker_kwargs={"flavour": "mint"})
    worker.call("worker_tasks.give", 1)
    worker.call("worker_tasks.coroutine", 2)
    assert worker.call("worker_tasks.noted")["result"] == [
        ["init", "mint", 0, True, True],
        "on_start",
        ["pre_task", "worker_tasks.give"],
        ["post_task", 1],
        ["pre_task", "worker_tasks.coroutine"],
        ["post_task", 2],
        ["pre_task", "worker_tasks.noted"],
    ]
    worker = make(concurrency, worker_cls="worker_classes.Raising", worker_kwargs={"idle_timeout": 0.02})
    assert worker.call("worker_tasks.coroutine", 2)["result"] == 2
    wait_until(lambda: list(worker.template.lines("on_idle on purpose")), "a wait that was too long")
    assert len(list(worker.template.lines("RuntimeError: pre_task on purpose"))) == 1


@pytest.mark.parametrize("concurrency", BOTH)
@pytest.mark.parametrize("task", ["worker_tasks.give", "worker_tasks.coroutine"])
def test_a_hook_that_wants_the_process_to_end_ends_it_and_no_slot_is_lost_in_silence(
    make: MakeWorker, concurrency: str, task: str
) -> None:
    worker = make(concurrency, worker_cls="worker_classes.Quitting")
    worker.run(task, 1)
    worker.wait_end()


@pytest.mark.parametrize("concurrency", BOTH)
def test_a_class_that_calls_tasks_in_its_own_way_does_so_for_each(
    make: MakeWorker, tmp_path: Path, concurrency: str
) -> None:
    worker = make(concurrency, worker_cls="worker_classes.Wrapping")
    uuid = worker.run("slot_tasks.wait_for_ever", str(tmp_path / "here"))
    assert worker.call("worker_tasks.coroutine", 1)["result"] == ["before", 1, "after"]
    wait_until((tmp_path / "here").exists, "the task")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert (done["outcome"], done["result"]) == ("cancelled", ["before", "<cancel>", "after"])
    worker = make(concurrency, worker_cls="worker_classes.OwnWork")
    assert worker.call("worker_tasks.nothing")["result"] == "my own"
    assert worker.call("worker_tasks.nothing", "raise")["error"]["message"] == "perform_work on purpose"
    worker = make(concurrency, worker_cls="worker_classes.Leaving")
    worker.call("worker_tasks.nothing")
    assert worker.call("worker_tasks.nothing")["is_stopping"] is True


@pytest.mark.parametrize("concurrency", BOTH)
def test_callbacks_follow_their_task(make: MakeWorker, concurrency: str) -> None:
    worker = make(concurrency)
    follow = [{"task": "worker_tasks.note", "args": ["callback"]}]
    assert worker.call("worker_tasks.coroutine", 1, callbacks=follow)["result"] == 1
    worker.call("slot_tasks.fails", "x", errbacks=[{"task": "worker_tasks.note", "args": ["errback"]}])
    assert worker.call("worker_tasks.noted")["result"] == ["callback", "errback"]


def test_every_task_of_a_thousand_is_answered_once(make: MakeWorker) -> None:
    worker = make("async", 50)
    tasks = ["worker_tasks.coroutine", "worker_tasks.give", "slot_tasks.spin_briefly", "slot_tasks.returns_coroutine"]
    waiting, done = set(), set()
    for n in range(1000):
        waiting.add(worker.run(tasks[n % 4], 0.001))
        while len(waiting) >= 50:
            uuid = worker.done()["uuid"]
            waiting.remove(uuid)
            done.add(uuid)
    done |= set(ends(worker, len(waiting)))
    assert len(done) == 1000 and worker.silent()


def test_concurrency_that_nobody_knows_ends_the_start(make_template: Callable[..., Any]) -> None:
    template = make_template(["slot_tasks"], concurrency="fibres", slots=2)
    template.expect("ready")
    worker = template.request_fork(0)
    worker.pid = template.expect("forked")[0]["pid"]
    assert template.exit_of(worker) == 1 << 8
    assert "fibres" in template.text()
    with pytest.raises(Gone):
        worker.frame()
