"""Tasks that run in the test itself, by `dispatcher.testing.eager`."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from dispatcher import config
from dispatcher.publish import submit_many, submit_task, task
from dispatcher.testing import eager
from dispatcher.worker.exceptions import DispatcherCancel, DispatcherExit
from dispatcher.worker.run import TaskRefused


@task()
def give(*args: Any, **kwargs: Any) -> Any:
    return [args, kwargs]


@task()
class Giver:
    def run(self, value: int) -> int:
        return value + 1


@task()
async def give_later(value: int) -> int:
    await asyncio.sleep(0)
    return value + 1


@task(bind=True)
def ask(binder: Any, command: str) -> Any:
    return binder.uuid, binder.control(command, {"task": "x"})


@task()
def fail(kind: str) -> None:
    raise {"cancel": DispatcherCancel, "exit": DispatcherExit, "system": SystemExit}.get(kind, KeyError)(kind)


def unmarked() -> str:
    return "ran"


@task(timeout=0.001, on_duplicate="discard")
def outer() -> int:
    inner.delay(1)
    inner.delay(2)
    return len(order)


order: list[int] = []


@task()
def inner(number: int) -> None:
    order.append(number)
    if number < 0:
        raise KeyError(number)


@task()
def endless() -> None:
    endless.delay()


def test_a_publish_runs_its_task_with_arguments_that_have_been_through_json() -> None:
    with eager() as tasks:
        body, channel = give.apply_async(((1, 2),), {"k": {3: "v"}}, queue="somewhere", delay=60)
    (run,) = tasks.runs
    assert run.result == [([1, 2],), {"k": {"3": "v"}}]
    assert (run.outcome, run.error, run.task.uuid, channel) == ("success", None, body["uuid"], "somewhere")
    tasks.assert_published(give, queue="somewhere", delay=60, times=1)


def test_classes_coroutines_and_many_at_once() -> None:
    with eager() as tasks:
        Giver.delay(1)
        give_later.delay(2)
        submit_many(Giver, [[3], {"value": 4}])
    assert [run.result for run in tasks.runs] == [2, 3, 4, 5]


def test_a_coroutine_runs_while_a_loop_is_at_work() -> None:
    async def use() -> list[Any]:
        with eager() as tasks:
            give_later.delay(1)
        return [run.result for run in tasks.runs]

    assert asyncio.run(use()) == [2]


def test_what_a_task_raises_is_raised_by_the_publish() -> None:
    with eager() as tasks:
        for kind, error in (("key", KeyError), ("cancel", DispatcherCancel), ("system", SystemExit)):
            with pytest.raises(error):
                fail.delay(kind)
        fail.delay("exit")
        with pytest.raises(TypeError, match="value"):
            Giver.delay()
    assert [run.outcome for run in tasks.runs] == ["failure", "cancelled", "failure", "success", "failure"]
    assert tasks.runs[3].result == "exit"


def test_or_can_be_looked_at_afterwards() -> None:
    with eager(raises=False) as tasks:
        submit_many(fail, [["key"], ["cancel"]])
    assert [(run.outcome, type(run.error)) for run in tasks.runs] == [
        ("failure", KeyError),
        ("cancelled", DispatcherCancel),
    ]


def test_after_a_failure_the_next_publish_runs_its_own_task_only() -> None:
    with eager() as tasks:
        with pytest.raises(KeyError):
            submit_many(inner, [[-1], [7]])
        inner.delay(8)
    assert order == [-1, 8]
    assert len(tasks) == 3
    order.clear()


def test_what_a_task_publishes_runs_after_it() -> None:
    with eager() as tasks:
        outer.delay()
    assert [(run.task.task.rpartition(".")[2], run.result) for run in tasks.runs] == [
        ("outer", 0),
        ("inner", None),
        ("inner", None),
    ]
    assert order == [1, 2]
    order.clear()


def test_a_task_that_publishes_itself_without_end_is_named() -> None:
    with eager(), pytest.raises(RuntimeError, match=r"endless is next: does a task publish itself"):
        endless.delay()


def test_a_bound_task_is_answered_by_the_test() -> None:
    with eager(control={"running": {"worker-0": {}}}) as tasks:
        body, _ = ask.delay("running")
        ask.delay("workers")
        tasks.control = lambda command, data: [command, data]
        ask.delay("cancel")
        tasks.control = None
        with pytest.raises(RuntimeError, match=r"asks its service 'alive'.*control=\{'alive': \{\}\}"):
            ask.delay("alive")
    assert [run.result and run.result[1] for run in tasks.runs] == [
        {"worker-0": {}},
        {"error": "the test has no reply to 'workers'"},
        ["cancel", {"task": "x"}],
        None,
    ]
    assert tasks.runs[0].result[0] == body["uuid"]


def test_only_tasks_run_unless_the_settings_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPATCHER_TASK_POLICY", raising=False)
    with eager() as tasks:
        with pytest.raises(TaskRefused, match="@task"):
            submit_task(unmarked)
        config.setup({"version": 2, "brokers": {"noop": {}}, "worker": {"task_policy": "any"}})
        submit_task(unmarked)
    assert [(run.outcome, run.result) for run in tasks.runs] == [("refused", None), ("success", "ran")]


def test_threads_of_the_application_run_theirs() -> None:
    with eager() as tasks:
        threads = [threading.Thread(target=give.delay, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(run.result[0][0] for run in tasks.runs) == list(range(8))


def test_no_handler_of_a_signal_is_changed() -> None:
    import signal

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
    with eager():
        give.delay()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)] == before


def test_pytest_is_not_imported_by_it() -> None:
    import subprocess

    code = "import sys, dispatcher.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
