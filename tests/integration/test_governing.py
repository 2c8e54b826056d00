"""What an operator does to a running service: pause, quiet, scale, recycle; and what it says about what has ended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

from conftest import Service, wait_until
from dispatcher._binary import find_binary


def ask(service: Service, command: str, **data: Any) -> dict[str, Any]:
    """A control request that has to be answered."""
    reply = service.control(command, data)
    assert reply is not None, service.log.read_text()[-2000:]
    return reply


def living(service: Service) -> dict[str, int]:
    """The pids of the workers that are ready, by name."""
    return {name: entry["pid"] for name, entry in ask(service, "workers").items() if entry["status"] == "ready"}


def test_a_paused_service_keeps_tasks_until_it_is_resumed(service: Service) -> None:
    assert ask(service, "pause")["state"] == "paused"
    service.submit("record", 1)
    wait_until(lambda: ask(service, "pause")["left"]["queued"] == 1, "queued task")
    assert service.records("record") == []
    assert ask(service, "resume")["state"] == "running"
    service.wait_record("record")


def test_a_quiet_service_ends_what_it_has_and_can_then_be_stopped_without_loss(service: Service) -> None:
    service.submit("nap", 0.5, "first")
    service.submit("record", "second")
    service.wait_record("start")
    assert ask(service, "quiet")["left"]["running"] == 1
    service.submit("record", "never")
    wait_until(lambda: not any(ask(service, "quiet")["left"].values()), "nothing left")
    assert [record["args"] for record in service.records("record")] == [["second"]]
    assert service.refused()["quiet"] == 1
    wait_until(lambda: any("no task is left" in line["message"] for line in service.log_lines()), "line that says so")
    assert service.stop() == 0
    assert not any("abandoned" in line["message"] for line in service.log_lines())


def test_the_command_waits_until_a_quiet_service_has_nothing_left(service: Service) -> None:
    service.submit("nap", 1, "first")
    service.wait_record("start")

    def quiet(seconds: str) -> subprocess.CompletedProcess[str]:
        config = str(service.home / "dispatcher.yml")
        command = [str(find_binary()), "ctl", "quiet", "--wait", seconds, "--config", config, "--output", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    early = quiet("0.1")
    assert early.returncode == 1 and "left: 1 running" in early.stderr, early
    done = quiet("20")
    assert done.returncode == 0 and done.stderr.splitlines()[-1] == "nothing is left", done
    assert json.loads(done.stdout)[0]["left"] == {"running": 0, "queued": 0, "delayed": 0, "blocked": 0}
    assert len(service.records("end")) == 1
    assert quiet("soon").returncode == 2


def test_the_number_of_workers_changes_while_the_service_runs(service: Service) -> None:
    reply = ask(service, "scale", min=3, max=3)
    assert reply["previous"] == {"min": 1, "max": 1}
    wait_until(lambda: len(living(service)) == 3, "three workers")
    ask(service, "scale", min="1", max="1")
    wait_until(lambda: len(living(service)) == 1, "one worker")
    for wrong in ({}, {"min": 5}, {"max": 0}, {"min": "many"}, {"max": 1_000_000}):
        assert "error" in ask(service, "scale", **wrong)


def test_all_workers_are_recycled_and_none_is_missing_meanwhile(make_service: Callable[..., Service]) -> None:
    service = make_service(service={"pool_kwargs": {"min_workers": 3, "max_workers": 3}}).start()
    before = wait_until(lambda: found if len(found := living(service)) == 3 else None, "three workers")
    assert ask(service, "recycle")["recycling"] == 3
    wait_until(lambda: set(living(service).values()).isdisjoint(before.values()), "three other workers")
    wait_until(lambda: len(living(service)) == 3, "three workers")
    pool = service.main()["pool"]
    assert (pool["retirement_count"], pool["workers_lost_count"]) == (3, 0)
    assert "error" in ask(service, "recycle", worker=99)
    assert "error" in ask(service, "recycle", worker="x")


def test_a_worker_is_replaced_after_the_tasks_that_it_may_run(make_service: Callable[..., Service]) -> None:
    service = make_service(worker={"max_tasks": 5}).start()
    for number in range(17):
        service.submit("record", number)
    service.wait_record("record", 17)
    pids = [record["pid"] for record in service.records("record")]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [5, 5, 5, 2]
    assert service.main()["pool"]["workers_lost_count"] == 0


def test_a_worker_that_holds_too_much_memory_is_replaced_after_its_task(make_service: Callable[..., Service]) -> None:
    service = make_service(worker={"max_rss": "200MiB"}).start()
    service.submit("record")
    first = service.wait_record("record")["pid"]
    service.submit("hoard", 300)
    service.wait_record("hoarded")
    service.submit("record")
    assert service.wait_record("record", 2)["pid"] != first
    assert any("more than worker.max_rss" in line["message"] for line in service.log_lines())


def test_what_has_ended_says_how(make_service: Callable[..., Service]) -> None:
    quick = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "cancel_grace": 0.2, "terminate_grace": 0.2}
    loaded = {"process_manager_kwargs": {"preload_modules": ["work"]}}
    service = make_service(service={**quick, **loaded, "shutdown_grace": 0}).start()
    good = service.submit("record", "private")
    bad = service.submit("fail", "private")
    dead = service.submit("die", "kill")
    gone = service.submit("die", "exit")
    slow = service.submit("nap", 30, timeout=0.2)
    stubborn = service.submit("stubborn", 60, timeout=0.2)
    wait_until(lambda: ask(service, "ended", uuid=stubborn), "end of the last task")
    ended = {entry["uuid"]: entry for entry in ask(service, "ended").values()}
    assert (ended[good]["outcome"], ended[good]["error"]) == ("success", None)
    assert (ended[bad]["outcome"], ended[bad]["error"]["type"]) == ("failure", "RuntimeError")
    assert "in fail" in ended[bad]["error"]["trace"][-1]
    assert "killed by SIGKILL" in ended[dead]["reason"] and ended[dead]["outcome"] == "lost"
    assert "exited with code 7" in ended[gone]["reason"]
    assert (ended[slow]["outcome"], ended[slow]["reason"]) == ("timed_out", "timed out")
    assert ended[stubborn]["outcome"] == "timed_out" and "killed by SIG" in ended[stubborn]["reason"]
    assert [entry["uuid"] for entry in ask(service, "ended", outcome="failure").values()] == [bad]
    assert len(ask(service, "ended", limit=2)) == 2
    assert "private" not in str(ended)


def test_a_worker_that_cannot_be_started_is_not_tried_in_a_loop_and_the_service_ends_if_told_to(
    make_service: Callable[..., Service],
) -> None:
    pool = {"pool_kwargs": {"min_workers": 4, "max_workers": 4}, "shutdown_grace": 0}
    service = make_service(service=pool, worker={"worker_cls": "work.Stillborn", "max_start_failures": 4})
    service.launch()
    assert service.process is not None
    assert service.process.wait(timeout=20) == 1
    assert (
        "4 workers of the pool default in a row could not be started; the last one exited with code 1"
        in service.log.read_text()
    )
    # Four at first, then one at a time.
    assert len(service.records("stillborn")) <= 4 + 3
