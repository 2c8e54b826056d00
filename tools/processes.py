"""What processes use, read from /proc, which of them belong to a run, and how a tree is ended.

Looks at and ends only what its caller has started: trees below a process, and processes that carry a mark in their
environment. Where it stands: under the benchmark and the fault table.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
STOP_GRACE = 15.0
"""Seconds that a service gets to stop before its tree is killed."""


def _fields(pid: int) -> list[str] | None:
    """Of /proc/PID/stat what follows the name; none when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tree(root: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _fields(int(entry))):
            children[int(fields[1])].append(int(entry))
    found, ahead = [], [root]
    while ahead:
        pid = ahead.pop()
        found.append(pid)
        ahead += children[pid]
    return found


def living(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    fields = _fields(pid)
    return fields is not None and fields[0] not in "ZX"


def parent(pid: int) -> int:
    """The process above it; 0 when it is gone."""
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def marked(mark: str) -> set[int]:
    """Every living process that has `mark` (NAME=VALUE) in the environment that it was started with."""
    needle, found = mark.encode(), set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if needle in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0") and living(int(entry)):
                    found.add(int(entry))
    return found


def descriptors(pid: int) -> Counter[str]:
    """What the process has open: how many sockets, pipes, pidfds and so on; a file by its path."""
    kinds: Counter[str] = Counter()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                kinds[target.split(":")[0] if target.startswith(("socket:", "pipe:")) else target] += 1
    return kinds


def rss(pid: int) -> float:
    """Megabytes of this process that are in memory."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_of_process(pid: int) -> float:
    """Seconds that this process has used, its children left out."""
    fields = _fields(pid)
    return sum(map(int, fields[11:13])) / TICK if fields else 0.0


def cpu_of_tree(root: int) -> float:
    """Seconds that the tree has used, those of its members that have ended and were waited for included."""
    stats = (_fields(pid) for pid in tree(root))
    return sum(sum(map(int, fields[11:15])) for fields in stats if fields) / TICK


def pss_of_tree(root: int) -> float:
    """Megabytes of the tree, what is shared counted in proportion."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks a service to stop, and kills what is left of its tree."""
    members = tree(process.pid) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_GRACE)
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def speed() -> float:
    """Millions of turns a second of a fixed loop: what the machine gave just then."""
    turns, deadline = 0, time.perf_counter() + 0.1
    while time.perf_counter() < deadline:
        for _ in range(1000):
            turns += 1
    return turns / 0.1 / 1e6
