"""The vectors that Rust and Python both read: what Python's json makes of them is what the service reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher import registry
from dispatcher.processors.blocker import Blocker
from dispatcher.processors.delayer import Delayer

VECTORS = Path(__file__).resolve().parents[2] / "crates" / "dispatcher-protocol" / "tests" / "vectors"
MESSAGES: list[dict[str, Any]] = json.loads((VECTORS / "messages.json").read_text())
PAIRS: list[dict[str, Any]] = json.loads((VECTORS / "equal.json").read_text())
PUBLISHED: list[dict[str, Any]] = json.loads((VECTORS / "published.json").read_text())
TASKS = [case for case in MESSAGES if "task" in case and case["payload"].lstrip().startswith("{")]


@pytest.mark.parametrize("case", TASKS, ids=lambda case: case["payload"][:40])
def test_python_reads_the_same_message(case: dict[str, Any]) -> None:
    message = json.loads(case["payload"])
    assert message["task"] == case["task"]
    assert message.get("uuid") == case.get("uuid")
    if "raw" not in case:
        assert message.get("args") == case.get("args")
    assert message.get("kwargs") == case.get("kwargs")


@pytest.mark.parametrize("case", [case for case in MESSAGES if case.get("refused") == "bad_json"], ids=str)
def test_what_is_no_json_for_the_service_is_none_for_python(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        json.loads(case["payload"])


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_equality_is_that_of_python(pair: dict[str, Any]) -> None:
    assert (json.loads(pair["one"]) == json.loads(pair["other"])) is pair["equal"]


def task_of(case: dict[str, Any]) -> registry.DispatcherMethod:
    def function() -> None: ...

    function.__module__, _, function.__qualname__ = case["task"].rpartition(".")
    options = case.get("task_options", {})
    params: list[registry.Params] = []
    if "delay" in options:
        params.append(Delayer.Params(delay=options["delay"]))
    if "on_duplicate" in options:
        params.append(Blocker.Params(on_duplicate=options["on_duplicate"]))
    return registry.DispatcherMethod(function, timeout=options.get("timeout"), processor_options=params)


class Recorder:
    """A broker, and the factories that give it."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def publish_message(self, channel: str | None, message: str) -> str:
        self.sent.append(message)
        return channel or ""

    def get_publisher_from_settings(self, settings: Any) -> Recorder:
        return self


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["name"])
def test_python_publishes_the_same_text_as_rust(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(registry, "_factories", lambda: recorder)
    monkeypatch.setattr("time.time", lambda: case["time_pub"])
    task_of(case).apply_async(case.get("args"), case.get("kwargs"), uuid=case["uuid"], **case.get("options", {}))
    assert recorder.sent == [case["message"]]
