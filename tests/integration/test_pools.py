"""Several pools in one service: which of them runs a task, and that the trouble of one is not the others'."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Service, wait_until
from dispatcher._binary import find_binary

ONE = {"min_workers": 1, "max_workers": 1}


def ask(service: Service, command: str, **data: Any) -> dict[str, Any]:
    """A control request that has to be answered."""
    reply = service.control(command, data)
    assert reply is not None, service.log.read_text()[-2000:]
    return reply


def pool_of(service: Service, pid: int) -> str:
    """The pool of the worker with this process."""
    workers = ask(service, "workers").values()
    return next(str(entry["pool"]) for entry in workers if entry["pid"] == pid)


@pytest.fixture
def two(make_service: Callable[..., Service]) -> Service:
    """A pool `main`, and a pool `reports` whose workers have imported `reports` and what that imports."""
    pools = {"main": {**ONE, "preload_modules": ["work"]}, "reports": {**ONE, "preload_modules": ["reports"]}}
    return make_service(pools=pools).start()


def test_a_task_runs_in_the_pool_whose_workers_know_it(two: Service) -> None:
    two.publish({"task": "reports.render", "args": [1]})
    two.submit("record", 2)
    rendered, recorded = two.wait_record("rendered"), two.wait_record("record")
    assert pool_of(two, rendered["pid"]) == "reports"
    # Both know it: the first pool has it.
    assert pool_of(two, recorded["pid"]) == "main"


def test_the_file_leads_tasks_by_name_and_by_channel(make_service: Callable[..., Service]) -> None:
    pools = {"main": ONE, "named": {**ONE, "tasks": ["work.rec*"]}, "fast": {**ONE, "queues": ["fast_*"]}}
    service = make_service(pools=pools)
    fast = f"fast_{service.channel}"
    service.config["brokers"]["pg_notify"]["channels"].append(fast)
    service.start()
    service.submit("record", "by name")
    service.submit("nap", 0, "nobody's")
    service.channel = fast
    service.submit("nap", 0, "by channel")
    by_name = service.wait_record("record")
    service.wait_record("end", 2)
    pids = {record["name"]: record["pid"] for record in service.records("start")}
    service.channel = service.config["brokers"]["pg_notify"]["channels"][0]
    assert pool_of(service, by_name["pid"]) == "named"
    assert pool_of(service, pids["nobody's"]) == "main"
    assert pool_of(service, pids["by channel"]) == "fast"


def test_a_task_of_the_start_waits_for_the_pool_that_knows_it(make_service: Callable[..., Service]) -> None:
    pools = {"main": ONE, "reports": {"min_workers": 0, "max_workers": 1, "preload_modules": ["reports"]}}
    service = make_service(
        pools=pools, producers={"OnStartProducer": {"task_list": {"reports.render": {"args": ["at once"]}}}}
    ).start()
    rendered = service.wait_record("rendered")
    assert pool_of(service, rendered["pid"]) == "reports"
    assert service.refused() == {}


def test_the_death_of_a_worker_leaves_other_pools_alone(two: Service) -> None:
    two.submit("nap", 1.0, "long")
    pid = two.wait_record("start")["pid"]
    other = next(entry["pid"] for entry in ask(two, "workers").values() if entry["pool"] == "reports")
    os.kill(other, signal.SIGKILL)
    two.publish({"task": "reports.render", "args": []})
    assert pool_of(two, two.wait_record("rendered")["pid"]) == "reports"
    assert two.wait_record("end")["pid"] == pid


def test_a_pool_that_cannot_start_is_named_and_the_other_works(make_service: Callable[..., Service]) -> None:
    pools = {"main": ONE, "broken": {**ONE, "worker": {"command": ["/no/such/program"]}, "tasks": ["far.*"]}}
    service = make_service(pools=pools)
    service.launch()

    def failed() -> list[dict[str, Any]]:
        return [line for line in service.log_lines() if line.get("fields", {}).get("pool") == "broken"]

    wait_until(failed, "line about the start that failed")
    # It listens once it has stopped waiting for what the broken pool might know.
    wait_until(lambda: service.control("alive", wait=0.3) is not None, "answer of the service", 30)
    assert any("of the pool broken has come up" in line["message"] for line in service.log_lines())
    service.submit("record", 1)
    service.wait_record("record")
    pools = ask(service, "main")["pools"]
    assert (pools["main"]["start_failures"], pools["broken"]["start_failures"] > 0) == (0, True)


def test_operators_see_each_pool_and_mean_one(two: Service) -> None:
    pools = ask(two, "main")["pools"]
    idle = {"starting": 0, "idle": 1, "busy": 0, "stopping": 0}
    one = {"min": 1, "max": 1, "workers": idle, "running_ct": 0, "queued_ct": 0, "start_failures": 0}
    assert pools == {"main": one, "reports": one}
    assert "main, reports" in ask(two, "scale", min=2, max=2)["error"]
    assert "main, reports" in ask(two, "scale", min=2, max=2, pool="other")["error"]
    config = str(two.home / "dispatcher.yml")
    command = [str(find_binary()), "ctl", "scale", "--config", config, "--output", "json", "--pool", "reports"]
    done = subprocess.run([*command, "--min", "2", "--max", "2"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[0]["previous"] == {"min": 1, "max": 1}
    wait_until(lambda: ask(two, "main")["pools"]["reports"]["workers"]["idle"] == 2, "second worker")
    before = {entry["pid"]: entry["pool"] for entry in ask(two, "workers").values()}
    assert sorted(before.values()) == ["main", "reports", "reports"]
    assert ask(two, "recycle", pool="reports") == {"recycling": 2}

    def renewed() -> bool:
        ready = [entry for entry in ask(two, "workers").values() if entry["status"] == "ready"]
        return len(ready) == 3 and {entry["pid"] for entry in ready if entry["pid"] in before} == {
            pid for pid, pool in before.items() if pool == "main"
        }

    wait_until(renewed, "new workers in one pool and the old one in the other")
