"""The log of workers whose application does not set one up: lines on standard error, as the service writes
its own.

Control characters are escaped and tracebacks indented, so that no text of a task can forge a line or speak to
a terminal. Long texts are cut, with a note of their length. Times are UTC. Where it stands: the root logger's handler.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any


def note(logger: logging.Logger, level: int, text: str, *args: Any, **more: Any) -> None:
    """Logs, and never raises: an application's log may fail in any way, and no task fails of that."""
    try:
        logger.log(level, text, *args, **more)
    except Exception:
        pass  # nobody is left to tell; of tasks that do not succeed the service writes a line of its own


_OWN, _OTHERS = 2048, 16 * 1024
"""The longest message, in characters: of our own loggers, as the service's, and of the application's."""
_TRACE_HEAD, _TRACE_TAIL = 4 * 1024, 12 * 1024
"""How much of a long traceback is written, in characters; the last lines say what happened."""

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_ESCAPES |= {ord("\n"): "\\n", ord("\r"): "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_ESCAPES_WITHIN_LINES = {code: text for code, text in _ESCAPES.items() if code not in (ord("\n"), ord("\t"))}


def start(level: str, style: str) -> None:
    """Gives the root logger a handler.

    :param style: `text` or `json`
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if style == "json" else _Text())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        root.setLevel(level)
    except ValueError:
        root.setLevel(logging.INFO)
        root.warning("log level %r is unknown, INFO is used", level)


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    most = _OWN if record.name.partition(".")[0] in ("dispatcher", "dispatcherd") else _OTHERS
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters in all)"


def _trace(text: str) -> str:
    left_out = len(text) - _TRACE_HEAD - _TRACE_TAIL
    if left_out <= 0:
        return text
    return f"{text[:_TRACE_HEAD]}\n... {left_out} characters ...\n{text[-_TRACE_TAIL:]}"


class _Text(logging.Formatter):
    """`2026-11-24 04:11:38,123 INFO logger: message`, a traceback indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        message = _message(record).translate(_ESCAPES)
        line = f"{stamp},{int(record.msecs):03d} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            trace = _trace(self.formatException(record.exc_info)).translate(_ESCAPES_WITHIN_LINES)
            line += "\n    " + trace.replace("\n", "\n    ")
        return line


class _Json(logging.Formatter):
    """One object a line, with the service's keys."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "timestamp": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            line["traceback"] = _trace(self.formatException(record.exc_info))
        return json.dumps(line)
