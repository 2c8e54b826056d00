"""Worker classes of an application: which hooks run when, and that none of them can break the worker."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_tasks
from harness import Template, Worker, readable, wait_until

from dispatcher.registry import DispatcherMethodRegistry
from dispatcher.worker import exceptions
from dispatcher.worker.task import DispatcherCancel, DispatcherExit, TaskWorker

MakeWorker = Callable[..., Worker]
PRELOAD = ["worker_tasks", "worker_classes"]


def of_class(make_worker: MakeWorker, name: str, **kwargs: Any) -> Worker:
    return make_worker(PRELOAD, worker_cls=f"worker_classes.{name}", worker_kwargs=kwargs)


def test_hooks_run_in_their_order_with_what_they_are_to_see(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Noting", flavour="mint")
    worker.call("worker_tasks.give", 1.5)
    worker.call("worker_tasks.give", [1])
    assert worker.call("worker_tasks.noted")["result"] == [
        ["init", "mint", 0, True, True],
        "on_start",
        ["pre_task", "worker_tasks.give"],
        ["post_task", None],
        ["pre_task", "worker_tasks.give"],
        ["post_task", [1]],
        ["pre_task", "worker_tasks.noted"],
    ]


def test_messages_of_a_class_keep_what_it_adds_and_gain_what_the_protocol_needs(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Noting")
    assert worker.ready["flavour"] == "mint" and worker.ready["protocol"] == 1
    worker.send({"event": "stop"})
    assert worker.frame() == {"event": "shutdown", "worker": 0, "flavour": "mint"}
    worker.wait_end()
    assert "on_shutdown" in worker.template.text()


def test_on_idle_runs_again_and_again_while_nothing_comes(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Noting", idle_timeout=0.02)
    seen = (
        wait_until(
            lambda: (noted := worker.call("worker_tasks.noted")["result"]).count("on_idle") >= 2 and noted,
            "two of them",
        )
        if not readable(worker.sock.fileno(), 0.3)
        else []
    )
    assert seen.count("on_idle") >= 2


def test_without_an_idle_timeout_nothing_runs_while_nothing_comes(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Noting")
    assert not readable(worker.sock.fileno(), 0.2)
    assert "on_idle" not in worker.call("worker_tasks.noted")["result"]


def test_hooks_that_raise_cost_neither_the_task_nor_the_worker(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Raising", idle_timeout=0.02)
    assert worker.call("worker_tasks.give", 1)["result"] == 1
    wait_until(lambda: list(worker.template.lines("on_idle on purpose")), "a wait that was too long")
    assert worker.call("worker_tasks.give", 2)["result"] == 2
    assert len(list(worker.template.lines("RuntimeError: pre_task on purpose"))) == 2
    assert len(list(worker.template.lines("RuntimeError: post_task on purpose"))) == 2


def test_a_worker_whose_start_fails_leaves_without_being_ready(make_template: Callable[..., Template]) -> None:
    template = make_template(PRELOAD, worker_cls="worker_classes.FailingStart")
    template.expect("ready")
    worker = template.request_fork(0)
    worker.pid = template.expect("forked")[0]["pid"]
    assert template.exit_of(worker) == 1 << 8
    assert list(template.lines("on_start on purpose"))


def test_a_worker_class_that_is_not_there_is_found_out_before_any_fork(
    make_template: Callable[..., Template],
) -> None:
    packet, _ = make_template(worker_cls="worker_classes.Missing").packet()
    assert packet["event"] == "failed" and "Missing" in packet["error"]


def test_a_task_is_cancelled_in_its_pre_task(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = of_class(make_worker, "Slow")
    path = tmp_path / "here"
    uuid = worker.run("worker_tasks.note", 1, slow=str(path))
    wait_until(path.exists, "pre_task")
    worker.cancel(uuid)
    assert worker.done(uuid)["outcome"] == "cancelled"
    assert worker.call("worker_tasks.noted")["result"] == []


def test_a_class_that_wraps_the_call_sees_a_cancel_as_a_result(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = of_class(make_worker, "Wrapping")
    path = tmp_path / "here"
    uuid = worker.run("worker_tasks.never_end", "sleep", str(path))
    wait_until(path.exists, "task")
    worker.cancel(uuid)
    done = worker.done(uuid)
    assert (done["outcome"], done["result"]) == ("cancelled", ["before", "<cancel>", "after"])
    assert done["error"]["type"] == "DispatcherCancel"


def test_work_that_a_class_does_itself_is_reported_whatever_it_gives(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = of_class(make_worker, "OwnWork")
    done = worker.call("worker_tasks.nothing")
    assert done["outcome"] == "success" and done["result"] == "my own" and done["time_finish"] >= done["time_started"]
    assert worker.call("worker_tasks.nothing", "raise")["error"]["message"] == "perform_work on purpose"
    assert worker.call("worker_tasks.nothing", "none")["outcome"] == "failure"
    path = tmp_path / "here"
    uuid = worker.run("worker_tasks.nothing", "wait", kwargs={"path": str(path)})
    wait_until(path.exists, "its work")
    worker.cancel(uuid)
    assert worker.done(uuid)["outcome"] == "cancelled"


def test_the_call_of_a_task_may_be_wrapped(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Wrapping")
    assert worker.call("worker_tasks.give", 1)["result"] == ["before", 1, "after"]
    assert worker.call("worker_tasks.fail")["error"]["message"] == "on purpose"


def test_a_class_decides_when_to_leave_and_the_service_hears_of_it_with_the_last_task(make_worker: MakeWorker) -> None:
    worker = of_class(make_worker, "Leaving")
    assert "is_stopping" not in worker.call("worker_tasks.nothing")
    assert worker.call("worker_tasks.nothing")["is_stopping"] is True
    assert worker.frame()["event"] == "shutdown"


def test_pre_task_may_install_a_handler_that_ends_task_and_worker(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = of_class(make_worker, "Terminable")
    path = tmp_path / "here"
    uuid = worker.run("worker_tasks.never_end", "sleep", str(path))
    wait_until(path.exists, "the task")
    worker.signal(signal.SIGTERM)
    done = worker.done(uuid)
    assert done["result"] == "<sigterm>" and done["is_stopping"] is True
    assert worker.frame()["event"] == "shutdown"


# -- a worker object by itself, as applications test theirs


@pytest.fixture
def alone() -> Iterator[TaskWorker]:
    """Making a worker installs signal handlers, which are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    worker_tasks.record.clear()
    yield TaskWorker(worker_id=7, message_queue=queue.Queue(), finished_queue=queue.Queue())
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_worker_by_itself_runs_whatever_it_is_handed(alone: TaskWorker) -> None:
    done = alone.perform_work({"task": "worker_tasks.unregistered", "args": [5], "uuid": "u"})
    assert 0 < done.pop("time_started") <= done.pop("time_finish")
    assert done == {"worker": 7, "event": "done", "result": 5, "uuid": "u"}


def test_a_failed_or_cancelled_task_shows_in_the_result(alone: TaskWorker) -> None:
    assert alone.perform_work({"task": "worker_tasks.fail"})["result"] is None
    assert alone.perform_work({"task": "worker_tasks.leave_by", "args": ["cancel"]})["result"] == "<cancel>"
    done = alone.perform_work({"task": "worker_tasks.ask_to_exit"})
    assert done["result"] == "<exit>" and done["is_stopping"] is True and alone.should_exit()


def test_it_has_the_messages_that_are_documented(alone: TaskWorker) -> None:
    assert (alone.worker_id, alone.pid, alone.ppid) == (7, os.getpid(), os.getppid())
    assert alone.get_ready_message() == {"worker": 7, "event": "ready"}
    assert alone.get_shutdown_message() == {"worker": 7, "event": "shutdown"}


def test_a_bound_task_speaks_through_the_queues(alone: TaskWorker) -> None:
    alone.message_queue.put({"pong": 1})
    assert alone.produce_binder({}).control("alive") == {"pong": 1}
    assert alone.finished_queue.get_nowait() == {"worker": 7, "event": "control", "command": "alive"}
    assert alone.produce_binder({}).uuid == "<unknown>"


def test_a_registry_of_its_own_says_what_is_bound() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    registry = DispatcherMethodRegistry()
    registry.register(worker_tasks.unregistered, bind=True)
    worker = TaskWorker(3, queue.Queue(), queue.Queue(), registry=registry)
    worker.perform_work({"task": "worker_tasks.unregistered", "uuid": "u"})
    assert worker._ending.value.uuid == "u"
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_while_idle_is_a_wish_to_leave(alone: TaskWorker) -> None:
    assert alone.should_exit() is False
    os.kill(os.getpid(), signal.SIGTERM)
    assert alone.should_exit() is True


def test_a_task_runs_with_the_default_handlers(alone: TaskWorker) -> None:
    alone.enter_task_mode()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    alone.enter_idle_mode()
    assert callable(signal.getsignal(signal.SIGTERM))


def test_exceptions_are_the_same_in_both_places() -> None:
    assert DispatcherCancel is exceptions.DispatcherCancel and DispatcherExit is exceptions.DispatcherExit
    assert issubclass(DispatcherCancel, Exception) and DispatcherExit("x").result == "x"
