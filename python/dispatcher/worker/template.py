"""The fork server: loads an application's modules once, then forks workers from itself.

Single-threaded, so that a fork copies nothing half done. Speaks JSON packets with the service over the socket
it was started with, descriptor 0. Has no part in the life of a worker after the fork, but for two things: it
reports each exit at once, and when the service is gone it ends everything below it. Where it stands: between
the service and `loop`, one for each pool.
"""

from __future__ import annotations

import array
import errno
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any, NoReturn

from dispatcher.registry import registry

from . import lifeline, stack
from .ending import end_all_below, leave, quit_now
from .kernel import adopt_orphans, die_with_parent
from .leftovers import end_leftovers, mark
from .limits import enter_group, take_on
from .log import note
from .loop import live
from .outcome import describe
from .setup import prepare
from .tickets import Tickets
from .wire import Channel, lift, take_stdin

logger = logging.getLogger("dispatcher.worker.template")

_PACKET = 256 * 1024
"""The longest packet in either direction, in bytes; more than a socket buffer takes unless it was made
larger."""
_MOST_FDS = 8
_WORKER_FDS = 4
"""A worker's channel, tickets, lifeline and stack pipe."""
_TRACE_LINES = 40
_SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
"""What may be otherwise in a moment."""
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a whole process group gets. A fork server ends by its socket."""


def main() -> int:
    """Serves until the service closes the socket; gives the exit code."""
    sock = take_stdin()
    # Seen at the socket only once modules are loaded, which may take for ever.
    die_with_parent()
    adopt_orphans()
    for number in (*_IGNORED, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    packet = sock.recv(_PACKET)
    if not packet:
        return 0
    try:
        setup = json.loads(packet)
        prepare(setup)
        server = ForkServer(sock, setup["worker"])
    except BaseException as error:
        trace = traceback.format_exc().splitlines()[-_TRACE_LINES:]
        text = f"{type(error).__name__}: {describe(error)}"
        _say(sock, {"event": "failed", "error": text, "trace": trace})
        end_all_below()
        return 1
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate()[1:])
        text = "preloaded modules started threads (%s): workers lack them, and may find their locks taken"
        note(logger, logging.WARNING, text, names)
    # What every worker asks for at its start is made once, here.
    registry.names()
    gc.collect()
    gc.freeze()
    die_with_parent(False)
    server.serve()
    return 0


def _say(sock: socket.socket, packet: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([json.dumps(packet).encode()], rights)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service is gone; the next read says so


class ForkServer:
    """Forks on request, reports exits.

    :param settings: `worker` of the setup packet
    """

    def __init__(self, sock: socket.socket, settings: dict[str, Any]) -> None:
        self._sock = sock
        self._settings = settings
        self._workers: dict[int, int] = {}
        """The numbers of living workers by their pids."""
        self._looks_for_leftovers = False
        wake, woken = os.pipe()
        self._wake, self._woken = lift(wake), lift(woken)
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)

    def serve(self) -> None:
        """Runs until the service closes the socket, then ends what is left."""
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        # Only the wake-up counts, but without a handler there is none.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        _say(self._sock, {"event": "ready", "pid": os.getpid()})
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        self._reap()
        while True:
            ready = [fd for fd, _ in poller.poll()]
            if self._wake in ready:
                self._drain_wakeups()
                self._reap()
            if self._sock.fileno() in ready and not self._answer():
                break
        signal.set_wakeup_fd(-1)
        end_all_below()

    def _drain_wakeups(self) -> None:
        try:
            while os.read(self._wake, 512):
                pass
        except BlockingIOError:
            pass

    def _reap(self) -> None:
        """Reports the workers that have ended, and ends what they have left behind."""
        while self._bury():
            pass
        if self._looks_for_leftovers:
            # What is found dies, which leads here again: until there is nothing.
            self._looks_for_leftovers = end_leftovers(self._workers.keys(), self._workers.values())

    def _bury(self) -> bool:
        """Reports one worker that has ended, stopped or gone on; what came here by adoption is only buried."""
        try:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        except ChildProcessError:
            return False
        if pid:
            worker = self._workers.get(pid)
            report: dict[str, Any] = {"worker": worker, "pid": pid}
            if os.WIFSTOPPED(status):
                report.update(event="stopped", signal=os.WSTOPSIG(status))
            elif os.WIFCONTINUED(status):
                report.update(event="continued")
            else:
                self._workers.pop(pid, None)
                self._looks_for_leftovers |= worker is not None
                report.update(event="exited", status=status)
            if worker is not None:
                _say(self._sock, report)
        return pid != 0

    def _answer(self) -> bool:
        """Carries out one request; false at the end of the socket."""
        space = socket.CMSG_SPACE(_MOST_FDS * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_PACKET, space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return False
        fds = array.array("i")
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        if not data:
            return False
        try:
            request = json.loads(data)
            if request.get("event") == "fork":
                self._fork(int(request["worker"]), fds.tolist(), request.get("group", ""))
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _fork(self, worker: int, fds: list[int], group: str) -> None:
        """Makes a worker and says so, or why not."""
        try:
            wanted = _WORKER_FDS + bool(group)
            if len(fds) != wanted:
                text = f"{len(fds)} of {wanted} file descriptors came; is there room for more (ulimit -n)?"
                raise OSError(errno.EMFILE, text)
            # What the modules have printed would come out once more in each child.
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                self._become_worker(worker, fds, group)
            # Nothing is buried between the fork and here, so the pid is still that of the child.
            try:
                handle = os.pidfd_open(pid)
            except OSError:
                os.kill(pid, signal.SIGKILL)
                raise
        except OSError as error:
            short = error.errno in _SHORTAGE
            _say(self._sock, {"event": "fork_failed", "worker": worker, "error": str(error), "shortage": short})
            return
        self._workers[pid] = worker
        _say(self._sock, {"event": "forked", "worker": worker, "pid": pid}, (handle,))
        os.close(handle)

    def _become_worker(self, worker: int, fds: list[int], group: str) -> NoReturn:
        code = 1
        try:
            if group:
                enter_group(fds.pop(), required=group == "required")
            channel, tickets, life, looks = (lift(fd) for fd in fds)
            lifeline.hold(life)
            signal.set_wakeup_fd(-1)
            for number in (*_IGNORED, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._sock.close()
            os.close(self._wake)
            os.close(self._woken)
            mark(worker)
            take_on(self._settings.get("limits") or {})
            code = live(
                worker,
                Channel(socket.socket(fileno=channel)),
                Tickets(tickets),
                self._settings,
                stack.offer(looks),
            )
        except BaseException:
            traceback.print_exc()
        finally:
            leave(code)


if __name__ == "__main__":
    quit_now(main())
