"""Messages that make no sense: one log line with a reason, one count, and the next task runs."""

from __future__ import annotations

import pytest

from conftest import Service, wait_until

REFUSED = {
    "not JSON": ('{"task": "work.record"', "bad_json"),
    "no object": ("[1, 2]", "not_an_object"),
    "no task": ("{}", "no_task"),
    "a number for a task": ('{"task": 5}', "bad_task"),
    "text for args": ('{"task": "work.record", "args": "abc"}', "bad_args"),
    "a list for kwargs": ('{"task": "work.record", "kwargs": [1]}', "bad_kwargs"),
    "NaN for a timeout": ('{"task": "work.record", "timeout": NaN}', "bad_timeout"),
    "a negative timeout": ('{"task": "work.record", "timeout": -1}', "bad_timeout"),
    "deep nesting": ('{"task": "work.record", "args": ' + "[" * 3000 + "]" * 3000 + "}", "too_deep"),
    "nothing but brackets": ("[" * 7900, "too_deep"),
    "8,000 bytes of anything": ("x" * 7999, "bad_name"),
    "a lambda": ("lambda: 1", "lambda"),
    "a lambda in JSON": ('{"task": "lambda: open(1)"}', "lambda"),
    "a way into internals": ('{"task": "os.__dict__"}', "policy"),
}


@pytest.fixture(scope="module")
def shared(dsn: str, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """One service for all of these."""
    service = Service(dsn, tmp_path_factory.mktemp("shared"), {}).start()
    yield service
    service.destroy()


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_one_line_and_one_count(shared: Service, name: str) -> None:
    payload, reason = REFUSED[name]
    before = shared.refused().get(reason, 0)
    lines = len([line for line in shared.log_lines() if "message refused" in line["message"]])
    ran = len(shared.records("record"))
    shared.publish(payload)
    shared.submit("record", name)
    shared.wait_record("record", ran + 1)
    assert shared.refused().get(reason, 0) == before + 1
    refusals = [line for line in shared.log_lines() if "message refused" in line["message"]]
    assert len(refusals) == lines + 1
    assert refusals[-1]["fields"]["reason"] == reason


UNRUNNABLE = {
    "no_such_module.fn": "no module",
    "work.no_such_function": "has no",
    "work.NOT_CALLABLE": "cannot be called",
    "work.unregistered": "not registered",
    "os.mkdir": "not registered",
}


@pytest.mark.parametrize("task", UNRUNNABLE)
def test_what_cannot_or_must_not_run_ends_as_a_failed_task_that_says_why(shared: Service, task: str) -> None:
    shared.publish({"task": task, "uuid": f"bad-{task}", "args": ["x"]})
    said = UNRUNNABLE[task]

    def line() -> list[str]:
        lines = [line["message"] for line in shared.log_lines()]
        return [text for text in lines if f"bad-{task}" in text and said in text]

    wait_until(line, f"line with {said!r}")
    assert shared.records("unregistered") == []


def test_arguments_are_in_no_line_of_the_log(shared: Service) -> None:
    ran = len(shared.records("record"))
    shared.submit("record", "canary-1f0c", password="canary-1f0c")
    shared.publish('{"task": "work.record", "args": "canary-1f0c"}')
    shared.publish('{"task": "work.nap", "args": ["canary-1f0c"], "kwargs": {"x": "canary-1f0c"}}')
    shared.submit("record")
    shared.wait_record("record", ran + 2)
    assert "canary-1f0c" not in shared.log.read_text().replace("str' object", "")
