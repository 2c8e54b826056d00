"""Worker programs in other languages under a real service: the Rust example and, where it makes no difference, Node.

The programs and their tasks are those of the transcripts (`tests/workers`).
"""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import CHECKOUT, Service, wait_until
from support import canary

RUST = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target")) / "debug" / "examples" / "worker"
NODE = CHECKOUT / "examples" / "node-worker" / "worker.mjs"
COMMANDS = {"rust": [str(RUST)], "node": ["node", str(NODE)]}
QUICK = {"cancel_grace": 0.4, "terminate_grace": 0.4, "shutdown_grace": 10}

Make = Callable[..., Service]


@pytest.fixture(params=["rust", "node"])
def command(request: pytest.FixtureRequest) -> list[str]:
    return program(request.param)


def program(language: str) -> list[str]:
    if language == "rust" and not RUST.exists():
        pytest.skip("the Rust worker is not built: cargo build -p dispatcher --example worker")
    if language == "node" and not shutil.which("node"):
        pytest.skip("node is not installed")
    return COMMANDS[language]


def made(make_service: Make, command: list[str], slots: int = 4, **worker: Any) -> Service:
    """One worker with so many slots."""
    return make_service(service=QUICK, worker={"command": command, "slots": slots, **worker}).start()


def submit(service: Service, task: str, *args: Any, **options: Any) -> str:
    """Sends a task of the transcripts; gives its uuid."""
    number = uuid.uuid4().hex
    service.publish({"task": f"demo.{task}", "uuid": number, "args": list(args), "note": canary.CANARY, **options})
    return number


def ended(service: Service, number: str) -> dict[str, Any]:
    """How a task has ended, as soon as it has."""

    def look() -> dict[str, Any] | None:
        return (service.control("ended", {"uuid": number}) or {}).get("ended-0")

    found: dict[str, Any] = wait_until(look, f"end of {number}")
    return found


def begun(service: Service, task: str, here: Path, *args: Any, **options: Any) -> str:
    number = submit(service, task, str(here), *args, **options)
    wait_until(here.exists, f"start of {task}")
    return number


def test_tasks_run_beside_each_other_and_end_as_they_end(
    make_service: Make, command: list[str], tmp_path: Path
) -> None:
    service = made(make_service, command)
    numbers = [begun(service, "wait", tmp_path / f"{n}", str(tmp_path / "go")) for n in range(4)]
    assert {entry["uuid"] for entry in (service.control("running") or {}).values()} == set(numbers)
    (tmp_path / "go").touch()
    assert {ended(service, number)["outcome"] for number in numbers} == {"success"}
    failed = ended(service, submit(service, "fail", "because"))
    assert (failed["outcome"], failed["error"]["message"]) == ("failure", "because")
    assert ended(service, submit(service, "no_such_task"))["outcome"] == "failure"


def test_a_cancel_and_a_timeout_reach_one_task_alone(make_service: Make, command: list[str], tmp_path: Path) -> None:
    service = made(make_service, command)
    neighbour = begun(service, "wait", tmp_path / "a", str(tmp_path / "go"))
    cancelled = begun(service, "wait", tmp_path / "b", str(tmp_path / "never"))
    service.control("cancel", {"uuid": cancelled})
    assert ended(service, cancelled)["outcome"] == "cancelled"
    late = begun(service, "wait", tmp_path / "c", str(tmp_path / "never"), timeout=0.2)
    assert ended(service, late)["outcome"] == "timed_out"
    assert service.main()["pool"]["workers_lost_count"] == 0
    (tmp_path / "go").touch()
    assert ended(service, neighbour)["outcome"] == "success"


def test_a_task_asks_its_service_and_says_how_far_it_is(make_service: Make, command: list[str], tmp_path: Path) -> None:
    service = made(make_service, command)
    number = submit(service, "tell", 40, "nearly half", {"rows": 7}, str(tmp_path / "go"))

    def told() -> dict[str, Any] | None:
        entries = (service.control("running", {"uuid": number}) or {}).values()
        progress: dict[str, Any] | None = next((entry["progress"] for entry in entries if "progress" in entry), None)
        return progress

    assert wait_until(told, "progress") == {"percent": 40, "text": "nearly half", "data": {"rows": 7}}
    assert ended(service, submit(service, "ask", "running"))["outcome"] == "success"
    (tmp_path / "go").touch()
    assert ended(service, number)["outcome"] == "success"
    assert not service.control("running")


def test_a_task_that_is_deaf_costs_its_worker_and_no_more(
    make_service: Make, command: list[str], tmp_path: Path
) -> None:
    service = made(make_service, command)
    neighbour = begun(service, "wait", tmp_path / "a", str(tmp_path / "never"))
    deaf = begun(service, "deaf", tmp_path / "b", timeout=0.2)
    assert ended(service, deaf)["outcome"] in ("lost", "timed_out")
    assert ended(service, submit(service, "give", 1))["outcome"] == "success"
    lost = ended(service, neighbour)
    assert lost["outcome"] == "lost" and deaf in lost["reason"], lost


def test_a_stop_gives_what_runs_its_time_and_leaves_nothing(
    make_service: Make, command: list[str], tmp_path: Path
) -> None:
    service = made(make_service, command)
    begun(service, "wait", tmp_path / "a", str(tmp_path / "go"))
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "may finish within" in service.log.read_text(), "begin of the stop")
    (tmp_path / "go").touch()
    assert service.process.wait(20) == 0
    assert '"lost"' not in service.log.read_text()
    wait_until(lambda: not service.processes(), "end of its workers")


def test_nothing_is_left_of_a_service_that_was_killed(make_service: Make, command: list[str], tmp_path: Path) -> None:
    service = made(make_service, command)
    begun(service, "wait", tmp_path / "a", str(tmp_path / "never"))
    begun(service, "deaf", tmp_path / "b")
    service.stop(signal.SIGKILL)
    wait_until(lambda: not service.processes(), "end of its workers")


def test_a_rust_task_that_blocks_is_cancelled_alone(make_service: Make, tmp_path: Path) -> None:
    service = made(make_service, program("rust"))
    neighbour = begun(service, "wait", tmp_path / "a", str(tmp_path / "go"))
    number = begun(service, "block", tmp_path / "b", str(tmp_path / "never"))
    service.control("cancel", {"uuid": number})
    end = ended(service, number)
    assert (end["outcome"], end["error"]["message"]) == ("cancelled", "gave way")
    (tmp_path / "go").touch()
    assert ended(service, neighbour)["outcome"] == "success"


def test_a_rust_task_that_spins_where_all_are_is_ended_with_its_worker(make_service: Make, tmp_path: Path) -> None:
    service = made(make_service, program("rust"))
    spin = begun(service, "spin", tmp_path / "b", timeout=0.2)
    assert ended(service, spin)["outcome"] in ("lost", "timed_out")
    assert ended(service, submit(service, "give", 1))["outcome"] == "success"


def test_a_panic_is_a_failure_and_a_crash_is_a_loss(make_service: Make) -> None:
    service = made(make_service, program("rust"))
    failed = ended(service, submit(service, "panic", "on purpose"))
    assert (failed["outcome"], failed["error"]["type"]) == ("failure", "panic")
    assert service.main()["pool"]["workers_lost_count"] == 0
    lost = ended(service, submit(service, "crash"))
    assert lost["outcome"] == "lost" and "SIGABRT" in lost["reason"]
    assert ended(service, submit(service, "give", 1))["outcome"] == "success"


def test_every_one_of_many_runs_once(make_service: Make, tmp_path: Path) -> None:
    service = made(make_service, program("rust"), slots=50)
    for n in range(1000):
        submit(service, "note", str(tmp_path / "notes"), str(n))
    wait_until(lambda: service.main()["pool"]["finished_count"] >= 1000, "end of all")
    lines = (tmp_path / "notes").read_text().splitlines()
    assert sorted(map(int, lines)) == list(range(1000))


def test_a_worker_of_another_protocol_is_refused_with_the_reason(make_service: Make, tmp_path: Path) -> None:
    path = tmp_path / "later.py"
    path.write_text(
        "import socket, time\n"
        "channel = socket.socket(fileno=0)\n"
        "channel.recv(65536)\n"
        'channel.sendall(b\'{"event":"ready","protocol":2,"pid":1}\\n\')\n'
        "time.sleep(60)\n"
    )
    service = make_service(service=QUICK, worker={"command": ["python3", str(path)]})
    service.launch()
    wait_until(lambda: "version 2 of the worker protocol" in service.log.read_text(), "the reason")
