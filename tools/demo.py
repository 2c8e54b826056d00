"""The whole product in one command: starts Postgres and the service, publishes a burst, watches it run, stops all.

`make demo`. Uses the address of dispatcher.yml; a Postgres that was running there before is used and left running.
Exits 0 when everything that was sent came to its end and the service answered and stopped cleanly.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent
CHECKOUT = TOOLS.parent
LOG = CHECKOUT / ".run" / "demo-service.log"
COUNT = 1000
PATIENCE = 60.0
"""Seconds that any one step may take."""


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs tools/postgres.py."""
    return subprocess.run(
        [sys.executable, str(TOOLS / "postgres.py"), *words], capture_output=True, text=True, check=False
    )


def wait_for(what: str, probe: Callable[[], Any], running: Callable[[], bool]) -> Any:
    """Polls until the probe gives something; ends the demo at the deadline, or when the service has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := probe():
            return value
        if not running():
            raise SystemExit(f"demo: the service ended while waiting for {what}; its log is {LOG}")
        time.sleep(0.1)
    raise SystemExit(f"demo: no {what} within {PATIENCE:.0f} s; the service's log is {LOG}")


class Progress:
    """One line that is written over on a terminal, and now and then a line elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self.shown = ""

    def show(self, text: str) -> None:
        if text == self.shown:
            return
        self.shown = text
        if self.terminal:
            print(f"\r\033[K{text}", end="", flush=True)

    def end(self) -> None:
        print("" if self.terminal else self.shown, flush=True)


def ended(pool: dict[str, Any]) -> int:
    """Tasks that came to their end, one way or another."""
    return int(pool["finished_count"] + pool["canceled_count"] + pool["discarded_count"])


def watch(control: Any, before: int, sent: int, running: Callable[[], bool]) -> dict[str, Any]:
    """Shows what was sent, run and answered until nothing of it is left."""
    progress, answered = Progress(), 0

    def probe() -> dict[str, Any] | None:
        nonlocal answered
        replies = control.control_with_reply("main", timeout=2)
        if not replies:
            return None
        answered += 1
        pool: dict[str, Any] = replies[0]["pool"]
        run = ended(pool) - before
        progress.show(f"sent {sent}   run {min(run, sent)}   control requests answered {answered}")
        busy = pool["active_task_ct"] + pool["delayed_ct"] + pool["blocked_ct"]
        return replies[0] if run >= sent and not busy else None

    try:
        reply: dict[str, Any] = wait_for("end of the burst", probe, running)
    finally:
        progress.end()
    return reply


def summary(main: dict[str, Any], workers: dict[str, Any], seconds: float) -> None:
    """A small table."""
    pool = main["pool"]
    rows = [
        ("finished", pool["finished_count"]),
        ("timed out or cancelled", pool["canceled_count"]),
        ("discarded as duplicates", pool["discarded_count"]),
        ("workers", pool["worker_ct"]),
        ("seconds for the burst", f"{seconds:.1f}"),
    ]
    for name, value in rows:
        print(f"  {name:<26}{value:>8}")
    for name, worker in sorted(workers.items()):
        if name != "node_id":
            print(f"  {name:<12} pid {worker['pid']:<8} {worker['status']:<8} {worker['finished_count']:>6} tasks")


def demo() -> None:
    """Everything between Postgres' start and its stop."""
    sys.path.insert(0, str(TOOLS))
    from dispatcher._binary import find_binary
    from dispatcher.config import setup
    from dispatcher.factories import get_control_from_settings
    from write_messages import CONFIG, publish

    environment = {**os.environ, "DISPATCHER_PYTHON": sys.executable}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(TOOLS)]))
    environment["PYTHONUNBUFFERED"] = "1"
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("wb") as log:
        service = subprocess.Popen(
            [find_binary(), "serve", "--config", str(CONFIG)], env=environment, stdout=log, stderr=log
        )

    def running() -> bool:
        return service.poll() is None

    try:
        setup(file_path=CONFIG)
        control = get_control_from_settings()
        wait_for("answer of the service", lambda: control.control_with_reply("alive", timeout=0.3), running)
        print(f"service started (pid {service.pid}, log {LOG.relative_to(CHECKOUT)})")
        before = ended(control.control_with_reply("main", timeout=2)[0]["pool"])
        start = time.monotonic()
        sent = publish(COUNT)
        main = watch(control, before, sent, running)
        seconds = time.monotonic() - start
        summary(main, control.control_with_reply("workers", timeout=2)[0], seconds)
    finally:
        if running():
            service.send_signal(signal.SIGTERM)
        code = service.wait(timeout=PATIENCE)
    print("service stopped")
    if code != 0:
        raise SystemExit(f"demo: the service ended with code {code}; its log is {LOG}")


def main() -> None:
    """Runs the demo on a Postgres that it starts if need be."""
    was_running = " runs on port " in tool("status").stdout
    started = tool("start")
    if started.returncode != 0:
        raise SystemExit(f"demo: {started.stderr or started.stdout}")
    print(started.stdout.strip(), flush=True)
    try:
        demo()
    finally:
        if not was_running:
            print(tool("stop").stdout.strip())
    print("all ran, all answered, all stopped")


if __name__ == "__main__":
    main()
