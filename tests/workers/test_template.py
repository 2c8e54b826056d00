"""The fork server: start, forks, reports, and that nothing outlives the service."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import DEADLINE, Gone, Template, Worker, alive, marked, readable, wait_until

MakeTemplate = Callable[..., Template]


def test_it_is_ready_once_modules_are_loaded(make_template: MakeTemplate) -> None:
    template = make_template()
    packet, _ = template.expect("ready")
    assert packet == {"event": "ready", "pid": template.process.pid}


@pytest.mark.parametrize(
    ("module", "text", "error"),
    [
        ("no_such_module", None, "ModuleNotFoundError"),
        ("raising", "raise RuntimeError('at import')", "RuntimeError: at import"),
        ("exiting", "import sys; sys.exit('at import')", "SystemExit: at import"),
        ("leaving_child", "import subprocess; subprocess.Popen(['sleep', '3600']); 1/0", "ZeroDivisionError"),
    ],
)
def test_modules_that_cannot_be_loaded_are_reported_and_end_it(
    make_template: MakeTemplate, tmp_path: Path, module: str, text: str | None, error: str
) -> None:
    if text:
        (tmp_path / f"{module}.py").write_text(text)
    template = make_template([module], sys_path=[str(tmp_path)])
    packet, _ = template.packet()
    assert packet["event"] == "failed" and error in packet["error"]
    assert any("Traceback" in line for line in packet["trace"])
    assert template.process.wait(DEADLINE) == 1
    template.nothing_left()


def test_a_setup_that_cannot_be_used_is_reported(make_template: MakeTemplate) -> None:
    template = make_template(worker_cls=None)
    template.expect("ready")
    other = Template(template.log, template.mark, {"event": "setup", "config": {"version": 3}, "worker": {}})
    assert other.packet()[0]["event"] == "failed"
    assert other.process.wait(DEADLINE) == 1
    other.go()


def test_a_service_that_is_gone_at_once_ends_it(make_template: MakeTemplate, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(3600)")
    starter = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from harness import *
template = Template(Path({str(tmp_path / "log")!r}), "endless-mark", setup_packet(["endless"], [{str(tmp_path)!r}]))
wait_until(lambda: "loading" in template.text(), "loading")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", starter], check=False, timeout=DEADLINE)
    wait_until(lambda: not marked("endless-mark"), "the end of a fork server that is still loading")


def test_a_worker_is_forked_with_a_pidfd_of_its_own(template: Template) -> None:
    workers = [template.fork(number) for number in range(3)]
    assert len({worker.pid for worker in workers}) == 3
    for worker in workers:
        assert os.stat(f"/proc/{worker.pid}").st_uid == os.getuid()
        worker.signal(signal.SIGKILL)
        worker.wait_end()
        assert template.exit_of(worker) == signal.SIGKILL


def test_a_fork_without_its_descriptors_is_refused_in_words(template: Template) -> None:
    template.send({"event": "fork", "worker": 3}, (0,))
    packet, _ = template.expect("fork_failed")
    assert packet["worker"] == 3 and "1 of 4 file descriptors" in packet["error"]
    template.send({"event": "dance"})
    assert template.fork(4).ready["worker"] == 4


def test_exits_are_reported_at_once_however_many(template: Template) -> None:
    workers = [template.fork(number) for number in range(10)]
    for worker in workers:
        worker.signal(signal.SIGKILL)
    for worker in workers:
        assert template.exit_of(worker) == signal.SIGKILL


def test_a_worker_that_a_signal_stops_is_reported_and_so_is_its_going_on(template: Template) -> None:
    worker = template.fork(0)
    worker.signal(signal.SIGSTOP)
    assert template.expect("stopped")[0] == {
        "event": "stopped",
        "worker": 0,
        "pid": worker.pid,
        "signal": signal.SIGSTOP,
    }
    worker.signal(signal.SIGCONT)
    assert template.expect("continued")[0]["worker"] == 0
    assert worker.call("worker_tasks.give", 1)["result"] == 1
    worker.signal(signal.SIGSTOP)
    template.expect("stopped")
    worker.signal(signal.SIGKILL)
    assert template.exit_of(worker) == signal.SIGKILL


def test_it_ignores_the_signals_of_a_process_group(template: Template) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        template.process.send_signal(number)
    worker = template.fork(0)
    assert worker.call("worker_tasks.handlers")["result"] == [True, True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_an_idle_worker_leave(template: Template, number: signal.Signals) -> None:
    worker = template.fork(0)
    worker.signal(number)
    assert worker.frame()["event"] == "shutdown"
    assert template.exit_of(worker) == 0


def test_a_signal_to_leave_lets_what_has_reached_the_worker_run(template: Template) -> None:
    chance = random.Random(21)
    for number in range(80):
        worker = template.fork(number)
        frames = [worker.run_frame("worker_tasks.give", n) for n in range(3)]
        worker.give_tickets(*(frame["seq"] for frame in frames))
        if number % 2:
            worker.send(*frames)
        for _ in range(chance.randrange(4000)):
            pass
        worker.signal(signal.SIGTERM)
        for _ in range(chance.randrange(400)):
            pass
        try:
            if not number % 2:
                worker.send(*frames)
        except BrokenPipeError:
            frames = []
        status = template.exit_of(worker)
        # In a task SIGTERM does what it does to any program; outside of it the worker leaves.
        assert status in (0, signal.SIGTERM)
        if status == 0:
            assert [worker.done()["result"] for _ in frames] == [0, 1, 2][: len(frames)]
            assert worker.frame()["event"] == "shutdown"


def test_sigterm_ends_a_worker_in_a_task(template: Template, tmp_path: Path) -> None:
    worker = template.fork(0)
    worker.run("worker_tasks.never_end", "sleep", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "the task")
    worker.signal(signal.SIGTERM)
    assert template.exit_of(worker) == signal.SIGTERM


def test_descriptors_of_a_worker_stand_high_and_are_closed_at_exec(template: Template) -> None:
    worker = template.fork(0)
    found = worker.call("process_tasks.descriptors")["result"]
    ours = {fd: link for fd, (link, _) in found.items() if "socket" in link or "pipe" in link}
    assert len(ours) == 4 and all(int(fd) >= 64 for fd in ours)
    assert not any(inheritable for fd, (_, inheritable) in found.items() if int(fd) > 2)
    assert found["0"][0] == os.devnull
    assert worker.call("process_tasks.read_stdin")["result"] == ""


def test_a_task_that_closes_or_fills_the_standard_streams_does_not_touch_the_channel(
    template: Template, tmp_path: Path
) -> None:
    worker = template.fork(0)
    worker.call("process_tasks.write_to_standard", 3)
    worker.call("process_tasks.close_standard")
    assert sorted(worker.call("process_tasks.reopen_standard", str(tmp_path / "x"))["result"]) == [0, 1, 2]
    worker.call("process_tasks.write_to_standard", 3)
    assert worker.call("worker_tasks.give", 1)["result"] == 1
    worker.send({"event": "stop"})
    assert worker.frame()["event"] == "shutdown"
    assert template.exit_of(worker) == 0


def test_a_process_that_a_task_forks_has_no_part_in_the_channel(template: Template, tmp_path: Path) -> None:
    worker = template.fork(0)
    assert worker.call("process_tasks.fork_and_return")["result"] == "true"
    child = worker.call("process_tasks.fork_and_stay", str(tmp_path / "here"))["result"]
    assert worker.call("worker_tasks.give", 1)["result"] == 1
    worker.signal(signal.SIGKILL)
    with pytest.raises(Gone):
        worker.frame()
    assert alive(child)


def test_a_task_that_closes_everything_ends_its_worker_alone(template: Template) -> None:
    worker, other = template.fork(0), template.fork(1)
    worker.run("process_tasks.close_all")
    with pytest.raises(Gone):
        worker.frame()
    assert template.exit_of(worker) != 0
    assert other.call("worker_tasks.give", 1)["result"] == 1


def test_a_thread_that_a_task_has_left_is_waited_for(template: Template) -> None:
    worker = template.fork(0)
    worker.call("process_tasks.thread_left", 0.3)
    worker.send({"event": "stop"})
    started = time.monotonic()
    assert worker.frame()["event"] == "shutdown"
    assert template.exit_of(worker) == 0
    assert time.monotonic() - started > 0.1


def in_children(template: Template, tmp_path: Path) -> Worker:
    worker = template.fork(len(template.workers))
    worker.run("process_tasks.have_children", str(tmp_path / "here"))
    wait_until((tmp_path / "here").exists, "its children")
    # The template, the worker, a shell and two sleeps, a daemon, a copy of the worker.
    wait_until(lambda: len(marked(template.mark)) >= 7, f"all of them, have {marked(template.mark)}")
    return worker


def test_nothing_is_left_when_the_service_is_gone(template: Template, tmp_path: Path) -> None:
    in_children(template, tmp_path)
    idle, stubborn, daemon = template.fork(1), template.fork(2), template.fork(3)
    stubborn.run("process_tasks.loop_in_c", str(tmp_path / "stubborn"))
    wait_until((tmp_path / "stubborn").exists, "the endless loop")
    assert alive(daemon.call("process_tasks.leave_daemon")["result"]) and alive(idle.pid)
    template.go()
    template.nothing_left()
    assert template.process.wait(DEADLINE) == 0


def test_a_daemon_whose_worker_is_gone_is_buried_with_the_rest(template: Template) -> None:
    worker = template.fork(0)
    daemon = worker.call("process_tasks.leave_daemon")["result"]
    worker.signal(signal.SIGKILL)
    template.exit_of(worker)
    assert alive(daemon)
    template.go()
    wait_until(lambda: not alive(daemon), "the end of the daemon")


def test_orphans_that_end_are_not_reported(template: Template) -> None:
    worker = template.fork(0)
    daemon = worker.call("process_tasks.leave_daemon")["result"]
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{daemon}"), "its burial")
    assert not readable(template.sock.fileno(), 0)


@pytest.mark.parametrize("ending", ["task in C", "idle", "stopped", "swallowing"])
def test_the_kernel_ends_a_worker_when_the_service_is_gone_and_the_template_too(
    template: Template, tmp_path: Path, ending: str
) -> None:
    """Of all of them, and not only of the one that was forked last."""
    workers = [template.fork(number) for number in range(3)]
    for worker in workers:
        path = tmp_path / f"here-{worker.number}"
        if ending == "task in C":
            worker.run("process_tasks.loop_in_c", str(path))
        elif ending == "swallowing":
            worker.run("worker_tasks.swallow", str(path), 10)
        if ending in ("task in C", "swallowing"):
            wait_until(path.exists, "the task")
        elif ending == "stopped":
            worker.signal(signal.SIGSTOP)
    template.process.kill()
    template.process.wait()
    assert all(alive(worker.pid) for worker in workers)
    # Only the lifeline: channels and the fork server's socket stay open.
    os.close(template.held)
    template.held = -1
    for worker in workers:
        worker.wait_end()


def test_workers_go_on_when_the_template_is_killed(template: Template, tmp_path: Path) -> None:
    worker = template.fork(0)
    uuid = worker.run("worker_tasks.wait_for", str(tmp_path / "here"), str(tmp_path / "go"))
    wait_until((tmp_path / "here").exists, "the task")
    template.process.kill()
    template.process.wait()
    with pytest.raises((Gone, ConnectionResetError)):
        template.packet()
    (tmp_path / "go").touch()
    assert worker.done(uuid)["outcome"] == "success"
    assert worker.call("worker_tasks.give", 1)["result"] == 1
    worker.send({"event": "stop"})
    assert worker.frame()["event"] == "shutdown"
    worker.wait_end()


def test_a_worker_that_is_forked_after_the_service_has_gone_ends(make_template: MakeTemplate) -> None:
    template = make_template()
    template.expect("ready")
    template.request_fork(0)
    template.go()
    template.nothing_left()


def test_the_service_is_killed_with_idle_and_busy_workers(tmp_path: Path) -> None:
    """A real process plays the service, and is killed as a service is."""
    starter = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from harness import *
setup = setup_packet(["worker_tasks", "process_tasks"])
template = Template(Path({str(tmp_path / "log")!r}), {tmp_path.name + "-mark"!r}, setup)
template.expect("ready")
workers = [template.fork(number) for number in range(4)]
workers[0].run("process_tasks.loop_in_c", {str(tmp_path / "a")!r})
workers[1].run("process_tasks.have_children", {str(tmp_path / "b")!r})
wait_until(lambda: Path({str(tmp_path / "a")!r}).exists() and Path({str(tmp_path / "b")!r}).exists(), "both tasks")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", starter], check=False, timeout=DEADLINE)
    wait_until(lambda: not marked(f"{tmp_path.name}-mark"), "an end of everything")


def test_threads_of_preloaded_modules_are_warned_of(make_template: MakeTemplate, tmp_path: Path) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, name='odd one', daemon=True).start()\n"
    )
    template = make_template(["threaded"], sys_path=[str(tmp_path)])
    template.expect("ready")
    assert list(template.lines("started threads (odd one)"))
    assert template.fork(0).ready["worker"] == 0
