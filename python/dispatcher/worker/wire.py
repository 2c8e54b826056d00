"""The worker's end of its channel: frames in, frames out.

One JSON object a line. Knows what frames look like, not what a task is. Where it stands: between the socket
and `loop`, and read by the signal handler too, which is why every read is a step that nothing can fall into.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
from _thread import allocate_lock
from array import array
from collections import deque
from typing import Any

Frame = dict[str, Any]
"""One frame, as the service wrote it."""

_HIGH = 64
"""Descriptors of ours stand from here on, out of the way of what applications close and count on."""

_READ = 32 * 1024

_MOST_FDS = 8

_DIGITS = 4000
"""Integers up to this many digits are read wherever Python has a limit at all (it is never below 640)."""

_decode = json.JSONDecoder().raw_decode


class ChannelBroken(Exception):
    """What came is no frame: the two sides do not speak the same protocol."""


def lift(fd: int) -> int:
    """Moves a descriptor to a high number, closed at exec."""
    high: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return high


def take_stdin() -> socket.socket:
    """The socket that a program of ours is started with, at a high number, with nothing of it left at 0."""
    high: int = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return socket.socket(fileno=high)


class Channel:
    """A stream socket, and what was read from it and not yet used."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.send = sock.sendall
        """Writes a whole frame."""
        self.frames: deque[Frame] = deque()
        """Read and not yet used, in order."""
        self.closed = False
        """Nothing more comes: the service has closed its end, or `broken` says why not."""
        self.broken = ""
        """What came that is no frame."""
        self.lock = allocate_lock()
        """Held while one reads or writes and another thread, or the signal handler, might. Never while one
        waits."""
        self._buffer = bytearray(_READ)
        self._view = memoryview(self._buffer)
        self._parts: list[bytes] = []

    def send_frame(self, frame: Frame) -> None:
        """Writes a frame that is built of strict JSON values; raises before it writes anything."""
        self.send(json.dumps(frame, allow_nan=False, separators=(",", ":")).encode() + b"\n")

    def receive(self, flags: int = 0) -> None:
        """Takes in one read. With MSG_DONTWAIT, raises BlockingIOError when there is nothing."""
        try:
            count = self.sock.recv_into(self._buffer, 0, flags)
        except ConnectionResetError:
            count = 0
        self._take_in(count)

    def receive_fds(self) -> list[int]:
        """As `receive`, for the first read of all: gives the descriptors that came beside it."""
        fds = array("i")
        space = socket.CMSG_SPACE(_MOST_FDS * fds.itemsize)
        try:
            count, beside, _, _ = self.sock.recvmsg_into([self._buffer], space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            count, beside = 0, []
        for level, kind, data in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        self._take_in(count)
        return fds.tolist()

    def _take_in(self, count: int) -> None:
        """The buffer holds so many new bytes; none at the end."""
        if not count:
            self.closed = True
            return
        end = self._buffer.rfind(b"\n", 0, count) + 1
        if end:
            lines: bytes | memoryview = self._view[:end]
            if self._parts:
                lines = b"".join(self._parts) + lines
                self._parts = []
            try:
                self._parse(str(lines, "utf-8"))
            except (ChannelBroken, UnicodeDecodeError) as error:
                self.closed, self.broken = True, str(error)
        if end < count:
            self._parts.append(bytes(self._view[end:count]))

    def close_for_reading(self) -> None:
        """Lets nothing more in: a wait ends, what has come can still be read, the service's writing fails."""
        try:
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # closed already

    def wait(self, seconds: float) -> bool:
        """Whether something comes within this time."""
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def drain(self) -> None:
        """Takes in all there is, without waiting."""
        while not self.closed:
            try:
                self.receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def take_cancels(self, uuid: str) -> tuple[list[Frame], int]:
        """Takes in all there is and takes out the cancel frames for this task.

        Gives them, and the number of those for other tasks. Those stay: one that is reached when the frames
        before it are used up was for a task that had ended already.
        """
        with self.lock:
            self.drain()
            cancels = [frame for frame in self.frames if frame.get("event") == "cancel"]
            ours = [frame for frame in cancels if frame.get("uuid") == uuid]
            for frame in ours:
                self.frames.remove(frame)
        return ours, len(cancels) - len(ours)

    def take_reply(self, number: int) -> Frame | None:
        """Takes out the answer to a control request, if it has come."""
        for frame in self.frames:
            if frame.get("event") == "reply" and frame.get("id") == number:
                self.frames.remove(frame)
                return frame
        return None

    def _parse(self, text: str) -> None:
        """Reads whole lines. The quick way takes what the service writes; what it stumbles over goes the long
        way."""
        position, length, append = 0, len(text), self.frames.append
        try:
            while position < length:
                frame, end = _decode(text, position)
                if text[end] != "\n" or frame.__class__ is not dict:
                    break
                append(frame)
                position = end + 1
        except ValueError:
            pass
        if position < length:
            self._parse_slowly(text[position:])

    def _parse_slowly(self, text: str) -> None:
        for line in text.split("\n"):
            if not line or line.isspace():
                continue
            try:
                frame = json.loads(line)
            except ValueError as error:
                frame = _without_huge_integers(line, error)
            if not isinstance(frame, dict):
                raise ChannelBroken(f"a frame that is a {type(frame).__name__} and no object")
            self.frames.append(frame)


def _without_huge_integers(line: str, error: ValueError) -> Any:
    """A frame whose message holds an integer longer than Python reads: its task is to fail, not its
    worker."""
    try:
        frame = json.loads(line, parse_int=lambda digits: int(digits) if len(digits) <= _DIGITS else 0)
    except ValueError as unreadable:
        raise ChannelBroken(f"a frame that is no JSON: {unreadable}") from None
    if isinstance(frame, dict):
        frame["unreadable"] = str(error)
    return frame
