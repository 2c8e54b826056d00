"""The worker's end of its channel: frames in, frames out, tickets taken.

One JSON object a line. Knows what frames are, not what a task is.
"""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from typing import Any

_READ = 64 * 1024

Frame = dict[str, Any]


class ChannelClosed(Exception):
    """The service is gone, or has closed this worker's channel."""


class Channel:
    """A socket, the pipe of tickets beside it, and what was read and not yet used."""

    def __init__(self, sock: socket.socket, tickets: int | None) -> None:
        self.sock = sock
        self.tickets = tickets
        self._lines: deque[bytes] = deque()
        self._tail = b''
        self._ticket = 0
        #: uuids named by cancel frames that no task has answered to yet
        self.cancelled: set[str] = set()
        #: answers to control requests, by the number of the request
        self.replies: dict[int, Frame] = {}

    def send(self, data: bytes) -> None:
        """Writes a whole frame."""
        self.sock.sendall(data)

    def send_frame(self, frame: Frame) -> None:
        """Writes a frame that is built of strict JSON values."""
        self.sock.sendall(json.dumps(frame, allow_nan=False).encode() + b'\n')

    def _take_in(self, data: bytes) -> None:
        parts = (self._tail + data).split(b'\n') if self._tail else data.split(b'\n')
        self._tail = parts.pop()
        self._lines.extend(parts)

    def has_lines(self) -> bool:
        """Whether frames wait that were read already."""
        return bool(self._lines)

    def read_now(self) -> None:
        """Takes in what is on the socket, without waiting."""
        while True:
            try:
                data = self.sock.recv(_READ, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                return
            if not data:
                return
            self._take_in(data)

    def look_for_cancels(self) -> None:
        """Moves the cancel frames among what was read to :attr:`cancelled`."""
        kept: deque[bytes] = deque()
        for line in self._lines:
            if line.startswith(b'{"event":"cancel"'):
                self.cancelled.add(json.loads(line)['uuid'])
            else:
                kept.append(line)
        self._lines = kept

    def next_frame(self) -> Frame:
        """The next run or stop frame; waits for it. Other frames are dealt with on the way.

        Raises :exc:`ChannelClosed` at the end of the channel.
        """
        while True:
            while self._lines:
                line = self._lines.popleft()
                if not line:
                    continue
                frame: Frame = json.loads(line.decode())  # bytes would be searched for their encoding first
                event = frame.get('event')
                if event == 'run':
                    if self._claim(frame['seq']):
                        return frame
                elif event == 'stop':
                    return frame
                elif event == 'cancel':
                    self.cancelled.add(frame['uuid'])
                elif event == 'reply':
                    self.replies[frame['id']] = frame
            self._wait()

    def _wait(self) -> None:
        data = self.sock.recv(_READ)
        if not data:
            raise ChannelClosed
        self._take_in(data)

    def wait_reply(self, number: int) -> Frame:
        """The answer to a control request of the running task; frames for later are kept."""
        while number not in self.replies:
            kept: deque[bytes] = deque()
            for line in self._lines:
                if line.startswith(b'{"event":"reply"'):
                    frame = json.loads(line)
                    self.replies[frame['id']] = frame
                else:
                    kept.append(line)
            self._lines = kept
            if number not in self.replies:
                self._wait()
        return self.replies.pop(number)

    def _claim(self, seq: int) -> bool:
        """Takes the ticket of a task; false when the service has taken it back."""
        if self.tickets is None:
            return True
        while self._ticket < seq:
            try:
                ticket = os.read(self.tickets, 8)
            except BlockingIOError:
                return False
            if not ticket:
                return False
            self._ticket = int.from_bytes(ticket, 'little')
        return self._ticket == seq
