"""What a service manager sees: readiness, status, the watchdog, exit codes; and a service whose loop is stuck."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Service, wait_until

MakeService = Callable[..., Service]


class Manager:
    """Plays systemd: hears what the service says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hear(self) -> list[str]:
        try:
            while True:
                self.heard += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard

    def wait(self, line: str) -> None:
        wait_until(lambda: any(heard.startswith(line) for heard in self.hear()), f"{line}; heard {self.heard}")

    def count(self, line: str) -> int:
        return self.hear().count(line)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    yield manager
    manager.socket.close()


def test_the_manager_hears_that_it_is_ready_what_goes_on_and_that_it_stops(
    make_service: MakeService, manager: Manager
) -> None:
    grace = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 20}
    service = make_service(service=grace).start()
    manager.wait("READY=1")
    service.submit("inside")
    assert service.wait_record("inside")["environment"]["NOTIFY_SOCKET"] is None
    service.submit("nap", 3, "long")
    service.wait_record("start")
    manager.wait("STATUS=1 running, 0 waiting")
    assert service.stop() == 0
    manager.wait("STOPPING=1")
    manager.wait("STATUS=stopping: 1 running, which are cancelled in 20 s")
    assert manager.count("READY=1") == 1


def test_it_is_not_ready_while_its_database_is_away(make_service: MakeService, manager: Manager) -> None:
    service = make_service()
    service.config["brokers"]["pg_notify"]["config"] = {"conninfo": "host=127.0.0.1 port=1 dbname=x user=x"}
    service.launch()
    manager.wait("STATUS=not ready: broker pg_notify is not listening; 0 running")
    assert manager.count("READY=1") == 0
    assert service.stop() == 0


def trace(pid: int, request: int) -> None:
    """Stops one thread, the main one, and no other."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, pid, None, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def block(pid: int) -> None:
    seize, interrupt = 0x4206, 0x4207
    trace(pid, seize)
    trace(pid, interrupt)
    assert os.WIFSTOPPED(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may always stop a thread of another process")
def test_a_stuck_loop_feeds_no_watchdog_and_ends_the_service_and_its_workers(
    make_service: MakeService, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    pool = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "stall_limit": 1.0}
    service = make_service(service=pool).start()
    wait_until(lambda: manager.count("WATCHDOG=1") >= 5, "five signs of life")
    block(service.pid)
    fed = manager.count("WATCHDOG=1")
    assert service.process is not None
    assert service.process.wait(20) == 3
    assert manager.count("WATCHDOG=1") == fed
    assert any("stuck" in line["message"] for line in service.log_lines())
    wait_until(lambda: not service.processes(), "end of every process", 5)


def test_a_service_that_was_stopped_for_longer_than_the_limit_goes_on(make_service: MakeService) -> None:
    pool = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "stall_limit": 1}
    service = make_service(service=pool).start()
    os.kill(service.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 2.5, "a time longer than the limit")
    os.kill(service.pid, signal.SIGCONT)
    service.submit("record")
    service.wait_record("record")
    assert service.stop() == 0


def test_an_idle_service_without_a_watchdog_sleeps(make_service: MakeService) -> None:
    idle = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "stall_limit": None}
    service = make_service(service=idle).start()
    service.submit("record")
    service.wait_record("record")

    def switches() -> int:
        text = Path(f"/proc/{service.pid}/status").read_text()
        return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    # It is idle when it has not been woken for a second, which a poll loop never is.
    quiet = [switches(), time.monotonic()]

    def slept() -> bool:
        if (now := switches()) != quiet[0]:
            quiet[:] = [now, time.monotonic()]
        return time.monotonic() - quiet[1] > 1.0

    wait_until(slept, "a second without a wake-up")


UNIT = Path(__file__).parents[2] / "packaging" / "dispatcher.service"


def test_the_unit_is_sound_and_gives_the_graces_their_time(tmp_path: Path) -> None:
    lines = [line.partition("=") for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    keys = {key: value for key, _, value in lines}
    assert keys["Type"] == "notify"
    assert float(keys["TimeoutStopSec"]) > 30 + 5 + 3 + 10
    assert float(keys["WatchdogSec"]) > 1
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    copy = tmp_path / "dispatcher.service"
    copy.write_text(UNIT.read_text().replace(keys["ExecStart"].split()[0], shutil.which("sh") or ""))
    done = subprocess.run([analyze, "verify", "--man=no", str(copy)], check=False, capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "dispatcher.service" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_worker_that_cannot_be_started_for_want_of_descriptors_is_when_there_are_some(
    make_service: MakeService,
) -> None:
    service = make_service().start()
    service.submit("record")
    worker = service.wait_record("record")["pid"]
    soft, hard = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (1, hard))
    os.kill(worker, signal.SIGKILL)
    wait_until(
        lambda: any("could not be started" in line["message"] for line in service.log_lines()), "a start that failed"
    )
    assert service.process is not None
    assert service.process.poll() is None
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (soft, hard))
    service.submit("record")
    service.wait_record("record", 2)
