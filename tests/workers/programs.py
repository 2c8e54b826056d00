"""Worker programs of any language, started as a service starts them (`worker.command`).

Which there are stands in `workers.yml`, a line each. Where it stands: under the transcripts.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import DEADLINE, HERE, MARK, PYTHON_PATH, Frame, Worker, settings

REPOSITORY = HERE.parent.parent
NUMBER = 5
"""The worker's number in its service."""


def languages() -> dict[str, dict[str, Any]]:
    """The lines of the table."""
    target = os.environ.get("CARGO_TARGET_DIR", str(REPOSITORY / "target")) + "/debug"
    text = (HERE / "workers.yml").read_text()
    for name, value in (("python", sys.executable), ("target", target), ("repository", str(REPOSITORY))):
        text = text.replace(f"{{{name}}}", value)
    lines: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return lines


LANGUAGES = languages()


def require(language: str) -> dict[str, Any]:
    """The line of a language; skips the test where its program is not there."""
    line = LANGUAGES[language]
    needed = line.get("needs")
    if needed and not shutil.which(needed):
        hint = "cargo build -p dispatcher --example worker" if language == "rust" else f"install {needed}"
        pytest.skip(f"{needed} is not there: {hint}")
    return line


def setup_line(language: str, **worker: Any) -> bytes:
    """The first frame."""
    own = {"slots": 4, **LANGUAGES[language].get("setup", {}), **worker}
    preload = own.pop("preload", [])
    frame: Frame = {
        "event": "setup",
        "config": {"version": 2, "brokers": {}},
        "preload": preload,
        "sys_path": None,
        "log_level": "INFO",
        "log_format": "text",
        "later": {"than": "this version"},
        "worker": settings(**own),
    }
    return json.dumps(frame).encode() + b"\n"


class Program(Worker):
    """A worker that is a program of its own; its channel is its standard input."""

    def __init__(self, language: str, place: Path, mark: str, first: bytes) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(NUMBER, ours, None)
        self.language = language
        self.log = place / "log"
        paths = {"PYTHONPATH": f"{PYTHON_PATH}:{HERE}", MARK: mark, "DISPATCHER_WORKER_ID": str(NUMBER)}
        self.looks, theirs_looks = os.pipe()
        os.set_blocking(theirs_looks, False)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                LANGUAGES[language]["command"], stdin=theirs, stderr=output, env={**os.environ, **paths}
            )
        theirs.close()
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)
        # As the service does it: a descriptor beside the first byte, which nobody has to ask for.
        sent = socket.send_fds(self.sock, [first], [theirs_looks]) if first else 0
        os.close(theirs_looks)
        assert sent == len(first)

    def started(self) -> Program:
        """Waits until it is ready."""
        self.ready = self.frame()
        assert self.ready["event"] == "ready", self.ready
        return self

    def exit_code(self) -> int:
        """Waits for its end; a signal is a negative number."""
        return self.process.wait(DEADLINE)

    def end(self) -> None:
        """Whatever it does, it is gone after this."""
        self.close()
        self.process.kill()
        self.process.wait(DEADLINE)
