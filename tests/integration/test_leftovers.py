"""Control groups of workers, and what becomes of what tasks leave behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from control_groups import divisible, groups_of, has_memory_controller, unified

from conftest import Service, alive, wait_until

MakeService = Callable[..., Service]


@divisible
def test_each_worker_is_in_a_control_group_that_goes_with_it(make_service: MakeService) -> None:
    service = make_service(worker={"cgroup": "required"}).start()
    service.submit("inside")
    seen = service.wait_record("inside")
    group = groups_of(service) / "worker-0"
    assert seen["cgroup"].splitlines()[-1].endswith(f"/{group.parent.name}/worker-0")
    assert (group / "cgroup.procs").read_text().split() == [str(seen["pid"])]
    service.submit("die", "exit")
    service.wait_record("dying")
    wait_until(lambda: not group.exists(), "removal of the dead worker's group")
    assert service.stop() == 0
    assert not group.parent.exists()


@pytest.mark.parametrize("cgroup", [pytest.param("required", marks=divisible), "off"])
@pytest.mark.parametrize("method", ["ForkServerManager", "SpawnServerManager"])
@pytest.mark.parametrize("how", ["child", "program", "daemon", "daemon_program"])
def test_what_a_task_leaves_behind_ends_with_its_worker_and_not_before(
    make_service: MakeService, how: str, method: str, cgroup: str
) -> None:
    pool = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0, "process_manager_cls": method}
    service = make_service(service=pool, worker={"cgroup": cgroup}).start()
    service.submit("leave_behind", how)
    left = service.wait_record("left")["left"]
    service.submit("record")
    service.wait_record("record")
    assert alive(left)
    service.submit("die", "kill")
    wait_until(lambda: not alive(left), "end of what the task left behind", 5)
    service.submit("leave_behind", how)
    left = service.wait_record("left", 2)["left"]
    assert service.stop() == 0
    wait_until(lambda: not alive(left) and not service.processes(), "end of every process", 5)


@pytest.mark.parametrize("cgroup", [pytest.param("required", marks=divisible), "off"])
@pytest.mark.parametrize("how", ["child", "daemon", "daemon_program"])
def test_a_worker_that_leaves_takes_its_own_with_it_and_nobody_elses(
    make_service: MakeService, how: str, cgroup: str
) -> None:
    two = {"pool_kwargs": {"min_workers": 2, "max_workers": 2}, "shutdown_grace": 0}
    service = make_service(service=two, worker={"cgroup": cgroup}).start()
    service.submit("leave_behind", how, 60)
    first = service.wait_record("left")
    service.submit("leave_behind", how)
    second = service.wait_record("left", 2)
    assert first["pid"] != second["pid"]
    os.kill(second["pid"], 15)
    wait_until(lambda: not alive(second["left"]), "end of what the second worker left behind", 5)
    assert alive(first["left"])
    assert alive(first["pid"])


@divisible
def test_groups_of_a_killed_service_are_removed_by_the_next(make_service: MakeService) -> None:
    first = make_service(worker={"cgroup": "required"}).start()
    group = groups_of(first)
    first.stop(9)
    assert group.exists()
    make_service(worker={"cgroup": "required"}).start()
    assert not group.exists()


def test_bounds_that_the_machine_cannot_set_are_a_reason(make_service: MakeService) -> None:
    folder = unified()
    if folder is not None and "memory" in (folder / "cgroup.controllers").read_text().split():
        pytest.skip("this machine can set them")
    service = make_service(worker={"cgroup": "required", "memory_max": "1GiB"})
    service.launch()
    assert service.process is not None
    assert service.process.wait(10) == 2
    assert "worker.cgroup: required, but" in service.log.read_text()
    other = make_service(worker={"memory_max": "1GiB"}).start()
    assert any("have no effect" in line["message"] for line in other.log_lines())


@pytest.fixture
def small_memory() -> Iterator[Callable[[int], None]]:
    """Puts a process under a bound on its memory, by the memory controller of version 1."""
    own = [line.split(":")[2] for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line]
    parent = Path("/sys/fs/cgroup/memory" + own[0]) if own else Path("/no/such/folder")
    group = parent / f"dispatcher-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no control group (version 1) for memory that we may divide")
    (group / "memory.limit_in_bytes").write_text(str(96 << 20))

    def put(pid: int) -> None:
        (group / "cgroup.procs").write_text(str(pid))

    yield put

    def gone() -> bool:
        try:
            group.rmdir()
        except OSError:
            return False
        return True

    wait_until(gone, "end of everything in the group")


def test_a_worker_that_the_kernel_killed_for_want_of_memory_says_so(
    make_service: MakeService, small_memory: Callable[[int], None]
) -> None:
    service = make_service().start()
    service.submit("record")
    small_memory(service.wait_record("record")["pid"])
    service.submit("eat", 1000)
    service.submit("record")
    service.wait_record("record", 2)
    wait_until(
        lambda: any("probably for want of memory" in line["message"] for line in service.log_lines()),
        "a reason in the log",
    )
    service.submit("die", "kill")
    service.submit("record")
    service.wait_record("record", 3)
    wait_until(
        lambda: any("killed by SIGKILL (by hand" in line["message"] for line in service.log_lines()),
        "another reason for a kill by hand",
    )


@has_memory_controller
def test_a_worker_that_reaches_its_own_bound_says_so_for_sure(make_service: MakeService) -> None:
    service = make_service(worker={"cgroup": "required", "memory_max": "96MiB"}).start()
    service.submit("eat", 1000)
    service.submit("record")
    service.wait_record("record")
    assert any("it reached worker.memory_max" in line["message"] for line in service.log_lines())


def test_a_program_in_any_language_ends_with_a_service_that_is_killed(make_service: MakeService) -> None:
    ready = '{"event":"ready","protocol":1,"pid":%s,"slots":1,"ahead":0,"tasks":[]}\\n'
    service = make_service(worker={"command": ["sh", "-c", f"printf '{ready}' $$ >&0; exec sleep 600"]}).start()
    wait_until(lambda: "ready" in str(service.control("workers")), "a worker that is ready")
    assert len(service.processes()) == 3  # the service, its keeper, the worker
    service.stop(9)
    wait_until(lambda: not service.processes(), "end of the worker", 5)


@pytest.mark.parametrize("cgroup", [pytest.param("required", marks=divisible), "off"])
@pytest.mark.parametrize("method", ["ForkServerManager", "SpawnServerManager"])
@pytest.mark.parametrize("how", ["child", "daemon", "daemon_program"])
def test_a_killed_service_leaves_nothing_that_its_tasks_have_started(
    make_service: MakeService, how: str, method: str, cgroup: str
) -> None:
    pool = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "process_manager_cls": method}
    service = make_service(service=pool, worker={"cgroup": cgroup}).start()
    service.submit("leave_behind", how, 60)
    left = service.wait_record("left")["left"]
    service.stop(9)
    wait_until(lambda: not alive(left) and not service.processes(), "end of every process", 5)
