"""Tasks that misbehave, workers that die, services that are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest

from conftest import Service, alive, wait_until


def test_a_task_out_of_time_is_cancelled_and_its_worker_goes_on(service: Service) -> None:
    service.submit("record")  # so that the module is loaded: its import counts as well, and is slow on a busy machine
    service.wait_record("record")
    service.submit("nap", 30, "long", timeout=0.2)
    interrupted = service.wait_record("interrupted")
    assert interrupted["exc"] == "DispatcherCancel"
    service.submit("record")
    assert service.wait_record("record", 2)["pid"] == interrupted["pid"]
    assert service.main()["pool"]["canceled_count"] == 1


def test_a_running_task_is_cancelled_by_its_uuid(service: Service) -> None:
    number = service.submit("nap", 30, "long")
    service.wait_record("start")
    reply = service.control("cancel", {"uuid": number})
    assert reply is not None and reply["worker-0"]["uuid"] == number
    service.wait_record("interrupted")


def test_a_task_that_swallows_the_cancel_loses_its_worker_and_the_slot_comes_back(
    make_service: Callable[..., Service],
) -> None:
    quick = {"cancel_grace": 0.2, "terminate_grace": 0.2, "shutdown_grace": 0}
    service = make_service(service={"pool_kwargs": {"min_workers": 1, "max_workers": 1}, **quick}).start()
    service.submit("record")
    service.wait_record("record")
    service.submit("stubborn", 60, timeout=0.2)
    first = service.wait_record("start")["pid"]
    service.submit("record")
    assert service.wait_record("record", 2)["pid"] != first
    assert not alive(first)


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_dead_worker_is_replaced_at_once_and_the_reason_is_said(service: Service, how: str) -> None:
    service.submit("die", how)
    service.submit("record")
    service.wait_record("record")
    reason = "killed by SIGKILL" if how == "kill" else "exited with code 7"
    wait_until(lambda: any(reason in line["message"] for line in service.log_lines()), f"line with {reason!r}")
    assert service.main()["pool"]["workers_lost_count"] == 1


def test_a_stopped_worker_is_named_and_its_task_still_runs_out_of_time(make_service: Callable[..., Service]) -> None:
    quick = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "cancel_grace": 0.2, "terminate_grace": 0.2}
    service = make_service(service={**quick, "shutdown_grace": 0}).start()
    service.submit("nap", 60, timeout=1.5)
    stopped = service.wait_record("start")["pid"]
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: any("stopped by a signal" in line["message"] for line in service.log_lines()), "line about it")
    service.submit("record")
    assert service.wait_record("record")["pid"] != stopped
    assert not alive(stopped)


def test_nothing_is_left_when_the_service_is_killed(service: Service) -> None:
    service.submit("with_child", 60)
    child = service.wait_record("child")["child"]
    service.stop(signal.SIGKILL)
    wait_until(lambda: not service.processes(), "end of every process of the service", 5)
    assert not alive(child)


def test_a_drain_lets_running_tasks_finish_and_names_what_it_abandons(make_service: Callable[..., Service]) -> None:
    grace = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 20}
    service = make_service(service=grace).start()
    service.submit("nap", 2, "first")
    service.wait_record("start")
    waiting = service.submit("record", "never")
    wait_until(lambda: service.main()["pool"]["active_task_ct"] == 2, "queued task")
    assert service.stop() == 0
    assert len(service.records("end")) == 1
    assert service.records("record") == []
    abandoned = [line["message"] for line in service.log_lines() if "abandoned" in line["message"]]
    assert any(waiting in line for line in abandoned)
    assert service.processes() == []


def test_the_whole_process_group_may_be_signalled(make_service: Callable[..., Service]) -> None:
    service = make_service().start()
    wait_until(lambda: [w for w in (service.control("workers") or {}).values() if w["status"] == "ready"], "worker")
    for pid in service.processes():
        with suppress(ProcessLookupError):  # the service, signalled first, may have ended it by now
            os.kill(pid, signal.SIGINT)
    assert service.process is not None
    assert service.process.wait(20) == 0
    wait_until(lambda: not service.processes(), "end of every process", 5)


def test_a_bound_task_asks_its_own_service(service: Service) -> None:
    number = service.submit("ask", "running")
    asked = service.wait_record("asked")
    assert asked["uuid"] == number
    assert asked["reply"]["worker-0"]["uuid"] == number
