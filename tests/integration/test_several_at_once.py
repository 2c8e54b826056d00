"""Workers that run several tasks at once, in real services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conftest import Service, wait_until

QUICK = {"cancel_grace": 0.3, "terminate_grace": 0.3, "shutdown_grace": 10}
ONE = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}}
MANAGERS = ["ForkServerManager", "SpawnServerManager"]


def made(make_service: Callable[..., Service], concurrency: str, manager: str = MANAGERS[0]) -> Service:
    """One worker with twenty slots."""
    return make_service(
        service={**ONE, **QUICK, "process_manager_cls": manager}, worker={"concurrency": concurrency, "slots": 20}
    ).start()


@pytest.mark.parametrize("manager", MANAGERS)
def test_twenty_coroutines_overlap_and_one_is_cancelled_alone(
    make_service: Callable[..., Service], manager: str
) -> None:
    service = made(make_service, "async", manager)
    numbers = [service.submit("wait", 60, str(n)) for n in range(20)]
    service.wait_record("start", 20)
    assert len({record["pid"] for record in service.records("start")}) == 1
    running = service.control("running") or {}
    assert {entry["uuid"] for entry in running.values()} == set(numbers)
    assert set(running) == {"worker-0", *(f"worker-0-{n}" for n in range(1, 20))}
    service.submit("record")
    assert not service.records("record"), "there is no slot for it"
    service.control("cancel", {"uuid": numbers[7]})
    interrupted = service.wait_record("interrupted")
    assert (interrupted["name"], interrupted["exc"]) == ("7", "DispatcherCancel")
    service.wait_record("record")
    assert len(service.records("interrupted")) == 1
    ended = (service.control("ended", {"uuid": numbers[7]}) or {})["ended-0"]
    assert ended["outcome"] == "cancelled" and ended["error"]["type"] == "DispatcherCancel"
    stack = (service.control("stack") or {})["worker-0"]
    assert len(stack["others"]) == 18 and stack["stack"]


@pytest.mark.parametrize(("concurrency", "task"), [("async", "wait"), ("threads", "wait"), ("threads", "nap_by_steps")])
def test_one_out_of_time_gives_way_and_its_neighbours_end_well(
    make_service: Callable[..., Service], concurrency: str, task: str
) -> None:
    service = made(make_service, concurrency)
    service.submit("record")
    service.wait_record("record")
    arguments: tuple[Any, ...] = (60, "late") if task == "wait" else ("late",)
    service.submit("wait", 3, "neighbour")
    service.submit("nap", 3, "neighbour")
    service.submit(task, *arguments, timeout=0.3)
    interrupted = service.wait_record("interrupted")
    assert (interrupted["name"], interrupted["exc"]) == ("late", "DispatcherCancel")
    service.wait_record("end", 2)
    assert {record["pid"] for record in service.records("end")} == {interrupted["pid"]}
    assert service.main()["pool"]["canceled_count"] == 1


def test_a_coroutine_that_blocks_costs_its_worker_and_its_neighbours_say_why(
    make_service: Callable[..., Service],
) -> None:
    service = made(make_service, "async")
    neighbours = [service.submit("wait", 60, str(n)) for n in range(3)]
    service.wait_record("start", 3)
    culprit = service.submit("block", 60, timeout=0.3)
    service.wait_record("blocks")
    service.submit("record")
    assert service.wait_record("record")["pid"] != service.records("blocks")[0]["pid"]
    for number in neighbours:
        ended = (service.control("ended", {"uuid": number}) or {})["ended-0"]
        assert ended["outcome"] == "lost" and culprit in ended["reason"], ended
    stacks = [line["fields"]["stack"] for line in service.log_lines() if "stack" in line.get("fields", {})]
    assert stacks and "in block" in stacks[0]


@pytest.mark.parametrize("concurrency", ["async", "threads"])
def test_a_stop_gives_all_that_runs_its_grace(make_service: Callable[..., Service], concurrency: str) -> None:
    service = made(make_service, concurrency)
    for task in ("wait", "nap"):
        service.submit(task, 1, task)
    service.wait_record("start", 2)
    assert service.stop() == 0
    assert {record["name"] for record in service.records("end")} == {"wait", "nap"}
    assert not service.processes()


@pytest.mark.parametrize("concurrency", ["async", "threads"])
def test_tasks_ask_their_service_at_once(make_service: Callable[..., Service], concurrency: str) -> None:
    service = made(make_service, concurrency)
    numbers = {service.submit("ask", "running") for _ in range(20)}
    service.wait_record("asked", 20)
    records = service.records("asked")
    assert {record["uuid"] for record in records} == numbers
    for record in records:
        assert record["uuid"] in {entry["uuid"] for entry in record["reply"].values()}


@pytest.mark.parametrize("concurrency", ["async", "threads"])
def test_five_hundred_tasks_are_each_run_once(make_service: Callable[..., Service], concurrency: str) -> None:
    service = made(make_service, concurrency)
    for n in range(500):
        service.submit(*(("wait", 0.001, str(n)) if n % 2 else ("record", n)))
    service.wait_record("record", 250)
    service.wait_record("end", 250)
    wait_until(lambda: service.main()["pool"]["finished_count"] == 500, "end of all")
    assert len({record["name"] for record in service.records("end")}) == 250
    assert sorted(record["args"][0] for record in service.records("record")) == list(range(0, 500, 2))


@pytest.mark.parametrize("concurrency", ["async", "threads"])
def test_workers_are_replaced_after_their_tasks_and_none_is_lost(
    make_service: Callable[..., Service], concurrency: str
) -> None:
    worker = {"concurrency": concurrency, "slots": 5, "max_tasks": 20}
    service = make_service(service={**ONE, **QUICK}, worker=worker).start()
    for n in range(200):
        service.submit(*(("wait", 0.01, str(n)) if n % 2 else ("record", n)))
    service.wait_record("record", 50)
    service.control("recycle")
    service.wait_record("record", 100)
    service.wait_record("end", 100)
    pids = {record["pid"] for record in service.records("end")}
    assert len(pids) >= 8
    assert len({record["name"] for record in service.records("end")}) == 100
    assert service.main()["pool"]["workers_lost_count"] == 0
    assert not service.records("interrupted")
