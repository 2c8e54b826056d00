"""Which objects a worker runs: the gate after the import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Worker

MakeWorker = Callable[..., Worker]


def outcome(worker: Worker, task: str, *args: object, **more: object) -> tuple[str, str]:
    done = worker.call(task, *args, **more)
    return done["outcome"], done.get("error", {}).get("message", "")


@pytest.mark.parametrize(
    "task",
    [
        "worker_tasks.unregistered",
        "worker_tasks.os_system",
        "worker_tasks.NoRun",
        "os.getpid",
        "builtins.eval",
        "worker_tasks.task",
        "dispatcher.worker.task.TaskWorker",
    ],
)
def test_what_is_not_registered_is_refused_with_task_policy_and_switch(worker: Worker, task: str) -> None:
    kind, text = outcome(worker, task)
    if task.endswith(("NoRun", "TaskWorker")):
        assert kind == "failure" and "without a method run" in text
    else:
        assert kind == "refused"
        assert repr(task) in text and "'registered'" in text and "worker.task_policy" in text and "@task()" in text


def test_a_refused_task_runs_nothing_of_it(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("x") / "made"
    assert outcome(worker, "os.mkdir", str(path))[0] == "refused"
    assert not path.exists()


@pytest.mark.parametrize("policy", ["registered", "prefix", "any"])
def test_a_trusted_task_passes_every_policy(make_worker: MakeWorker, policy: str) -> None:
    worker = make_worker(task_policy=policy)
    assert worker.call("worker_tasks.unregistered", 5, trusted=True)["result"] == 5
    assert outcome(worker, "worker_tasks.missing", trusted=True)[0] == "failure"
    if policy != "any":
        assert outcome(worker, "worker_tasks.unregistered")[0] == "refused"


@pytest.mark.parametrize(
    ("task", "part"),
    [
        ("no_such_module.task", "no module 'no_such_module'"),
        ("worker_tasks.no.such", "no module 'worker_tasks.no'"),
        ("worker_tasks.missing", "has no 'missing'"),
        ("worker_tasks.CONSTANT", "cannot be called"),
        ("nodots", "has no module in its name"),
    ],
)
def test_a_name_that_leads_to_nothing_is_a_failure_that_says_so(worker: Worker, task: str, part: str) -> None:
    kind, text = outcome(worker, task)
    assert kind == "failure" and part in text and task in text


def test_a_module_that_fails_on_import_fails_the_task_with_its_own_error(worker: Worker) -> None:
    done = worker.call("broken_module.task")
    assert done["outcome"] == "failure" and done["error"]["type"] == "ModuleNotFoundError"
    assert "a_module_that_is_not_there" in done["error"]["message"]


def test_a_module_that_failed_below_its_task_is_imported_again_and_not_used_by_halves(
    make_worker: MakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALF_MODULE", str(tmp_path / "seen"))
    worker = make_worker([])
    assert worker.call("half_module.twice", 4)["error"]["message"] == "not yet"
    assert worker.call("half_module.twice", 4)["result"] == 8


def test_a_module_is_imported_to_see_whether_it_registers(make_worker: MakeWorker) -> None:
    worker = make_worker([])
    assert worker.ready["tasks"] == []
    assert worker.call("worker_tasks.give", 3)["result"] == 3


@pytest.mark.parametrize(
    ("prefixes", "task", "allowed"),
    [
        (["worker_tasks"], "worker_tasks.unregistered", True),
        (["worker_tasks."], "worker_tasks.unregistered", True),
        (["worker"], "worker_tasks.unregistered", False),
        (["worker_tasks.un"], "worker_tasks.unregistered", False),
        (["worker_tasks"], "worker_tasks.os_system", False),
        (["worker_tasks"], "worker_tasks.os.system", False),
        (["other", "worker_tasks"], "worker_tasks.Job", True),
        ([], "worker_tasks.nothing", False),
        (["concurrent"], "concurrent.futures.wait", True),
    ],
)
def test_a_prefix_is_a_module_that_the_object_is_defined_under(
    make_worker: MakeWorker, prefixes: list[str], task: str, allowed: bool
) -> None:
    worker = make_worker(task_policy="prefix", task_prefixes=prefixes)
    kind, text = outcome(worker, task, *[[]] * (task == "concurrent.futures.wait"))
    assert (kind == "success") == allowed, text
    if not allowed and "os.system" not in task:
        assert kind == "refused" and "worker.task_prefixes" in text and "'prefix'" in text


@pytest.mark.parametrize(
    ("policy", "allow_eval", "trusted", "allowed"),
    [
        ("registered", True, False, False),
        ("prefix", True, False, False),
        ("any", False, False, False),
        ("any", False, True, False),
        ("registered", True, True, False),
        ("any", True, False, True),
    ],
)
def test_text_that_begins_with_lambda_needs_both_switches(
    make_worker: MakeWorker, policy: str, allow_eval: bool, trusted: bool, allowed: bool
) -> None:
    worker = make_worker(task_policy=policy, allow_eval=allow_eval, task_prefixes=["worker_tasks"])
    kind, text = outcome(worker, "lambda a, b=1: a + b", 2, trusted=trusted)
    assert kind == ("success" if allowed else "refused")
    if not allowed:
        assert "worker.allow_eval" in text and "worker.task_policy" in text


def test_text_that_is_no_python_is_a_failure(make_worker: MakeWorker) -> None:
    worker = make_worker(task_policy="any", allow_eval=True)
    assert outcome(worker, "lambda (")[0] == "failure"
    assert worker.call("lambda: 5")["result"] == 5


def test_an_unknown_policy_lets_nothing_run(make_worker: MakeWorker) -> None:
    worker = make_worker(task_policy="all")
    assert outcome(worker, "worker_tasks.nothing")[0] == "refused"


@pytest.mark.parametrize("key", ["callbacks", "errbacks"])
def test_callbacks_and_errbacks_pass_the_same_gate(worker: Worker, key: str) -> None:
    entries = [{"task": "worker_tasks.record.append", "args": ["by name"]}, {"task": "os.mkdir", "args": ["/proc/x"]}]
    done = worker.call("worker_tasks.fail" if key == "errbacks" else "worker_tasks.nothing", **{key: entries})
    assert done["outcome"] == ("failure" if key == "errbacks" else "success")
    assert worker.call("worker_tasks.noted")["result"] == []


def test_a_decorated_function_under_another_decorator_runs_as_registered(worker: Worker) -> None:
    assert worker.call("wrapped_tasks.wrapped")["result"] == "inner"
