"""The log of workers whose application does not set one up: lines on standard error, as the service writes
its own.

Control characters are escaped and tracebacks indented, so that no text of a task can forge a line or speak to
a terminal. Times are UTC. Where it stands: the root logger's handler.
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


class _Text(logging.Formatter):
    """`2026-11-24 04:11:38,123 INFO logger: message`, a traceback indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        message = record.getMessage().translate(_ESCAPES)
        line = f"{stamp},{int(record.msecs):03d} {record.levelname} {record.name}: {message}"
        if record.exc_info:
            trace = self.formatException(record.exc_info).translate(_ESCAPES_WITHIN_LINES)
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
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
