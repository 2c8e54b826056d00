"""Plays the service: starts a fork server, has workers forked, speaks with them over real sockets, and goes.

Nothing is waited for with a sleep: every wait is a poll on a descriptor, or a look repeated until a deadline.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid as uuid_module
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import dispatcher
from support import canary

HERE = Path(__file__).parent
PYTHON_PATH = Path(dispatcher.__file__).parent.parent
"""The package that the test itself uses, installed or not."""
DEADLINE = 20.0
AGAIN = 0.05
"""Seconds after which a cancel is sent again."""
MARK = "DISPATCHER_TEST_MARK"

Frame = dict[str, Any]


class Gone(Exception):
    """The other side has closed its end."""


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Looks until there is something to see; fails at the deadline."""
    end = time.monotonic() + seconds
    while not (seen := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        select.select([], [], [], 0.002)
    return seen


def readable(fd: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def marked(mark: str) -> list[int]:
    """Living processes that have this mark in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                environment = Path(f"/proc/{entry}/environ").read_bytes()
                state = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in environment and state not in (b"Z", b"X"):
                found.append(int(entry))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


class Worker:
    """The service's end of one worker."""

    def __init__(
        self, number: int, sock: socket.socket, tickets: tuple[int, int] | None, template: Template | None = None
    ) -> None:
        self.number = number
        self._template = template
        self.sock = sock
        self.tickets = tickets
        self.pid = 0
        self.pidfd = -1
        self.looks = -1
        self.seq = 0
        self._data = b""
        self.ready: Frame = {}

    @property
    def template(self) -> Template:
        assert self._template is not None
        return self._template

    def send(self, *frames: Frame) -> None:
        self.sock.sendall(b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))

    def run_frame(self, task: str, *args: Any, uuid: str | None = None, trusted: bool = False, **more: Any) -> Frame:
        """A run frame; its ticket is not given yet."""
        self.seq += 1
        message = {"task": task, "args": list(args), **more, "uuid": uuid or str(uuid_module.uuid4())}
        message |= {"channel": "c", "note": canary.CANARY}
        return {"event": "run", "seq": self.seq, "attempt": 1, "trusted": trusted, "message": message}

    def give_tickets(self, *seqs: int) -> None:
        if self.tickets:
            os.write(self.tickets[1], b"".join(seq.to_bytes(8, "little") for seq in seqs))

    def run(self, task: str, *args: Any, **more: Any) -> str:
        """Hands out a task; gives its uuid."""
        frame = self.run_frame(task, *args, **more)
        self.give_tickets(frame["seq"])
        self.send(frame)
        return str(frame["message"]["uuid"])

    def take_back(self) -> list[int]:
        """Reads every ticket that the worker has not taken."""
        assert self.tickets
        os.set_blocking(self.tickets[0], False)
        taken: list[int] = []
        while True:
            try:
                data = os.read(self.tickets[0], 8)
            except BlockingIOError:
                return taken
            taken.append(int.from_bytes(data, "little"))

    def frame(self, seconds: float = DEADLINE) -> Frame:
        """The next frame of the worker."""
        end = time.monotonic() + seconds
        while b"\n" not in self._data:
            if not readable(self.sock.fileno(), max(0.0, end - time.monotonic())):
                raise AssertionError(f"no frame within {seconds} s; {self._data[:100]!r} so far")
            data = self.sock.recv(1 << 20)
            if not data:
                raise Gone(self._data, self._last_words())
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        frame: Frame = json.loads(line, parse_constant=refuse)
        return frame

    def _last_words(self) -> str:
        """What can be known of its end, so that a channel that is closed says why."""
        if self._template is None:
            return "it was started by itself"
        status: int | str = "not told"
        if readable(self._template.sock.fileno(), 1.0):
            try:
                status = self._template.exit_of(self)
            except (AssertionError, Gone) as error:
                status = f"not told: {error}"
        return f"wait status of worker {self.number} ({self.pid}): {status}; log:\n{self._template.text()[-4000:]}"

    def done(self, uuid: str | None = None) -> Frame:
        """The next frame, which has to be the end of this task."""
        frame = self.frame()
        assert frame["event"] == "done", frame
        assert uuid is None or frame["uuid"] == uuid, frame
        return frame

    def call(self, task: str, *args: Any, **more: Any) -> Frame:
        """Runs a task and gives its end."""
        return self.done(self.run(task, *args, **more))

    def silent(self) -> bool:
        """Whether nothing waits to be read."""
        return not self._data and not readable(self.sock.fileno(), 0)

    def signal(self, number: int) -> None:
        signal.pidfd_send_signal(self.pidfd, number)

    def stack(self, parts: Iterable[str] = (), seconds: float = DEADLINE) -> str:
        """What the worker writes when it is looked into, once all these parts have come."""
        text, end = "", time.monotonic() + seconds
        for number in self.ready["stack_signals"]:
            self.signal(number)
            if readable(self.looks, 0.3):
                break
        while not text or not all(part in text for part in parts):
            assert readable(self.looks, max(0.0, end - time.monotonic())), f"no stack in {seconds} s, so far:\n{text}"
            text += os.read(self.looks, 1 << 16).decode()
        # It may come in pieces, and what is left would be taken for the next one.
        while readable(self.looks, 0.02):
            text += os.read(self.looks, 1 << 16).decode()
        return text

    def cancel(self, uuid: str, **more: Any) -> None:
        self.send({"event": "cancel", "uuid": uuid, **more})
        self.signal(signal.SIGUSR1)

    def done_by_cancel(self, uuid: str) -> Frame:
        """The end of a task that has been cancelled; says it again, as a service does, until it is heard."""
        for _ in range(int(DEADLINE / AGAIN)):
            if b"\n" in self._data or readable(self.sock.fileno(), AGAIN):
                break
            self.cancel(uuid, again=True)
        return self.done(uuid)

    def wait_end(self, seconds: float = DEADLINE) -> None:
        assert readable(self.pidfd, seconds), f"worker {self.number} did not end within {seconds} s"

    def close(self) -> None:
        self.sock.close()
        for fd in self.tickets or ():
            os.close(fd)
        self.tickets = None
        for fd in (self.pidfd, self.looks):
            if fd >= 0:
                os.close(fd)
        self.pidfd = self.looks = -1


BOTH = ["async", "threads"]
"""The ways to run several tasks at once."""


def ends(worker: Worker, count: int) -> dict[str, Frame]:
    """The next ends, in whatever order they come, by their uuids."""
    return {done["uuid"]: done for done in (worker.done() for _ in range(count))}


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no strict JSON")


def settings(**worker: Any) -> dict[str, Any]:
    return {
        "worker_cls": None,
        "worker_kwargs": {},
        "task_policy": "registered",
        "task_prefixes": [],
        "allow_eval": False,
        **worker,
    }


def setup_packet(
    preload: list[str] | None = None, sys_path: list[str] | None = None, log_format: str = "text", **worker: Any
) -> Frame:
    return {
        "event": "setup",
        "config": {"version": 2, "brokers": {}},
        "preload": preload or [],
        "sys_path": sys_path,
        "log_level": "INFO",
        "log_format": log_format,
        "worker": settings(**worker),
    }


class Template:
    """The service's end of a fork server."""

    def __init__(self, log: Path, mark: str, setup: Frame) -> None:
        self.log = log
        canary.watch(log)
        self.mark = mark
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lifeline, self.held = os.pipe()
        self.workers: list[Worker] = []
        self.exits: dict[int, int] = {}
        environment = {**os.environ, "PYTHONPATH": f"{PYTHON_PATH}:{HERE}", MARK: mark}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dispatcher.worker.template"],
                stdin=theirs,
                stdout=output,
                stderr=output,
                env=environment,
            )
        theirs.close()
        self.send(setup)

    def send(self, packet: Frame, fds: tuple[int, ...] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([json.dumps(packet).encode()], rights)

    def packet(self, seconds: float = DEADLINE) -> tuple[Frame, list[int]]:
        """The next packet and its descriptors."""
        assert readable(self.sock.fileno(), seconds), f"no packet within {seconds} s\n{self.text()}"
        data, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 8)
        if not data:
            raise Gone(self.text())
        return json.loads(data), fds

    def expect(self, event: str) -> tuple[Frame, list[int]]:
        """The next packet of this kind; exits on the way are noted."""
        while True:
            packet, fds = self.packet()
            if packet["event"] == event:
                return packet, fds
            assert packet["event"] == "exited", packet
            self.exits[packet["pid"]] = packet["status"]

    def fork(self, number: int = 0) -> Worker:
        """A worker that is ready."""
        worker = self.request_fork(number)
        packet, fds = self.expect("forked")
        assert packet["worker"] == number
        worker.pid, worker.pidfd = packet["pid"], fds[0]
        worker.ready = worker.frame()
        return worker

    def request_fork(self, number: int) -> Worker:
        ours, theirs = socket.socketpair()
        tickets = os.pipe()
        worker = Worker(number, ours, tickets, self)
        self.workers.append(worker)
        looks, theirs_looks = os.pipe()
        os.set_blocking(theirs_looks, False)
        worker.looks = looks
        self.send({"event": "fork", "worker": number}, (theirs.fileno(), tickets[0], self.lifeline, theirs_looks))
        theirs.close()
        os.close(theirs_looks)
        return worker

    def exit_of(self, worker: Worker) -> int:
        """The raw wait status of a worker, as the fork server reports it."""
        while worker.pid not in self.exits:
            packet, _ = self.packet()
            assert packet["event"] == "exited", packet
            self.exits[packet["pid"]] = packet["status"]
        return self.exits[worker.pid]

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def lines(self, part: str) -> Iterator[str]:
        return (line for line in self.text().splitlines() if part in line)

    def go(self) -> None:
        """As if the service had been killed: everything it held is closed at once."""
        for fd in (self.lifeline, self.held):
            if fd >= 0:
                os.close(fd)
        self.lifeline = self.held = -1
        self.sock.close()
        for worker in self.workers:
            worker.close()

    def nothing_left(self, seconds: float = DEADLINE) -> None:
        wait_until(lambda: not marked(self.mark), f"an end of {marked(self.mark)}", seconds)
