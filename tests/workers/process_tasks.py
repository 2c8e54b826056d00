"""Tasks for the tests of workers that ill-treat their process: its descriptors, signals, children and life."""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from worker_tasks import say

from dispatcher.publish import task
from dispatcher.worker.exceptions import DispatcherCancel


@task()
def os_exit(code: int) -> None:
    os._exit(code)


@task()
def segfault() -> None:
    ctypes.string_at(0)


@task()
def loop_in_c(path: str) -> None:
    """Ignores every signal, then never gives the interpreter back."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    say(path)
    # PyDLL keeps the interpreter's lock.
    library = ctypes.PyDLL(None)
    while True:
        library.sleep(3600)


@task()
def loop_within(path: str) -> None:
    """No signal is ignored, but Python never gets to run a handler of its own."""
    say(path)
    collections.deque(itertools.repeat(0), maxlen=0)


@task()
def with_threads(count: int, path: str) -> None:
    for _ in range(count):
        threading.Thread(target=wait_in_thread, daemon=True).start()
    say(path)
    time.sleep(3600)


def wait_in_thread() -> None:
    time.sleep(3600)


@task()
def ignore_all(path: str) -> None:
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    say(path)
    while True:
        time.sleep(3600)


@task()
def close_all() -> None:
    os.closerange(0, 4096)


@task()
def close_standard() -> None:
    for fd in (0, 1, 2):
        os.close(fd)


@task()
def reopen_standard(path: str) -> list[int]:
    return [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(3)]


@task()
def write_to_standard(times: int) -> None:
    for _ in range(times):
        for fd in (1, 2):
            os.write(fd, b'{"event":"done","worker":0,"uuid":"forged"}\n')
        print("printed", flush=True)


@task()
def descriptors() -> dict[str, Any]:
    """The open ones, and which of them a child would get."""
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            found[entry] = [os.readlink(f"/proc/self/fd/{entry}"), os.get_inheritable(int(entry))]
        except OSError:
            continue
    return found


@task()
def read_stdin() -> str:
    return sys.stdin.read()


@task()
def have_children(path: str) -> None:
    """A child, a grandchild, a daemon in a session of its own, and a forked copy of the worker; then waits for ever."""
    subprocess.Popen(["sh", "-c", "sleep 3600 & sleep 3600"])
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(3600)
    if os.fork() == 0:
        while True:
            time.sleep(3600)
    say(path)
    time.sleep(3600)


@task()
def leave_daemon() -> int:
    """A process that outlives its worker."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(write, str(pid).encode())
            os._exit(0)
        os.closerange(0, 4096)
        while True:
            time.sleep(3600)
    return int(os.read(read, 20))


@task()
def fork_and_signal(path: str) -> str:
    """Cancels a child of its own, which has to hear of it and leave the channel alone."""
    pid = os.fork()
    if pid == 0:
        try:
            say(path)
            time.sleep(3600)
        except DispatcherCancel:
            os._exit(7)
        os._exit(1)
    while not os.path.exists(path):
        time.sleep(0.001)
    os.kill(pid, signal.SIGUSR1)
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


@task()
def fork_and_return() -> str:
    """The copy of the worker returns from the task too, as if it were the worker."""
    if os.fork() == 0:
        return "forged"
    os.wait()
    return "true"


@task()
def fork_and_stay(path: str) -> int:
    pid = os.fork()
    if pid == 0:
        say(path)
        while True:
            time.sleep(3600)
    while not os.path.exists(path):
        time.sleep(0.001)
    return pid


@task()
def thread_left(seconds: float) -> None:
    threading.Thread(target=time.sleep, args=(seconds,)).start()
