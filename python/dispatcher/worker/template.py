"""The fork server: loads an application's modules once, then forks workers from itself.

Single-threaded, so a fork copies nothing half done. It speaks JSON packets with the service over the socket it
was started with (descriptor 0) and has no part in the life of a worker after the fork, but for two things: it
reports each exit at once, and when the service is gone it ends everything below it.
"""

from __future__ import annotations

import array
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

from . import lifeline
from .loop import live
from .setup import prepare

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PACKET = 256 * 1024
#: descriptors of ours stand from here on, out of the way of what applications close or reuse
_HIGH = 64


def main() -> int:
    """Serves until the service closes the socket."""
    sock = move_away(0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    packet = sock.recv(_PACKET)
    if not packet:
        return 0
    setup = json.loads(packet)
    try:
        prepare(setup)
    except BaseException as exc:
        trace = traceback.format_exc().splitlines()[-20:]
        _say(sock, {'event': 'failed', 'error': f'{type(exc).__name__}: {exc}', 'trace': trace})
        return 1
    # From here on the end of the service is seen at the socket, and answered by more than our own death.
    _prctl(_PR_SET_PDEATHSIG, 0)
    gc.collect()
    gc.freeze()
    ForkServer(sock, setup).serve()
    return 0


def move_away(fd: int) -> socket.socket:
    """The socket at a high number, with nothing of it left at the low one."""
    import fcntl

    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, fd)
    os.close(null)
    return socket.socket(fileno=high)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _say(sock: socket.socket, packet: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    data = json.dumps(packet).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
    try:
        sock.sendmsg([data], rights)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service is gone; the next read says so


class ForkServer:
    """Forks on request, reports exits."""

    def __init__(self, sock: socket.socket, setup: dict[str, Any]) -> None:
        self.sock = sock
        self.settings: dict[str, Any] = setup['worker']
        self.workers: dict[int, int] = {}
        self.wake, self.woken = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self.woken, False)

    def serve(self) -> None:
        """Runs until the service closes the socket, then ends what is left."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.woken, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _say(self.sock, {'event': 'ready', 'pid': os.getpid()})
        while True:
            readable, _, _ = select.select([self.sock.fileno(), self.wake], [], [])
            if self.wake in readable:
                self._drain_wakeups()
                self._reap()
            if self.sock.fileno() in readable and not self._answer():
                break
        self._end_all()

    def _drain_wakeups(self) -> None:
        try:
            while os.read(self.wake, 512):
                pass
        except BlockingIOError:
            pass

    def _reap(self) -> None:
        """Reports the workers that have ended; what came to us by adoption is only buried."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self.workers.pop(pid, None)
            if worker is not None:
                _say(self.sock, {'event': 'exited', 'worker': worker, 'pid': pid, 'status': status})

    def _answer(self) -> bool:
        """Carries out one request; false at the end of the socket."""
        data, ancillary, _, _ = self.sock.recvmsg(_PACKET, socket.CMSG_SPACE(16))
        fds = array.array('i')
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        if not data:
            return False
        request = json.loads(data)
        if request.get('event') == 'fork':
            self._fork(request['worker'], fds.tolist())
        else:
            for fd in fds:
                os.close(fd)
        return True

    def _fork(self, worker: int, fds: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as exc:
            _say(self.sock, {'event': 'fork_failed', 'worker': worker, 'error': str(exc)})
            pid = -1
        if pid == 0:
            self._become_worker(worker, fds)
        if pid > 0:
            self.workers[pid] = worker
            # Nothing reaps between the fork and here, so the number cannot have been given to another process.
            handle = os.pidfd_open(pid)
            _say(self.sock, {'event': 'forked', 'worker': worker, 'pid': pid}, (handle,))
            os.close(handle)
        for fd in fds:
            os.close(fd)

    def _become_worker(self, worker: int, fds: list[int]) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            self.sock.close()
            os.close(self.wake)
            os.close(self.woken)
            channel, tickets, life = (_high(fd) for fd in fds)
            lifeline.hold(life)
            os.set_blocking(tickets, False)
            code = live(worker, socket.socket(fileno=channel), tickets, self.settings)
        except BaseException:
            traceback.print_exc()
        finally:
            _leave(code)

    def _end_all(self) -> None:
        """Ends every process below this one. Nothing escapes: whoever loses its parent becomes our child."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while True:
            below = descendants(os.getpid())
            for pid in below:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def _high(fd: int) -> int:
    import fcntl

    high: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return high


def _leave(code: int) -> NoReturn:
    """Ends a worker as an interpreter ends, but without the threads and exit hooks that the fork copied."""
    import threading

    for thread in threading.enumerate():
        # A thread that a task left behind and that never ends must not keep the worker: the service waits for
        # it no longer than its stop grace.
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
    os._exit(code)


def descendants(root: int) -> list[int]:
    """Every living process below this one."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat', 'rb') as file:
                fields = file.read().rpartition(b')')[2].split()
        except OSError:
            continue
        if fields[0] not in (b'Z', b'X'):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.pop(todo.pop(), [])
        found += below
        todo += below
    return found


if __name__ == '__main__':
    sys.exit(main())
