"""The tasks of the integration tests. Each writes down what it did, one JSON line in one write."""

from __future__ import annotations

import asyncio
import collections
import fcntl
import functools
import itertools
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dispatcher.publish import task as registered
from dispatcher.worker.task import TaskWorker


def task(**options: Any) -> Any:
    """`@task()` for functions and classes that are not told of the canary among their arguments."""

    def decorate(what: Any) -> Any:
        if isinstance(what, type):
            what.run = without_canary(what.run)  # type: ignore[attr-defined]
            return registered(**options)(what)
        return registered(**options)(without_canary(what))

    return decorate


def without_canary(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, canary: str = "", **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def write_down(event: str, **fields: Any) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
    fd = os.open(os.environ["TEST_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


@task()
def record(*args: Any, **kwargs: Any) -> None:
    write_down("record", args=list(args), kwargs=kwargs)


@task()
def nap(seconds: float, name: str = "") -> None:
    write_down("start", name=name)
    try:
        time.sleep(seconds)
    except BaseException as exc:
        write_down("interrupted", name=name, exc=type(exc).__name__)
        raise
    write_down("end", name=name)


@task()
def stubborn(seconds: float) -> None:
    write_down("start")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except Exception:
            write_down("swallowed")


@task()
def die(how: str) -> None:
    write_down("dying")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)


@task()
def fail(*args: Any) -> None:
    raise RuntimeError("it went wrong")


@task()
def hoard(megabytes: int) -> None:
    HOARD.append(b"x" * (megabytes << 20))
    write_down("hoarded")


HOARD: list[bytes] = []


class Stillborn(TaskWorker):
    """A worker that cannot start."""

    def on_start(self) -> None:
        write_down("stillborn")
        raise RuntimeError("this worker cannot start")


@task()
def with_child(seconds: float) -> None:
    child = subprocess.Popen(["sleep", "120"])
    write_down("child", child=child.pid)
    time.sleep(seconds)


@task(bind=True)
def ask(context: Any, command: str) -> None:
    write_down("asked", reply=context.control(command), uuid=context.uuid, worker=context.worker_id)


@task(bind=True)
def ask_often(context: Any, command: str, times: int) -> None:
    replies = [context.control(command) for _ in range(times)]
    refused = len([reply for reply in replies if "control request refused" in reply.get("error", "")])
    write_down("asked_often", refused=refused, answered=len(replies) - refused)


@task()
def give(length: int) -> str:
    write_down("given")
    return "x" * length


@task()
def fail_at_length(length: int) -> None:
    raise ValueError("e" * length)


@task()
def fail_with(text: str) -> None:
    raise ValueError(text)


@task()
def shout(megabytes: int) -> None:
    line = b"x" * 1023 + b"\n"
    for _ in range(megabytes):
        os.writev(1, [line] * 1024)
    write_down("shouted")


@task()
class Job:
    def run(self, number: int) -> None:
        write_down("job", number=number)


def unregistered() -> None:
    write_down("unregistered")


NOT_CALLABLE = 5


@task()
def inside(name: str = "inside") -> None:
    """What this process is and has, as the kernel sees it."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    limits = {}
    for line in Path("/proc/self/limits").read_text().splitlines()[1:]:
        words = line[26:].split()
        limits[line[:26].strip()] = words[:2]
    files = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            files[entry] = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:
            pass  # the one that the list was read by
    write_down(
        name,
        uids=os.getresuid(),
        gids=os.getresgid(),
        groups=os.getgroups(),
        caps=status["CapEff"],
        no_new_privs=status["NoNewPrivs"],
        limits=limits,
        files=files,
        umask=status["Umask"],
        cwd=os.getcwd(),
        environment={key: os.environ.get(key) for key in ("HOME", "USER", "NOTIFY_SOCKET")},
        cgroup=Path("/proc/self/cgroup").read_text(),
        parent=os.getppid(),
    )


@task()
def leave_behind(how: str, seconds: float = 0) -> None:
    """Something that goes on when the task is over: a child, a program in the background, or a daemon."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    if how == "program":
        pid = subprocess.Popen(sleeper).pid
    elif how == "child":
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
            os._exit(0)
    else:
        readable, writable = os.pipe()
        if os.fork() == 0:
            os.setsid()
            daemon = os.fork() if how == "daemon" else subprocess.Popen(sleeper).pid
            if daemon == 0:
                os.close(readable)
                os.close(writable)
                time.sleep(600)
                os._exit(0)
            os.write(writable, str(daemon).encode())
            os._exit(0)
        pid = int(os.read(readable, 32))
        os.wait()
    write_down("left", left=pid, how=how)
    time.sleep(seconds)


@task()
def eat(mebibytes: int) -> None:
    """Asks for memory until there is none."""
    held = []
    try:
        for _ in range(mebibytes):
            held.append(bytearray(1 << 20))
    except MemoryError:
        had = len(held)
        held.clear()
        write_down("no_memory", had=had)
        raise
    write_down("fed", had=len(held))


@task()
def fork_bomb() -> None:
    """Forks until it is refused, then ends its children."""
    children = []
    try:
        while len(children) < 500:
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
                os._exit(0)
            children.append(pid)
    except BlockingIOError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    write_down("bombed", children=len(children))


@task()
def loop_in_c() -> None:
    write_down("start")
    collections.deque(itertools.repeat(0), maxlen=0)


@task()
def deaf(seconds: float) -> None:
    """Ignores what can be ignored by name."""
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    write_down("start")
    time.sleep(seconds)


@task()
def threads(count: int) -> None:
    for _ in range(count):
        threading.Thread(target=_sleep_in_thread, daemon=True).start()
    write_down("start")
    time.sleep(60)


def _sleep_in_thread() -> None:
    time.sleep(60)


@task()
def scribble() -> None:
    """Writes rubbish into every pipe of the worker."""
    write_down("start")
    fds = [fd for fd in range(64, 100) if _is_writable_pipe(fd)]
    while True:
        for fd in fds:
            with suppress(OSError):  # it is full
                os.write(fd, b"\x1b[2Jrubbish\xff\n" * 100)


def _is_writable_pipe(fd: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:") and bool(
            fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        )
    except OSError:
        return False


@task(bind=True)
def ask_for_stacks(binder: Any) -> None:
    write_down("asked", reply=binder.control("stack"))


@task()
def do_harm(service: int, secret: str) -> None:
    """What a worker of another user must not be able to do to its service."""
    done = []
    try:
        os.kill(service, 0)
        done.append("signal")
    except PermissionError:
        pass
    for path in (secret, f"/proc/{service}/environ", f"/proc/{service}/mem"):
        try:
            with open(path, "rb"):
                done.append(path)
        except PermissionError:
            pass
    write_down("harmed", done=done)


@task()
async def wait(seconds: float, name: str = "") -> None:
    """A nap of a coroutine."""
    write_down("start", name=name)
    try:
        await asyncio.sleep(seconds)
    except BaseException as exc:
        write_down("interrupted", name=name, exc=type(exc).__name__)
        raise
    write_down("end", name=name)


@task()
async def block(seconds: float) -> None:
    """A coroutine that keeps its event loop to itself, and swallows every cancel."""
    write_down("blocks")
    time.sleep(seconds)


@task()
def nap_by_steps(name: str = "") -> None:
    write_down("start", name=name)
    try:
        while True:
            time.sleep(0.01)
    except BaseException as exc:
        write_down("interrupted", name=name, exc=type(exc).__name__)
        raise


@task()
def babble() -> None:
    """Writes frames that mean nothing, without an end, and hears nothing."""
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    write_down("babbles")
    fds = [int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) >= 64]
    sockets = [fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}") and stat.S_ISSOCK(os.fstat(fd).st_mode)]
    while True:
        os.write(sockets[0], b'{"event":"nothing"}\n' * 200)
