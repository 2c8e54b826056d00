"""The tasks that injectors send. Each writes to the ledger what happens to it, a line in one write.

Uses nothing of the SDK of either system, so that both run the very same file. Many of these break the process that runs
them; none touches another one. Where it stands: on the workers' path; ledger.py reads what it writes.
"""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import resource
import select
import signal
import time
from typing import Any


def mark(kind: str, uuid: str) -> None:
    fd = os.open(os.environ["FAULT_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(fd, f"{kind} {uuid} {time.monotonic():.6f} {os.getpid()}\n".encode())
    os.close(fd)


def work(uuid: str, seconds: float = 0.0) -> None:
    mark("S", uuid)
    if seconds:
        select.select([], [], [], seconds)  # time.sleep does not bear the wall clock of the library of faketime
    mark("E", uuid)


def fail(uuid: str) -> None:
    mark("S", uuid)
    raise RuntimeError("on purpose")


def die(uuid: str, how: str, after: float = 0.0) -> None:
    mark("S", uuid)
    time.sleep(after)
    mark("D", uuid)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "segv":
        ctypes.string_at(0)
    elif how == "sys_exit":
        raise SystemExit(3)
    elif how == "os_exit":
        os._exit(7)
    elif how == "close_fds":
        os.closerange(3, 1024)
        mark("E", uuid)


def grow(uuid: str, limit_mb: int) -> None:
    """Takes memory until there is no more: of its own address space when a limit is given."""
    mark("S", uuid)
    if limit_mb:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, hard))
    taken = []
    try:
        while True:
            taken.append(b"\1" * (8 << 20))
    finally:
        taken.clear()
        if limit_mb:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def hang(uuid: str, how: str, seconds: float = 600) -> None:
    mark("S", uuid)
    if how == "ignore":
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        time.sleep(seconds)
    elif how == "swallow":
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                time.sleep(1)
            except Exception:
                pass
    elif how == "c_loop":  # never looks for pending signals
        collections.deque(itertools.repeat(0), maxlen=0)
    mark("E", uuid)


def own_handlers(uuid: str, seconds: float) -> None:
    """Takes SIGTERM and SIGCHLD for itself, as some libraries do."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    mark("S", uuid)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
    mark("E", uuid)


def _channels() -> list[int]:
    """The descriptors that may lead to a parent: sockets, and pipes that can be written to."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            what = os.readlink(f"/proc/self/fd/{name}")
            with open(f"/proc/self/fdinfo/{name}", encoding="ascii") as info:
                flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags"))
        except OSError:
            continue
        writable = flags & os.O_ACCMODE != os.O_RDONLY
        if int(name) > 2 and writable and what.startswith(("socket:", "pipe:")):
            found.append(int(name))
    return found


def half_frame(uuid: str) -> None:
    """Writes a torn frame into every channel and dies."""
    mark("S", uuid)
    mark("D", uuid)
    for fd in _channels():
        try:
            os.set_blocking(fd, False)
            os.write(fd, b'\x00\x00\x10\x00{"wor')
        except OSError:
            pass
    os.kill(os.getpid(), signal.SIGKILL)


def big(uuid: str, size_mb: int) -> str:
    mark("S", uuid)
    mark("E", uuid)
    return "x" * (size_mb << 20)


def big_and_killed(uuid: str, size_mb: int) -> str:
    """A large result, and a child that kills this process as soon as it waits in the middle of writing it."""
    mark("S", uuid)
    mark("D", uuid)
    victim = os.getpid()
    if os.fork() == 0:
        until = time.monotonic() + 3
        while time.monotonic() < until and not _writes(victim):
            pass
        os.kill(victim, signal.SIGKILL)
        os._exit(0)
    mark("E", uuid)
    return "x" * (size_mb << 20)


def _writes(pid: int) -> bool:
    """Whether a thread of the process is inside write, writev, sendto or sendmsg (of x86-64) above stderr."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/syscall", encoding="ascii") as file:
                words = file.read().split()
            if words[0] in ("1", "20", "44", "46") and int(words[1], 16) > 2:
                return True
    except (OSError, IndexError, ValueError):
        pass
    return False


def unserialisable(uuid: str) -> Any:
    mark("S", uuid)
    mark("E", uuid)
    return object()


def deep(uuid: str) -> Any:
    mark("S", uuid)
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    mark("E", uuid)
    return value


def flood(uuid: str, size_mb: int) -> None:
    mark("S", uuid)
    line = b"x" * 1023 + b"\n"
    for _ in range(size_mb * 1024):
        os.write(1, line)
    mark("E", uuid)


def close_standard(uuid: str) -> None:
    mark("S", uuid)
    for fd in (0, 1, 2):
        os.close(fd)
    mark("E", uuid)


def leave_child(uuid: str) -> None:
    mark("S", uuid)
    if os.fork() == 0:
        time.sleep(300)
        os._exit(0)
    mark("E", uuid)


def leave_daemon(uuid: str) -> None:
    mark("S", uuid)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(300)
        os._exit(0)
    os.wait()
    mark("E", uuid)
