"""How a task ended, and the frame that says so.

The frame is strict JSON whatever the task returned or raised: what cannot be written is left out with a note,
and never makes a failure of a success. Arguments never go in. Where it stands: at the end of each run.
"""

from __future__ import annotations

import json
import os
from json.encoder import encode_basestring_ascii as quote
from types import TracebackType
from typing import Any

MAX_RESULT = 1024 * 1024
"""The longest result that is sent, in bytes of JSON."""

_MAX_DEPTH = 64
"""As deep as the service lets messages be."""
_MAX_TEXT = 4000
"""The longest error text that is sent, in characters."""
_FIRST_FRAMES, _LAST_FRAMES = 4, 16
"""How much of a long traceback is sent."""

_HEAD = b'{"event":"done","worker":%d,"uuid":%b,"outcome":"%b","time_started":%.6f,"time_finish":%.6f'

_HERE = os.path.dirname(__file__) + os.sep


class Ending:
    """How the last task ended, as far as the result that worker classes see does not say."""

    __slots__ = ("error", "finished", "outcome", "started", "value")

    def __init__(self) -> None:
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """A task begins; unless something else is said, it succeeds."""
        self.outcome = "success"
        self.value: Any = None
        """What the task returned, of any type."""
        self.error: dict[str, Any] | None = None
        self.started = now
        self.finished = 0.0


def done_frame(worker_id: int, uuid: str, ending: Ending, value: Any, stopping: bool) -> bytes:
    """The frame for the end of a task. What every frame has is put together by hand, as that is quick."""
    head = (worker_id, quote(uuid).encode(), ending.outcome.encode(), ending.started, ending.finished)
    frame = _HEAD % head
    if value is not None:
        frame += _result(value)
    if ending.error is not None:
        frame += b',"error":' + _encode(ending.error, "replace")
    return frame + (b',"is_stopping":true}\n' if stopping else b"}\n")


def _result(value: Any) -> bytes:
    """The result as a part of a frame, or why it is not there."""
    try:
        if isinstance(value, str) and len(value) > MAX_RESULT:
            raise ValueError(f"{len(value)} characters, the limit is {MAX_RESULT} bytes")
        text = _encode(value, "strict")
        if len(text) > MAX_RESULT:
            raise ValueError(f"{len(text)} bytes, the limit is {MAX_RESULT}")
        if _too_deep(value, text):
            raise ValueError(f"more than {_MAX_DEPTH} levels deep")
    except (TypeError, ValueError, RecursionError) as error:
        note = f"a {type(value).__name__} that is not sent: {describe(error)}"
        return b',"result":null,"note":' + quote(note[:500]).encode()
    return b',"result":' + text


def _encode(value: Any, errors: str) -> bytes:
    """Strict JSON: no NaN, and no half of a surrogate pair, which Python's escapes would let through."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", errors)


def _too_deep(value: Any, text: bytes) -> bool:
    if text.count(b"[") + text.count(b"{") <= _MAX_DEPTH:
        return False
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list, tuple))
        ]
        if not level:
            return False
    return True


def describe(error: BaseException) -> str:
    """An exception's text, even of one that cannot say it, in characters that can be written anywhere."""
    try:
        text = str(error)
    except BaseException:
        text = f"a {type(error).__name__} whose text cannot be had"
    return text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode()


def own_traceback(error: BaseException) -> TracebackType | None:
    """The traceback from where the application's code begins; all of it if that was never reached."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    return trace or error.__traceback__


def error_of(error: BaseException) -> dict[str, Any]:
    """What a frame says about an exception: files, lines and functions, but no source and no values."""
    places = []
    trace = own_traceback(error)
    while trace is not None:
        places.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    # The handler that raises a cancel is no part of where it hit.
    while places and places[-1][0].co_filename.startswith(_HERE):
        places.pop()
    lines = [f"{code.co_filename}:{line} in {code.co_name}" for code, line in places]
    if len(lines) > _FIRST_FRAMES + _LAST_FRAMES:
        left_out = len(lines) - _FIRST_FRAMES - _LAST_FRAMES
        lines[_FIRST_FRAMES:-_LAST_FRAMES] = [f"... {left_out} more ..."]
    return {"type": type(error).__name__, "message": describe(error), "trace": lines}
