"""What a worker process is and has, compared with the table in docs/concepts/isolation.md, and what it cannot do."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dispatcher
from conftest import Service, alive, wait_until

MakeService = Callable[..., Service]
PACKAGE = Path(dispatcher.__file__).parent.parent

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user may write to."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def nobodys_python() -> str:
    """An interpreter that an ordinary user may run."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", ""], user="nobody", cwd="/", capture_output=True, check=True)
        except (PermissionError, subprocess.CalledProcessError):
            continue
        return python
    raise AssertionError("no Python that the user nobody may run")


@pytest.fixture
def make_dropped(make_service: MakeService, shared: Path, monkeypatch: pytest.MonkeyPatch) -> MakeService:
    """A service whose workers are nobody."""
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))

    def make(service: dict[str, Any] | None = None, **worker: Any) -> Service:
        keys = {"python": nobodys_python(), "user": "nobody", **worker}
        made = make_service(worker=keys, **({"service": service} if service else {}))
        made.out = shared / "out.jsonl"
        return made

    return make


def look_inside(service: Service) -> dict[str, Any]:
    service.submit("inside")
    return service.wait_record("inside")


def test_a_worker_has_its_channel_its_output_and_nothing_else(make_service: MakeService) -> None:
    service = make_service()
    stray, other = os.pipe()
    service.launch(pass_fds=[stray])
    wait_until(lambda: service.control("alive", wait=0.3) is not None, "answer of the service")
    os.close(stray)
    os.close(other)
    files = look_inside(service)["files"]
    assert files.pop("0") == "/dev/null"
    assert {files.pop("1"), files.pop("2")} == {str(service.log)}
    kinds = sorted(target.partition(":")[0] for target in files.values())
    assert kinds.count("socket") == 1, files
    assert set(kinds) == {"socket", "pipe"}, files
    assert all(int(number) >= 64 for number in files), files


def test_defaults_take_the_core_file_and_new_rights_away_and_nothing_else(service: Service) -> None:
    seen = look_inside(service)
    assert seen["no_new_privs"] == "1"
    assert seen["limits"]["Max core file size"] == ["0", "0"]
    assert seen["uids"] == [os.geteuid()] * 3
    assert seen["limits"]["Max open files"] == own_limits()["Max open files"]


def own_limits() -> dict[str, list[str]]:
    lines = Path("/proc/self/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def test_new_rights_are_allowed_where_the_configuration_says_so(make_service: MakeService) -> None:
    service = make_service(worker={"no_new_privs": False, "limits": {"core": None}}).start()
    seen = look_inside(service)
    assert seen["no_new_privs"] == "0"
    assert seen["limits"]["Max core file size"] == own_limits()["Max core file size"]


@root
@pytest.mark.parametrize("method", ["ForkServerManager", "SpawnServerManager"])
def test_a_worker_of_another_user_has_no_way_back(make_dropped: MakeService, shared: Path, method: str) -> None:
    pool = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0, "process_manager_cls": method}
    limits = {"nofile": 256, "nproc": 200, "fsize": "64MiB", "cpu": 100}
    service = make_dropped(service=pool, umask="027", chdir=str(shared), limits=limits).start()
    seen = look_inside(service)
    nobody = pwd.getpwnam("nobody")
    assert seen["uids"] == [nobody.pw_uid] * 3
    assert seen["gids"] == [nobody.pw_gid] * 3
    assert sorted(seen["groups"]) == sorted(os.getgrouplist("nobody", nobody.pw_gid))
    assert int(seen["caps"], 16) == 0
    assert seen["no_new_privs"] == "1"
    assert seen["umask"] == "0027"
    assert seen["cwd"] == str(shared)
    assert seen["environment"] == {"HOME": nobody.pw_dir, "USER": "nobody", "NOTIFY_SOCKET": None}
    expected = {
        "Max core file size": ["0", "0"],
        "Max open files": ["256", "256"],
        "Max processes": ["200", "200"],
        "Max file size": [str(64 << 20)] * 2,
        "Max cpu time": ["100", "105"],
    }
    assert {name: seen["limits"][name] for name in expected} == expected


@root
def test_workers_of_another_user_end_with_a_service_that_is_killed_and_can_be_cancelled(
    make_dropped: MakeService,
) -> None:
    service = make_dropped().start()
    service.submit("nap", 60, "long", timeout=1.0)
    assert service.wait_record("interrupted")["exc"] == "DispatcherCancel"
    service.submit("with_child", 60)
    child = service.wait_record("child")["child"]
    service.stop(9)
    wait_until(lambda: not service.processes() and not alive(child), "end of every process of the service", 5)


@root
def test_a_fork_bomb_stops_at_the_limit_and_the_worker_goes_on(make_dropped: MakeService) -> None:
    service = make_dropped(limits={"nproc": 60}).start()
    service.submit("fork_bomb")
    bombed = service.wait_record("bombed")
    assert 1 <= bombed["children"] < 60
    service.submit("record")
    assert service.wait_record("record")["pid"] == bombed["pid"]


def test_memory_beyond_the_limit_is_an_error_of_the_task_and_no_more(make_service: MakeService) -> None:
    service = make_service(worker={"limits": {"data": "300MiB"}}).start()
    service.submit("eat", 1000)
    refused = service.wait_record("no_memory")
    assert refused["had"] < 300
    service.submit("record")
    assert service.wait_record("record")["pid"] == refused["pid"]


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ({"user": "no-such-user-here"}, "worker.user"),
        ({"user": 54321}, "worker.group"),
        ({"chdir": "relative"}, "worker.chdir"),
        ({"chdir": "/no/such/folder"}, "worker.chdir"),
        ({"limits": {"nofile": 10}}, "worker.limits.nofile"),
        ({"limits": {"nproc": 1}}, "worker.limits.nproc"),
        ({"limits": {"data": "1MiB"}}, "worker.limits.data"),
        ({"limits": {"files": 100}}, "worker.limits.files"),
        ({"umask": 27}, "worker.umask"),
        ({"umask": "999"}, "worker.umask"),
        ({"group": "nogroup"}, "worker.group"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start_by_its_place(
    make_service: MakeService, worker: dict[str, Any], said: str
) -> None:
    service = make_service(worker=worker)
    service.launch()
    assert service.process is not None
    assert service.process.wait(10) == 2
    assert said in service.log.read_text()


def unified() -> Path | None:
    """The folder of our own control group (version 2), if we may divide it."""
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            folder = Path(left.split()[4] + own)
            return folder if os.access(folder, os.W_OK) else None
    return None


divisible = pytest.mark.skipif(unified() is None, reason="no control group of version 2 that we may divide")


def groups_of(service: Service) -> Path:
    folder = unified()
    assert folder is not None
    return folder / f"dispatcher-{service.pid}"


@divisible
def test_each_worker_is_in_a_control_group_that_goes_with_it(make_service: MakeService) -> None:
    service = make_service(worker={"cgroup": "required"}).start()
    seen = look_inside(service)
    group = groups_of(service) / "worker-0"
    assert seen["cgroup"].splitlines()[-1].endswith(f"/{group.parent.name}/worker-0")
    assert (group / "cgroup.procs").read_text().split() == [str(seen["pid"])]
    service.submit("die", "exit")
    service.wait_record("dying")
    wait_until(lambda: not group.exists(), "removal of the dead worker's group")
    assert service.stop() == 0
    assert not group.parent.exists()


@divisible
@root
def test_a_worker_of_another_user_gets_into_its_control_group(make_dropped: MakeService) -> None:
    service = make_dropped(cgroup="required").start()
    assert look_inside(service)["cgroup"].splitlines()[-1].endswith("/worker-0")


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


has_memory_controller = pytest.mark.skipif(
    (folder := unified()) is None or "memory" not in (folder / "cgroup.controllers").read_text().split(),
    reason="the control groups of this machine (version 2) do not bound memory",
)


@has_memory_controller
def test_a_worker_that_reaches_its_own_bound_says_so_for_sure(make_service: MakeService) -> None:
    service = make_service(worker={"cgroup": "required", "memory_max": "96MiB"}).start()
    service.submit("eat", 1000)
    service.submit("record")
    service.wait_record("record")
    assert any("it reached worker.memory_max" in line["message"] for line in service.log_lines())


@root
def test_the_stack_of_a_worker_of_another_user_can_be_seen(make_dropped: MakeService) -> None:
    service = make_dropped().start()
    number = service.submit("nap", 60, "long")
    service.wait_record("start")
    reply = service.control("stack", {"uuid": number})
    assert reply is not None
    assert "nap" in str(reply), reply


@root
def test_a_worker_of_another_user_can_do_its_service_no_harm(make_dropped: MakeService, shared: Path) -> None:
    secret = shared / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    service = make_dropped().start()
    service.submit("do_harm", service.pid, str(secret))
    assert service.wait_record("harmed")["done"] == []


def test_no_descriptor_of_the_service_is_left_open_for_what_it_starts(service: Service) -> None:
    close_at_exec = 0o2000000
    flags = {}
    for entry in Path(f"/proc/{service.pid}/fdinfo").iterdir():
        line = next(line for line in entry.read_text().splitlines() if line.startswith("flags:"))
        flags[entry.name] = int(line.split()[1], 8)
    assert len(flags) > 6
    assert [number for number, flag in flags.items() if int(number) > 2 and not flag & close_at_exec] == []


def test_a_program_in_any_language_ends_with_a_service_that_is_killed(make_service: MakeService) -> None:
    ready = '{"event":"ready","protocol":1,"pid":%s,"slots":1,"ahead":0,"tasks":[]}\\n'
    service = make_service(worker={"command": ["sh", "-c", f"printf '{ready}' $$ >&0; exec sleep 600"]}).start()
    wait_until(lambda: "ready" in str(service.control("workers")), "a worker that is ready")
    assert len(service.processes()) == 2
    service.stop(9)
    wait_until(lambda: not service.processes(), "end of the worker", 5)
