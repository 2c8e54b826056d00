"""Whether the tests may divide the control group that they run in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import Service


def unified() -> Path | None:
    """The folder of our own control group (version 2), if we may divide it."""
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            folder = Path(left.split()[4] + own)
            return folder if os.access(folder, os.W_OK) else None
    return None


divisible = pytest.mark.skipif(unified() is None, reason="no control group of version 2 that we may divide")


def groups_of(service: Service) -> Path:
    folder = unified()
    assert folder is not None
    return folder / f"dispatcher-{service.pid}"


has_memory_controller = pytest.mark.skipif(
    (folder := unified()) is None or "memory" not in (folder / "cgroup.controllers").read_text().split(),
    reason="the control groups of this machine (version 2) do not bound memory",
)
