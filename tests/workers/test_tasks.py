"""How tasks are called, how they end, and what the service hears of it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Gone, Worker, wait_until

MakeWorker = Callable[..., Worker]


def test_a_ready_worker_says_what_it_can(worker: Worker) -> None:
    ready = worker.ready
    assert ready["event"] == "ready" and ready["worker"] == 0 and ready["protocol"] == 1
    assert ready["pid"] == worker.pid and ready["slots"] == 1 and ready["ahead"] == 8
    assert "worker_tasks.nothing" in ready["tasks"] and "worker_tasks.unregistered" not in ready["tasks"]


def test_the_end_of_a_task_has_its_uuid_outcome_and_times(worker: Worker) -> None:
    before = time.time()
    done = worker.call("worker_tasks.nothing", uuid='odd "uuid" ü')
    assert before <= done.pop("time_started") <= done.pop("time_finish") <= time.time()
    assert done == {"event": "done", "worker": 0, "uuid": 'odd "uuid" ü', "outcome": "success"}


@pytest.mark.parametrize("value", [0, "text", [1, {"a": None}], {"a": "ü"}, 2**70])
def test_a_plain_result_is_sent(worker: Worker, value: object) -> None:
    assert worker.call("worker_tasks.give", value)["result"] == value


@pytest.mark.parametrize(
    ("kind", "expected"), [("float", 1.5), ("true", True), ("unicode", "ä漢🔥\u2028"), ("big integer", 10**300)]
)
def test_a_result_that_post_task_does_not_see_is_sent_all_the_same(worker: Worker, kind: str, expected: object) -> None:
    assert worker.call("worker_tasks.give_made", kind)["result"] == expected


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("object", "object"),
        ("nan", "float"),
        ("infinity inside", "list"),
        ("surrogate", "surrogates"),
        ("bytes", "bytes"),
        ("set", "set"),
        ("long", "limit"),
        ("long list", "limit"),
        ("200 MB", "limit"),
        ("deep", "deep"),
        ("very deep", "list"),
        ("huge integer", "int"),
    ],
)
def test_a_result_that_cannot_be_sent_is_left_out_with_a_note_and_no_failure(
    worker: Worker, kind: str, why: str
) -> None:
    done = worker.call("worker_tasks.give_made", kind)
    assert done["outcome"] == "success" and done["result"] is None
    assert why in done["note"] and len(done["note"]) <= 500
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_a_result_of_exactly_the_limit_is_sent(worker: Worker) -> None:
    assert len(worker.call("worker_tasks.give_made", "just fits")["result"]) == (1 << 20) - 2


def test_a_wide_result_is_not_taken_for_a_deep_one(worker: Worker) -> None:
    assert worker.call("worker_tasks.give_made", "wide")["result"][99] == [99]


def test_a_failure_names_its_type_text_and_place_and_nothing_of_the_arguments(worker: Worker) -> None:
    done = worker.call("worker_tasks.fail", "on purpose", kwargs={"password": "hunter2"})
    assert done["outcome"] == "failure" and "result" not in done
    assert done["error"]["type"] == "RuntimeError" and done["error"]["message"] == "on purpose"
    assert len(done["error"]["trace"]) == 1 and done["error"]["trace"][0].endswith(" in fail")
    assert "hunter2" not in worker.template.text()


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("sys.exit", "SystemExit"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("GeneratorExit", "GeneratorExit"),
        ("odd", "OddError"),
        ("surrogate", "ValueError"),
        ("long", "ValueError"),
        ("recursion", "RecursionError"),
        ("memory", "MemoryError"),
        ("job", "JobError"),
    ],
)
def test_whatever_a_task_raises_is_its_failure_and_the_worker_goes_on(worker: Worker, way: str, kind: str) -> None:
    done = worker.call("worker_tasks.leave_by", way)
    assert done["outcome"] == "failure" and done["error"]["type"] == kind and "is_stopping" not in done
    assert len(done["error"]["message"]) <= 4000 and len(done["error"]["trace"]) <= 21
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_wrong_arguments_are_a_failure(worker: Worker) -> None:
    done = worker.call("worker_tasks.give", 1, 2, 3)
    assert done["outcome"] == "failure" and done["error"]["type"] == "TypeError"


def test_a_message_with_an_integer_beyond_python_fails_its_task_alone(worker: Worker) -> None:
    frame = worker.run_frame("worker_tasks.give", uuid="u")
    worker.give_tickets(frame["seq"])
    message = '{"task":"worker_tasks.give","args":[%s],"uuid":"u"}' % ("9" * 5000)
    worker.sock.sendall(f'{{"event":"run","seq":{frame["seq"]},"message":{message}}}\n'.encode())
    done = worker.done("u")
    assert done["outcome"] == "failure" and "4300" in done["error"]["message"]
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_what_only_python_writes_as_json_reaches_the_task(worker: Worker) -> None:
    frame = worker.run_frame("worker_tasks.give", uuid="u")
    worker.give_tickets(frame["seq"])
    message = (
        '{"task":"worker_tasks.give_made","task":"worker_tasks.give","args":[[NaN,-Infinity,"\\ud800"]],"uuid":"u"}'
    )
    worker.sock.sendall(f'{{"event":"run","seq":{frame["seq"]},"message":{message}}}\n'.encode())
    done = worker.done("u")
    assert done["outcome"] == "success" and done["result"] is None


def test_keyword_arguments_arrive(worker: Worker) -> None:
    assert worker.call("worker_tasks.give", 1, kwargs={"a": 2})["result"] == {"value": 1, "a": 2}


def test_an_object_as_args_passes_its_keys(worker: Worker) -> None:
    frame = worker.run_frame("worker_tasks.give", uuid="u")
    frame["message"]["args"] = {"key": 1}
    worker.give_tickets(frame["seq"])
    worker.send(frame)
    assert worker.done("u")["result"] == "key"


def test_a_class_task_gets_a_new_instance_for_each_run(worker: Worker) -> None:
    assert [worker.call("worker_tasks.Job", n)["result"] for n in (7, 8)] == [[1, 1, 7], [1, 2, 8]]


def test_a_coroutine_function_is_run_to_its_end(worker: Worker) -> None:
    assert worker.call("worker_tasks.coroutine", 5)["result"] == 5


def test_a_wish_to_exit_is_a_success_and_the_worker_leaves(worker: Worker) -> None:
    done = worker.call("worker_tasks.ask_to_exit")
    assert done["outcome"] == "success" and done["result"] == "<exit>" and done["is_stopping"] is True
    assert worker.frame() == {"worker": 0, "event": "shutdown"}
    worker.wait_end()


def test_a_wish_to_exit_may_have_a_result(worker: Worker) -> None:
    assert worker.call("worker_tasks.ask_to_exit", "bye")["result"] == "bye"


def test_stop_lets_the_worker_leave_in_good_order(worker: Worker) -> None:
    worker.run("worker_tasks.give", 1)
    worker.send({"event": "stop"})
    worker.done()
    assert worker.frame() == {"worker": 0, "event": "shutdown"}
    assert worker.template.exit_of(worker) == 0


def test_callbacks_run_in_order_and_under_the_uuid_of_their_task(worker: Worker) -> None:
    entries = [{"task": "worker_tasks.note", "args": [1]}, {"task": "worker_tasks.note_uuid", "uuid": "other"}]
    worker.call("worker_tasks.note", 0, uuid="u", callbacks=entries)
    assert worker.call("worker_tasks.noted")["result"] == [0, 1, "u"]


def test_errbacks_run_after_a_failure_and_before_callbacks(worker: Worker) -> None:
    done = worker.call(
        "worker_tasks.fail",
        callbacks=[{"task": "worker_tasks.note", "args": ["callback"]}],
        errbacks=[{"task": "worker_tasks.note", "args": ["errback"]}],
    )
    assert done["outcome"] == "failure"
    assert worker.call("worker_tasks.noted")["result"] == ["errback", "callback"]


def test_a_failing_callback_changes_nothing_but_its_own_errbacks(worker: Worker) -> None:
    failing = {"task": "worker_tasks.fail", "errbacks": [{"task": "worker_tasks.note", "args": ["inner"]}]}
    done = worker.call("worker_tasks.give", 5, callbacks=[failing, {"task": "worker_tasks.note", "args": ["next"]}])
    assert done["outcome"] == "success" and done["result"] == 5
    assert worker.call("worker_tasks.noted")["result"] == ["inner", "next"]


@pytest.mark.parametrize("key", ["callbacks", "errbacks"])
@pytest.mark.parametrize("value", [None, 5, "text", {"task": "worker_tasks.note"}, [None, 5, {}, {"task": 7}, []]])
def test_callbacks_of_a_wrong_shape_are_survived(worker: Worker, key: str, value: object) -> None:
    done = worker.call("worker_tasks.fail" if key == "errbacks" else "worker_tasks.nothing", **{key: value})
    assert done["outcome"] == ("failure" if key == "errbacks" else "success")
    assert worker.call("worker_tasks.noted")["result"] == []


def test_callbacks_do_not_run_after_a_wish_to_exit(worker: Worker) -> None:
    callback = {"task": "worker_tasks.fail", "args": ["callback ran"]}
    assert worker.call("worker_tasks.ask_to_exit", callbacks=[callback])["outcome"] == "success"
    assert worker.frame()["event"] == "shutdown"


def test_a_bound_task_knows_its_uuid_and_worker(worker: Worker) -> None:
    assert worker.call("worker_tasks.bound", "a", uuid="u")["result"] == ["u", 0, "a"]


def test_a_message_may_bind_only_with_true(worker: Worker) -> None:
    assert worker.call("worker_tasks.give", 1, bind="yes")["result"] == 1
    assert worker.call("worker_tasks.give", bind=True)["outcome"] == "success"


def answer(worker: Worker, data: object) -> dict[str, object]:
    request = worker.frame()
    assert request["event"] == "control"
    worker.send({"event": "reply", "id": request["id"], "data": data})
    return request


def test_a_bound_task_asks_its_service(worker: Worker) -> None:
    uuid = worker.run("worker_tasks.ask", "running", {"uuid": "x"})
    request = answer(worker, {"n": 1})
    assert (request["command"], request["control_data"], request["worker"]) == ("running", {"uuid": "x"}, 0)
    assert worker.done(uuid)["result"] == [{"n": 1}]


def test_a_request_without_data_has_no_such_key(worker: Worker) -> None:
    worker.run("worker_tasks.ask", "alive")
    assert "control_data" not in answer(worker, {})
    worker.done()


def test_frames_that_come_before_an_answer_are_kept(worker: Worker) -> None:
    first = worker.run("worker_tasks.ask", "alive")
    second = worker.run("worker_tasks.give", 2)
    worker.send({"event": "stop"})
    answer(worker, {"n": 1})
    assert worker.done(first)["result"] == [{"n": 1}]
    assert worker.done(second)["result"] == 2
    assert worker.frame()["event"] == "shutdown"


def test_an_answer_to_another_request_is_not_taken(worker: Worker) -> None:
    worker.run("worker_tasks.ask", "alive", None, 2)
    first = worker.frame()["id"]
    worker.send({"event": "reply", "id": first, "data": {"n": 1}})
    worker.send({"event": "reply", "id": first, "data": {"n": "again"}})
    answer(worker, {"n": 2})
    assert worker.done()["result"] == [{"n": 1}, {"n": 2}]


def test_threads_of_a_task_ask_one_after_the_other(worker: Worker) -> None:
    worker.run("worker_tasks.ask_from_threads", 8)
    for _ in range(8):
        request = worker.frame()
        worker.send({"event": "reply", "id": request["id"], "data": request["control_data"]})
    assert worker.done()["result"] == [{"n": n} for n in range(8)]


def test_a_thread_that_still_waits_when_its_task_ends_is_told_so(worker: Worker) -> None:
    worker.run("worker_tasks.ask_later")
    request = worker.frame()
    worker.done()
    worker.send({"event": "reply", "id": request["id"], "data": {}})
    assert "the task has ended" in worker.call("worker_tasks.what_came_later")["result"][0]
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_a_request_that_is_no_json_fails_in_the_task(worker: Worker) -> None:
    frame = worker.run_frame("worker_tasks.ask", "alive", uuid="u")
    worker.give_tickets(frame["seq"])
    message = '{"task":"worker_tasks.ask","args":["alive",{"x":NaN}],"uuid":"u"}'
    worker.sock.sendall(f'{{"event":"run","seq":{frame["seq"]},"message":{message}}}\n'.encode())
    done = worker.done("u")
    assert done["outcome"] == "failure" and done["error"]["type"] == "ValueError"
    assert worker.call("worker_tasks.give", 1)["result"] == 1


@pytest.mark.parametrize(("task", "status"), [("os_exit", 5 << 8), ("segfault", signal.SIGSEGV)])
def test_a_worker_that_dies_is_reported_with_its_status(make_worker: MakeWorker, task: str, status: int) -> None:
    worker = make_worker()
    worker.run(f"process_tasks.{task}", *[5] * (task == "os_exit"))
    assert worker.template.exit_of(worker) & ~0x80 == status
    with pytest.raises(Gone):
        worker.frame()


def test_the_end_of_the_channel_lets_the_worker_leave(make_worker: MakeWorker) -> None:
    worker = make_worker()
    worker.sock.close()
    assert worker.template.exit_of(worker) == 0


@pytest.mark.parametrize("data", [b'{"event":"run"\n', b"[1]\n", b"\xff\n", b"nonsense\n", b'{"event":"run"}\n'])
def test_a_channel_with_nonsense_on_it_ends_the_worker(make_worker: MakeWorker, data: bytes) -> None:
    worker = make_worker()
    worker.sock.sendall(data)
    assert worker.template.exit_of(worker) == 1 << 8


def test_empty_lines_and_frames_of_a_later_version_are_passed_over(worker: Worker) -> None:
    worker.sock.sendall(b'\n  \n{"event": "progress", "x": 1}\n{"no":"event"}\n')
    assert worker.call("worker_tasks.give", 1)["result"] == 1


def test_frames_that_come_byte_by_byte_are_put_together(worker: Worker) -> None:
    frame = worker.run_frame("worker_tasks.give", "ü", uuid="u")
    worker.give_tickets(frame["seq"])
    for byte in json.dumps(frame, ensure_ascii=False).encode() + b"\n":
        worker.sock.sendall(bytes([byte]))
    assert worker.done("u")["result"] == "ü"


def test_a_long_message_arrives(worker: Worker) -> None:
    text = "ü" * 400_000
    assert worker.call("worker_tasks.give", text)["result"] == text


def test_a_second_copy_of_what_modules_print_does_not_come_from_workers(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    (tmp_path / "printing.py").write_text('print("loaded", end="")\n')
    worker = make_worker(["printing"], sys_path=[str(tmp_path)])
    template = worker.template
    template.fork(1)
    for each in template.workers:
        each.send({"event": "stop"})
        template.exit_of(each)
    wait_until(lambda: "loaded" in template.text(), "what was printed")
    assert template.text().count("loaded") == 1


def test_objects_of_the_loaded_modules_are_frozen(worker: Worker) -> None:
    assert worker.call("worker_tasks.collected")["result"] > 1000
