"""What workers write to the log, and what they never do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness import Worker, wait_until

MakeWorker = Callable[..., Worker]


def test_a_success_writes_nothing(worker: Worker) -> None:
    worker.call("worker_tasks.give", "an argument", kwargs={"key": "word"})
    worker.call("worker_tasks.give_made", "object")
    assert worker.template.text() == ""


def test_a_failure_is_logged_with_name_uuid_and_traceback_and_without_arguments(worker: Worker) -> None:
    worker.call("worker_tasks.fail", "on purpose", uuid="the-uuid", kwargs={"password": "hunter2"})
    text = wait_until(worker.template.text, "the log")
    first, *trace = text.splitlines()
    assert first.endswith("ERROR dispatcher.worker.task: task worker_tasks.fail (uuid=the-uuid) failed: on purpose")
    assert "Traceback" in trace[0] and trace[-1] == "    RuntimeError: on purpose"
    assert "hunter2" not in text and "dispatcher/worker" not in text


def test_an_error_of_the_user_is_a_warning_without_a_traceback(worker: Worker) -> None:
    worker.call("worker_tasks.leave_by", "job")
    (line,) = wait_until(worker.template.text, "the log").splitlines()
    assert " WARNING " in line and line.endswith("failed: user's own fault")


def test_a_refusal_is_left_to_the_service(worker: Worker) -> None:
    worker.call("os.getpid")
    worker.call("no_such_module.task")
    assert worker.template.text() == ""


def test_a_cancel_is_logged_with_the_place_it_hit(worker: Worker) -> None:
    worker.call("worker_tasks.leave_by", "cancel")
    (line,) = wait_until(worker.template.text, "the log").splitlines()
    assert " WARNING " in line and "was cancelled at " in line and line.endswith(" in leave_by")


def test_no_text_can_forge_a_line(worker: Worker) -> None:
    worker.call("worker_tasks.fail", "x\n2026-11-24 04:11:38,123 INFO forged\x1b[2J\r\u2028y")
    lines = wait_until(worker.template.text, "the log").splitlines()
    assert len([line for line in lines if not line.startswith("    ")]) == 1
    assert "\x1b" not in "".join(lines) and "\\x1b[2J" in lines[0]


def test_the_log_may_be_json(make_worker: MakeWorker) -> None:
    worker = make_worker(log_format="json")
    worker.call("worker_tasks.fail", "a\nb", uuid="u")
    worker.call("worker_tasks.log_something", "secret")
    first, second = (json.loads(line) for line in wait_until(worker.template.text, "the log").splitlines())
    assert first["level"] == "ERROR" and first["logger"] == "dispatcher.worker.task"
    assert "Traceback" in first["traceback"] and first["timestamp"].endswith("Z")
    assert second["message"] == "a line\nwith a break" and second["logger"] == "app"


def test_a_log_that_the_application_has_set_up_is_left_alone(make_worker: MakeWorker, tmp_path: Path) -> None:
    (tmp_path / "own_log.py").write_text(
        "import logging\nlogging.basicConfig(level=logging.ERROR, format='own: %(message)s')\n"
    )
    worker = make_worker(["own_log", "worker_tasks"], sys_path=[str(tmp_path)])
    worker.call("worker_tasks.log_something", "secret")
    worker.call("worker_tasks.fail")
    assert wait_until(worker.template.text, "the log").startswith("own: task worker_tasks.fail")


def test_a_log_that_fails_costs_nothing_but_the_line(make_worker: MakeWorker, tmp_path: Path) -> None:
    (tmp_path / "bad_log.py").write_text(
        "import logging\n"
        "class Bad(logging.Filter):\n"
        "    def filter(self, record):\n"
        "        raise RuntimeError('no log')\n"
        "logging.basicConfig()\n"
        "logging.getLogger('dispatcher.worker.task').addFilter(Bad())\n"
    )
    worker = make_worker(["bad_log", "worker_tasks"], sys_path=[str(tmp_path)])
    assert worker.call("worker_tasks.fail")["outcome"] == "failure"
    assert worker.call("worker_tasks.leave_by", "cancel")["outcome"] == "cancelled"


def test_long_texts_are_cut_and_say_how_long_they_were(make_worker: MakeWorker) -> None:
    worker = make_worker(log_format="json")
    worker.call("worker_tasks.fail", "x" * 100_000)
    worker.call("worker_tasks.log_something", "secret", "y" * 100_000)
    ours, theirs = (json.loads(line) for line in wait_until(worker.template.text, "the log").splitlines())
    assert len(ours["message"]) < 2200 and "characters in all" in ours["message"]
    assert len(ours["traceback"]) < 17_000 and "characters ..." in ours["traceback"]
    assert "Traceback" in ours["traceback"]
    assert 16_384 < len(theirs["message"]) < 16_500 and "(100" in theirs["message"]
