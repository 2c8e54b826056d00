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
from control_groups import divisible

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


@divisible
@root
def test_a_worker_of_another_user_gets_into_its_control_group(make_dropped: MakeService) -> None:
    service = make_dropped(cgroup="required").start()
    assert look_inside(service)["cgroup"].splitlines()[-1].endswith("/worker-0")
