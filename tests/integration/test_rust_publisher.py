"""A Rust program publishes, a Python worker runs; and what the program sends is what Python would have sent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from conftest import CHECKOUT, Service

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="the Rust example is built here")


def publish(service: Service, task: str, args: str) -> str:
    """The text that the Rust example has published, with the configuration of the service."""
    command = ["cargo", "run", "-q", "--locked", "-p", "dispatcher", "--example", "by_name", "--features", "config"]
    environment = {**os.environ, "DISPATCHERD_CONFIG_FILE": str(service.home / "dispatcher.yml")}
    whole = [*command, "--", task, args]
    done = subprocess.run(
        whole, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_a_rust_program_starts_a_python_task_by_name(make_service: Callable[..., Service]) -> None:
    service = make_service().start()
    args = ["from Rust: ü 🔥", [1, 2.5, None, {"k": True}]]
    text = publish(service, "work.record", json.dumps(args))
    record = service.wait_record("record")
    assert record["args"] == args
    message = json.loads(text)
    assert json.dumps(message) == text
    assert list(message) == ["task", "time_pub", "uuid", "args"]


def test_a_long_message_of_a_rust_program_arrives_whole(make_service: Callable[..., Service]) -> None:
    service = make_service().start()
    publish(service, "work.record", json.dumps(["ü" * 5000]))
    assert "ü" * 5000 in json.dumps(service.wait_record("record"), ensure_ascii=False)


def test_a_task_of_no_name_is_refused_where_it_is_published(make_service: Callable[..., Service]) -> None:
    service = make_service().start()
    with pytest.raises(AssertionError, match="is no name of a task"):
        publish(service, "nonsense", "[]")
